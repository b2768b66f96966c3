"""`make bench`, or `python -m benchmarks [--quick] [NAME …]`: measures and prints; asserts nothing."""

import argparse
import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from benchmarks import fleet, money, provisioning, purchases, routes, startup, yard
from benchmarks.report import Figures, machine, tell
from benchmarks.yard import Yard


@dataclass(frozen=True)
class Size:
    """How much of each is measured."""

    singles: int
    per_second: float
    seconds: float
    drained: int
    route_seconds: float
    starts: int
    nodes: int
    clients: int
    filled: int
    granted: int
    orders: int


FULL = Size(
    60,
    20.0,
    15.0,
    drained=300,
    route_seconds=4.0,
    starts=5,
    nodes=50,
    clients=2000,
    filled=10_000,
    granted=200,
    orders=10**6,
)
QUICK = Size(
    10, 10.0, 3.0, drained=30, route_seconds=1.0, starts=2, nodes=10, clients=200, filled=500, granted=20, orders=20_000
)


async def _purchases(place: Yard, size: Size) -> None:
    till = purchases.Till(place)
    async with place.tools() as tools, place.product("run"):
        await till.prepare(tools, size.singles + int(size.per_second * size.seconds) + size.drained)
        tell(await purchases.one_at_a_time(place, till, size.singles))
        tell(await purchases.at_a_rate(place, till, size.per_second, size.seconds))
        tell(await purchases.as_fast_as_it_goes(till, size.drained))


async def _routes(place: Yard, size: Size) -> None:
    if not place.rows("SELECT 1 FROM subscriptions LIMIT 1"):
        till = purchases.Till(place)
        async with place.tools() as tools, place.product("run"):
            await till.prepare(tools, 1)
            await till.pay(till.ready.pop())
            await till.done()
    await _told(routes.fetching_links(place, size.route_seconds))
    await _told(routes.accepting_webhooks(place, size.route_seconds))


async def _start(place: Yard, size: Size) -> None:
    await _told(startup.starting(place, size.starts))
    await _told(startup.resting(place))


async def _fleet(place: Yard, size: Size) -> None:
    await _told(fleet.auditing_rounds(place, size.nodes, size.clients))


async def _filling(place: Yard, size: Size) -> None:
    await _told(provisioning.filling(place, size.filled))


async def _money(place: Yard, size: Size) -> None:
    async for figures in money.growing(place, size.route_seconds, size.granted, size.singles // 3, size.orders):
        tell(figures)


async def _told(measured: Awaitable[Figures]) -> None:
    tell(await measured)


# The routes come after the purchases, which leave customers behind; the webhooks last, which leave jobs behind. The
# money is the very last: it leaves a million orders behind.
MEASURES: dict[str, Callable[[Yard, Size], Awaitable[None]]] = {
    "start": _start,
    "purchases": _purchases,
    "routes": _routes,
    "fleet": _fleet,
    "filling": _filling,
    "money": _money,
}


async def measure(names: list[str], size: Size) -> None:
    tell(machine())
    async with yard.opened() as place:
        for name, work in MEASURES.items():
            if name in names:
                await work(place, size)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"what to measure: {', '.join(MEASURES)} (default: all)"
    )
    parser.add_argument("--quick", action="store_true", help="a tenth of everything, to see that it works")
    options = parser.parse_args()
    unknown = set(options.names) - set(MEASURES)
    if unknown:
        parser.error(f"there is no {', '.join(sorted(unknown))}; choose from {', '.join(MEASURES)}")
    asyncio.run(measure(options.names or list(MEASURES), QUICK if options.quick else FULL))


if __name__ == "__main__":
    main()

"""`python -m ferryman_sandbox demo | smoke | chaos | world`."""

import argparse
import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import ferryman_sandbox.smoke as smoke
from ferryman_sandbox import chaos
from ferryman_sandbox.world import World, WorldError

HOME = Path(".sandbox")

ABOUT = """\
A sandbox for Ferryman: Telegram, YooKassa and three 3X-UI panels as emulators on this machine. Test money only."""


def main() -> int:
    options = _parser().parse_args()
    try:
        return asyncio.run(_until_stopped(options.act, options))
    except WorldError as error:
        print(f"❌ {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m ferryman_sandbox", description=ABOUT)
    acts = parser.add_subparsers(required=True, metavar="demo | smoke | chaos | world")
    demo = acts.add_parser("demo", help="🎬 the whole world and the product in it; prints one address to open")
    demo.set_defaults(act=_demo)
    world = acts.add_parser("world", help="🌍 the emulators alone; prints how to run the product in them yourself")
    world.set_defaults(act=_world)
    for command in (demo, world):
        command.add_argument(
            "--data", type=Path, default=HOME, metavar="DIR", help="where the world is kept (default: %(default)s)"
        )
    smoke_test = acts.add_parser(
        "smoke",
        help="🛒 buy as a person would, over HTTP alone; ends with one line of JSON",
        description="Buys as a person would, over HTTP alone, and counts in all worlds what became of the money."
        " Exits with 1 when a step fails or a number is wrong.",
    )
    smoke_test.set_defaults(act=smoke.run)
    smoke_test.add_argument(
        "--purchases", type=_positive, default=3, metavar="N", help="how many (default: %(default)s)"
    )
    smoke_test.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        help="use the world that runs in DIR, or start one there (default: a fresh one in a temporary folder)",
    )
    storm = acts.add_parser(
        "chaos",
        help="🌪  hundreds of purchases while everything fails and the product is killed; ends with one line of JSON",
        description="Buys while services fail and the product's processes are killed at random and at every named step,"
        " then counts in all worlds what became of the money. Exits with 1 when a number is wrong.",
    )
    storm.set_defaults(act=chaos.run)
    chaos.add_arguments(storm)
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError("at least one")
    return number


async def _until_stopped(act: Callable[[argparse.Namespace], Awaitable[int]], options: argparse.Namespace) -> int:
    """Ctrl-C and SIGTERM end the act in good order; a second one does not hurry it."""
    task = asyncio.ensure_future(act(options))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)
    try:
        return await task
    except asyncio.CancelledError:
        return 0 if act in (_demo, _world) else 130


async def _demo(options: argparse.Namespace) -> int:
    async with World(options.data) as world:
        print(
            f"\n🎬 open  {world.addresses.page}  and press Start in the chat  (Ctrl-C stops everything)\n", flush=True
        )
        await asyncio.Event().wait()
    return 0


async def _world(options: argparse.Namespace) -> int:
    async with World(options.data, with_product=False) as world:
        print(f"\n🌍 look at  {world.addresses.page}  (Ctrl-C stops everything). In another shell:\n")
        for name, value in world.variables.items():
            print(f"   export {name}='{value}'")
        print(f"   ferryman apply '{world.recipe}' && ferryman run\n", flush=True)
        await asyncio.Event().wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())

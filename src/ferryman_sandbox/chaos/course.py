"""The run: a world, the product in it, the crowd and what befalls them; then calm, and the reckoning."""

import argparse
import asyncio
import json
import logging
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import aiohttp

import ferryman_sandbox.chaos.reckoning as reckoning
import ferryman_sandbox.chaos.sky as sky
from ferryman_sandbox.chaos.counter import counters, prepare
from ferryman_sandbox.chaos.person import Person
from ferryman_sandbox.chaos.processes import Keeper, Processes
from ferryman_sandbox.chaos.script import APART, STEPS, Errand, Script, written
from ferryman_sandbox.chaos.table import Outcome, lines
from ferryman_sandbox.chaos.ways import ways_of
from ferryman_sandbox.world import World, WorldError
from ferryman_sandbox.world.patience import whenever
from ferryman_sandbox.world.product import installed_command, stop_databases
from ferryman_sandbox.world.recipe import surroundings

AT_ONCE = 10
# A notice that was being sent when its worker died is sent again at most 75 s later, and of money whose webhook never
# came the product hears when it asks by itself, at most 5 minutes later.
REST_SECONDS = 420.0
LOOK_SECONDS = 0.5
ENCORE_SECONDS = 5.0
# A node in bad weather gets no new keys until it is seen to be well: let that be seen soon.
WATCHFUL = {"FERRYMAN_PROBE_SECONDS": "5", "FERRYMAN_RETURN_MINUTES": "0"}
# The whole run ends after so long, whatever it hangs on.
LIMIT_SECONDS, LIMIT_PER_PURCHASE = 600.0, 4.0


@dataclass
class Chaos:
    """One run. `environment` goes to the product beside the world's own; `steps` are those to be killed at.

    `verbs` are the product's processes: ("web", "bot", "worker"), or ("run",) for all in one.
    """

    folder: Path
    purchases: int
    seed: int
    environment: Mapping[str, str] = field(default_factory=dict)
    steps: Mapping[str, str] = field(default_factory=lambda: STEPS)
    verbs: Sequence[str] = APART
    people: list[Person] = field(default_factory=list)
    phase: str = "the world begins"

    async def happen(self) -> Outcome:
        """Raises WorldError when a person waits in vain, or all of it does not end in time."""
        limit = LIMIT_SECONDS + LIMIT_PER_PURCHASE * self.purchases
        try:
            async with asyncio.timeout(limit):
                return await self._happen()
        except TimeoutError as error:
            raise WorldError(f"the run did not end within {limit:.0f} s") from error

    @property
    def paid(self) -> int:
        return sum(len(person.paid) for person in self.people)

    async def _happen(self) -> Outcome:
        timeout = aiohttp.ClientTimeout(total=30)
        async with (
            World(self.folder, say=lambda _: None, with_product=False) as world,
            aiohttp.ClientSession(timeout=timeout) as http,
            self._product(world) as product,
        ):
            ways = ways_of(http, world.announced)
            own = counters(product.command, ways)
            over = sky.skies(ways, world.announced)
            script = written(self.purchases, self.seed, [*ways, *own], over, self.steps, self.verbs)
            for verb, keeper in product.keepers.items():
                keeper.blows.extend(script.blows[verb])
            await product.command("apply", str(world.recipe))
            await prepare(own, script.people, spare=len(STEPS))
            await product.start()
            weather = sky.Weather(http, world.announced, over)
            began = time.monotonic()
            self.phase = "storm"
            self.people = [
                Person(dict(world.announced), http, ways, f"Person {n}", counters=own)
                for n in range(len(script.people))
            ]
            await self._storm(script, [*ways, *own], weather, product)
            never_reached = [step for steps in product.left.values() for step in steps if step]
            self.phase = "the weather clears"
            await weather.clear()
            await product.calm()
            stormed = time.monotonic()
            counting = reckoning.Counting(world.announced, http, {**ways, **own}, self.people, product.given_up)
            left = await self._rest(counting)
            seconds = {"storm": stormed - began, "coming to rest": time.monotonic() - stormed}
            return await self._outcome(counting, product, weather, never_reached, left, seconds)

    @asynccontextmanager
    async def _product(self, world: World) -> AsyncIterator[Processes]:
        logs = self.folder / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        environment = surroundings() | world.variables | WATCHFUL | dict(self.environment)
        command = installed_command()
        keepers = [Keeper(verb, command, logs, environment, lambda: self.paid) for verb in self.verbs]
        product = Processes(keepers)
        try:
            yield product
        finally:
            await product.stop()
            await asyncio.to_thread(stop_databases, Path(environment["FERRYMAN_DATA_DIR"]))

    async def _storm(self, script: Script, ways: Sequence[str], weather: sky.Weather, product: Processes) -> None:
        """Until everybody has bought everything, and every blow was dealt."""
        blowing = asyncio.create_task(weather.blow(script.gusts, lambda: self.paid))
        try:
            room = asyncio.Semaphore(AT_ONCE)
            async with asyncio.TaskGroup() as crowd:
                for person, errands in zip(self.people, script.people, strict=True):
                    crowd.create_task(_in(room, partial(person.live, errands)))
            await self._encore(product, ways)
            await blowing
        except* WorldError as errors:
            raise WorldError("; ".join(str(error) for error in errors.exceptions)) from errors
        finally:
            blowing.cancel()

    async def _encore(self, product: Processes, ways: Sequence[str]) -> None:
        """A process may be armed for a step that only another purchase comes to: people buy on, a few times over."""
        for number in range(len(STEPS)):
            with suppress(TimeoutError):
                async with asyncio.timeout(ENCORE_SECONDS):
                    await whenever(lambda: not product.left)
            if not product.left:
                return
            self.phase = f"storm; still to be hit: {product.left}"
            await self.people[number % len(self.people)].run(Errand(ways[number % len(ways)], "plain"))

    async def _rest(self, counting: reckoning.Counting) -> list[str]:
        """What is left to be done after all patience; empty when the world has come to rest."""
        deadline = time.monotonic() + REST_SECONDS
        while left := await counting.unfinished():
            self.phase = f"coming to rest; {'; '.join(left[:3])}"
            if time.monotonic() > deadline:
                break
            await asyncio.sleep(LOOK_SECONDS)
        return left

    async def _outcome(
        self,
        counting: reckoning.Counting,
        product: Processes,
        weather: sky.Weather,
        never_reached: Sequence[str],
        left: Sequence[str],
        seconds: Mapping[str, float],
    ) -> Outcome:
        books = await counting.read()
        return Outcome(
            seed=self.seed,
            by_way=Counter(paid.way for person in self.people for paid in person.paid),
            numbers=books.numbers,
            faults=await weather.hits(),
            killed=product.killed(),
            never_reached=never_reached,
            recovered=[seconds for keeper in product.keepers.values() for seconds in keeper.recovered],
            taken_over=product.told()["job_taken_over"],
            paid_to_key=reckoning.paid_to_key(books, self.people),
            doubled_messages=reckoning.doubled(books, self.people),
            doubled_writes=await counting.written_twice(),
            seconds=seconds,
            given_up=product.given_up(),
            wrong=[*left, *reckoning.wrong(books, self.people, product.given_up()), *product.surprises()],
            lies=reckoning.lies(books, self.people),
        )


async def _in(room: asyncio.Semaphore, what: Callable[[], Awaitable[None]]) -> None:
    async with room:
        await what()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--purchases", type=int, default=100, metavar="N", help="how many (default: %(default)s)")
    parser.add_argument(
        "--seed", type=int, default=1, metavar="N", help="what all is drawn from (default: %(default)s)"
    )
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help="an empty folder in which the world and all logs stay (default: none)"
    )


async def run(options: argparse.Namespace) -> int:
    """Exit code 0 when every number is right. The last line printed is the JSON."""
    # Emulators tell of every caller that was killed in the middle of a sentence.
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)
    # A socket's path has room for 107 bytes, so the name is short.
    with tempfile.TemporaryDirectory(prefix="fc-", ignore_cleanup_errors=True) as temporary:
        folder = Path(temporary)
        world = options.data or folder / "world"
        chaos = Chaos(world, options.purchases, options.seed, environment=_byte_code(folder))
        print(f"🌪  {options.purchases} purchases in bad weather, seed {options.seed}", flush=True)
        watching = asyncio.create_task(_tell(chaos))
        try:
            outcome = await chaos.happen()
        finally:
            watching.cancel()
    print("\n".join(lines(outcome)))
    print(json.dumps(outcome.result()), flush=True)
    return 0 if outcome.is_well and outcome.purchases >= options.purchases else 1


async def _tell(chaos: Chaos) -> None:
    """Every ten seconds, how far it is."""
    while True:
        await asyncio.sleep(10)
        print(f"   … {chaos.paid} of {chaos.purchases} paid; {chaos.phase}", file=sys.stderr, flush=True)


def _byte_code(folder: Path) -> dict[str, str]:
    """Lets processes keep what they compile, as an installation does: compiling anew at each start takes seconds."""
    return {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(folder / "byte-code")}

"""Fifty purchases while processes of the product are killed at random: nothing lost, nothing doubled, nobody untold."""

import asyncio
import random
import sys
import time
from dataclasses import dataclass, field

import pytest

from tests.kill.conftest import Lab, Launch
from tests.kill.people import crowd
from tests.kill.product import Product
from tests.support.chat import until

pytestmark = pytest.mark.kill

PEOPLE, TWICE = 38, 12
AT_ONCE = 8
# A dead worker's jobs run again at most 26 s later, a notice that was being sent when it died at most 75 s later.
SETTLE_SECONDS = 110.0


@dataclass
class Killer:
    """Kills at random, but repeatably, and starts again at once: at most `at_most` strokes in `within` seconds."""

    product: Product
    dice: random.Random
    at_most: int = 16
    within: float = 60.0
    strokes: list[str] = field(default_factory=list)

    async def rage(self, busy: asyncio.Task[None]) -> None:
        """As long as `busy` runs, and then once more: the whole product."""
        deadline = time.monotonic() + self.within
        while not busy.done() and len(self.strokes) < self.at_most and time.monotonic() < deadline:
            await asyncio.wait({busy}, timeout=self.dice.uniform(0.3, 2.0))
            await self._strike(*self._victims())
        await asyncio.wait({busy})
        await self._strike(*self.product.processes)

    def _victims(self) -> list[str]:
        """Mostly one that is at work; now and then one that is still starting, and all at one stroke."""
        verbs = list(self.product.processes)
        if self.dice.random() < 0.15:
            return verbs
        at_work = [verb for verb in verbs if self.product.processes[verb].is_ready]
        return [self.dice.choice(verbs if self.dice.random() < 0.15 else at_work or verbs)]

    async def _strike(self, *verbs: str) -> None:
        self.strokes.append("+".join(verbs))
        await self.product.kill(*verbs)
        await self.product.restart(*verbs)


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("verbs", "seed"), [(("web", "bot", "worker"), 20), (("run",), 5)], ids=["three processes", "one process"]
)
async def test_fifty_purchases_survive_random_kills(
    launch: Launch, verbs: tuple[str, ...], seed: int, capsys: pytest.CaptureFixture[str]
) -> None:
    dice = random.Random(seed)
    purchases = [2] * TWICE + [1] * (PEOPLE - TWICE)
    dice.shuffle(purchases)
    async with launch(verbs) as lab:
        began = time.monotonic()
        people = [lab.person(f"Person {number}") for number in range(PEOPLE)]
        buying = asyncio.create_task(crowd(people, purchases, AT_ONCE))
        killer = Killer(lab.product, dice)
        await killer.rage(buying)
        await buying
        stormed = time.monotonic()
        await lab.product.ready()
        counting = lab.counting()
        await until(counting.settled, "the world to settle", SETTLE_SECONDS)
        seconds = {"storm": stormed - began, "settling": time.monotonic() - stormed}
        assert sum(len(person.paid) for person in people) == 50
        assert await counting.wrong() == []
        assert lab.product.surprises() == []
        with capsys.disabled():
            sys.stdout.write(await _table(lab, killer, seconds))


async def _table(lab: Lab, killer: Killer, seconds: dict[str, float]) -> str:
    counting, told = lab.counting(), lab.product.told()
    rows = {
        "strokes": len(killer.strokes),
        **{f"kills of {verb}": kills for verb, kills in lab.product.kills.items()},
        "jobs taken over": told["job_taken_over"],
        **counting.recoveries(),
        "presses": sum(person.presses for person in lab.people),
        "duplicates of key messages": await counting.duplicates(),
        **{f"seconds of {what}": round(spent, 1) for what, spent in seconds.items()},
    }
    return "\n" + "".join(f"   {name:<34}{value:>8}\n" for name, value in rows.items())

"""Fifty purchases while processes of the product are killed at random: nothing lost, nothing doubled, nobody untold."""

import asyncio
import random
import sys
import time
from dataclasses import dataclass, field

import pytest

from tests.kill.conftest import Lab, Launch
from tests.kill.people import Person, crowd
from tests.kill.product import Product

pytestmark = pytest.mark.kill

PURCHASES, TWICE = 50, 12
AT_ONCE = 8
# A dead worker's jobs run again at most 26 s later, a notice that was being sent when it died at most 75 s later.
SETTLE_SECONDS = 110.0


@dataclass
class Killer:
    """Kills at random but repeatable moments, spread over all purchases, and starts again at once.

    `deck` is whom each stroke hits, several at once joined by "+"; the last stroke takes the whole product.
    """

    product: Product
    people: list[Person]
    dice: random.Random
    deck: list[str]
    strokes: list[str] = field(default_factory=list)

    async def rage(self, busy: asyncio.Task[None]) -> None:
        """As long as `busy` runs, and then once more."""
        self.dice.shuffle(self.deck)
        for number, victims in enumerate(self.deck):
            while self._paid() < number * PURCHASES / len(self.deck) and not busy.done():
                await asyncio.sleep(0.02)
            await asyncio.wait({busy}, timeout=self.dice.uniform(0.0, 2.0))
            # Mostly one that is at work; now and then one that is still starting.
            if self.dice.random() > 0.2:
                await self.product.ready(*victims.split("+"))
            await self._strike(*victims.split("+"))
        await asyncio.wait({busy})
        await self._strike(*self.product.processes)

    def _paid(self) -> int:
        return sum(len(person.paid) for person in self.people)

    async def _strike(self, *verbs: str) -> None:
        self.strokes.append("+".join(verbs))
        await self.product.kill(*verbs)
        await self.product.restart(*verbs)


@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    ("verbs", "deck", "seed"),
    [
        (("web", "bot", "worker"), ["worker"] * 3 + ["web"] * 2 + ["bot"] * 2 + ["web+bot+worker"], 20),
        (("run",), ["run"] * 5, 5),
    ],
    ids=["three processes", "one process"],
)
async def test_fifty_purchases_survive_random_kills(
    launch: Launch, verbs: tuple[str, ...], deck: list[str], seed: int, capsys: pytest.CaptureFixture[str]
) -> None:
    dice = random.Random(seed)
    purchases = [2] * TWICE + [1] * (PURCHASES - 2 * TWICE)
    dice.shuffle(purchases)
    async with launch(verbs) as lab:
        began = time.monotonic()
        people = [lab.person(f"Person {number}") for number in range(len(purchases))]
        buying = asyncio.create_task(crowd(people, purchases, AT_ONCE))
        killer = Killer(lab.product, people, dice, [*deck])
        await killer.rage(buying)
        await buying
        stormed = time.monotonic()
        await lab.settle(SETTLE_SECONDS)
        seconds = {"storm": stormed - began, "settling": time.monotonic() - stormed}
        assert sum(len(person.paid) for person in people) == PURCHASES
        await lab.all_is_well()
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

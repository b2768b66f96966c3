"""Buying by every way of paying while everything fails and is killed: nothing is lost, nothing doubled, nobody lied to.

Two short runs of what `make chaos` does with hundreds of purchases.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from ferryman_sandbox.chaos import Chaos
from ferryman_sandbox.chaos.script import APART, STEPS
from ferryman_sandbox.chaos.table import lines
from tests.support.folders import short_folder

pytestmark = [pytest.mark.kill, pytest.mark.timeout(900)]

WAYS = 11
# Three processes are killed at every step. One that is everything stands up slowly: a step of each part of it will do.
SOME = {step: STEPS[step] for step in ("payment_made", "webhook_kept", "payment_settled", "keys_put", "notice_sent")}


@pytest.fixture
def folder() -> Iterator[Path]:
    with short_folder() as parent:
        yield parent


@pytest.mark.parametrize(
    ("verbs", "steps", "purchases", "seed"),
    [(APART, STEPS, 3 * WAYS, 20), (("run",), SOME, WAYS, 5)],
    ids=["three processes", "one process"],
)
async def test_purchases_survive_bad_weather_and_kills_at_named_steps(
    folder: Path,
    verbs: Sequence[str],
    steps: Mapping[str, str],
    purchases: int,
    seed: int,
    capsys: pytest.CaptureFixture[str],
) -> None:
    keeps_byte_code = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(folder / "byte-code")}
    outcome = await Chaos(folder / "world", purchases, seed, keeps_byte_code, steps, verbs).happen()
    with capsys.disabled():
        sys.stdout.write("\n".join([*lines(outcome), ""]))
    assert [*outcome.wrong, *outcome.lies] == []
    assert outcome.is_well
    assert len(outcome.by_way) == WAYS
    assert outcome.purchases >= purchases
    assert {step for step, times in outcome.killed.items() if step and times} == set(steps)
    assert outcome.faults.total() > purchases

"""Buying by every way of paying while everything fails and is killed: nothing is lost, nothing doubled, nobody lied to.

A short run of what `make chaos` does with hundreds of purchases; kills at every named step are part of it.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from ferryman_sandbox.chaos import Chaos
from ferryman_sandbox.chaos.script import APART, STEPS
from ferryman_sandbox.chaos.table import lines

# One after the other, each with half of the machine: two at once would only wait for one another.
pytestmark = [pytest.mark.kill, pytest.mark.xdist_group("chaos"), pytest.mark.timeout(900)]

WAYS = 11


@pytest.mark.parametrize(
    ("verbs", "purchases", "seed"), [(APART, 3 * WAYS, 20), (("run",), WAYS, 5)], ids=["three processes", "one process"]
)
async def test_purchases_survive_bad_weather_and_a_kill_at_every_step(
    tmp_path: Path, verbs: Sequence[str], purchases: int, seed: int, capsys: pytest.CaptureFixture[str]
) -> None:
    keeps_byte_code = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(tmp_path / "byte-code")}
    outcome = await Chaos(tmp_path / "world", purchases, seed, keeps_byte_code, verbs=verbs).happen()
    with capsys.disabled():
        sys.stdout.write("\n".join([*lines(outcome), ""]))
    assert [*outcome.wrong, *outcome.lies] == []
    assert outcome.is_well
    assert len(outcome.by_way) == WAYS
    assert outcome.purchases >= purchases
    assert {step for step, times in outcome.killed.items() if step and times} == set(STEPS)
    assert outcome.faults.total() > purchases

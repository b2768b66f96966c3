"""The kill points: each at one place, none armed but on purpose, and a process that reaches its own is gone."""

import ast
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from ferryman.kit import steps
from ferryman.kit.errors import Misconfigured
from ferryman.kit.steps import Step
from ferryman_sandbox.chaos.script import STEPS
from tests.architecture.house import Source, product
from tests.faces.test_renewing_killed import WAY
from tests.support.processes import surroundings

WALK = """
from ferryman.kit.steps import Step, arm, reached
import sys
arm(sys.argv[1])
for _ in range(3):
    for step in Step:
        reached(step)
        print(step, flush=True)
"""


def places(file: Source) -> list[str]:
    """The steps that a file reaches, by their names in the list."""
    return [
        ast.unparse(node.args[0]).removeprefix("Step.")
        for node in ast.walk(file.tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "reached"
    ]


def walked(wish: str) -> tuple[int, list[str]]:
    """How a process ended that was armed so and reached every step three times, and which it came past."""
    done = subprocess.run(
        [sys.executable, "-c", WALK, wish], capture_output=True, text=True, env=surroundings(), check=False
    )
    return done.returncode, done.stdout.split()


def test_every_step_stands_at_one_place_of_the_product() -> None:
    found = Counter(name for file in product() for name in places(file))
    assert found == Counter({step.name: 1 for step in Step})


def test_a_step_that_is_placed_twice_would_be_found() -> None:
    assert places(Source("sample", "reached(Step.KEYS_PUT)\nif x:\n    reached(Step.KEYS_PUT)\n")) == ["KEYS_PUT"] * 2


def test_every_step_is_killed_at_in_the_chaos_run_or_on_the_way_of_a_renewal() -> None:
    assert set(STEPS) | set(WAY) == set(Step)
    assert set(Step) - set(STEPS) == {Step.CHARGE_WRITTEN, Step.CHARGE_MADE}


def test_a_process_that_is_not_armed_comes_past_every_step() -> None:
    code, past = walked("")
    assert (code, len(past)) == (0, 3 * len(Step))


@pytest.mark.parametrize("wish", ["keys_put", "keys_put:1"])
def test_a_process_is_killed_at_the_first_time(wish: str) -> None:
    code, past = walked(wish)
    assert code == -9
    assert past == [*Step][: [*Step].index(Step.KEYS_PUT)]


def test_a_process_is_killed_at_the_time_that_was_asked_for() -> None:
    code, past = walked("press_kept:3")
    assert (code, len(past)) == (-9, 2 * len(Step))


@pytest.mark.parametrize("wish", ["nowhere", "keys_put:soon"])
def test_a_step_that_does_not_exist_is_named_with_those_that_do(wish: str) -> None:
    with pytest.raises(Misconfigured, match=wish) as refused:
        steps.arm(wish)
    assert "payment_committed" in str(refused.value)


def test_only_a_sandbox_can_be_armed(tmp_path: Path) -> None:
    """In production the variable is not even read: a wrong value of it changes nothing."""
    said = []
    for env in ("production", "sandbox"):
        variables = {
            "FERRYMAN_ENV": env,
            "FERRYMAN_KILL_AT": "nowhere",
            "FERRYMAN_DATA_DIR": str(tmp_path / ("x" * 120)),
        }
        done = subprocess.run(
            [str(Path(sys.executable).with_name("ferryman")), "worker"],
            capture_output=True,
            text=True,
            env=surroundings(**variables),
            cwd=tmp_path,
            check=False,
            timeout=60,
        )
        said.append((done.returncode, "FERRYMAN_KILL_AT" in done.stderr))
    assert said == [(1, False), (1, True)]

"""The commands as a person runs them, with the product in the world: buy, watch, stop, and find nothing left."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

COMMAND = [sys.executable, "-m", "ferryman_sandbox"]
START_SECONDS = 200.0

pytestmark = pytest.mark.timeout(600)  # whole worlds with the whole product, perhaps on a busy machine


def last_line(output: str) -> Any:
    return json.loads(output.strip().splitlines()[-1])


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[str]]]:
    """Processes a test has started; whatever it forgets is ended."""
    running: list[subprocess.Popen[str]] = []
    yield running
    for process in running:
        if process.poll() is None:
            process.terminate()
            process.wait(30)
        assert process.stdout is not None
        process.stdout.close()


def demo(folder: Path, started: list[subprocess.Popen[str]]) -> tuple[subprocess.Popen[str], str]:
    """The running demo and all it said until it printed its address."""
    process = subprocess.Popen(
        [*COMMAND, "demo", "--data", str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        bufsize=1,
    )
    started.append(process)
    assert process.stdout is not None
    said = ""
    deadline = time.monotonic() + START_SECONDS
    for line in process.stdout:
        said += line
        if "🎬 open" in line:
            return process, said
        assert time.monotonic() < deadline, said
    raise AssertionError(f"the demo ended at once:\n{said}")


def test_smoke_buys_and_every_number_is_right() -> None:
    done = subprocess.run(
        [*COMMAND, "smoke", "--purchases", "2"], check=False, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    result = last_line(done.stdout)
    times = result.pop("paid_to_key_ms")
    assert result == {"purchases": 2, "lost": 0, "double": 0, "money_without_key": 0, "ledger_balance": 0}
    assert 0 < times["p50"] <= times["p99"]
    assert done.stdout.count("message with the key") == 2


def test_the_demo_starts_twice_continues_and_leaves_nothing(
    tmp_path: Path, started: list[subprocess.Popen[str]]
) -> None:
    process, _ = demo(tmp_path / "d", started)
    done = subprocess.run(
        [*COMMAND, "smoke", "--purchases", "1", "--data", str(tmp_path / "d")],
        check=False, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "joining the world" in done.stdout
    family = psutil.Process(process.pid).children(recursive=True)
    assert family
    process.send_signal(signal.SIGINT)
    assert process.wait(40) == 0
    assert [one for one in family if one.is_running() and one.status() != psutil.STATUS_ZOMBIE] == []
    assert list((tmp_path / "d").rglob("postmaster.pid")) == []

    again, _ = demo(tmp_path / "d", started)
    known = json.loads((tmp_path / "d" / "world.json").read_text())
    assert _get(f"{known['page']}/api/world")["known"]["numbers"]["paid"] == 1
    os.kill(again.pid, signal.SIGTERM)
    assert again.wait(40) == 0


def _get(url: str) -> Any:
    with urllib.request.urlopen(url) as answer:  # noqa: S310  an address of our own
        return json.load(answer)

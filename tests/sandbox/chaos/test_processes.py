"""Processes that are killed as the script says, stand up again, and are gone at the end."""

import asyncio
import os
import signal
import sys
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from ferryman_sandbox.chaos.processes import Keeper, Processes
from ferryman_sandbox.chaos.script import Blow
from ferryman_sandbox.world.wreck import WorldError
from tests.support.chat import until

# What a process of the product is to its keeper: ready at once; armed, it falls a moment later by its own hand.
PRODUCT = """
import json, os, signal, sys, time
if sys.argv[1] == "apply":
    sys.exit(f"no such file: {sys.argv[2]}" if "missing" in sys.argv[2] else 0)
if sys.argv[1] == "broken":
    sys.exit("cannot start")
print(json.dumps({"event": "ready", "pid": os.getpid()}), flush=True)
if "FERRYMAN_KILL_AT" in os.environ:
    print(json.dumps({"event": os.environ["FERRYMAN_KILL_AT"]}), flush=True)
    time.sleep(0.1)
    os.kill(os.getpid(), signal.SIGKILL)
print(json.dumps({"event": "job_failed", "job": "sample"}), "\\n{half a li", flush=True)
time.sleep(600)
"""


class Site:
    def __init__(self, folder: Path, *verbs: str) -> None:
        self.paid = 0
        command = [sys.executable, "-c", PRODUCT]
        self.keepers = [Keeper(verb, command, folder, {**os.environ}, lambda: self.paid) for verb in verbs]
        self.product = Processes(self.keepers)


@asynccontextmanager
async def running(folder: Path, *blows: Blow) -> AsyncIterator[tuple[Site, Keeper]]:
    site = Site(folder, "worker")
    site.keepers[0].blows = deque(blows)
    try:
        await site.product.start()
        yield site, site.keepers[0]
    finally:
        await site.product.stop()


def starts(keeper: Keeper) -> int:
    return len(keeper.logs)


async def test_a_process_armed_for_a_step_falls_there_and_stands_up_unarmed(tmp_path: Path) -> None:
    async with running(tmp_path, Blow(0, "keys_put", 2)) as (_, keeper):
        await until(lambda: len(keeper.recovered) == 1, "the process to stand again")
        assert keeper.killed == {"keys_put": 1}
        assert starts(keeper) == 2
        assert "keys_put:2" in keeper.logs[0].read_text()
        assert "keys_put" not in keeper.logs[1].read_text()


async def test_a_blow_waits_until_enough_is_paid(tmp_path: Path) -> None:
    async with running(tmp_path, Blow(5)) as (site, keeper):
        site.paid = 4
        with suppress(TimeoutError):
            async with asyncio.timeout(0.3):
                await until(lambda: keeper.killed.total() > 0, "what must not be")
        assert keeper.killed.total() == 0
        site.paid = 5
        await until(lambda: keeper.is_through, "the blow to be dealt")
        assert keeper.killed == {"": 1}


async def test_a_step_that_becomes_due_is_armed_by_a_kill(tmp_path: Path) -> None:
    async with running(tmp_path, Blow(5, "keys_put")) as (site, keeper):
        site.paid = 5
        await until(lambda: keeper.is_through, "the blow to be dealt")
        assert keeper.killed == {"": 1, "keys_put": 1}
        assert starts(keeper) == 3


async def test_blows_that_are_due_follow_one_another(tmp_path: Path) -> None:
    async with running(tmp_path, Blow(0, "keys_put"), Blow(0, "notice_sent"), Blow(0)) as (site, keeper):
        assert site.product.left == {"worker": ["keys_put", "notice_sent", ""]}
        await until(lambda: keeper.is_through, "the blows to be dealt")
        assert keeper.killed == {"keys_put": 1, "notice_sent": 1, "": 1}
        assert site.product.left == {}


async def test_after_the_storm_nothing_is_armed_any_more(tmp_path: Path) -> None:
    async with running(tmp_path, Blow(0), Blow(9, "keys_put")) as (site, keeper):
        await until(lambda: starts(keeper) == 2, "the first blow")
        await site.product.calm()
        site.paid = 9
        assert keeper.is_through
        assert keeper.killed == {"": 1}
        assert not any("ended by itself" in one for one in site.product.surprises())


async def test_an_end_of_its_own_is_a_surprise_and_is_mended(tmp_path: Path) -> None:
    async with running(tmp_path) as (site, keeper):
        assert keeper._child is not None
        os.kill(keeper._child.pid, signal.SIGABRT)
        await until(lambda: starts(keeper) == 2 and keeper.is_ready, "the process to be started again")
        assert "ended by itself" in site.product.surprises()[0]


async def test_what_is_caught_in_a_net_is_a_surprise_and_half_a_line_is_passed_over(tmp_path: Path) -> None:
    async with running(tmp_path) as (site, _):
        await until(lambda: bool(site.product.surprises()), "the log to be written")
        assert ["job_failed" in one for one in site.product.surprises()] == [True]
        assert site.product.told()["ready"] == 1


async def test_nothing_is_left_running(tmp_path: Path) -> None:
    async with running(tmp_path) as (_, keeper):
        assert keeper._child is not None
        pid = keeper._child.pid
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_a_product_that_does_not_start_is_told_with_its_last_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ferryman_sandbox.chaos.processes.READY_SECONDS", 5.0)
    site = Site(tmp_path, "broken")
    try:
        with pytest.raises(WorldError, match="cannot start"):
            await site.product.start()
    finally:
        await site.product.stop()


async def test_a_shop_file_that_is_refused_is_told_with_its_reason(tmp_path: Path) -> None:
    site = Site(tmp_path, "worker")
    await site.product.command("apply", str(tmp_path / "there.toml"))
    with pytest.raises(WorldError, match="no such file"):
        await site.product.command("apply", str(tmp_path / "missing.toml"))

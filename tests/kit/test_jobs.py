"""Jobs: promised by a transaction, kept whatever happens to the worker that had begun them."""

import asyncio
import logging
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from ferryman.kit.db import Database
from ferryman.kit.errors import Refused, Unreachable
from ferryman.kit.jobs import Jobs, Pace
from tests.kit.hanging_worker import NAMES, PACE
from tests.support.chat import until
from tests.support.outage import cut
from tests.support.processes import surroundings

ROOT = Path(__file__).resolve().parents[2]
# The engine's own look for dead workers comes round by the clock, in the middle of any test.
OURS = "FROM procrastinate_jobs WHERE task_name <> 'take_over'"
DOING = f"SELECT count(*) {OURS} AND status = 'doing'"
# Not yet idle it has not committed, and hears nothing.
LISTENING = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'LISTEN%quiet%' AND state = 'idle'"


class Bench:
    """Jobs over a fresh database, and what the work has written down."""

    def __init__(self, jobs: Jobs, database: Database) -> None:
        self.jobs = jobs
        self.database = database
        self.done: list[object] = []

    async def note(self, **ids: object) -> None:
        self.done.append(ids.get("what", "done"))

    async def defer(self, name: str, **options: object) -> bool:
        async with self.database.unit() as session:
            return await self.jobs.defer(session, name, **options)  # type: ignore[arg-type]

    async def waiting(self) -> int:
        return int(await self.value(f"SELECT count(*) {OURS}"))

    async def value(self, query: str) -> Any:
        async with self.database.unit() as session:
            return (await session.execute(text(query))).scalar_one()


@pytest.fixture
async def bench(database_url: str, database: Database) -> AsyncIterator[Bench]:
    jobs = Jobs(database_url, PACE)
    bench = Bench(jobs, database)
    jobs.add("note", bench.note)
    await jobs.open()
    yield bench
    await jobs.close()


@asynccontextmanager
async def working(jobs: Jobs, concurrency: int = 4) -> AsyncIterator[asyncio.Task[None]]:
    stopping = asyncio.Event()
    worker = asyncio.create_task(jobs.run(concurrency=concurrency, stopping=stopping))
    try:
        yield worker
    finally:
        stopping.set()
        await worker


async def test_a_job_exists_exactly_when_its_transaction_commits(bench: Bench) -> None:
    with pytest.raises(Refused):
        await _defer_and_change_the_mind(bench)
    assert await bench.waiting() == 0
    async with bench.database.unit() as session:
        await bench.jobs.defer(session, "note", what="kept")
        assert await bench.waiting() == 0
    assert await bench.waiting() == 1
    await bench.jobs.drain()
    assert bench.done == ["kept"]
    assert await bench.waiting() == 0


async def _defer_and_change_the_mind(bench: Bench) -> None:
    async with bench.database.unit() as session:
        await bench.jobs.defer(session, "note", what="never")
        raise Refused("On second thoughts, no.")


async def test_fifty_defers_of_one_thing_are_one_job_and_the_transaction_lives_on(bench: Bench) -> None:
    async with bench.database.unit() as session:
        answers = [await bench.jobs.defer(session, "note", once="node:1", what="one") for _ in range(50)]
        await bench.jobs.defer(session, "note", once="node:2", what="other")
    assert answers == [True] + [False] * 49
    await bench.jobs.drain()
    assert sorted(map(str, bench.done)) == ["one", "other"]


async def test_fifty_transactions_at_once_are_one_job(bench: Bench) -> None:
    answers = await asyncio.gather(*(bench.defer("note", once="node:1", what="one") for _ in range(50)))
    assert sum(answers) == 1
    assert await bench.waiting() == 1


async def test_what_changes_while_a_job_runs_gets_a_run_of_its_own(bench: Bench) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()
    runs = 0

    async def slow() -> None:
        nonlocal runs
        runs += 1
        begun.set()
        await go_on.wait()

    bench.jobs.add("slow", slow)
    await bench.defer("slow", once="node:1", lock="node:1")
    async with working(bench.jobs):
        await begun.wait()
        assert await bench.defer("slow", once="node:1", lock="node:1")
        assert not await bench.defer("slow", once="node:1", lock="node:1")
        go_on.set()
        await until(lambda: runs == 2, "the second run")


async def test_jobs_of_one_lock_run_one_after_the_other_and_others_beside_them(bench: Bench) -> None:
    running: dict[str, int] = {}
    most: dict[str, int] = {}
    beside = 0
    done = 0

    async def work(lane: str) -> None:
        nonlocal beside, done
        running[lane] = running.get(lane, 0) + 1
        most[lane] = max(most.get(lane, 0), running[lane])
        beside = max(beside, sum(running.values()))
        await asyncio.sleep(0.02)
        running[lane] -= 1
        done += 1

    bench.jobs.add("work", work)
    for _ in range(5):
        for lane in ("a", "b"):
            await bench.defer("work", lock=lane, lane=lane)
    async with working(bench.jobs, concurrency=8):
        await until(lambda: done == 10, "all ten")
    assert most == {"a": 1, "b": 1}
    assert beside == 2


async def test_a_delayed_job_does_not_hold_back_what_is_due_now(bench: Bench) -> None:
    assert await bench.defer("note", lock="lane", after=3600, what="in an hour")
    assert await bench.defer("note", lock="lane", what="now")
    await bench.jobs.drain()
    assert bench.done == ["now"]
    assert await bench.waiting() == 1


async def test_delayed_and_immediate_do_not_count_as_the_same(bench: Bench) -> None:
    assert await bench.defer("note", once="node:1", after=3600)
    assert await bench.defer("note", once="node:1")
    assert not await bench.defer("note", once="node:1", after=1)
    assert not await bench.defer("note", once="node:1")


async def test_a_delayed_job_runs_when_its_time_has_come(bench: Bench) -> None:
    await bench.defer("note", after=0.3, what="later")
    async with working(bench.jobs):
        await until(lambda: bench.done == ["later"], "the delayed job")


@pytest.mark.parametrize("trouble", [Refused("No."), ZeroDivisionError("what nobody foresaw")])
async def test_a_job_that_raises_ends_alone_and_its_worker_lives_on(
    bench: Bench, trouble: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail() -> None:
        raise trouble

    bench.jobs.add("fail", fail)
    await bench.defer("fail", lock="lane")
    await bench.defer("note", lock="lane", what="after it")
    with caplog.at_level(logging.WARNING):
        async with working(bench.jobs, concurrency=1) as worker:
            await until(lambda: bench.done == ["after it"], "the next job")
            assert not worker.done()
    assert await bench.waiting() == 0
    assert "job_ended_early" in caplog.text or "job_failed" in caplog.text


async def test_a_name_that_nobody_added_is_refused_where_it_is_deferred(bench: Bench) -> None:
    with pytest.raises(KeyError, match="no_such_work"):
        await bench.defer("no_such_work")


async def test_a_job_of_a_name_that_a_newer_version_knows_does_not_harm_the_worker(
    bench: Bench, database_url: str
) -> None:
    newer = Jobs(database_url, PACE)
    newer.add("from_the_future", bench.note)
    async with bench.database.unit() as session:
        await newer.defer(session, "from_the_future")
    await bench.defer("note", what="known")
    async with working(bench.jobs) as worker:
        await until(lambda: bench.done == ["known"], "the known job")
        assert not worker.done()


async def test_a_schedule_ticks_once_for_two_workers(bench: Bench, database_url: str) -> None:
    ticks: list[int] = []
    other = Jobs(database_url, PACE)
    for number, jobs in enumerate((bench.jobs, other)):
        jobs.every("tick", "* * * * * *", _counting(ticks, number))
    await other.open()
    began = time.monotonic()
    try:
        async with working(bench.jobs), working(other):
            await until(lambda: len(ticks) >= 3, "three ticks")
            told = await bench.value("SELECT count(*) FROM procrastinate_periodic_defers WHERE task_name = 'tick'")
        seconds = await bench.value(
            "SELECT max(defer_timestamp) - min(defer_timestamp) FROM procrastinate_periodic_defers"
        )
    finally:
        await other.close()
    assert told == 1  # the engine remembers the latest tick only
    assert seconds is not None
    assert len(ticks) <= time.monotonic() - began + 2


def _counting(ticks: list[int], number: int):  # type: ignore[no-untyped-def]
    async def tick() -> None:
        ticks.append(number)

    return tick


async def test_the_sixth_field_of_a_schedule_is_seconds(bench: Bench) -> None:
    ticks: list[int] = []
    bench.jobs.every("tick", "* * * * * */2", _counting(ticks, 1))
    async with working(bench.jobs):
        await until(lambda: len(ticks) >= 3, "three ticks")
    last = "SELECT defer_timestamp FROM procrastinate_periodic_defers WHERE task_name = 'tick'"
    assert await bench.value(last) % 2 == 0


async def test_a_schedule_comes_round_however_long_the_queue_is(bench: Bench) -> None:
    ticked = asyncio.Event()
    served = 0

    async def slow() -> None:
        nonlocal served
        served += 1
        await asyncio.sleep(0.05)

    async def tick() -> None:
        ticked.set()

    bench.jobs.add("slow", slow)
    bench.jobs.every("tick", "* * * * * *", tick)
    for _ in range(100):
        await bench.defer("slow")
    async with working(bench.jobs, concurrency=1):
        await asyncio.wait_for(ticked.wait(), 15)
        assert served < 100


async def test_a_worker_that_stops_finishes_what_it_has_begun_and_takes_nothing_more(bench: Bench) -> None:
    begun, finished = asyncio.Event(), asyncio.Event()

    async def slow() -> None:
        begun.set()
        await asyncio.sleep(0.3)
        finished.set()

    bench.jobs.add("slow", slow)
    await bench.defer("slow")
    stopping = asyncio.Event()
    worker = asyncio.create_task(bench.jobs.run(concurrency=1, stopping=stopping))
    await begun.wait()
    stopping.set()
    await bench.defer("note", what="too late")
    await asyncio.wait_for(worker, 20)
    assert finished.is_set()
    assert bench.done == []
    assert await bench.waiting() == 1


async def test_a_worker_that_is_cancelled_leaves_nothing_running(bench: Bench) -> None:
    worker = asyncio.create_task(bench.jobs.run(concurrency=1, stopping=asyncio.Event()))
    await until(lambda: _workers(bench), "the worker to be registered")
    worker.cancel()
    with pytest.raises(asyncio.CancelledError):
        await worker

    async def gone() -> bool:
        return not await _workers(bench)

    await until(gone, "the worker to be gone")


@asynccontextmanager
async def hanging(bench: Bench, database_url: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Another process whose worker has begun a free job, one of a lane, and a tick of a schedule, and ends none."""
    for name, lane in (("free", None), ("node", "node:1")):
        bench.jobs.add(name, bench.note)
        await bench.defer(name, lock=lane, once=lane, what=name)
    command = [sys.executable, "-m", "tests.kit.hanging_worker", database_url]
    child = await asyncio.create_subprocess_exec(*command, cwd=ROOT, env=surroundings(), stdout=asyncio.subprocess.PIPE)
    assert child.stdout is not None
    for _ in NAMES:
        assert await child.stdout.readline() == b"begun\n"
    try:
        yield child
    finally:
        with suppress(ProcessLookupError):
            child.kill()
        await child.wait()


async def _workers(bench: Bench) -> bool:
    return bool(await bench.value("SELECT count(*) FROM procrastinate_workers"))


async def test_the_jobs_of_a_killed_worker_are_taken_over_even_when_their_twins_wait(
    bench: Bench, database_url: str
) -> None:
    """The killed one holds a free job, a lane whose next job waits already, and a tick of a schedule."""
    async with hanging(bench, database_url) as child:
        child.kill()
        await child.wait()
    async with bench.database.unit() as session:
        assert await bench.jobs.defer(session, "node", lock="node:1", once="node:1", what="twin")
        await bench.jobs.defer(session, "node", lock="node:1", what="behind it")
    bench.jobs.every("tick", "* * * * * *", bench.note)
    async with working(bench.jobs):
        await until(lambda: {"free", "twin", "behind it", "done"} <= set(bench.done), "all of the dead worker's lanes")

    async def all_done() -> bool:
        return await bench.value("SELECT count(*) FROM procrastinate_jobs WHERE status = 'doing'") == 0

    await until(all_done, "nothing to be left behind")


async def test_a_killed_worker_is_known_to_be_dead_long_before_its_heart_is_late(
    bench: Bench, database_url: str
) -> None:
    """A minute without a heartbeat counts as dead here, and the look for such comes round once an hour."""
    patient = Jobs(database_url, Pace(bury=0.1, dead_after=60.0, look="0 * * * *"))
    patient.add("free", bench.note)
    async with hanging(bench, database_url) as child:
        child.kill()
        await child.wait()
    await patient.open()
    try:
        async with working(patient):
            await until(lambda: "free" in bench.done, "the dead worker's job")
    finally:
        await patient.close()


async def test_nobody_takes_a_job_from_a_worker_that_lives(bench: Bench, database_url: str) -> None:
    eager = Jobs(database_url, Pace(bury=0.02))
    eager.add("free", bench.note)
    await eager.open()
    try:
        async with hanging(bench, database_url), working(eager):
            assert not await eager._workers.bury()
            assert await bench.value(DOING) == len(NAMES)
            assert bench.done == []
    finally:
        await eager.close()


async def test_a_worker_whose_proof_of_life_is_lost_ends_and_says_so(bench: Bench) -> None:
    with pytest.raises(Unreachable):
        await _work_until_the_proof_of_life_is_lost(bench)


async def _work_until_the_proof_of_life_is_lost(bench: Bench) -> None:
    async with working(bench.jobs):
        await until(lambda: _workers(bench), "the worker to begin")
        await bench.value(
            "SELECT count(pg_terminate_backend(pid, 20000)) FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 2"
        )


def test_a_hanging_workers_jobs_run_again_within_half_a_minute_by_default() -> None:
    pace = Pace()
    assert pace.dead_after >= 4 * pace.heartbeat
    *minutes, seconds = pace.look.split()
    assert set(minutes) == {"*"}
    assert pace.dead_after + int(seconds.removeprefix("*/")) + 1 <= 30


async def test_a_connection_lost_in_the_middle_of_a_transaction_is_named(bench: Bench, database_url: str) -> None:
    with pytest.raises(Unreachable):
        await _defer_on_a_lost_connection(bench, database_url)
    assert await bench.waiting() == 0


async def _defer_on_a_lost_connection(bench: Bench, database_url: str) -> None:
    async with bench.database.unit() as session:
        backend = (await session.execute(text("SELECT pg_backend_pid()"))).scalar_one()
        await cut(database_url, backend)
        await bench.jobs.defer(session, "note")


async def test_a_new_job_is_heard_of_and_not_waited_for_until_the_next_look(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ferryman.kit.jobs.LOOK_SECONDS", 60.0)
    heard = asyncio.Event()

    async def work() -> None:
        heard.set()

    bench.jobs.add("heard", work, lane="quiet", look=60.0)
    stopping = asyncio.Event()
    worker = asyncio.create_task(bench.jobs.run(concurrency=1, stopping=stopping))
    async with asyncio.timeout(30):
        while await bench.value(LISTENING) == 0:
            await asyncio.sleep(0.02)
        # What comes while the engine looks, and too late for that look, it overhears (3.10): LOOK_SECONDS is for that.
        while not heard.is_set():
            await bench.defer("heard")
            await asyncio.sleep(0.3)
    stopping.set()
    await worker

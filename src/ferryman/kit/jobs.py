"""Background work: durable jobs in PostgreSQL. The only file that names the engine (procrastinate).

A job carries ids only, and is deferred inside the caller's transaction: it exists exactly when the transaction commits.
`lock` serialises jobs that share it while they run; `once` (the engine's queueing lock) keeps at most one of them
waiting, so that fifty changes of one thing cost two runs. A job never sleeps: it ends, and `defer(…, after=…)` names
its successor.

Work runs in lanes, each with slots of its own: a bank that hangs takes the bank's slots, and keys go on being made.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import procrastinate
import psycopg
from procrastinate import exceptions as engine_errors
from procrastinate.jobs import Job, Status
from procrastinate.manager import JobManager
from procrastinate.schema import SchemaManager
from psycopg_pool import PoolTimeout
from sqlalchemy import text
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.ext.asyncio import AsyncSession

from ferryman.kit import log
from ferryman.kit.errors import FerrymanError, Unreachable
from ferryman.kit.life import Life

_log = log.get("jobs")

Work = Callable[..., Awaitable[None]]

# The engine lets a waiting job hold back later ones of the same lock, even when its own time is far off. So what
# runs now outranks what is delayed, and the two wait under different queueing locks. Scheduled work outranks both: a
# long queue must not keep the sweeps from coming round.
SCHEDULED, NOW, DELAYED = 20, 10, 0
ASK_AGAIN_SECONDS = 2.0
LOOK_SECONDS = 0.25

# The engine says "one waits already" with an error that ends the transaction, so a caller would need a savepoint around
# each job: four round trips. Caught inside the database it is one.
DEFERRING = """
CREATE FUNCTION defer_job(queue text, task text, priority int, lock text, once text, args jsonb, at timestamptz)
    RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    broken text;
BEGIN
    PERFORM procrastinate_defer_jobs_v1(
        ARRAY[ROW(queue, task, priority, lock, once, args, at)::procrastinate_job_to_defer_v1]);
    RETURN true;
EXCEPTION WHEN unique_violation THEN
    GET STACKED DIAGNOSTICS broken = CONSTRAINT_NAME;
    IF broken <> 'procrastinate_jobs_queueing_lock_idx_v1' THEN
        RAISE;
    END IF;
    RETURN false;
END
$$;
"""
_DEFER = text("SELECT defer_job(:queue, :task, :priority, :lock, :once, CAST(:args AS jsonb), :at)")


@dataclass(frozen=True)
class Pace:
    """Seconds between two looks for workers that have died, and seconds that a stopping worker waits for what it has
    begun. A worker that hangs and lives on is known by its heartbeat: `heartbeat` seconds between two of them,
    `dead_after` without one, `look` (cron with seconds last) how often that is looked for.

    By default the jobs of a killed worker run again a second or two later, of one that hangs at most 26 s. One that was
    only slow runs twice, which every job must bear anyway.
    """

    bury: float = 1.0
    heartbeat: float = 3.0
    dead_after: float = 15.0
    look: str = "* * * * * */10"
    drain: float = 20.0


@dataclass(frozen=True)
class Waiting:
    """Jobs of one lane that could run and have not begun; `oldest` is how long one has waited, in seconds."""

    lane: str
    jobs: int
    oldest: float


# A job is due from its own time on, or from when it was put in.
_WAITING = """
SELECT lane, count(j.id), coalesce(extract(epoch FROM now() - min(coalesce(j.scheduled_at, e.at))), 0)
FROM unnest(CAST(:lanes AS text[])) AS lane
LEFT JOIN procrastinate_jobs j
       ON j.queue_name = lane AND j.status = 'todo' AND (j.scheduled_at IS NULL OR j.scheduled_at <= now())
LEFT JOIN LATERAL (
    SELECT min(at) AS at FROM procrastinate_events WHERE job_id = j.id AND type = 'deferred'
) AS e ON true
GROUP BY lane ORDER BY lane
"""


# A worker is put down and its lock taken in one statement, so nobody sees one without the other. The first number only
# keeps these locks apart from others ("FERR").
_LIFE = 0x46455252
_BORN = """
SELECT worker_id, pg_advisory_lock(%s, worker_id::integer) FROM procrastinate_register_worker_v1()
"""
_ENDED = "SELECT pg_advisory_unlock(%s, %s::integer)"
_BURY = """
DELETE FROM procrastinate_workers AS worker
WHERE NOT EXISTS (
    SELECT FROM pg_locks
    WHERE locktype = 'advisory' AND classid = %s::oid AND objid = worker.id::oid AND objsubid = 2 AND granted
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
)
RETURNING worker.id
"""


class _Living(JobManager):
    """The engine's book of workers, in which each holds a lock for as long as its process lives."""

    def __init__(self, connector: procrastinate.PsycopgConnector, life: Life) -> None:
        super().__init__(connector)
        self._life = life

    async def register_worker(self) -> int:
        ((worker_id, _),) = await self._life.ask(_BORN, _LIFE)
        return int(worker_id)

    async def unregister_worker(self, worker_id: int) -> None:
        await super().unregister_worker(worker_id)
        await self._life.ask(_ENDED, _LIFE, worker_id)

    async def bury(self) -> bool:
        """Strike out all who have died; whether there were any."""
        return bool(await self._life.ask(_BURY, _LIFE))


class Jobs:
    """Register work with `add` and `every`, defer it with `defer`, run it with `run`."""

    def __init__(self, database_url: str, pace: Pace | None = None) -> None:
        self._pace = pace or Pace()
        self._connector = procrastinate.PsycopgConnector(
            conninfo=database_url, min_size=1, max_size=12, configure=_not_waiting_for_the_disk
        )
        self._lanes: set[str] = set()
        self._looks: dict[str, float] = {}
        self._busy = 0
        self._life = Life(database_url)
        self._workers = _Living(self._connector, self._life)
        self._app = procrastinate.App(connector=self._connector, worker_defaults={"delete_jobs": "successful"})
        self._app.job_manager = self._workers
        # Without a lock of its own: held by a killed worker, it would keep every other lock from being freed.
        self.every("take_over", self._pace.look, self._take_over_dead_workers_jobs, alone=False)

    def add(self, name: str, work: Work, *, lane: str = "main", look: float = LOOK_SECONDS) -> None:
        """Give a name to work. An error that work did not handle ends that one job; the sweeps make up for it.

        `look`: a job that waits for its lock begins at most so many seconds after the lock is free.
        """
        self._lanes.add(lane)
        self._looks[lane] = min(look, self._looks.get(lane, LOOK_SECONDS))
        self._app.task(name=name, queue=lane)(self._netted(name, work))

    def every(self, name: str, cron: str, work: Work, *, alone: bool = True) -> None:
        """Run work on a schedule (five fields, or six with seconds last), once for all workers together.

        A tick is skipped while the one before it still waits; `alone` also keeps two from running at a time.
        """

        netted = self._netted(name, work)

        async def tick(timestamp: int) -> None:
            del timestamp
            await netted()

        lock = name if alone else None
        self._lanes.add("main")
        task = self._app.task(name=name, queue="main", queueing_lock=name, lock=lock, priority=SCHEDULED)(tick)
        self._app.periodic(cron=cron)(task)

    async def defer(
        self,
        session: AsyncSession,
        name: str,
        *,
        lock: str | None = None,
        once: str | None = None,
        after: float = 0.0,
        **ids: int | str,
    ) -> bool:
        """Put a job into the caller's transaction; False when one with the same `once` waits already.

        `after` delays it by that many seconds; delayed jobs and immediate ones do not count as the same for `once`.
        Raises KeyError for a name that nobody has added, Unreachable when the database goes away.
        """
        job: dict[str, Any] = {
            "queue": self._app.tasks[name].queue,
            "task": name,
            "priority": NOW,
            "lock": lock,
            "once": once,
            "args": json.dumps(ids),
            "at": None,
        }
        if after > 0:
            job["at"] = datetime.now(UTC) + timedelta(seconds=after)
            job["once"] = once and f"{once}:later"
            job["priority"] = DELAYED
        try:
            return bool(await session.scalar(_DEFER, job))
        except (OperationalError, InterfaceError) as error:
            raise Unreachable("The job queue's database does not answer.") from error

    async def waiting(self, session: AsyncSession) -> list[Waiting]:
        """How many jobs of each lane are due and not begun, and how long the oldest has been; every lane is named."""
        rows = await session.execute(text(_WAITING), {"lanes": sorted(self._lanes)})
        return [Waiting(lane, int(count), float(oldest)) for lane, count, oldest in rows]

    async def open(self) -> None:
        await self._app.open_async()

    async def close(self) -> None:
        await self._life.end()
        await self._app.close_async()

    async def run(self, *, concurrency: int, stopping: asyncio.Event) -> None:
        """Work until `stopping` is set; then finish what runs (up to the pace's `drain`) and return.

        `concurrency` is how many jobs of one lane run at a time. Raises Unreachable when the database goes away.
        """
        workers = [asyncio.create_task(self._work(lane, concurrency), name=lane) for lane in sorted(self._lanes)]
        burying = asyncio.create_task(self._bury_the_dead())
        stop = asyncio.create_task(stopping.wait())
        try:
            await asyncio.wait({*workers, burying, stop}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stop.cancel()
            for worker in workers:
                worker.cancel()
            await self._have_ended(workers)
            burying.cancel()
            ended = await asyncio.gather(*workers, burying, return_exceptions=True)
        for error in ended:
            if isinstance(error, (engine_errors.ProcrastinateException, psycopg.Error, PoolTimeout)):
                raise Unreachable("The job queue's database does not answer.") from error
            if isinstance(error, Exception):
                raise error

    async def _have_ended(self, workers: list[asyncio.Task[None]]) -> None:
        """The engine may lose a cancellation that meets it while it starts. Asked again it ends at once, and cuts off
        what runs: so it is asked again only while nothing does."""
        left = set(workers)
        while left:
            _, left = await asyncio.wait(left, timeout=ASK_AGAIN_SECONDS)
            for worker in left if self._busy == 0 else ():
                worker.cancel()

    async def _work(self, lane: str, concurrency: int) -> None:
        await self._app.run_worker_async(
            queues=[lane],
            name=lane,
            concurrency=concurrency,
            install_signal_handlers=False,
            # Nothing wakes the engine when a lock becomes free, only when a job is added, and of that it forgets what
            # comes while it looks (3.10 clears its event after the look): so it looks this often.
            fetch_job_polling_interval=self._looks.get(lane, LOOK_SECONDS),
            update_heartbeat_interval=self._pace.heartbeat,
            stalled_worker_timeout=self._pace.dead_after,
            shutdown_graceful_timeout=self._pace.drain,
        )

    async def drain(self, *, concurrency: int = 4) -> None:
        """Work until no job is due, then return; delayed jobs whose time has not come stay.

        Recurring jobs are not put in meanwhile: what runs is what was there, whatever the clock on the wall says.
        """
        recurring = self._app.periodic_registry
        kept, recurring.periodic_tasks = recurring.periodic_tasks, {}
        try:
            while await self._due():
                await self._app.run_worker_async(
                    concurrency=concurrency, wait=False, listen_notify=False, install_signal_handlers=False
                )
        finally:
            recurring.periodic_tasks = kept

    async def _due(self) -> bool:
        waiting = await self._app.job_manager.list_jobs_async(status="todo")
        now = datetime.now(UTC)
        return any(job.scheduled_at is None or job.scheduled_at <= now for job in waiting)

    async def _bury_the_dead(self) -> None:
        """For as long as this process works: whoever has died leaves the book, and their jobs run again."""
        while True:
            if await self._workers.bury():
                await self._take_over_dead_workers_jobs()
            await asyncio.sleep(self._pace.bury)

    async def _take_over_dead_workers_jobs(self) -> None:
        for job in await self._app.job_manager.get_stalled_jobs(seconds_since_heartbeat=self._pace.dead_after):
            _log.warning("job_taken_over", job=job.id, task=job.task_name)
            await self._take_over(job)

    async def _take_over(self, job: Job) -> None:
        """Let a dead worker's job wait again; one whose twin waits already is dropped, which frees its lock."""
        manager = self._app.job_manager
        try:
            try:
                await manager.retry_job(job)
            except engine_errors.UniqueViolation:
                await manager.finish_job(job, Status.FAILED, delete_job=True)
        except engine_errors.ConnectorException as error:
            # Another sweep was quicker, before the first call or before the second: the job is nobody's any more.
            if not isinstance(error.__cause__, psycopg.errors.RaiseException):
                raise

    def _netted(self, name: str, work: Work) -> Work:
        """One of the two places that may catch everything: a job must never take its worker down."""

        async def netted(**ids: Any) -> None:
            log.unbind_all()
            log.bind(job=name)
            self._busy += 1
            try:
                await work(**ids)
            except FerrymanError as error:
                _log.warning("job_ended_early", why=str(error), **ids)
            except Exception:
                _log.exception("job_failed", **ids)
            finally:
                self._busy -= 1

        return netted


async def _not_waiting_for_the_disk(connection: psycopg.AsyncConnection[Any]) -> None:
    """For the engine's own bookkeeping: what a crash of the database undoes is that a job was begun or ended, so it
    runs again, which every job must bear. What a caller defers is as durable as the caller's transaction."""
    # The one that listens has autocommit on, and must keep it, or its LISTEN would never take effect.
    before = connection.autocommit
    await connection.set_autocommit(True)
    await connection.execute("SET synchronous_commit = off")
    await connection.set_autocommit(before)


def engine_schema() -> str:
    """The SQL of the engine's own tables, for the migration that creates them."""
    return SchemaManager.get_schema()

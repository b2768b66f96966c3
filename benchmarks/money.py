"""What the money's way costs, in a new shop and in one with a million orders behind it.

Webhooks accepted beside one bare INSERT, from the webhook to the grant with one worker and with two, how many
transactions a purchase commits, and how long the operator's overview takes. The shop with a past is the same database,
filled by COPY in between.
"""

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import psycopg

from benchmarks import past
from benchmarks.purchases import Till
from benchmarks.report import Figures
from benchmarks.routes import accepting_webhooks
from benchmarks.yard import NotMeasured, Yard, running
from ferryman_sandbox.world.product import installed_command

IDLE_SECONDS = 10.0
LOOKS = 5
LONGEST_SECONDS = 600.0
COMMITS = "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()"
KEPT = "SELECT count(*) FROM webhook_events WHERE processed_at IS NULL"
GRANTED = "SELECT count(*) FROM grants WHERE created_at > now() - interval '1 hour'"
SPAN = """
SELECT count(*), extract(epoch FROM max(created_at) - min(created_at))::float FROM grants
WHERE created_at >= to_timestamp({since})"""
LEFT = """
SELECT (SELECT count(*) FROM keys WHERE wanted AND seen_revision IS DISTINCT FROM wanted_revision)
     + (SELECT count(*) FROM notices WHERE state = 'queued')
     + (SELECT count(*) FROM webhook_events WHERE processed_at IS NULL)"""
# What the first part leaves behind is not to be worked off in the second.
FORGET = ("TRUNCATE procrastinate_jobs CASCADE", "DELETE FROM webhook_events WHERE processed_at IS NULL")
RATES = ("webhooks_per_second", "granted_per_second_one_worker", "granted_per_second_two_workers")


async def growing(yard: Yard, seconds: float, purchases: int, singles: int, orders: int) -> AsyncIterator[Figures]:
    """Everything twice: as it is in a new shop, and with `orders` orders in the tables; then how much slower."""
    young = await _measured(yard, "new", seconds, purchases, singles)
    yield young
    began = time.monotonic()
    await asyncio.to_thread(past.made, yard.database_url, orders)
    filled = time.monotonic() - began
    old = await _measured(yard, f"{orders:,} orders", seconds, purchases, singles)
    yield old
    slower = {f"slower_{name}": round(float(young[name]) / float(old[name]), 2) for name in RATES}
    slower["times_the_commits_a_purchase"] = round(old["commits_a_purchase"] / young["commits_a_purchase"], 2)
    slower["times_the_overview"] = round(old["overview_ms"] / young["overview_ms"], 2)
    yield {"benchmark": "money_growth", "orders": orders, "seconds_to_fill": round(filled, 1), **slower}


async def _measured(yard: Yard, shop: str, seconds: float, purchases: int, singles: int) -> Figures:
    webhooks = await accepting_webhooks(yard, seconds)
    with psycopg.connect(yard.database_url, autocommit=True) as connection:
        for statement in FORGET:
            connection.execute(statement.encode())
    one = await _granting(yard, purchases, workers=1)
    two = await _granting(yard, purchases, workers=2)
    return {
        "benchmark": "money",
        "shop": shop,
        "webhooks_per_second": webhooks["per_second"],
        "one_insert_per_second": webhooks["one_insert_per_second"],
        "webhooks_ratio_to_one_insert": webhooks["ratio_to_one_insert"],
        "webhook_p99_ms": webhooks["p99_ms"],
        "purchases": purchases,
        "granted_per_second_one_worker": one,
        "granted_per_second_two_workers": two,
        "commits_a_purchase": await _commits(yard, singles),
        "overview_ms": await _overview(yard),
    }


async def _granting(yard: Yard, count: int, *, workers: int) -> float:
    """Grants a second, between the first and the last of those whose webhooks wait when the workers begin."""
    till = await _prepared(yard, count)
    async with yard.product("web"):
        for payment in till.ready:
            await till.pay(payment)
        await yard.until(KEPT, count, "webhooks kept")
        since, before = time.time(), yard.rows(GRANTED)[0][0]
        async with _workers(yard, workers):
            await yard.until(GRANTED, before + count, "grants", pause=0.05)
            await yard.until(LEFT, 0, "left to be done", pause=0.2)
    granted, spent = yard.rows(SPAN.format(since=since))[0]
    return round((int(granted) - 1) / float(spent), 1)


async def _prepared(yard: Yard, count: int) -> Till:
    till = Till(yard)
    async with yard.tools() as tools, yard.product("run"):
        await till.prepare(tools, count)
    return till


@asynccontextmanager
async def _workers(yard: Yard, count: int) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        for _ in range(count):
            started = running([*installed_command(), "worker"], yard.environment, yard.folder)
            stack.push_async_callback(asyncio.to_thread, started.__exit__, None, None, None)
            started.__enter__()
        yield


async def _commits(yard: Yard, count: int) -> float:
    """Transactions a purchase from the payment to the last key and the last message; what an idle shop commits in the
    same time, and what we ask meanwhile, aside."""
    till = await _prepared(yard, count)
    async with yard.product("run"), await psycopg.AsyncConnection.connect(yard.database_url, autocommit=True) as eye:
        await asyncio.sleep(IDLE_SECONDS)
        idle = await _committed(eye, _asleep())
        spent = await _committed(eye, _bought(eye, till))
        return round((spent.commits - idle.commits * spent.seconds / idle.seconds) / count, 1)


@dataclass(frozen=True)
class _Window:
    commits: int
    seconds: float


async def _committed(eye: psycopg.AsyncConnection[Any], what: Awaitable[int]) -> _Window:
    """What others commit while it lasts; it answers how often we asked the database ourselves."""
    before, began = await _counted(eye), time.monotonic()
    asked = await what
    commits, ended = await _counted(eye), time.monotonic()
    # The first of the two counts falls into the window as well.
    return _Window(commits - before - asked - 1, ended - began)


async def _asleep() -> int:
    await asyncio.sleep(IDLE_SECONDS)
    return 0


async def _bought(eye: psycopg.AsyncConnection[Any], till: Till) -> int:
    """One after the other, each to its end; answers how often we asked."""
    granted, asked = await _asked(eye, GRANTED), 1
    async with asyncio.timeout(LONGEST_SECONDS):
        for number, payment in enumerate(till.ready, start=1):
            await till.pay(payment)
            for query, wanted in ((GRANTED, granted + number), (LEFT, 0)):
                while await _asked(eye, query) != wanted:
                    asked += 1
                    await asyncio.sleep(0.1)
                asked += 1
    return asked


async def _counted(eye: psycopg.AsyncConnection[Any]) -> int:
    """A backend tells what it has committed when it comes to rest, at most a second later."""
    await asyncio.sleep(1.5)
    return await _asked(eye, COMMITS)


async def _asked(eye: psycopg.AsyncConnection[Any], query: str) -> int:
    row = await (await eye.execute(query.encode())).fetchone()
    assert row is not None
    return int(row[0])


async def _overview(yard: Yard) -> float:
    """Median of what the operator waits for the overview, which asks for everything that must be zero."""
    headers = {"Authorization": f"Bearer {yard.site['operator_token']}"}
    times = []
    async with yard.product("web"):
        for _ in range(LOOKS):
            began = time.perf_counter()
            async with yard.http.get(f"{yard.site['product']}/api/overview", headers=headers) as answer:
                if answer.status != 200:
                    raise NotMeasured(f"the overview was answered with {answer.status}")
                await answer.read()
            times.append(time.perf_counter() - began)
    return round(statistics.median(times) * 1000, 1)

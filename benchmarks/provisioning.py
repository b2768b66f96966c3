"""An empty node is filled with everybody's keys in bulk, and meanwhile somebody buys: through the queue, by a worker.

The panel answers every call 20 ms late. A purchase is measured from the commit that owes its key until the key is
recorded as seen, first on an idle node, then while the node is being filled.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
from sqlalchemy import select

from benchmarks.fleet import Fleet, opened
from benchmarks.report import Figures, milliseconds, quantile
from benchmarks.yard import NotMeasured, Yard
from ferryman.flows.keys import placing, provisioning
from ferryman.subscriptions.subscription import Subscription

DATABASE = "provisioning"
LATENCY_SECONDS = 0.02
CONCURRENCY = 16
PURCHASES = 30
PAUSE_SECONDS = 0.3
LOOK_SECONDS = 0.002
LONGEST_SECONDS = 900.0

OWE = "UPDATE keys SET seen_revision = NULL, seen_at = NULL, try_at = now()"
BUYERS = "DELETE FROM keys WHERE subscription_id <= %(buyers)s"
OWED = "SELECT count(*) FROM keys WHERE seen_revision IS DISTINCT FROM wanted_revision"
SEEN = "SELECT 1 FROM keys WHERE subscription_id = %(id)s AND seen_revision = wanted_revision"


async def filling(yard: Yard, clients: int) -> Figures:
    """How long all keys take, and what a purchase takes beside that, as a ratio to one on an idle node."""
    async with opened(yard, DATABASE, clients + 2 * PURCHASES, on_panel=0) as fleet, _worker(fleet):
        await yard.emu(fleet.url.rstrip("/"), "faults", {"mode": "delay", "seconds": LATENCY_SECONDS, "times": -1})
        await fleet.add_nodes(1)
        async with await psycopg.AsyncConnection.connect(fleet.tools.db.url, autocommit=True) as connection:
            await connection.execute(BUYERS.encode(), {"buyers": 2 * PURCHASES})
            idle = [await _purchase(fleet, connection, number) for number in range(1, PURCHASES + 1)]
            await connection.execute(OWE.encode() + b" WHERE subscription_id > %(b)s", {"b": 2 * PURCHASES})
            began = time.perf_counter()
            async with fleet.tools.db.unit() as session:
                await provisioning.wake(fleet.tools, session, 1)
            busy = []
            for number in range(PURCHASES + 1, 2 * PURCHASES + 1):
                await asyncio.sleep(PAUSE_SECONDS)
                busy.append(await _purchase(fleet, connection, number))
            still_owed = await _owed(connection)
            while await _owed(connection):
                if time.perf_counter() - began > LONGEST_SECONDS:
                    raise NotMeasured(f"keys are still owed after {LONGEST_SECONDS:.0f} s")
                await asyncio.sleep(0.05)
        spent = time.perf_counter() - began
    return {
        "benchmark": "filling_a_node",
        "clients": clients,
        "panel_latency_ms": LATENCY_SECONDS * 1000,
        "seconds": round(spent, 1),
        "clients_per_second": round(clients / spent, 1),
        "still_owed_after_the_last_purchase": still_owed,
        **milliseconds("purchase_on_an_idle_node", idle),
        **milliseconds("purchase_meanwhile", busy),
        "purchase_meanwhile_times_p50": round(quantile(busy, 50) / quantile(idle, 50), 2),
    }


@asynccontextmanager
async def _worker(fleet: Fleet) -> AsyncIterator[None]:
    stopping = asyncio.Event()
    running = asyncio.create_task(fleet.tools.jobs.run(concurrency=CONCURRENCY, stopping=stopping))
    try:
        yield
    finally:
        stopping.set()
        await running


async def _purchase(fleet: Fleet, connection: psycopg.AsyncConnection, number: int) -> float:
    async with fleet.tools.db.unit() as session:
        found = await session.scalars(select(Subscription).where(Subscription.id == number).with_for_update())
        await placing.place(fleet.tools, session, found.one())
    began = time.perf_counter()
    while await (await connection.execute(SEEN.encode(), {"id": number})).fetchone() is None:
        if time.perf_counter() - began > LONGEST_SECONDS:
            raise NotMeasured(f"the key of purchase {number} was not seen")
        await asyncio.sleep(LOOK_SECONDS)
    return time.perf_counter() - began


async def _owed(connection: psycopg.AsyncConnection) -> int:
    row = await (await connection.execute(OWED.encode())).fetchone()
    assert row is not None
    return int(row[0])

"""The shop in numbers, as Prometheus reads them. A handful of queries, whose number does not depend on the shop's size,
and an answer that is kept for a few seconds: however many ask, the database is asked once.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from prometheus_client import CollectorRegistry, Gauge, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from ferryman.billing import ledger
from ferryman.fleet.node import NodeState
from ferryman.flows.tools import Tools

CONTENT_TYPE = CONTENT_TYPE_LATEST
KEPT_SECONDS = 5.0

SHOP = """
WITH without_key AS MATERIALIZED (SELECT succeeded_at FROM money_without_key)
SELECT (SELECT count(*) FROM without_key) AS stuck,
       (SELECT coalesce(extract(epoch FROM now() - min(succeeded_at)), 0) FROM without_key) AS oldest,
       (SELECT count(*) FROM key_without_money) AS unexplained,
       (SELECT count(*) FROM payments WHERE state = 'review') AS review,
       (SELECT count(*) FROM bank_findings WHERE resolved_at IS NULL) AS findings,
       (SELECT count(*) FROM webhook_events WHERE processed_at IS NULL) AS unread,
       (SELECT count(*) FROM orders WHERE state = 'paid') AS paid,
       (SELECT count(*) FROM notices WHERE state = 'queued') AS queued,
       (SELECT count(*) FROM notices WHERE state = 'failed') AS failed,
       (SELECT count(*) FROM notices WHERE state = 'blocked') AS blocked
"""
NODES = """
SELECT n.name, n.state, n.mode, n.quarantined_at IS NOT NULL AS quarantined,
       n.latency_ms, n.clock_skew, coalesce(k.clients, 0) AS clients, coalesce(k.owed, 0) AS owed, s.online
FROM nodes n
LEFT JOIN (
    SELECT node_id, count(*) FILTER (WHERE wanted) AS clients,
           count(*) FILTER (WHERE seen_revision IS DISTINCT FROM wanted_revision OR NOT wanted) AS owed
    FROM keys GROUP BY node_id
) AS k ON k.node_id = n.id
LEFT JOIN LATERAL (
    SELECT online FROM node_samples WHERE node_id = n.id ORDER BY at DESC LIMIT 1
) AS s ON true
WHERE n.mode <> 'retired' ORDER BY n.id
"""


@dataclass(frozen=True)
class Numbers:
    """What one reading of the database gave. Balances in minor units by currency, which must all be zero."""

    shop: Mapping[str, Any]
    nodes: Sequence[Mapping[str, Any]]
    lanes: Sequence[tuple[str, int, float]]
    balances: Mapping[str, int]


class Metrics:
    """Ask for `text()`; it is read anew at most every few seconds."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._lock = asyncio.Lock()
        self._kept: tuple[float, bytes] | None = None

    async def text(self) -> bytes:
        """In Prometheus' text format. Raises Unreachable when the database is away."""
        async with self._lock:
            now = time.monotonic()
            if self._kept is None or now - self._kept[0] >= KEPT_SECONDS:
                async with self._tools.db.unit() as session:
                    numbers = await read(self._tools, session)
                self._kept = now, generate_latest(registry(numbers))
            return self._kept[1]


async def read(tools: Tools, session: AsyncSession) -> Numbers:
    return Numbers(
        dict((await session.execute(text(SHOP))).mappings().one()),
        [dict(row) for row in (await session.execute(text(NODES))).mappings()],
        [(one.lane, one.jobs, one.oldest) for one in await tools.jobs.waiting(session)],
        await ledger.trial_balance(session),
    )


def registry(numbers: Numbers) -> CollectorRegistry:
    """A registry of its own: nothing of the process, nothing of another library, gets in."""
    found = CollectorRegistry()
    _of_shop(found, numbers.shop)
    _of_nodes(found, numbers.nodes)
    jobs = Gauge("ferryman_jobs_waiting", "Jobs that are due and not begun.", ["lane"], registry=found)
    oldest = Gauge("ferryman_jobs_oldest_seconds", "How long the oldest of them has waited.", ["lane"], registry=found)
    for lane, waiting, seconds in numbers.lanes:
        jobs.labels(lane).set(waiting)
        oldest.labels(lane).set(seconds)
    books = Gauge(
        "ferryman_ledger_balance_minor", "Sum of all entries in minor units; must be 0.", ["currency"], registry=found
    )
    for currency, minor in numbers.balances.items():
        books.labels(currency).set(minor)
    return found


def _of_shop(found: CollectorRegistry, shop: Mapping[str, Any]) -> None:
    said = {
        "ferryman_money_without_key": ("Payments that succeeded and whose keys are not all in order.", "stuck"),
        "ferryman_money_without_key_oldest_seconds": ("Age of the oldest of them, 0 when there is none.", "oldest"),
        "ferryman_key_without_money": ("Subscriptions that last longer than anybody paid for or gave.", "unexplained"),
        "ferryman_payments_in_review": ("Payments that a person must decide about.", "review"),
        "ferryman_bank_findings": ("Differences between a provider's own list and the books.", "findings"),
        "ferryman_webhooks_unread": ("Webhooks that nobody has worked through yet.", "unread"),
        "ferryman_orders_paid": ("Orders paid, ever.", "paid"),
    }
    for name, (what, column) in said.items():
        Gauge(name, what, registry=found).set(float(shop[column]))
    notices = Gauge("ferryman_notices", "Messages to customers and staff that are not sent.", ["state"], registry=found)
    for state in ("queued", "failed", "blocked"):
        notices.labels(state).set(shop[state])


def _of_nodes(found: CollectorRegistry, nodes: Sequence[Mapping[str, Any]]) -> None:
    states = Gauge("ferryman_node_state", "1 for the state the node is in.", ["node", "state"], registry=found)
    plain = {
        "ferryman_keys_owed": ("Keys of the node that are not as they should be yet.", "owed", 1.0),
        "ferryman_node_clients": ("Keys that belong on the node.", "clients", 1.0),
        "ferryman_node_online": ("Clients with a connection at the last sample.", "online", 1.0),
        "ferryman_node_quarantined": ("1 while others serve its customers.", "quarantined", 1.0),
        "ferryman_node_latency_seconds": ("Time of one cheap call to its panel, smoothed.", "latency_ms", 0.001),
        "ferryman_node_clock_skew_seconds": ("Its panel's clock minus ours.", "clock_skew", 1.0),
    }
    gauges = {name: Gauge(name, what, ["node"], registry=found) for name, (what, _, _) in plain.items()}
    modes = Gauge("ferryman_node_mode", "1 for what the operator wants of it.", ["node", "mode"], registry=found)
    for node in nodes:
        for state in NodeState:
            states.labels(node["name"], state.value).set(node["state"] == state)
        modes.labels(node["name"], node["mode"]).set(1)
        for name, (_, column, unit) in plain.items():
            if node[column] is not None:
                gauges[name].labels(node["name"]).set(float(node[column]) * unit)

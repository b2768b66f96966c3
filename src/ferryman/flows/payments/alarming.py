"""What about money needs a person, looked for once a minute; of each case the staff are told once while it stands."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from ferryman.billing import alarms
from ferryman.billing.provider import Listing
from ferryman.flows.alerting import alert
from ferryman.flows.tools import Tools
from ferryman.kit.remote import UNKNOWN_STATUS
from ferryman.messaging import alerts

# The goal is nothing older than two minutes while the nodes are up; a node that is down has an alert of its own, and
# hides what is missing there, and nothing else.
STUCK_AFTER = timedelta(minutes=2)
UNREAD_AFTER = timedelta(minutes=1)
# Payments that were found paid by asking, and no webhook from that provider in all this time: its address is wrong.
SILENT_AFTER = timedelta(hours=6)
SILENT_PAYMENTS = 3
# A customer who has waited that long for the link has gone.
UNOPENED_AFTER = timedelta(minutes=10)
# Every provider is final about an unpaid payment within a day, and about a coin under way soon after.
ENDLESS_AFTER = timedelta(days=3)
# A refund of which we do not even know whether the provider has it; and one that its banks have not decided.
UNANSWERED_AFTER = timedelta(days=1)
UNDECIDED_AFTER = timedelta(days=10)
# The comparison with a provider's list is due daily. Whoever was switched off is given time to catch up first.
UNCOMPARED_AFTER = timedelta(hours=26)
PATIENCE = {"uncompared": timedelta(days=1)}
LONGEST = 200
# Cases of one kind that are looked at, the oldest first.
MOST = 10_000


@dataclass(frozen=True)
class Case:
    """One thing that is wrong: what it is about, since when, and for staff a word on it; `number` rows are of it."""

    about: str
    since: datetime
    detail: str
    number: int = 1


QUERIES = {
    "stuck": """
        SELECT m.ref AS about, m.succeeded_at AS since, m.why AS detail, 1 AS number FROM money_without_key m
        WHERE m.succeeded_at < :stuck AND NOT (m.why = 'keys missing' AND EXISTS (
            SELECT 1 FROM grants g JOIN subscriptions s ON s.id = g.subscription_id
            JOIN keys k ON k.subscription_id = s.id JOIN nodes n ON n.id = k.node_id
            WHERE g.payment_id = m.payment_id AND s.placed_revision = s.revision
              AND k.wanted AND n.mode IN ('active', 'draining') AND n.quarantined_at IS NULL
              AND k.seen_revision IS DISTINCT FROM s.revision
            HAVING bool_and(n.state = 'down')))""",
    "unexplained": """
        SELECT ref AS about, coalesce(explained_until, :now) AS since, '' AS detail, 1 AS number
        FROM key_without_money""",
    "unread": """
        SELECT provider AS about, min(received_at) AS since, '' AS detail, count(*) AS number FROM webhook_events
        WHERE processed_at IS NULL AND received_at < :unread GROUP BY provider""",
    "review": """
        SELECT ref AS about, created_at AS since, coalesce(reason, '') AS detail, 1 AS number
        FROM payments WHERE state = 'review'""",
    "silent": """
        SELECT p.provider AS about, min(p.succeeded_at) AS since, '' AS detail, 1 AS number FROM payments p
        WHERE p.succeeded_at > :silent AND p.external_id IS NOT NULL
          AND EXISTS (SELECT 1 FROM webhook_events w WHERE w.provider = p.provider)
          AND NOT EXISTS (SELECT 1 FROM webhook_events w WHERE w.provider = p.provider AND w.received_at > :silent)
        GROUP BY p.provider HAVING count(*) >= :payments""",
    "denied": """
        SELECT name AS about, denied_at AS since, '' AS detail, 1 AS number
        FROM payment_methods WHERE denied_at IS NOT NULL""",
    "unknown": """
        SELECT provider || ': ' || reason AS about, min(created_at) AS since, 'payment ' || min(ref) AS detail,
               count(*) AS number
        FROM payments WHERE ask_at IS NOT NULL AND state = 'pending' AND starts_with(reason, :unknown)
        GROUP BY provider, reason""",
    "unopened": """
        SELECT p.provider AS about, min(p.created_at) AS since, '' AS detail, count(*) AS number FROM payments p
        WHERE p.ask_at IS NOT NULL AND p.state = 'creating' AND p.created_at < :unopened
          AND NOT EXISTS (SELECT 1 FROM payment_methods m WHERE m.name = p.provider AND m.denied_at IS NOT NULL)
        GROUP BY p.provider""",
    "endless": """
        SELECT ref AS about, created_at AS since, concat_ws(', ', provider, external_id, reason) AS detail, 1 AS number
        FROM payments WHERE ask_at IS NOT NULL AND created_at < :endless
          AND state = 'pending' AND external_id IS NOT NULL""",
    "refunds": """
        SELECT r.ref AS about, r.created_at AS since, 'payment ' || p.ref AS detail, 1 AS number
        FROM refunds r JOIN payments p ON p.id = r.payment_id
        WHERE r.ask_at IS NOT NULL
          AND r.created_at < CASE r.state WHEN 'requested' THEN :unanswered ELSE :undecided END""",
    "uncompared": """
        SELECT m.name AS about, coalesce(c.compared_at, :now) AS since, '' AS detail, 1 AS number
        FROM payment_methods m LEFT JOIN bank_comparisons c ON c.provider = m.name
        WHERE m.name = ANY(:listing) AND coalesce(c.compared_at < :uncompared, true)
          AND (m.enabled OR EXISTS (SELECT 1 FROM payments p WHERE p.provider = m.name))""",
}


async def sweep(tools: Tools) -> None:
    """Tell the staff of every case that is new; whoever joins them hears of the newest that still stand."""
    now = tools.clock.now()
    for what in QUERIES:
        async with tools.db.unit() as session:
            standing = await _standing(tools, session, what, now)
            patience = PATIENCE.get(what, timedelta(0))
            told = await alarms.keep(session, what, [one.about for one in standing], now, patience)
            if told:
                said = _said(what, standing, told, now)
                await alert(tools, session, said, f"money:{what}:{max(told.values()).timestamp():.0f}")


def _said(what: str, standing: Sequence[Case], told: Mapping[str, datetime], now: datetime) -> alerts.MoneyAlarm:
    """How many stand, since when, and a word about the first of the newest."""
    newest = max(told.values())
    first = next(one for one in standing if told.get(one.about) == newest)
    minutes = int((now - min(one.since for one in standing)) / timedelta(minutes=1))
    detail = f"{first.about}: {first.detail}" if first.detail else first.about
    return alerts.MoneyAlarm(what, sum(one.number for one in standing), max(minutes, 0), detail[:LONGEST])


async def _standing(tools: Tools, session: AsyncSession, what: str, now: datetime) -> Sequence[Case]:
    """Everything of a kind that is wrong at this moment, the oldest first."""
    values = {
        "now": now,
        "stuck": now - STUCK_AFTER,
        "unread": now - UNREAD_AFTER,
        "silent": now - SILENT_AFTER,
        "payments": SILENT_PAYMENTS,
        "unknown": UNKNOWN_STATUS,
        "unopened": now - UNOPENED_AFTER,
        "endless": now - ENDLESS_AFTER,
        "unanswered": now - UNANSWERED_AFTER,
        "undecided": now - UNDECIDED_AFTER,
        "uncompared": now - UNCOMPARED_AFTER,
        "listing": [name for name, kind in tools.providers.items() if issubclass(kind, Listing)],
    }
    query = f"{QUERIES[what]} ORDER BY since, about LIMIT {MOST}"
    wanted = {name: value for name, value in values.items() if f":{name}" in query}
    rows = await session.execute(text(query), wanted)
    return [Case(row.about, row.since, row.detail, row.number) for row in rows]

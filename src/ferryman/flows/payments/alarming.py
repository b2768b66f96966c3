"""What about money needs a person, looked for once a minute, and told to the staff once for as long as it lasts."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from ferryman.flows.alerting import alert
from ferryman.flows.tools import Tools
from ferryman.messaging import alerts

# The goal is nothing older than two minutes while the nodes are up; a node that is down has an alert of its own.
STUCK_AFTER = timedelta(minutes=2)
UNREAD_AFTER = timedelta(minutes=1)
# Payments that were found paid by asking, and no webhook from that provider in all this time: its address is wrong.
SILENT_AFTER = timedelta(hours=6)
SILENT_PAYMENTS = 3
LONGEST = 200


@dataclass(frozen=True)
class Alarm:
    """One thing that is wrong: how many, since when, and a sentence about the first of them."""

    what: str
    count: int
    since: datetime
    detail: str


QUERIES = {
    "stuck": """
        SELECT count(*) AS number, min(succeeded_at) AS since, min(ref || ': ' || why) AS detail FROM money_without_key
        WHERE succeeded_at < :stuck AND NOT EXISTS (SELECT 1 FROM nodes WHERE state = 'down' AND mode = 'active')""",
    "unexplained": """
        SELECT count(*) AS number, min(coalesce(explained_until, :now)) AS since, min(ref) AS detail
        FROM key_without_money""",
    "unread": """
        SELECT count(*) AS number, min(received_at) AS since, min(provider) AS detail FROM webhook_events
        WHERE processed_at IS NULL AND received_at < :unread""",
    "review": """
        SELECT count(*) AS number, min(created_at) AS since, min(ref || ': ' || coalesce(reason, '')) AS detail
        FROM payments WHERE state = 'review'""",
    "silent": """
        SELECT count(*) AS number, min(since) AS since, min(provider) AS detail FROM (
            SELECT p.provider, min(p.succeeded_at) AS since FROM payments p
            WHERE p.succeeded_at > :silent AND p.external_id IS NOT NULL
              AND EXISTS (SELECT 1 FROM webhook_events w WHERE w.provider = p.provider)
              AND NOT EXISTS (SELECT 1 FROM webhook_events w WHERE w.provider = p.provider AND w.received_at > :silent)
            GROUP BY p.provider HAVING count(*) >= :payments) AS mute""",
}


async def sweep(tools: Tools) -> None:
    """Tell the staff of each alarm, once for as long as it lasts."""
    async with tools.db.unit() as session:
        async for one in alarms(session, tools.clock.now()):
            minutes = int((tools.clock.now() - one.since) / timedelta(minutes=1))
            said = alerts.MoneyAlarm(one.what, one.count, max(minutes, 0), one.detail[:LONGEST])
            await alert(tools, session, said, f"money:{one.what}:{one.since.timestamp():.0f}")


async def alarms(session: AsyncSession, now: datetime) -> AsyncIterator[Alarm]:
    """Everything that is wrong at this moment."""
    values = {
        "now": now,
        "stuck": now - STUCK_AFTER,
        "unread": now - UNREAD_AFTER,
        "silent": now - SILENT_AFTER,
        "payments": SILENT_PAYMENTS,
    }
    for what, query in QUERIES.items():
        wanted = {name: value for name, value in values.items() if f":{name}" in query}
        row = (await session.execute(text(query), wanted)).one()
        if row.number:
            yield Alarm(what, row.number, row.since, row.detail or "")

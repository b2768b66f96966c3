"""What an audit found, written down in bulk: keys into doubt, tombstones, and a line of history for each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from ferryman.fleet import history, keyring
from ferryman.fleet.history import Happened
from ferryman.fleet.panel import Seen

# Lines of the history: a key was found changed on its panel; a client that had no business there was.
DRIFTED, STRAY = "drifted", "stray"
CONFLICT = "a client of that name that is not ours"

# Guarded by what made the drift drift: nobody has seen, changed or doubted the key since the listing began.
_DOUBT = text(
    """
    WITH held AS (
        SELECT id FROM keys
        WHERE node_id = :node_id AND subscription_id = ANY(:ids) AND wanted
          AND seen_revision = wanted_revision AND seen_at < :began
        ORDER BY subscription_id FOR NO KEY UPDATE
    )
    UPDATE keys SET seen_revision = :in_doubt, failures = 0, error = NULL, try_at = :now
    FROM held WHERE keys.id = held.id
    RETURNING keys.subscription_id
    """
)

_HOLD = text("SELECT id FROM subscriptions WHERE id = ANY(:ids) ORDER BY id FOR NO KEY UPDATE")
# Since it was found astray a key may have been wanted there, and this very client be the one that was put.
_BURY = text(
    """
    INSERT INTO tombstones (node_id, subscription_id, email, uuid, sub_id, why, try_at)
    SELECT :node_id, one.subscription_id, one.email, one.uuid, one.sub_id, one.why, :now
    FROM unnest(CAST(:ids AS bigint[]), CAST(:emails AS varchar[]), CAST(:uuids AS varchar[]),
                CAST(:sub_ids AS varchar[]), CAST(:whys AS varchar[]))
        AS one (subscription_id, email, uuid, sub_id, why)
    WHERE NOT EXISTS (
        SELECT FROM keys JOIN subscriptions s ON s.id = keys.subscription_id
        WHERE keys.node_id = :node_id AND s.id = one.subscription_id AND one.email = 'fm-' || s.ref
          AND (s.uuid = one.uuid OR s.sub_id = one.sub_id))
    ORDER BY one.email
    ON CONFLICT DO NOTHING
    RETURNING email
    """
)


@dataclass(frozen=True)
class Stray:
    """A client that must go, and whose identity it carries."""

    subscription_id: int
    seen: Seen
    why: str


async def doubt(
    session: AsyncSession, node_id: int, reasons: Mapping[int, tuple[str, ...]], began: datetime, now: datetime
) -> int:
    """Owe these keys of a node again, by subscription, unless somebody was at them since the listing began; how many.

    Raises nothing for keys that are gone meanwhile.
    """
    values = {"node_id": node_id, "ids": list(reasons), "began": began, "now": now, "in_doubt": keyring.IN_DOUBT}
    doubted = sorted(await session.scalars(_DOUBT, values))
    lines = [Happened(one, node_id, DRIFTED, ", ".join(reasons[one])) for one in doubted]
    await history.note(session, lines, now)
    return len(doubted)


async def bury(session: AsyncSession, node_id: int, strays: Sequence[Stray], now: datetime) -> int:
    """Leave tombstones for clients that must go from a node; those that have one already, or are owed there meanwhile,
    are passed over; how many."""
    if not strays:
        return 0
    values = {
        "node_id": node_id,
        "ids": [one.subscription_id for one in strays],
        "emails": [one.seen.email for one in strays],
        "uuids": [one.seen.uuid for one in strays],
        "sub_ids": [one.seen.sub_id for one in strays],
        "whys": [one.why for one in strays],
        "now": now,
    }
    await session.execute(_HOLD, values)
    buried = set(await session.scalars(_BURY, values))
    lines = [
        Happened(one.subscription_id, node_id, STRAY, one.why, {"name": one.seen.email})
        for one in strays
        if one.seen.email in buried
    ]
    await history.note(session, lines, now)
    return len(lines)

"""What an audit found, written down in bulk: keys into doubt, tombstones, and a line of history for each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from ferryman.fleet import history, keyring
from ferryman.fleet.history import Happened
from ferryman.fleet.key import Tombstone
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
    """Leave tombstones for clients that must go from a node; those that have one already are passed over; how many."""
    if not strays:
        return 0
    rows = [
        {
            "node_id": node_id,
            "subscription_id": one.subscription_id,
            "email": one.seen.email,
            "uuid": one.seen.uuid,
            "sub_id": one.seen.sub_id,
            "why": one.why,
            "try_at": now,
        }
        for one in strays
    ]
    new = insert(Tombstone).values(rows).on_conflict_do_nothing().returning(Tombstone.email)
    buried = set(await session.scalars(new))
    lines = [
        Happened(one.subscription_id, node_id, STRAY, one.why, {"name": one.seen.email})
        for one in strays
        if one.seen.email in buried
    ]
    await history.note(session, lines, now)
    return len(lines)

"""The history of keys: what an operator reads when a customer asks what became of theirs. Repeats are not written."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

# What happens to a key: it was chosen for a node, its client is there, follows a change, could not be made at first,
# is gone, cannot be taken away yet, or belongs to another node from now on.
WANTED, READY, CHANGED, FAILED, DROPPED, HELD, MOVED = (
    "wanted", "ready", "changed", "failed", "dropped", "held", "moved",
)  # fmt: skip

_NOTE = text(
    """
    INSERT INTO key_events (subscription_id, node_id, at, what, why, actor, detail)
    SELECT subscription_id, node_id, :at, what, why, :actor, CAST(detail AS jsonb)
    FROM unnest(CAST(:subscriptions AS bigint[]), CAST(:nodes AS bigint[]), CAST(:whats AS varchar[]),
                CAST(:whys AS varchar[]), CAST(:details AS varchar[]))
        WITH ORDINALITY AS one (subscription_id, node_id, what, why, detail, place)
    ORDER BY place
    """
)


@dataclass(frozen=True)
class Happened:
    """One line to be written. `node_id` None: to the subscription as a whole. No credential belongs in `detail`."""

    subscription_id: int
    node_id: int | None
    what: str
    why: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)


async def note(session: AsyncSession, events: Sequence[Happened], at: datetime, actor: str = "system") -> None:
    """Write lines in the caller's transaction, in their order, in one statement."""
    if not events:
        return
    await session.execute(
        _NOTE,
        {
            "at": at,
            "actor": actor,
            "subscriptions": [one.subscription_id for one in events],
            "nodes": [one.node_id for one in events],
            "whats": [one.what for one in events],
            "whys": [one.why for one in events],
            "details": [json.dumps(dict(one.detail), ensure_ascii=False) for one in events],
        },
    )

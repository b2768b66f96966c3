"""Reads and writes of keys: what is owed on a node, what was seen, what failed."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import case, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from ferryman.fleet.key import Key
from ferryman.fleet.node import IN_USE, Node
from ferryman.fleet.panel import Seen

# Seconds until a key that failed is tried again; doubles up to this.
LONGEST_BACKOFF = 60.0
IN_DOUBT = 0
OVERLAP = timedelta(seconds=5)
OWED = or_(Key.seen_revision.is_distinct_from(Key.wanted_revision), ~Key.wanted)


@dataclass(frozen=True)
class KeyView:
    """One key as its customer may see it."""

    node: str
    title: dict[str, Any]
    flag: str
    ready: bool


@dataclass(frozen=True)
class Readiness:
    """How many of a subscription's keys are in order, not tried yet, and failing."""

    ready: int
    untried: int
    failing: int


async def serving_nodes(session: AsyncSession) -> list[Node]:
    """Nodes that the operator wants in use, whatever their health."""
    return list(await session.scalars(select(Node).where(IN_USE).order_by(Node.position, Node.id)))


async def owe(session: AsyncSession, subscription_id: int, revision: int, nodes: Iterable[int], now: datetime) -> None:
    """Write down that this revision of a subscription is owed on these nodes. A revision never goes back."""
    rows = [
        {"subscription_id": subscription_id, "node_id": node_id, "wanted_revision": revision, "try_at": now}
        for node_id in nodes
    ]
    if not rows:
        return
    statement = insert(Key).values(rows)
    await session.execute(
        statement.on_conflict_do_update(
            index_elements=["subscription_id", "node_id"],
            set_={
                "wanted_revision": func.greatest(Key.wanted_revision, statement.excluded.wanted_revision),
                "try_at": now,
                "failures": 0,
            },
        )
    )


async def owed_on(session: AsyncSession, node_id: int, now: datetime, limit: int) -> list[Key]:
    """Keys of a node that differ from what is wanted and whose time to be tried has come, oldest first."""
    found = await session.scalars(
        select(Key).where(Key.node_id == node_id, OWED, Key.try_at <= now).order_by(Key.try_at, Key.id).limit(limit)
    )
    return list(found)


async def next_try(session: AsyncSession, node_id: int) -> datetime | None:
    """When the next key of a node is to be tried, not before its panel may be called; None when all are in order."""
    when = func.greatest(func.min(Key.try_at), func.min(Node.try_at))
    found: datetime | None = await session.scalar(
        select(when).join(Node, Node.id == Key.node_id).where(Key.node_id == node_id, OWED, IN_USE)
    )
    return found


async def nodes_with_debts(session: AsyncSession, now: datetime) -> list[int]:
    """Serving nodes where some key waits and its time has come."""
    found = await session.scalars(
        select(Key.node_id)
        .join(Node, Node.id == Key.node_id)
        .where(OWED, Key.try_at <= now, IN_USE, or_(Node.try_at.is_(None), Node.try_at <= now))
        .distinct()
    )
    return list(found)


async def seen(session: AsyncSession, key: Key, revision: int, client: Seen, now: datetime) -> None:
    """Record what the panel showed for this revision; a later one stays owed. `key` is the row as the run found it.

    When another run has recorded something meanwhile, nobody knows whose write the panel took last: the key is in
    doubt, and owed again.
    """
    overtaken = Key.seen_at.is_distinct_from(key.seen_at)
    await session.execute(
        update(Key)
        .where(Key.id == key.id)
        .values(
            seen_revision=case((overtaken, IN_DOUBT), else_=revision),
            # Not at once, or two runs that overlap would keep each other in doubt.
            try_at=case((overtaken, now + OVERLAP), else_=Key.try_at),
            seen_at=now,
            up=client.up,
            down=client.down,
            failures=0,
            error=None,
        )
    )


async def doubt(session: AsyncSession, node_id: int, now: datetime) -> None:
    """Owe every key of a node again: its inbounds or its panel have changed, so what was seen there proves nothing."""
    await session.execute(
        update(Key)
        .where(Key.node_id == node_id, Key.seen_revision.is_not(None))
        .values(seen_revision=IN_DOUBT, failures=0, try_at=now)
    )


async def failed(session: AsyncSession, key: Key, why: str, now: datetime) -> None:
    """Record a failure and when to try again: 1 s, 2 s, 4 s … up to a minute."""
    delay = min(2.0 ** min(key.failures, 10), LONGEST_BACKOFF)
    await session.execute(
        update(Key)
        .where(Key.id == key.id)
        .values(failures=Key.failures + 1, error=why[:300], try_at=now + timedelta(seconds=delay))
    )


async def readiness(session: AsyncSession, subscription_id: int) -> Readiness:
    """How the keys of a subscription stand on the serving nodes."""
    row = await session.execute(
        select(
            func.count().filter(~OWED),
            func.count().filter(OWED, Key.failures == 0),
            func.count().filter(OWED, Key.failures > 0),
        )
        .join(Node, Node.id == Key.node_id)
        .where(Key.subscription_id == subscription_id, IN_USE)
    )
    ready, untried, failing = row.one()
    return Readiness(ready, untried, failing)


async def of_subscription(session: AsyncSession, subscription_id: int) -> list[KeyView]:
    """A subscription's keys on the serving nodes, in the operator's order."""
    rows = await session.execute(
        select(Node, (~OWED).label("ready"))
        .join(Key, Key.node_id == Node.id)
        .where(Key.subscription_id == subscription_id, IN_USE)
        .order_by(Node.position, Node.id)
    )
    return [KeyView(node.name, node.title, node.flag, ready) for node, ready in rows]

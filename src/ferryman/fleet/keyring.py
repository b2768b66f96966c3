"""Reads and writes of keys: what is wanted where, what was seen, what failed, what is gone.

Each write is one statement, however many keys it is about. The caller holds the rows of their subscriptions.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, case, delete, func, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from ferryman.fleet.key import Key, Tombstone
from ferryman.fleet.node import IN_USE, Node

# Seconds until a key that failed is tried again; doubles up to this.
LONGEST_BACKOFF = 60.0
IN_DOUBT = 0
# When two runs overlapped, a key is looked at again after this long, or they would keep each other in doubt.
OVERLAP = timedelta(seconds=5)
OWED = or_(Key.seen_revision.is_distinct_from(Key.wanted_revision), ~Key.wanted)
# Not a key that waits until an older client of its name is gone from the node ("fm-": see `Subscription.email`).
FREE = text(
    """NOT EXISTS (SELECT FROM tombstones WHERE tombstones.node_id = keys.node_id
       AND tombstones.email = (SELECT 'fm-' || ref FROM subscriptions WHERE subscriptions.id = keys.subscription_id))"""
)


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


@dataclass(frozen=True)
class Wish:
    """That a subscription's key of this revision is to be on a node."""

    subscription_id: int
    node_id: int
    revision: int


@dataclass(frozen=True)
class Sight:
    """That a node has shown the client of a key, as this revision wants it. `seen_at`: of the row, as it was read."""

    key_id: int
    revision: int
    seen_at: datetime | None


_WANT = text(
    """
    INSERT INTO keys (subscription_id, node_id, wanted_revision, urgent, try_at)
    SELECT subscription_id, node_id, revision, :urgent, :now
    FROM unnest(CAST(:subscriptions AS bigint[]), CAST(:nodes AS bigint[]), CAST(:revisions AS bigint[]))
        AS one (subscription_id, node_id, revision)
    ORDER BY subscription_id, node_id
    ON CONFLICT (subscription_id, node_id) DO UPDATE SET
        wanted = true,
        wanted_revision = greatest(keys.wanted_revision, excluded.wanted_revision),
        -- One that was to go may be gone already.
        seen_revision = CASE WHEN keys.wanted OR keys.seen_revision IS NULL THEN keys.seen_revision ELSE 0 END,
        urgent = keys.urgent OR excluded.urgent,
        try_at = excluded.try_at,
        failures = 0
    """
)


async def want(session: AsyncSession, wishes: Sequence[Wish], now: datetime, *, urgent: bool = False) -> None:
    """Write down that keys are to be on nodes, in these revisions; a revision never goes back."""
    if wishes:
        await session.execute(
            _WANT,
            {
                "subscriptions": [one.subscription_id for one in wishes],
                "nodes": [one.node_id for one in wishes],
                "revisions": [one.revision for one in wishes],
                "urgent": urgent,
                "now": now,
            },
        )


async def let_go(session: AsyncSession, key_ids: Sequence[int], now: datetime) -> None:
    """Want keys no longer; their rows go when the nodes no longer show their clients."""
    if key_ids:
        going = update(Key).where(Key.id.in_(key_ids), Key.wanted)
        await session.execute(
            going.values(wanted=False, urgent=False, try_at=now, failures=0, error=None),
            execution_options={"synchronize_session": False},
        )


_SEE = text(
    """
    UPDATE keys SET
        -- When another run has recorded something meanwhile, nobody knows whose write the panel took last.
        seen_revision = CASE WHEN keys.seen_at IS DISTINCT FROM one.seen_at THEN 0 ELSE one.revision END,
        try_at = CASE WHEN keys.seen_at IS DISTINCT FROM one.seen_at THEN :later ELSE keys.try_at END,
        urgent = keys.urgent AND keys.wanted_revision <> one.revision,
        seen_at = :now, failures = 0, error = NULL
    FROM unnest(CAST(:ids AS bigint[]), CAST(:revisions AS bigint[]), CAST(:seen_ats AS timestamptz[]))
        AS one (id, revision, seen_at)
    WHERE keys.id = one.id
    RETURNING keys.id
    """
)


async def saw(session: AsyncSession, sights: Sequence[Sight], now: datetime) -> set[int]:
    """Record what panels showed; later revisions stay owed. Answers which of the rows still stand.

    A key that another run has recorded something about meanwhile is in doubt, and owed again.
    """
    if not sights:
        return set()
    values = {
        "ids": [one.key_id for one in sights],
        "revisions": [one.revision for one in sights],
        "seen_ats": [one.seen_at for one in sights],
        "now": now,
        "later": now + OVERLAP,
    }
    return set(await session.scalars(_SEE, values))


_FAIL = text(
    """
    UPDATE keys SET failures = failures + 1, error = one.error,
        try_at = CAST(:now AS timestamptz)
            + make_interval(secs => least(power(2, least(failures, 10)), :longest) * (1 + 0.2 * random()))
    FROM unnest(CAST(:ids AS bigint[]), CAST(:errors AS varchar[])) AS one (id, error)
    WHERE keys.id = one.id
    """
)


async def failed(session: AsyncSession, errors: Sequence[tuple[int, str]], now: datetime) -> None:
    """Record failures by key id and when to try again: after 1 s, 2 s, 4 s … up to a minute, each up to a fifth more,
    so that those which failed together do not all come back together."""
    if errors:
        values = {"ids": [key_id for key_id, _ in errors], "errors": [why[:300] for _, why in errors]}
        await session.execute(_FAIL, {**values, "now": now, "longest": LONGEST_BACKOFF / 1.2})


_GONE = text(
    """
    WITH dropped AS (DELETE FROM keys WHERE id = ANY(:ids) AND NOT wanted RETURNING id), wanted_again AS (
        UPDATE keys SET seen_revision = NULL, seen_at = :now, try_at = :now WHERE id = ANY(:ids) AND wanted
    )
    SELECT id FROM dropped
    """
)


async def gone(session: AsyncSession, key_ids: Sequence[int], now: datetime) -> set[int]:
    """Nodes no longer hold the clients of these keys: drop the rows; those that are wanted again have to be made anew.
    Answers which rows were dropped."""
    return set(await session.scalars(_GONE, {"ids": list(key_ids), "now": now})) if key_ids else set()


async def forget(session: AsyncSession, key_ids: Sequence[int]) -> None:
    """Drop rows whatever their nodes hold."""
    if key_ids:
        await session.execute(delete(Key).where(Key.id.in_(key_ids)), execution_options={"synchronize_session": False})


async def locked(session: AsyncSession, key_ids: Iterable[int]) -> None:
    """Take the rows' locks in the order that everybody keeps, before they are written in any other."""
    rows = select(Key.id).where(Key.id.in_(key_ids)).order_by(Key.subscription_id, Key.node_id)
    await session.execute(rows.with_for_update(key_share=True))


async def doubt(session: AsyncSession, node_id: int, now: datetime) -> None:
    """Owe every key of a node again: its inbounds or its panel have changed, so what was seen there proves nothing.

    Nor does what a run sees that has begun before: it finds another `seen_at`, as if another run had been there.
    """
    rows = select(Key.id).where(Key.node_id == node_id).order_by(Key.subscription_id)
    in_order = rows.with_for_update(key_share=True).cte("in_order")
    doubted = case((Key.seen_revision.is_not(None), IN_DOUBT))
    await session.execute(
        update(Key).where(Key.id == in_order.c.id).values(seen_revision=doubted, seen_at=now, failures=0, try_at=now),
        execution_options={"synchronize_session": False},
    )


async def next_try(session: AsyncSession, node_id: int) -> datetime | None:
    """When the next key or tombstone of a node is to be tried, not before its panel may be called; None when there is
    none, or the node is not in use."""
    keys = select(func.min(Key.try_at)).where(Key.node_id == node_id, OWED, FREE).scalar_subquery()
    graves = select(func.min(Tombstone.try_at)).where(Tombstone.node_id == node_id).scalar_subquery()
    first = func.least(keys, graves)
    when = func.greatest(first, Node.try_at, Node.trying_until)
    found: datetime | None = await session.scalar(select(when).where(Node.id == node_id, IN_USE, first.is_not(None)))
    return found


async def nodes_with_debts(session: AsyncSession, now: datetime) -> list[int]:
    """Nodes in use where some key or tombstone waits and its time has come."""
    owed = select(Key.id).where(Key.node_id == Node.id, OWED, Key.try_at <= now, FREE).exists()
    graves = select(Tombstone.id).where(Tombstone.node_id == Node.id, Tombstone.try_at <= now).exists()
    rested = or_(Node.try_at.is_(None), Node.try_at <= now)
    return list(await session.scalars(select(Node.id).where(IN_USE, rested, or_(owed, graves)).order_by(Node.id)))


async def readiness(session: AsyncSession, subscription_id: int) -> Readiness:
    """How the keys that a subscription is to have stand on the nodes in use. One on a node in quarantine does not
    keep anybody waiting."""
    serving = Node.quarantined_at.is_(None)
    row = await session.execute(
        select(
            func.count().filter(~OWED),
            func.count().filter(OWED, Key.failures == 0, serving),
            func.count().filter(OWED, or_(Key.failures > 0, ~serving)),
        )
        .join(Node, Node.id == Key.node_id)
        .where(Key.subscription_id == subscription_id, Key.wanted, IN_USE)
    )
    ready, untried, failing = row.one()
    return Readiness(ready, untried, failing)


async def of_subscription(session: AsyncSession, subscription_id: int) -> list[KeyView]:
    """The keys that a subscription is to have on nodes in use and not in quarantine, in the operator's order."""
    rows = await session.execute(
        select(Node, (~OWED).label("ready"))
        .join(Key, Key.node_id == Node.id)
        .where(Key.subscription_id == subscription_id, Key.wanted, and_(IN_USE, Node.quarantined_at.is_(None)))
        .order_by(Node.position, Node.id)
    )
    return [KeyView(node.name, node.title, node.flag, ready) for node, ready in rows]

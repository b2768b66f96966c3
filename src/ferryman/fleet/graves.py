"""Reads and writes of tombstones: clients that must go from a node, whatever becomes of their keys."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, text
from sqlalchemy.ext.asyncio import AsyncSession

from ferryman.fleet.key import Tombstone
from ferryman.fleet.keyring import LONGEST_BACKOFF


@dataclass(frozen=True)
class Grave:
    """The client that has to go: of this subscription, with the identity that it had then."""

    node_id: int
    subscription_id: int
    email: str
    uuid: str
    sub_id: str


_DIG = text(
    """
    INSERT INTO tombstones (node_id, subscription_id, email, uuid, sub_id, why, try_at)
    SELECT one.node_id, one.subscription_id, one.email, one.uuid, one.sub_id, :why, :now
    FROM unnest(CAST(:nodes AS bigint[]), CAST(:subscriptions AS bigint[]), CAST(:emails AS varchar[]),
                CAST(:uuids AS varchar[]), CAST(:sub_ids AS varchar[]))
        AS one (node_id, subscription_id, email, uuid, sub_id)
    WHERE NOT EXISTS (SELECT FROM keys JOIN subscriptions s ON s.id = keys.subscription_id
                      WHERE keys.node_id = one.node_id AND s.id = one.subscription_id AND s.uuid = one.uuid)
    ORDER BY one.node_id, one.email
    ON CONFLICT DO NOTHING
    """
)


async def dig(session: AsyncSession, graves: Sequence[Grave], why: str, now: datetime) -> None:
    """Leave tombstones, but none where a key's row of that identity stands: it knows what the node is to hold."""
    if not graves:
        return
    await session.execute(
        _DIG,
        {
            "nodes": [one.node_id for one in graves],
            "subscriptions": [one.subscription_id for one in graves],
            "emails": [one.email for one in graves],
            "uuids": [one.uuid for one in graves],
            "sub_ids": [one.sub_id for one in graves],
            "why": why,
            "now": now,
        },
    )


async def closed(session: AsyncSession, ids: Sequence[int]) -> None:
    """The clients are gone, or were never there."""
    if ids:
        await session.execute(delete(Tombstone).where(Tombstone.id.in_(ids)))


_FAIL = text(
    """
    UPDATE tombstones SET failures = failures + 1, error = one.error,
        try_at = CAST(:now AS timestamptz)
            + make_interval(secs => least(power(2, least(failures, 10)), :longest) * (1 + 0.2 * random()))
    FROM unnest(CAST(:ids AS bigint[]), CAST(:errors AS varchar[])) AS one (id, error)
    WHERE tombstones.id = one.id
    """
)


async def failed(session: AsyncSession, errors: Sequence[tuple[int, str]], now: datetime) -> None:
    """As `keyring.failed`."""
    if errors:
        values = {"ids": [grave_id for grave_id, _ in errors], "errors": [why[:300] for _, why in errors]}
        await session.execute(_FAIL, {**values, "now": now, "longest": LONGEST_BACKOFF / 1.2})

"""Keys that must go: withdrawn here, taken off the panels by the nodes' own runs, and counted until none is left."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from ferryman.fleet.key import Key, Tombstone
from ferryman.fleet.keyring import IN_DOUBT
from ferryman.fleet.location import Location
from ferryman.fleet.node import Node, NodeMode


@dataclass(frozen=True)
class Left:
    """A client that may still work: where, how often taking it away has failed, and the last word about it."""

    node_id: int
    node: str
    flag: str
    title: dict[str, Any]
    failures: int
    error: str


@dataclass(frozen=True)
class Identity:
    """What is known of a client that has to go."""

    subscription_id: int
    email: str
    uuid: str
    sub_id: str


async def withdraw(session: AsyncSession, subscription_id: int, now: datetime) -> list[int]:
    """Want a subscription's keys no longer; answers on which nodes. The caller wakes those."""
    wanted = update(Key).where(Key.subscription_id == subscription_id, Key.wanted)
    gone = wanted.values(wanted=False, try_at=now, failures=0, error=None).returning(Key.node_id)
    return sorted(await session.scalars(gone))


async def withdraw_from(session: AsyncSession, subscription_id: int, node_id: int, now: datetime) -> bool:
    """Want a subscription's key on one node no longer; whether there was one that was wanted."""
    wanted = update(Key).where(Key.subscription_id == subscription_id, Key.node_id == node_id, Key.wanted)
    gone = wanted.values(wanted=False, try_at=now, failures=0, error=None).returning(Key.id)
    return await session.scalar(gone) is not None


async def take_back(session: AsyncSession, subscription_id: int, code: str, now: datetime) -> None:
    """Want the keys of this location again that were withdrawn. Whether their clients are still there nobody knows."""
    nodes = select(Node.id).join(Location, Location.id == Node.location_id).where(Location.code == code)
    withdrawn = Key.subscription_id == subscription_id, ~Key.wanted, Key.node_id.in_(nodes)
    await session.execute(update(Key).where(*withdrawn).values(wanted=True, seen_revision=IN_DOUBT, try_at=now))


async def left(session: AsyncSession, subscription_id: int, uuid: str = "") -> list[Left]:
    """Where a client that has to go may still work: keys that are withdrawn and whose row stands.

    With a `uuid`, wherever a client of that identity may: every key, withdrawn or not, and tombstones that name it.
    Nodes that are retired are not asked any more, so what is written down of them says nothing.
    """
    keys = select(Key.node_id, Key.failures, Key.error).where(Key.subscription_id == subscription_id)
    if not uuid:
        keys = keys.where(~Key.wanted)
    graves = select(Tombstone.node_id, Tombstone.failures, Tombstone.error).where(
        Tombstone.subscription_id == subscription_id, Tombstone.uuid == uuid
    )
    standing = keys.union_all(graves).subquery()
    rows = await session.execute(
        select(Node, standing.c.failures, standing.c.error)
        .join(standing, standing.c.node_id == Node.id)
        .where(Node.mode != NodeMode.RETIRED)
        .order_by(Node.position, Node.id)
    )
    return [_left(node, failures, error) for node, failures, error in rows]


def _left(node: Node, failures: int, error: str | None) -> Left:
    silent = "" if node.in_use else f"the node is {node.mode}"
    return Left(
        node.id,
        node.name,
        node.flag,
        node.title,
        max(failures, node.failures, 0 if node.in_use else 1),
        error or node.trouble or silent,
    )


async def entomb(session: AsyncSession, who: Identity, why: str, now: datetime) -> list[int]:
    """Replace the rows of keys that are withdrawn and not gone yet by tombstones; answers on which nodes.

    From here on the old client is the tombstone's business: it goes when its node answers again, and until then no
    client of that name is made there.
    """
    going = delete(Key).where(Key.subscription_id == who.subscription_id, ~Key.wanted).returning(Key.node_id)
    nodes = sorted(await session.scalars(going))
    rows = [{"node_id": node_id, **asdict(who), "why": why, "try_at": now} for node_id in nodes]
    if rows:
        await session.execute(insert(Tombstone).values(rows).on_conflict_do_nothing())
    return nodes

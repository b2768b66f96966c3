"""What one run of a node has before it: read in few statements, in the order in which it is to be done."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from ferryman.fleet import health, keyring
from ferryman.fleet.key import Key, Tombstone
from ferryman.fleet.node import Node
from ferryman.fleet.panel import Access, Seen
from ferryman.flows.tools import Tools
from ferryman.kit.errors import FerrymanError
from ferryman.subscriptions.subscription import Subscription

# Each takes three calls, and somebody may come meanwhile who does not want to wait.
GRAVES_AT_ONCE = 20


@dataclass(frozen=True)
class Debt:
    """One key that differs from what is wanted, as it was read, and the client that is owed (or is to go)."""

    key: Key
    access: Access


@dataclass(frozen=True)
class Tried:
    """What became of one key: `error`, or `seen` when the panel holds it, or neither when it holds it no more, and then
    `last` is how it was shown before that, if anybody looked."""

    debt: Debt
    seen: Seen | None = None
    error: FerrymanError | None = None
    last: Seen | None = None


@dataclass(frozen=True)
class Work:
    """`graves`, when there are any, come first: while they stand, keys of the same name wait."""

    node: Node
    debts: list[Debt]
    graves: list[Tombstone]


async def work(tools: Tools, node_id: int, limit: int) -> Work | None:
    """What is to be done now, at most so many keys; None when there is nothing, or the panel is to be left alone.

    A panel in trouble is tried with one key, by one run of all; only when that works do the others follow.
    """
    now = tools.clock.now()
    async with tools.db.unit() as session:
        node = await session.get_one(Node, node_id)
        if not node.in_use or health.resting(node, now):
            return None
        in_trouble = bool(node.failures) or node.try_at is not None
        at_once = 1 if in_trouble else limit
        found, graves = await debts(session, node, now, at_once), []
        if not any(debt.key.urgent for debt in found):
            due = select(Tombstone).where(Tombstone.node_id == node_id, Tombstone.try_at <= now).order_by(Tombstone.id)
            graves = list(await session.scalars(due.limit(min(at_once, GRAVES_AT_ONCE))))
        if not (graves or found) or (in_trouble and not await health.claim(session, node_id, now)):
            return None
    return Work(node, found, graves)


async def debts(
    session: AsyncSession, node: Node, now: datetime, limit: int, *, urgent: bool = False, but: Collection[int] = ()
) -> list[Debt]:
    """Keys of a node whose time has come, those that somebody waits for first, with what is owed, in one statement.

    `urgent`: those alone. `but`: without these.
    """
    owed = (
        select(Key, Subscription)
        .join(Subscription, Subscription.id == Key.subscription_id)
        .where(Key.node_id == node.id, keyring.OWED, Key.try_at <= now, keyring.FREE)
        .order_by(Key.urgent.desc(), Key.try_at, Key.id)
        .limit(limit)
    )
    if urgent:
        owed = owed.where(Key.urgent, Key.id.not_in(but))
    inbounds = tuple(inbound.panel_id for inbound in node.inbounds if inbound.enabled)
    return [Debt(key, access_of(subscription, inbounds)) for key, subscription in await session.execute(owed)]


def access_of(one: Subscription, inbounds: tuple[int, ...]) -> Access:
    """The client that a subscription is owed on a node with these inbounds."""
    return Access(
        email=one.email,
        uuid=one.uuid,
        password=one.password,
        sub_id=one.sub_id,
        enabled=one.enabled,
        ends_at=one.ends_at,
        traffic_bytes=one.traffic_bytes,
        devices=one.devices,
        inbounds=inbounds,
    )

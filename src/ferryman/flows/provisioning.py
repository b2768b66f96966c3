"""Keys follow what is owed: subscriptions on one side, nodes on the other, and the customer told when they agree.

Level-triggered: a job looks at the truth, does what is missing, reads back, records what it saw, and ends. Nothing is
replayed; a job that is lost, doubled or late changes nothing but time.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from ferryman.fleet import health, keyring
from ferryman.fleet.key import Key
from ferryman.fleet.node import IN_USE, Node
from ferryman.fleet.panel import Access, Seen, VpnPanel
from ferryman.flows.announcing import announce
from ferryman.flows.tools import Tools
from ferryman.kit import log
from ferryman.kit.db import LOCK
from ferryman.kit.errors import AccessDenied, FerrymanError, Misconfigured, Unreachable
from ferryman.messaging import notice
from ferryman.subscriptions.subscription import Grant, Subscription

_log = log.get("provisioning")

# Calls in flight per panel: 3X-UI serialises client changes anyway, and more would only queue inside it.
CALLS_PER_PANEL = 4
# One run of a node's job ends after this many keys, so that a long queue does not hold a worker's slot for ever.
KEYS_PER_RUN = 2000
# A customer hears that the key is ready at the latest this long after the first node has it, whatever the others do.
TELL_ANYWAY_AFTER = timedelta(seconds=5)


@dataclass(frozen=True)
class Tried:
    """What became of one key: `seen` when the panel holds it, else `error`."""

    key: Key
    revision: int
    seen: Seen | None = None
    error: FerrymanError | None = None


async def owe(tools: Tools, session: AsyncSession, subscription: Subscription) -> None:
    """In the caller's transaction: this subscription is owed on every serving node, and each node gets a job."""
    nodes = await keyring.serving_nodes(session)
    # One order for everybody: rows and jobs of several nodes are taken by several transactions at once.
    node_ids = sorted(node.id for node in nodes)
    await keyring.owe(session, subscription.id, subscription.revision, node_ids, tools.clock.now())
    subscription.placed_revision = subscription.revision
    for node_id in node_ids:
        await wake(tools, session, node_id)


async def wake(tools: Tools, session: AsyncSession, node_id: int, after: float = 0.0) -> None:
    """Have a node reconciled: at most one run at a time, at most one waiting."""
    lane = f"node:{node_id}"
    await tools.jobs.defer(session, "reconcile_node", lock=lane, once=lane, after=after, node_id=node_id)


async def reconcile_node(tools: Tools, node_id: int) -> None:
    """Put every key that is owed on this node; ends early, with a successor, when the panel does not answer."""
    log.bind(node=node_id)
    done = 0
    while done < KEYS_PER_RUN:
        async with tools.db.unit() as session:
            node = await session.get_one(Node, node_id, populate_existing=True)
            # A panel in trouble is tried with one key first; only when that works do the others follow.
            at_once = 1 if node.failures else CALLS_PER_PANEL
            keys = await keyring.owed_on(session, node_id, tools.clock.now(), at_once)
            owed = [(key, access) for key in keys if (access := await _access(session, key, node)) is not None]
        if not node.in_use or not owed or health.resting(node, tools.clock.now()):
            break
        tried = await _try_all(tools, node, owed)
        await _record(tools, node, tried)
        done += len(tried)
        if any(isinstance(one.error, (Unreachable, AccessDenied, Misconfigured)) for one in tried):
            break
    await _successor(tools, node_id)


async def _access(session: AsyncSession, key: Key, node: Node) -> tuple[int, Access] | None:
    """What is owed behind one key, with the revision it belongs to."""
    subscription = await session.get(Subscription, key.subscription_id, populate_existing=True)
    inbounds = tuple(inbound.panel_id for inbound in node.inbounds if inbound.enabled)
    if subscription is None:
        return None
    return subscription.revision, Access(
        email=subscription.email,
        uuid=subscription.uuid,
        password=subscription.password,
        sub_id=subscription.sub_id,
        enabled=True,
        ends_at=subscription.ends_at,
        traffic_bytes=subscription.traffic_bytes,
        devices=subscription.devices,
        inbounds=inbounds,
    )


async def _try_all(tools: Tools, node: Node, owed: Sequence[tuple[Key, tuple[int, Access]]]) -> list[Tried]:
    try:
        panel = tools.connections.to(node)
    except Misconfigured as error:
        return [Tried(key, revision, error=error) for key, (revision, _) in owed]
    return await asyncio.gather(*(_put(panel, key, revision, access) for key, (revision, access) in owed))


async def _put(panel: VpnPanel, key: Key, revision: int, access: Access) -> Tried:
    try:
        return Tried(key, revision, seen=await panel.put(access))
    except FerrymanError as error:
        return Tried(key, revision, error=error)


async def _record(tools: Tools, node: Node, tried: Sequence[Tried]) -> None:
    """Write down what was seen and what failed, and tell those whose keys are now as ready as they can be."""
    now = tools.clock.now()
    async with tools.db.unit() as session:
        # Rows are locked in one order everywhere, or two nodes that finish together could wait for each other.
        for one in sorted(tried, key=lambda each: each.key.subscription_id):
            await session.get_one(Subscription, one.key.subscription_id, with_for_update=LOCK)
            if one.seen is not None:
                await keyring.seen(session, one.key, one.revision, one.seen, now)
            else:
                await keyring.failed(session, one.key, str(one.error), now)
            await _tell_if_ready(tools, session, one.key.subscription_id)
        await health.noted(session, node.id, [one.error for one in tried], now)
    for one in tried:
        if one.error is None:
            _log.info("key_ready", key=one.key.id, subscription=one.key.subscription_id)
        else:
            _log.warning("key_failed", key=one.key.id, subscription=one.key.subscription_id, why=str(one.error))


async def _tell_if_ready(tools: Tools, session: AsyncSession, subscription_id: int, *, late: bool = False) -> None:
    """Queue "your key is ready" once per grant: when no node is left untried, or `late` and at least one has it."""
    standing = await keyring.readiness(session, subscription_id)
    if standing.ready == 0 or (standing.untried and not late):
        return
    grant = await session.scalar(
        select(Grant).where(Grant.subscription_id == subscription_id).order_by(Grant.id.desc()).limit(1)
    )
    if grant is None:
        return
    subscription = await session.get_one(Subscription, subscription_id)
    views = await keyring.of_subscription(session, subscription_id)
    locations = [{"flag": view.flag, "title": view.title} for view in views if view.ready]
    ready = notice.KeyReady(subscription_id, locations)
    await announce(tools, session, subscription.customer_id, ready, f"key-ready:{grant.id}")


async def _successor(tools: Tools, node_id: int) -> None:
    """When keys are left, come back when the first of them is due."""
    async with tools.db.unit() as session:
        due = await keyring.next_try(session, node_id)
        if due is not None:
            await wake(tools, session, node_id, after=max((due - tools.clock.now()).total_seconds(), 0.5))


async def sweep(tools: Tools) -> None:
    """Owe what nobody wrote down, wake nodes that have debts, and tell those who have waited long enough."""
    now = tools.clock.now()
    async with tools.db.unit() as session:
        unowed, untold = await _unowed(session, now), await _untold(session, now)
    # One short transaction each: a settlement must not wait until a thousand keys of a new node are written down.
    for subscription_id in unowed:
        async with tools.db.unit() as session:
            subscription = await session.get_one(Subscription, subscription_id, with_for_update=LOCK)
            nodes = sorted(node.id for node in await keyring.serving_nodes(session))
            await keyring.owe(session, subscription_id, subscription.revision, nodes, now)
            subscription.placed_revision = subscription.revision
    async with tools.db.unit() as session:
        for node_id in sorted(await keyring.nodes_with_debts(session, now)):
            await wake(tools, session, node_id)
    for subscription_id in untold:
        async with tools.db.unit() as session:
            await session.get_one(Subscription, subscription_id, with_for_update=LOCK)
            await _tell_if_ready(tools, session, subscription_id, late=True)


async def _unowed(session: AsyncSession, now: datetime) -> list[int]:
    """Living subscriptions that some serving node has no key row for, or one of an older revision."""
    current = (
        select(Key.id)
        .where(
            Key.subscription_id == Subscription.id,
            Key.node_id == Node.id,
            Key.wanted_revision >= Subscription.revision,
        )
        .exists()
    )
    unowed = select(Node.id).where(IN_USE, ~current).exists()
    found = await session.scalars(
        select(Subscription.id).where(Subscription.ends_at > now, unowed).order_by(Subscription.id).limit(1000)
    )
    return list(found)


async def _untold(session: AsyncSession, now: datetime) -> list[int]:
    """Subscriptions granted a moment ago that have a key somewhere and whose customer has not heard of it."""
    told = (
        select(notice.QueuedNotice.id)
        .where(notice.QueuedNotice.dedup_key == func.concat("key-ready:", Grant.id))
        .exists()
    )
    has_key = select(Key.id).where(Key.subscription_id == Grant.subscription_id, ~keyring.OWED).exists()
    found = await session.scalars(
        select(Grant.subscription_id)
        .where(Grant.created_at < now - TELL_ANYWAY_AFTER, Grant.created_at > now - timedelta(days=2), ~told, has_key)
        .limit(500)
    )
    return sorted(set(found))

"""Placing: where a subscription's keys belong is chosen (`fleet.placement`), written down, and left to the nodes' runs.

A move is make before break: the old key stays, and follows every change, until the one that replaces it is there. Only
a customer's own change of location is the other way round: the old key is gone before the new one is wanted, for such a
plan gives one. What cannot be done yet is marked on the subscription (`moving`), and done by whoever sees the other
key come or go, or by the sweep.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import ColumnExpressionArgument, Select, and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from ferryman.fleet import census, graves, history, keyring
from ferryman.fleet.census import Census
from ferryman.fleet.graves import Grave
from ferryman.fleet.history import Happened
from ferryman.fleet.key import Key
from ferryman.fleet.keyring import Wish
from ferryman.fleet.node import FleetEpoch
from ferryman.fleet.placement import Weights
from ferryman.flows.keys.deciding import Decision, decide
from ferryman.flows.tools import Tools
from ferryman.flows.waking import wake
from ferryman.kit import log
from ferryman.subscriptions.subscription import Subscription

_log = log.get("placing")

# Subscriptions that one transaction of a sweep holds, and transactions of one sweep.
HELD_AT_ONCE = 100
BATCHES_PER_SWEEP = 50


async def place(tools: Tools, session: AsyncSession, subscription: Subscription, *, urgent: bool = True) -> None:
    """Choose where this subscription's keys belong, write it down and wake the nodes, in the caller's transaction.

    The caller holds the subscription's row, and has written everything that it changed in it. `urgent`: somebody waits.
    """
    await place_all(tools, session, [subscription], urgent=urgent)


async def place_all(
    tools: Tools, session: AsyncSession, subscriptions: Sequence[Subscription], *, urgent: bool = False
) -> None:
    """As `place`, for many at once, in a few statements; those that have no time left are left as they are."""
    now = tools.clock.now()
    living = sorted((one for one in subscriptions if not one.ended(now)), key=lambda one: one.id)
    if not living:
        return
    fleet = await census.taken(session, Weights(*tools.settings.placement_weights), now)
    keys: dict[int, list[Key]] = {one.id: [] for one in living}
    rows = select(Key).where(Key.subscription_id.in_(keys)).order_by(Key.id)
    for key in await session.scalars(rows, execution_options={"populate_existing": True}):
        keys[key.subscription_id].append(key)
    decisions = [decide(fleet, one, keys[one.id]) for one in living]
    for one, decision in zip(living, decisions, strict=True):
        one.placed_revision, one.placed_epoch, one.moving = one.revision, fleet.epoch, decision.waits
    await session.flush()
    await _write(tools, session, fleet, decisions, urgent=urgent)


async def fleet_changed(session: AsyncSession) -> None:
    """In the transaction that changes a node's mode, quarantine, inbounds, location, capacity or priority: the sweep
    is to come round to everybody."""
    await census.changed(session)


async def sweep(tools: Tools) -> None:
    """Place whoever was placed for an older fleet or an older revision, and look at some of those who wait to move."""
    now = tools.clock.now()
    epoch = select(FleetEpoch.epoch).scalar_subquery()
    behind = or_(Subscription.placed_revision != Subscription.revision, Subscription.placed_epoch != epoch)
    for _ in range(BATCHES_PER_SWEEP):
        if not await _placed(tools, _living(now, behind).order_by(Subscription.id)):
            break
    # Anybody may be stuck for long; in no order, nobody stays behind the others for ever.
    await _placed(tools, _living(now, Subscription.moving).order_by(func.random()))


async def sweep_ended(tools: Tools) -> None:
    """Let go of the keys of subscriptions that ended long ago. Their panels have let nobody in since."""
    now = tools.clock.now()
    cutoff = now - timedelta(days=tools.settings.ended_keys_days)
    for _ in range(BATCHES_PER_SWEEP):
        async with tools.db.unit() as session:
            kept = select(Key.id).where(Key.subscription_id == Subscription.id, Key.wanted).exists()
            ended = select(Subscription.id).where(Subscription.ends_at < cutoff, Subscription.frozen_at.is_(None), kept)
            held = ended.order_by(Subscription.id).limit(HELD_AT_ONCE).with_for_update(skip_locked=True, key_share=True)
            ids = list(await session.scalars(held))
            keys = list(await session.scalars(select(Key).where(Key.subscription_id.in_(ids), Key.wanted)))
            await keyring.let_go(session, [key.id for key in keys], now)
            for node_id in sorted({key.node_id for key in keys}):
                await wake(tools, session, node_id)
        if not ids:
            return
        _log.info("ended_keys_let_go", subscriptions=len(ids), keys=len(keys))


async def _placed(tools: Tools, which: Select[Subscription]) -> int:
    """Place some in one short transaction. Whoever is held by a settlement or a change is left for the next time."""
    async with tools.db.unit() as session:
        held = which.limit(HELD_AT_ONCE).with_for_update(skip_locked=True, key_share=True)
        found = list(await session.scalars(held))
        await place_all(tools, session, found)
    return len(found)


def _living(now: datetime, which: ColumnExpressionArgument[bool]) -> Select[Subscription]:
    """As `Subscription.ended` says: time that stands still does not end."""
    return select(Subscription).where(and_(Subscription.ends_at > func.coalesce(Subscription.frozen_at, now), which))


async def _write(
    tools: Tools, session: AsyncSession, fleet: Census, decisions: Sequence[Decision], *, urgent: bool
) -> None:
    now = tools.clock.now()
    leaving = [row for one in decisions for row in one.let_go + one.forget + one.entomb]
    wishes = [
        Wish(one.subscription.id, node_id, one.subscription.revision)
        for one in decisions
        for node_id in one.want + one.new
    ]
    if leaving:
        await keyring.locked(session, [row.id for row in leaving])
    await keyring.want(session, wishes, now, urgent=urgent)
    await keyring.let_go(session, [row.id for one in decisions for row in one.let_go], now)
    await _forget(session, decisions, now)
    await history.note(session, [event for one in decisions for event in _events(fleet, one)], now)
    touched = {wish.node_id for wish in wishes} | {row.node_id for row in leaving}
    for node_id in sorted(touched & fleet.placement.by_id.keys()):
        await wake(tools, session, node_id)
    for one in decisions:
        if one.choice.least_bad or not one.choice.nodes:
            nodes = fleet.names(one.choice.nodes)
            _log.error("no_fit_node", subscription=one.subscription.id, taken=nodes, fix="Add a node or capacity.")


async def _forget(session: AsyncSession, decisions: Sequence[Decision], now: datetime) -> None:
    """Drop rows without waiting for their nodes, and leave tombstones where the clients have to go later."""
    left = [
        Grave(row.node_id, one.subscription.id, one.subscription.email, one.subscription.uuid, one.subscription.sub_id)
        for one in decisions
        for row in one.entomb
    ]
    await keyring.forget(session, [row.id for one in decisions for row in one.forget + one.entomb])
    await graves.dig(session, left, "the customer has changed to another location", now)


def _events(fleet: Census, decision: Decision) -> list[Happened]:
    number, choice = decision.subscription.id, decision.choice
    why = "" if decision.replacing else "to " + ", ".join(fleet.names(choice.nodes))
    return [
        *(Happened(number, row.node_id, history.MOVED, why) for row in decision.let_go if not decision.replacing),
        *(Happened(number, row.node_id, history.DROPPED, "the node is retired") for row in decision.forget),
        *(Happened(number, row.node_id, history.DROPPED, "left behind, the node is away") for row in decision.entomb),
        *(
            Happened(number, node_id, history.WANTED, "stands in" if node_id in choice.stand_ins else "")
            for node_id in decision.new
        ),
    ]

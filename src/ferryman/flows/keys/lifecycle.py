"""The life of a subscription's keys in an operator's hands: extend, limit, freeze, switch off, move, end.

Each story locks the subscription's row, does what its rule allows once however often it is asked, writes the history,
and lets the panels follow. Replacing a key, which takes several steps, is told in `replacing`.
"""

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import select

from ferryman.billing import renewals
from ferryman.fleet import census, keyring, withdrawing
from ferryman.fleet.census import Census
from ferryman.fleet.placement import Candidate, Weights
from ferryman.flows.keys import ending_renewals
from ferryman.flows.keys.handling import SYSTEM, Cause, Change, changing
from ferryman.flows.tools import Tools
from ferryman.kit.errors import NotFound, Refused
from ferryman.subscriptions import changing as rules
from ferryman.subscriptions.subscription import Subscription

SWEPT_AT_ONCE = 500


async def extend(tools: Tools, ref: str, days: int, cause: Cause) -> Subscription:
    """Give days away. Without a payment there is no grant, so the history alone tells who gave them, and why.

    Raises Refused without a reason.
    """
    _explained(cause)
    return await _change(tools, ref, cause, "extended", lambda one: rules.extend(one.subscription, days, one.now))


async def limit(
    tools: Tools, ref: str, cause: Cause, *, traffic_bytes: int | None = None, devices: int | None = None
) -> Subscription:
    """Set the allowance (bytes since the first day, all nodes together) or the device limit; 0 = unlimited."""
    return await _change(
        tools, ref, cause, "limited", lambda one: rules.limit(one.subscription, traffic_bytes, devices, one.now)
    )


async def freeze(tools: Tools, ref: str, cause: Cause) -> Subscription:
    """Time stands still and the keys are off, for at most `rules.FROZEN_AT_MOST`. What is paid meanwhile is added."""
    return await _change(tools, ref, cause, "frozen", lambda one: rules.freeze(one.subscription, one.now))


async def unfreeze(tools: Tools, ref: str, cause: Cause) -> Subscription:
    """Time runs again; the end has moved by the whole time that it stood still."""
    return await _change(tools, ref, cause, "unfrozen", lambda one: rules.unfreeze(one.subscription, one.now))


async def disable(tools: Tools, ref: str, cause: Cause) -> Subscription:
    """Switch the keys off, for a reason, while the time runs on. Raises Refused without a reason."""
    _explained(cause)
    return await _change(tools, ref, cause, "disabled", lambda one: rules.disable(one.subscription, cause.why, one.now))


async def enable(tools: Tools, ref: str, cause: Cause) -> Subscription:
    return await _change(tools, ref, cause, "enabled", lambda one: rules.enable(one.subscription))


async def delete(tools: Tools, ref: str, cause: Cause, *, forced: bool = False) -> Subscription:
    """Take its keys off all nodes for good, and end its renewal. A later purchase begins it anew, with the same link.

    Raises Refused when paid time is left and it is not `forced` with a reason.
    """
    if forced:
        _explained(cause)
    async with changing(tools, ref, cause) as change:
        one = change.subscription
        if await change.repeated():
            return one
        changes = rules.end(one, change.now, forced=forced)
        nodes = await withdrawing.withdraw(change.session, one.id, change.now)
        if nodes or changes["lost_seconds"]:
            await change.note("deleted", nodes=len(nodes), **changes)
            one.revision += 1
            one.placed_revision, one.moving = one.revision, False
            await change.wake(nodes)
        renewal = await renewals.active(change.session, one.id)
        if renewal is not None:
            await ending_renewals.ended(tools, change.session, renewal, one, "ended")
    return one


async def move(tools: Tools, ref: str, origin: str, target: str, cause: Cause) -> Subscription:
    """Take its key off one node and put it on another of the same location; the customer's link stays as it is.

    The old key closes while the new one opens. Raises NotFound for a node that is not there, Refused when there is no
    key to move or the other node takes none.
    """
    async with changing(tools, ref, cause) as change:
        one = change.subscription
        if await change.repeated():
            return one
        if one.ended(change.now) or one.replacing_since is not None:
            raise Refused(f"{ref} has ended, or its key is being replaced: there is nothing to move.")
        fleet = await census.taken(change.session, Weights(*tools.settings.placement_weights), change.now)
        here, there = _node(fleet, origin), _node(fleet, target)
        if here.location != there.location or here.id == there.id:
            raise Refused(f"{target} is not another node of the location of {origin}: {here.location}.")
        if not there.taking or not there.room:
            raise Refused(f"{target} takes no new keys now: it is not healthy, is being drained, or has no room.")
        if not await withdrawing.withdraw_from(change.session, one.id, here.id, change.now):
            raise Refused(f"{ref} has no key on {origin}.")
        await change.note("moving", here.id, **{"from": origin, "to": target})
        one.revision += 1
        await keyring.want(change.session, [keyring.Wish(one.id, there.id, one.revision)], change.now, urgent=True)
        await change.wake([here.id, there.id])
        await change.place()
    return one


def _node(fleet: Census, name: str) -> Candidate:
    found = next((one for one in fleet.placement.by_id.values() if one.name == name), None)
    if found is None:
        raise NotFound(f"There is no node {name!r} in use.")
    return found


async def sweep(tools: Tools) -> None:
    """Let the time of those who were frozen for as long as it may be run again."""
    longest_ago = tools.clock.now() - rules.FROZEN_AT_MOST
    async with tools.db.unit() as session:
        overdue = select(Subscription.ref).where(Subscription.frozen_at <= longest_ago).order_by(Subscription.id)
        refs = list(await session.scalars(overdue.limit(SWEPT_AT_ONCE)))
    why = Cause(SYSTEM, f"frozen for {rules.FROZEN_AT_MOST.days} days, the longest there is")
    for ref in refs:
        await _change(tools, ref, why, "unfrozen", lambda one: _unfreeze_if(one, longest_ago))


def _unfreeze_if(change: Change, frozen_before: datetime) -> rules.Changes:
    frozen_at = change.subscription.frozen_at
    return rules.unfreeze(change.subscription, change.now) if frozen_at and frozen_at <= frozen_before else {}


async def _change(
    tools: Tools, ref: str, cause: Cause, what: str, rule: Callable[[Change], rules.Changes]
) -> Subscription:
    """Apply a rule once; when it changed something, write it down and let the panels follow."""
    async with changing(tools, ref, cause) as change:
        if not await change.repeated():
            changes = rule(change)
            if changes:
                await change.note(what, **changes)
                await change.follow()
    return change.subscription


def _explained(cause: Cause) -> None:
    if not cause.why.strip():
        raise Refused("Give a reason: it stays in the history.")

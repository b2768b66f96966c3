"""Replacing a key that has leaked: a new link, and a new identity once the old one is gone from every node.

replace         the old link dies at once (404) and every key is withdrawn; the new link says what is going on
(provisioning)  each node deletes the client, looks whether it is gone, and only then drops the row
go_on           when no row is left: new uuid, password and sub_id, and keys are wanted again
(following)     carries it on, tells the customer, and lets an operator force it past a node that is silent

While any old client may still work no new one exists, unless an operator forced it.
"""

from datetime import timedelta

from sqlalchemy import select

from ferryman.fleet import census, keyring, withdrawing
from ferryman.fleet.key import KeyEvent
from ferryman.fleet.keyring import Wish
from ferryman.fleet.placement import Weights
from ferryman.fleet.withdrawing import Left
from ferryman.flows.keys.handling import Cause, Change, changing
from ferryman.flows.tools import Tools
from ferryman.kit.errors import Refused
from ferryman.subscriptions import changing as rules
from ferryman.subscriptions.subscription import Subscription

CUSTOMERS_MAY_AGAIN_AFTER = timedelta(days=1)


class TooSoon(Refused):
    """This key was replaced a short while ago."""


async def replace(tools: Tools, ref: str, cause: Cause, *, rest: timedelta = timedelta(0)) -> Subscription:
    """Begin; asked again while it goes on, nothing happens. Raises TooSoon within `rest` of the last time."""
    async with changing(tools, ref, cause) as change:
        one = change.subscription
        if one.replacing_since is not None or await change.repeated():
            return one
        if rest and await _replaced_since(change, rest):
            raise TooSoon("This key was replaced a short while ago.")
        changes = rules.begin_replacing(one, change.now)
        one.revision += 1
        nodes = await withdrawing.withdraw(change.session, one.id, change.now)
        await change.note("replacing", nodes=nodes, **changes)
        await change.wake(nodes)
        await change.place()
        await change.soon()
    return one


async def go_on(change: Change) -> list[Left]:
    """The next step, if it is time for it; else where the old client may still work."""
    one = change.subscription
    await change.wake(await withdrawing.withdraw(change.session, one.id, change.now))
    waiting = await withdrawing.left(change.session, one.id, one.uuid)
    if not waiting:
        await finish(change)
    return waiting


async def finish(change: Change) -> None:
    """The old identity is gone, or has tombstones: a new one, and keys where they were."""
    one = change.subscription
    await change.note("replaced", **rules.finish_replacing(one))
    if not one.ended(change.now):
        nodes = await _where_it_was(change)
        wishes = [Wish(one.id, node_id, one.revision + 1) for node_id in nodes]
        await keyring.want(change.session, wishes, change.now, urgent=True)
        await change.wake(nodes)
    await change.follow()


async def _where_it_was(change: Change) -> list[int]:
    """Nodes that had its key when the replacement began, and take keys now. The rest is for placing to choose."""
    session, weights = change.session, Weights(*change.tools.settings.placement_weights)
    begun = select(KeyEvent.detail["nodes"]).where(
        KeyEvent.subscription_id == change.subscription.id, KeyEvent.what == "replacing"
    )
    nodes: list[int] = await session.scalar(begun.order_by(KeyEvent.id.desc()).limit(1)) or []
    known = (await census.taken(session, weights, change.now)).placement.by_id
    return [node_id for node_id in nodes if node_id in known and known[node_id].taking]


async def _replaced_since(change: Change, rest: timedelta) -> bool:
    recent = select(KeyEvent.id).where(
        KeyEvent.subscription_id == change.subscription.id,
        KeyEvent.what == "replacing",
        KeyEvent.at > change.now - rest,
    )
    return await change.session.scalar(recent.limit(1)) is not None

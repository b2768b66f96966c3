"""Changes that take several steps, carried on by whoever comes round: a job, the sweep, or an operator's force.

Nothing is remembered but the rows: `replacing_since` says that an identity is being replaced, `untold` what the
customer is to hear when a key is in order. A job that is lost, doubled or late changes nothing but time.
"""

from sqlalchemy import and_, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from ferryman.fleet import keyring, withdrawing
from ferryman.fleet.key import Key
from ferryman.fleet.withdrawing import Identity, Left
from ferryman.flows.announcing import announce
from ferryman.flows.keys import replacing, switching
from ferryman.flows.keys.handling import SYSTEM, Cause, Change, changing
from ferryman.flows.tools import Tools
from ferryman.kit.errors import Refused
from ferryman.messaging import notice
from ferryman.messaging.notice import Notice
from ferryman.subscriptions.subscription import Subscription

# After so many looks the customer is told of the first key, whatever the other nodes do.
PATIENCE = 4
SWEPT_AT_ONCE = 500


async def carry_on(tools: Tools, subscription_id: int, tries: int = 0) -> None:
    """Take the next step that can be taken; come back while there is one left."""
    async with changing(tools, subscription_id, Cause(SYSTEM)) as change:
        before = change.subscription.revision
        if change.subscription.replacing_since is not None:
            waiting = await replacing.go_on(change)
        elif change.subscription.untold == switching.SWITCHED:
            waiting = await switching.go_on(change)
        else:
            waiting = []
        if waiting or not await _told(change, late=tries >= PATIENCE):
            await change.soon(tries + 1 if change.subscription.revision == before else 0)


async def force(tools: Tools, ref: str, cause: Cause) -> list[Left]:
    """Wait no longer for nodes that do not answer: leave tombstones there, and go on. Answers where that is.

    Until such a node returns, the old client may go on working there. Raises Refused without a reason, or when nothing
    waits.
    """
    if not cause.why.strip():
        raise Refused("Give a reason: the old key may go on working on a node that does not answer.")
    async with changing(tools, ref, cause) as change:
        one, session = change.subscription, change.session
        replaced = one.replacing_since is not None
        if not replaced and one.untold != switching.SWITCHED:
            raise Refused("No change of this key is waiting for a node.")
        waiting = await withdrawing.left(session, one.id, one.uuid if replaced else "")
        who = Identity(one.id, one.email, one.uuid, one.sub_id)
        buried = await withdrawing.entomb(session, who, cause.why, change.now)
        for node_id in buried:
            await change.note("forced", node_id)
        await change.wake(buried)
        if replaced:
            await replacing.finish(change)
        else:
            await switching.go_on(change)
        await change.soon()
    return waiting


async def sweep(tools: Tools) -> None:
    """Carry on whatever can be: its job was lost, or it has waited for a node that has come back."""
    now = tools.clock.now()
    waits = select(Key.id).where(Key.subscription_id == Subscription.id, ~Key.wanted).exists()
    to_be_told = and_(
        Subscription.untold.is_not(None),
        Subscription.ends_at > now,
        Subscription.exhausted_at.is_(None),
        Subscription.frozen_at.is_(None),
        Subscription.disabled_at.is_(None),
    )
    due = select(Subscription.id).where(or_(and_(Subscription.replacing_since.is_not(None), ~waits), to_be_told))
    async with tools.db.unit() as session:
        ids = list(await session.scalars(due.order_by(Subscription.id).limit(SWEPT_AT_ONCE)))
    for subscription_id in ids:
        await carry_on(tools, subscription_id, PATIENCE)


async def _told(change: Change, *, late: bool) -> bool:
    """Say that the key is in order again, once it is; whether there is nothing left to say."""
    one, session = change.subscription, change.session
    if one.untold is None:
        return True
    standing = await keyring.readiness(session, one.id)
    elsewhere = one.untold == switching.SWITCHED and not await switching.arrived(session, one)
    if not one.enabled or one.ended(change.now):
        # Said when it works again: the sweep looks.
        return True
    if elsewhere or standing.ready == 0 or (standing.untried and not late):
        return False
    what = await _notice(session, one)
    await announce(change.tools, session, one.customer_id, what, f"{one.untold}:{one.id}:{one.revision}")
    await change.note("told", about=one.untold)
    one.untold = None
    return True


async def _notice(session: AsyncSession, one: Subscription) -> Notice:
    views = [view for view in await keyring.of_subscription(session, one.id) if view.ready]
    locations = [{"flag": view.flag, "title": view.title} for view in views]
    if one.untold == switching.SWITCHED:
        return notice.LocationSwitched(one.ref, locations)
    return notice.KeyReplaced(one.id, locations)

"""The traffic limit holds over all nodes together: whoever has used it up is switched off everywhere, and told so.

A panel knows its own counter only. Each client carries the whole allowance there as a second fence: it holds when we
are down, and for whoever has one node it is exact. A share for each node would have to be written anew, on every node,
whenever traffic moved on another. The price is that until the next audit somebody may use more than was left: what a
line carries in about a minute.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ARRAY, BigInteger, ColumnElement, and_, bindparam, cast, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from ferryman.fleet import history
from ferryman.fleet.history import Happened
from ferryman.flows.announcing import announce
from ferryman.flows.keys import placing
from ferryman.flows.tools import Tools
from ferryman.kit import log
from ferryman.messaging import notice
from ferryman.messaging.notice import QueuedNotice, TrafficLow, TrafficUsedUp
from ferryman.subscriptions.allowance import LOW, USED_UP, crossed_by, left_of
from ferryman.subscriptions.subscription import Subscription

_log = log.get("limits")

SWEPT_AT_ONCE = 500
# Lines of the history.
EXHAUSTED, REFILLED = "exhausted", "refilled"

_used = Subscription.used_up + Subscription.used_down
_spent = and_(Subscription.traffic_bytes > 0, _used >= Subscription.traffic_bytes)
_misjudged = or_(
    and_(_spent, Subscription.exhausted_at.is_(None)), and_(~_spent, Subscription.exhausted_at.is_not(None))
)


async def review(tools: Tools, session: AsyncSession, subscription_ids: Sequence[int]) -> list[int]:
    """Hold what was used against what is allowed, in the caller's transaction; answers whose keys are switched.

    Call it with whoever's sums or allowance have changed. Nearly nobody is near a line, so one read is all it costs.
    """
    if not subscription_ids:
        return []
    # An array, for a list would be one parameter for each.
    ids = bindparam("ids", list(subscription_ids), ARRAY(BigInteger))
    near = select(Subscription).where(Subscription.id == func.any(ids), or_(_misjudged, _is_low()))
    found = await session.scalars(
        near.order_by(Subscription.id).with_for_update(key_share=True), execution_options={"populate_existing": True}
    )
    return await _judge(tools, session, list(found))


async def sweep(tools: Tools) -> None:
    """Judge whoever was never judged: their sums or allowance have changed somewhere that did not ask for it."""
    async with tools.db.unit() as session:
        held = select(Subscription).where(_misjudged).order_by(Subscription.id).limit(SWEPT_AT_ONCE)
        found = list(await session.scalars(held.with_for_update(skip_locked=True, key_share=True)))
        await _judge(tools, session, found)


async def _judge(tools: Tools, session: AsyncSession, found: Sequence[Subscription]) -> list[int]:
    """Switch and tell; the caller holds the rows."""
    now = tools.clock.now()
    switched = [one for one in found if _has_switched(one, now)]
    if switched:
        await session.flush()
        await placing.place_all(tools, session, switched, urgent=True)
        lines = [Happened(one.id, None, EXHAUSTED if one.exhausted_at else REFILLED) for one in switched]
        await history.note(session, lines, now)
        _log.info("allowance_judged", switched=len(switched))
    await _tell(tools, session, [one for one in found if not one.ended(now)])
    return [one.id for one in switched]


def _has_switched(one: Subscription, now: datetime) -> bool:
    before = one.exhausted_at
    one.weigh(now)
    if (before is None) == (one.exhausted_at is None):
        return False
    one.revision += 1
    return True


async def _tell(tools: Tools, session: AsyncSession, found: Sequence[Subscription]) -> None:
    """Say once for each allowance that a line is crossed; who jumps over one hears of the higher one alone."""
    due = {_said(one, line): (one, line) for one in found if (line := crossed_by(one))}
    if not due:
        return
    known = await session.scalars(select(QueuedNotice.dedup_key).where(QueuedNotice.dedup_key.in_(due)))
    for key in due.keys() - set(known):
        one, line = due[key]
        await announce(tools, session, one.customer_id, _words(one, line), key)


def _said(one: Subscription, line: int) -> str:
    return f"traffic:{one.id}:{one.traffic_bytes}:{line}"


def _words(one: Subscription, line: int) -> notice.Notice:
    icon, title = one.snapshot.get("icon", ""), one.snapshot.get("title", {})
    if line == USED_UP:
        return TrafficUsedUp(one.ref, icon, title)
    return TrafficLow(one.ref, icon, title, line, left_of(one))


def _is_low() -> ColumnElement[bool]:
    """The first line of `allowance.crossed`, for the database to sort out those who are far from it."""
    bought = cast(Subscription.snapshot["traffic_bytes"].astext, BigInteger)
    measure = func.least(Subscription.traffic_bytes, func.coalesce(func.nullif(bought, 0), Subscription.traffic_bytes))
    return and_(Subscription.traffic_bytes > 0, 100 * (Subscription.traffic_bytes - _used) <= (100 - LOW) * measure)

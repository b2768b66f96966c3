"""Time and traffic that came again with money that came back, when there was a new beginning since they were taken.

That is an upgrade, or a purchase after all had ended. What comes again after it is no part of what it came to. The
history has it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from ferryman.billing.refund import Refund
from ferryman.fleet.key import KeyEvent
from ferryman.subscriptions.taking_back import Share, less, sum_of

# What the history says of money that had gone and came back.
CAME_AGAIN = ("chargeback_won", "refund_returned")


@dataclass(frozen=True)
class Regained:
    """What came again of what one payment's refunds had taken, less what was taken anew; `at` when, and of which
    `refund`, the last time."""

    share: Share
    at: datetime
    refund: Refund


async def since(
    session: AsyncSession, subscription_id: int, refunds: Sequence[Refund], begun_at: datetime, *, upgraded: bool
) -> dict[int, Regained]:
    """By payment id, of what was taken before the new beginning.

    What was taken of a payment's part in an upgrade since, and has come again, is that part once more. Where nothing
    was carried over, whatever was taken since was taken of what had come again.
    """
    before = {one.ref: one for one in refunds if one.finished_at is not None and one.finished_at < begun_at}
    told = select(KeyEvent.at, KeyEvent.detail).where(
        KeyEvent.subscription_id == subscription_id, KeyEvent.at > begun_at, KeyEvent.what.in_(CAME_AGAIN)
    )
    found: dict[int, Regained] = {}
    for at, detail in await session.execute(told.order_by(KeyEvent.id)):
        one = before.get(detail.get("refund"))
        if one is not None:
            old, new = detail["traffic_bytes"]
            came = [Share(detail["seconds"], new - old)]
            came += [found[one.payment_id].share] if one.payment_id in found else []
            found[one.payment_id] = Regained(sum_of(came), at, one)
    for number, each in found.items():
        later = (one for one in refunds if one.payment_id == number and one.ref not in before)
        anew = (_again(one) if upgraded else Share(one.taken_seconds, one.taken_bytes) for one in later)
        share = less(each.share, sum_of(anew))
        found[number] = replace(each, share=Share(max(share.seconds, 0), max(share.bytes, 0)))
    return found


def _again(one: Refund) -> Share:
    return Share(one.again_seconds, one.again_bytes)

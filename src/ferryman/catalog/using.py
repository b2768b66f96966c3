"""Using a discount: reserved with the order, consumed with its payment, released when nobody pays for a day.

A code's limits hold under its row lock, so that any number of customers may press at the same moment. A use that was
released is honoured when its order is paid after all, for the price stands on the order; unless the customer has used
the code up with other orders meanwhile (`overdrawn`), or had cancelled it and others hold the last use (`taken_since`).
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import and_, delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from ferryman.catalog.discount import Discount, DiscountUse, EnteredCode, UseState
from ferryman.kit.db import LOCK
from ferryman.kit.errors import Refused

RELEASED_AFTER = timedelta(hours=24)
# An order for each way to pay that somebody tries, and a few more; a month is longer than any pay page lives.
MOST_UNPAID = 5
UNPAID_WITHIN = timedelta(days=30)
_COUNTS = (UseState.RESERVED, UseState.CONSUMED)


class PromoRefused(Refused):
    """A code that this customer cannot use now. `reason` is one of REASONS."""

    def __init__(self, reason: str) -> None:
        super().__init__(REASONS[reason])
        self.reason = reason


REASONS = {
    "unknown": "There is no such promo code.",
    "ended": "This promo code has ended, or has not begun.",
    "used-up": "This promo code has been used up by others.",
    "used": "You have used this promo code already.",
    "unpaid": "Too many unpaid orders hold this promo code: pay one of them.",
    "not-for-you": "This promo code is for somebody else.",
}


async def allowed(session: AsyncSession, discount: Discount, customer_id: int, now: datetime) -> None:
    """Whether the customer may use a code once more. Under its row lock the answer stands; without, it is a forecast.

    Raises PromoRefused.
    """
    if not discount.holds(now):
        raise PromoRefused("ended")
    if not discount.limited:
        return
    mine = (DiscountUse.discount_id == discount.id, DiscountUse.customer_id == customer_id)
    consumed = await _count(session, *mine, DiscountUse.state == UseState.CONSUMED)
    if 0 < discount.most_each <= consumed:
        raise PromoRefused("used")
    unpaid = (DiscountUse.state != UseState.CONSUMED, DiscountUse.reserved_at > now - UNPAID_WITHIN)
    if await _count(session, *mine, *unpaid) >= MOST_UNPAID:
        raise PromoRefused("unpaid")
    if 0 < discount.most <= await _not_free(session, discount, customer_id):
        raise PromoRefused("used-up")


async def reserve(
    session: AsyncSession, discount_ids: Sequence[int], order_id: int, customer_id: int, now: datetime
) -> None:
    """Hold these discounts for a new order, in the caller's transaction; a code's earlier unpaid order lets go of it.

    `discount_ids` in ascending order, for they are locked in it. Raises PromoRefused when a limit is reached by now.
    """
    for discount_id in discount_ids:
        discount = await session.get_one(Discount, discount_id)
        if discount.limited:
            await session.refresh(discount, with_for_update=LOCK)
            await allowed(session, discount, customer_id, now)
            await _let_go(session, discount_id, customer_id, now)
    values = {
        "customer_id": customer_id,
        "order_id": order_id,
        "state": UseState.RESERVED,
        "at": now,
        "reserved_at": now,
    }
    session.add_all(DiscountUse(discount_id=discount_id, **values) for discount_id in discount_ids)
    await session.flush()


async def consume(session: AsyncSession, order_id: int, now: datetime) -> None:
    """The order is paid: its discounts are used, whether they were still held for it or not."""
    used = update(DiscountUse).where(DiscountUse.order_id == order_id, DiscountUse.state != UseState.CONSUMED)
    found = await session.execute(
        used.values(state=UseState.CONSUMED, at=now).returning(DiscountUse.discount_id, DiscountUse.customer_id)
    )
    for discount_id, customer_id in found.all():
        typed = (EnteredCode.customer_id == customer_id, EnteredCode.discount_id == discount_id)
        await session.execute(delete(EnteredCode).where(*typed))


async def overdrawn(session: AsyncSession, order_id: int) -> bool:
    """Whether this order counts on a code that its customer has used up with other orders since.

    The caller holds the customer's row.
    """
    this, other = aliased(DiscountUse), aliased(DiscountUse)
    elsewhere = (
        select(func.count())
        .where(other.discount_id == this.discount_id, other.customer_id == this.customer_id)
        .where(other.state == UseState.CONSUMED, other.order_id != this.order_id)
        .scalar_subquery()
    )
    found = (
        select(this.id)
        .join(Discount, Discount.id == this.discount_id)
        .where(this.order_id == order_id, this.state != UseState.CONSUMED)
        .where(
            or_(
                and_(Discount.most_each > 0, elsewhere >= Discount.most_each),
                # What others have used since is not held against this one, who was promised the price.
                and_(Discount.most > 0, elsewhere >= Discount.most),
            )
        )
    )
    return await session.scalar(found.limit(1)) is not None


async def taken_since(session: AsyncSession, order_id: int) -> bool:
    """Whether all uses of a code that this cancelled order has let go of belong to others by now.

    Holds the code's row: of several that come back at one moment, as many as there are uses left may have it.
    """
    mine = (DiscountUse.order_id == order_id, DiscountUse.state == UseState.RELEASED)
    counted = select(Discount, DiscountUse.customer_id).join(DiscountUse, DiscountUse.discount_id == Discount.id)
    locked = counted.where(*mine, Discount.most > 0).order_by(Discount.id).with_for_update(of=Discount, key_share=True)
    for code, customer_id in (await session.execute(locked)).all():
        if await _not_free(session, code, customer_id) >= code.most:
            return True
    return False


async def release(session: AsyncSession, now: datetime) -> int:
    """Let go of what nobody has paid for within a day; answers how many."""
    old = (DiscountUse.state == UseState.RESERVED, DiscountUse.at <= now - RELEASED_AFTER)
    # One that is being paid for at this very moment is left to its payment.
    free = select(DiscountUse.id).where(*old).with_for_update(skip_locked=True)
    released = update(DiscountUse).where(DiscountUse.id.in_(free), *old)
    result = await session.execute(released.values(state=UseState.RELEASED, at=now))
    return int(getattr(result, "rowcount", 0))


async def let_go(session: AsyncSession, order_id: int, now: datetime) -> None:
    """The order is cancelled: what was held for it is free at once."""
    held = (DiscountUse.order_id == order_id, DiscountUse.state == UseState.RESERVED)
    await session.execute(update(DiscountUse).where(*held).values(state=UseState.RELEASED, at=now))


async def by_code(session: AsyncSession, code: str) -> Discount:
    """The promo of this code (see `code_of`). Raises PromoRefused."""
    found = await session.scalar(select(Discount).where(Discount.code == code))
    if found is None:
        raise PromoRefused("unknown")
    return found


async def enter(session: AsyncSession, discount: Discount, customer_id: int, now: datetime) -> None:
    """Remember the code that a customer has typed, in place of any other."""
    typed = {"discount_id": discount.id, "at": now}
    row = insert(EnteredCode).values(customer_id=customer_id, **typed)
    await session.execute(row.on_conflict_do_update(index_elements=["customer_id"], set_=typed))


async def forget(session: AsyncSession, customer_id: int) -> None:
    """Take the customer's code away."""
    await session.execute(delete(EnteredCode).where(EnteredCode.customer_id == customer_id))


async def _let_go(session: AsyncSession, discount_id: int, customer_id: int, now: datetime) -> None:
    held = (DiscountUse.discount_id == discount_id, DiscountUse.customer_id == customer_id)
    mine = update(DiscountUse).where(*held, DiscountUse.state == UseState.RESERVED)
    await session.execute(mine.values(state=UseState.RELEASED, at=now))


async def _count(session: AsyncSession, *which: object) -> int:
    return int(await session.scalar(select(func.count()).select_from(DiscountUse).where(*which)) or 0)  # type: ignore[arg-type]


async def _not_free(session: AsyncSession, discount: Discount, customer_id: int) -> int:
    """Uses that they cannot have. What they hold themselves makes way: it is the same person, choosing again."""
    others = (DiscountUse.customer_id != customer_id) | (DiscountUse.state == UseState.CONSUMED)
    return await _count(session, DiscountUse.discount_id == discount.id, DiscountUse.state.in_(_COUNTS), others)

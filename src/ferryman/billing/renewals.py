"""The work of renewals: agree, end, begin a new period, put down a charge and what became of it. Nothing calls out.

The caller holds the subscription's row where it says so: whoever changes an agreement and whoever charges it take
turns there.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import and_, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from ferryman.billing import checkout
from ferryman.billing.checkout import Wanted
from ferryman.billing.order import Attempt, Order, OrderState, Payment
from ferryman.billing.renewal import Agreement, By, Charge, State, first_look
from ferryman.kit.db import LOCK
from ferryman.kit.money import Money

# Payments whose end nobody knows, or a person has to find.
UNSETTLED = (Attempt.CREATING, Attempt.PENDING, Attempt.REVIEW)
# An instrument that nobody uses any more is forgotten; until then one tap takes it up again.
FORGOTTEN_AFTER = timedelta(days=30)

# Longer than Telegram is waited for: what was on its way there by then has been heard, or is lost.
HEARD_WITHIN = timedelta(minutes=2)


@dataclass(frozen=True)
class Terms:
    """What was agreed: which subscription, for how many days, at most for how much, and who moves the money."""

    subscription_id: int
    customer_id: int
    term_id: int
    days: int
    amount: Money
    by: By
    provider: str
    way: str = ""
    sealed_token: bytes | None = field(default=None, repr=False)
    external_id: str | None = None
    title: str = ""
    payment_id: int | None = None


async def agree(session: AsyncSession, terms: Terms, ends_at: datetime, now: datetime) -> Agreement:
    """A new agreement for the period that ends then; the one before it ends here. The caller holds the subscription."""
    before = await active(session, terms.subscription_id)
    if before is not None:
        # Its instrument stays for a while: a charge of it that nobody knows the end of is repeated as it was.
        end(before, State.STOPPED, "replaced", now)
        await session.flush()
    made = Agreement(
        subscription_id=terms.subscription_id,
        customer_id=terms.customer_id,
        by=terms.by,
        provider=terms.provider,
        way=terms.way,
        sealed_token=terms.sealed_token,
        external_id=terms.external_id,
        title=terms.title[:64],
        payment_id=terms.payment_id,
        term_id=terms.term_id,
        days=terms.days,
        minor=terms.amount.minor,
        currency=terms.amount.currency,
        state=State.ACTIVE,
        period_end=ends_at,
        next_try_at=first_look(terms.days, ends_at),
        tries=0,
        last_reason="",
        agreed_at=now,
        why="",
        unhooked=True,
    )
    session.add(made)
    await session.flush()
    return made


def end(one: Agreement, state: State, why: str, now: datetime, *, known_there: bool = False) -> None:
    """It goes on no more. `known_there`: whoever repeats the payment by itself has said so, and need not be told."""
    one.state, one.why, one.stopped_at, one.next_try_at = state, why, now, None
    if not one.unhooked:
        # That it goes on may be on its way there, and come last.
        one.agreed_at = now
    one.unhooked = one.by != By.STARS or (known_there and one.unhooked)


def begin_to_take_up(one: Agreement, now: datetime) -> None:
    """The customer said yes, and whoever repeats the payment is about to hear it; see `may_be_overtaken`."""
    one.agreed_at, one.unhooked = now, False


def take_up(one: Agreement, amount: Money, ends_at: datetime, now: datetime) -> None:
    """Agreed once more, to this amount. What whoever repeats the payment is still to hear, it is still to hear."""
    one.state, one.why, one.stopped_at = State.ACTIVE, "", None
    one.minor, one.agreed_at = amount.minor, now
    begin_period(one, ends_at)


def begin_period(one: Agreement, ends_at: datetime) -> None:
    """The subscription ends at another time than it did: whatever belonged to that end is forgotten."""
    one.period_end, one.next_try_at = ends_at, first_look(one.days, ends_at)
    one.tries, one.first_try_at, one.last_reason = 0, None, ""
    one.told_at, one.told_minor = None, None


async def active(session: AsyncSession, subscription_id: int) -> Agreement | None:
    """The subscription's active agreement, its row locked."""
    mine = select(Agreement).where(Agreement.subscription_id == subscription_id, Agreement.state == State.ACTIVE)
    return await session.scalar(mine.with_for_update(key_share=True), execution_options={"populate_existing": True})


async def held(session: AsyncSession, agreement_id: int) -> Agreement:
    """The agreement, its row locked."""
    return await session.get_one(Agreement, agreement_id, with_for_update=LOCK, populate_existing=True)


async def latest(session: AsyncSession, subscription_id: int) -> Agreement | None:
    """The one that is active, or the last that was."""
    mine = select(Agreement).where(Agreement.subscription_id == subscription_id)
    ordered = mine.order_by((Agreement.state == State.ACTIVE).desc(), Agreement.id.desc())
    return await session.scalar(ordered.limit(1))


async def listed(session: AsyncSession, *, every: bool = False, most: int = 200) -> list[Agreement]:
    """Active ones, whose turn comes first; `every`: those that have ended too."""
    found = select(Agreement).order_by(Agreement.next_try_at, Agreement.id).limit(most)
    return list(await session.scalars(found if every else found.where(Agreement.state == State.ACTIVE)))


async def due(session: AsyncSession, now: datetime, limit: int = 500) -> list[int]:
    """Ids of the agreements that it is time to look at."""
    mine = select(Agreement.id).where(Agreement.state == State.ACTIVE, Agreement.next_try_at <= now)
    return list(await session.scalars(mine.order_by(Agreement.next_try_at).limit(limit)))


def may_be_overtaken(one: Agreement, now: datetime) -> bool:
    """Whether what is said now to whoever repeats the payment may come before an earlier word to the contrary.

    So it is while the customer is taking it up, and for a while after that, whether it has ended again or not.
    """
    return one.agreed_at > now - HEARD_WITHIN and (one.stopped_at is None or one.agreed_at >= one.stopped_at)


async def to_unhook(session: AsyncSession, now: datetime, limit: int = 100) -> list[int]:
    """Ids of those that whoever repeats the payment may not have heard the last word of, and would hear last now."""
    said_yes = func.coalesce(Agreement.stopped_at, Agreement.agreed_at) <= Agreement.agreed_at
    overtaken = and_(Agreement.agreed_at > now - HEARD_WITHIN, said_yes)
    return list(await session.scalars(select(Agreement.id).where(~Agreement.unhooked, ~overtaken).limit(limit)))


async def unhook_all(session: AsyncSession, subscription_id: int) -> None:
    """Every row of payments of this subscription's that has ended here is to be ended where it repeats, once more."""
    ended_rows = (
        Agreement.subscription_id == subscription_id,
        Agreement.by == By.STARS,
        Agreement.state != State.ACTIVE,
    )
    await session.execute(update(Agreement).where(*ended_rows).values(unhooked=False))


async def to_stop(session: AsyncSession, limit: int = 100) -> list[int]:
    """Ids of payments that repeat by themselves elsewhere, and must not."""
    return list(await session.scalars(select(Payment.id).where(Payment.to_stop).limit(limit)))


async def forget(session: AsyncSession, now: datetime) -> None:
    """Drop the instruments that nobody has used for long."""
    old = (Agreement.sealed_token.is_not(None), Agreement.stopped_at <= now - FORGOTTEN_AFTER)
    await session.execute(update(Agreement).where(*old).values(sealed_token=None))


async def forget_of(session: AsyncSession, subscription_id: int) -> None:
    """Drop every instrument that was ever kept for this subscription."""
    await session.execute(
        update(Agreement).where(Agreement.subscription_id == subscription_id).values(sealed_token=None)
    )


async def agreed_with(session: AsyncSession, payment_ref: str) -> Agreement | None:
    """The latest agreement that was made with this payment of ours."""
    mine = select(Agreement).join(Payment, Payment.id == Agreement.payment_id).where(Payment.ref == payment_ref)
    return await session.scalar(mine.order_by(Agreement.id.desc()).limit(1))


async def charge_of(session: AsyncSession, payment_id: int) -> tuple[Charge, Agreement] | None:
    """What this payment is a charge of; None when a customer pays it."""
    mine = select(Charge, Agreement).join(Agreement, Agreement.id == Charge.renewal_id)
    row = (await session.execute(mine.where(Charge.payment_id == payment_id))).one_or_none()
    return None if row is None else (row[0], row[1])


async def unsettled(session: AsyncSession, subscription_id: int) -> bool:
    """Whether a charge for this subscription, by whatever agreement, has no end yet."""
    open_ = (
        select(Charge.payment_id)
        .join(Agreement, Agreement.id == Charge.renewal_id)
        .join(Payment, Payment.id == Charge.payment_id)
        .where(Agreement.subscription_id == subscription_id, Payment.state.in_(UNSETTLED))
    )
    return await session.scalar(open_.limit(1)) is not None


async def renewed(session: AsyncSession, subscription_id: int, period_end: datetime, *, but: int) -> bool:
    """Whether the period that ends then was paid for by another order's charge, `but` being the order in question."""
    paid = (
        select(Charge.payment_id)
        .join(Agreement, Agreement.id == Charge.renewal_id)
        .join(Payment, Payment.id == Charge.payment_id)
        .join(Order, Order.id == Payment.order_id)
        .where(Agreement.subscription_id == subscription_id, Charge.period_end == period_end)
        .where(Order.state == OrderState.PAID, Order.id != but)
    )
    return await session.scalar(paid.limit(1)) is not None


async def uncounted(session: AsyncSession, agreement_id: int) -> tuple[Charge, Payment] | None:
    """The charge that failed, and whose failure has had no effect yet."""
    failed = (
        select(Charge, Payment)
        .join(Payment, Payment.id == Charge.payment_id)
        .where(Charge.renewal_id == agreement_id, ~Charge.counted, Payment.state == Attempt.CANCELLED)
    )
    row = (await session.execute(failed.order_by(Charge.payment_id).limit(1))).one_or_none()
    return None if row is None else (row[0], row[1])


async def place(
    session: AsyncSession, one: Agreement, wanted: Wanted, now: datetime, *, least: int = 0
) -> tuple[Order, int, bool]:
    """The order for this period, the number of the try, and whether the order is new.

    Tries of one period share an order, so that whichever of them succeeds, and however late, it is granted once. An
    earlier order stands when it is for no more than is wanted now, and for no less than the `least` that can be paid.
    The caller holds the subscription.
    """
    number = await _tries(session, one) + 1
    tap = f"renew:{one.subscription_id}:{int(one.period_end.timestamp())}"
    order, new = await checkout.place(session, wanted, tap, now)
    fits = order.currency == one.currency and least <= order.minor <= wanted.amount.minor
    if order.state != OrderState.OPEN or not fits:
        # Paid and given back, or placed when something else was agreed.
        order, new = await checkout.place(session, wanted, f"{tap}:{number}", now)
    return order, number, new


def key(one: Agreement, number: int) -> str:
    """What the provider knows this try by, however often it is repeated."""
    return f"renew-{one.subscription_id}-{int(one.period_end.timestamp())}-{number}"


def put_down(session: AsyncSession, one: Agreement, payment: Payment) -> None:
    """The payment is a charge of this agreement."""
    session.add(Charge(payment_id=payment.id, renewal_id=one.id, period_end=one.period_end))


async def _tries(session: AsyncSession, one: Agreement) -> int:
    mine = (Agreement.subscription_id == one.subscription_id, Charge.period_end == one.period_end)
    counted = select(func.count()).select_from(Charge).join(Agreement, Agreement.id == Charge.renewal_id)
    return int(await session.scalar(counted.where(*mine)) or 0)

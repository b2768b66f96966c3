"""The work of billing: place an order, open an attempt to pay, settle it by what the provider itself confirms.

Every transition is a guarded UPDATE or happens under the payment's row lock; nothing here calls out.
"""

import enum
from datetime import datetime, timedelta

from sqlalchemy import and_, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from ferryman.billing import ledger
from ferryman.billing.order import Attempt, Order, OrderState, Payment
from ferryman.billing.provider import Fact, Opened, PaymentState
from ferryman.catalog.plan import Term
from ferryman.kit.db import LOCK
from ferryman.kit.money import Money
from ferryman.kit.secrets import new_token

# Seconds until an open payment is asked about for the n-th time; the last step repeats until the provider is final.
ASKING_LADDER = (10, 30, 60, 120, 300, 900, 3600)

# The order comes along in the same query, and is not to be locked by it.
PAYMENT_LOCK = {"of": Payment, **LOCK}


class Outcome(enum.StrEnum):
    """What settling came to. PAID is answered once per order, whatever is repeated."""

    PAID = "paid"
    SECOND = "second_payment_credited"
    ALREADY = "already_settled"
    PENDING = "still_pending"
    CANCELLED = "cancelled"
    REVIEW = "needs_review"
    REFUNDED = "refunded"


async def place(
    session: AsyncSession, customer_id: int, term: Term, amount: Money, tap: str, now: datetime
) -> tuple[Order, bool]:
    """The order of this press, and whether it is new: pressing twice finds the first one."""
    made = await session.scalar(
        insert(Order)
        .values(
            ref=new_token(9),
            customer_id=customer_id,
            term_id=term.id,
            tap=tap,
            snapshot=term.plan.snapshot(term),
            minor=amount.minor,
            currency=amount.currency,
            state=OrderState.OPEN,
            created_at=now,
        )
        .on_conflict_do_nothing(index_elements=["tap"])
        .returning(Order.id)
    )
    found = await session.scalar(select(Order).where(Order.tap == tap))
    assert found is not None
    return found, made is not None


async def attempts(session: AsyncSession, order: Order) -> list[Payment]:
    """The order's attempts to pay, oldest first; never empty once the order is committed."""
    return list(await session.scalars(select(Payment).where(Payment.order_id == order.id).order_by(Payment.id)))


async def attempt(
    session: AsyncSession, order: Order, provider: str, request: dict[str, str], now: datetime
) -> Payment:
    """A new attempt to pay, to be committed before the provider is called. `request` is kept for repeating it."""
    ref = new_token(12)
    payment = Payment(
        ref=ref,
        order_id=order.id,
        provider=provider,
        idempotency_key=ref,
        request=request,
        state=Attempt.CREATING,
        minor=order.minor,
        currency=order.currency,
        created_at=now,
        ask_at=now + timedelta(seconds=ASKING_LADDER[0]),
        asked=0,
    )
    session.add(payment)
    await session.flush()
    return payment


async def opened(session: AsyncSession, payment_id: int, at_provider: Opened, now: datetime) -> bool:
    """Remember where the customer pays; False when the attempt has moved on meanwhile.

    Given up by a rival call that was refused, it lives again: this call is the proof that the provider has it.
    """
    given_up = and_(Payment.state == Attempt.CANCELLED, Payment.external_id.is_(None))
    result = await session.execute(
        update(Payment)
        .where(Payment.id == payment_id, or_(Payment.state == Attempt.CREATING, given_up))
        .values(
            state=Attempt.PENDING,
            external_id=at_provider.external_id,
            pay_url=at_provider.pay_url,
            opened_at=now,
            reason=None,
            ask_at=now + timedelta(seconds=ASKING_LADDER[0]),
        )
    )
    return _changed(result) == 1


async def given_up(session: AsyncSession, payment_id: int, why: str) -> bool:
    """The provider refused to open the attempt: it exists nowhere, and the customer may try again."""
    result = await session.execute(
        update(Payment)
        .where(Payment.id == payment_id, Payment.state == Attempt.CREATING)
        .values(state=Attempt.CANCELLED, reason=why[:300], ask_at=None)
    )
    return _changed(result) == 1


async def ask_later(session: AsyncSession, payment_id: int, now: datetime) -> None:
    """Put the next question to the provider one step further away."""
    payment = await session.get_one(Payment, payment_id, with_for_update=PAYMENT_LOCK)
    if payment.ask_at is not None:
        # By age, not by how often it was asked: a customer who keeps pressing "check" must not push the sweep away.
        steps = (payment.created_at + timedelta(seconds=step) for step in ASKING_LADDER)
        payment.asked += 1
        payment.ask_at = next((at for at in steps if at > now), now + timedelta(seconds=ASKING_LADDER[-1]))


async def due(session: AsyncSession, now: datetime, limit: int = 500) -> list[int]:
    """Ids of the payments that it is time to ask about."""
    found = await session.scalars(select(Payment.id).where(Payment.ask_at <= now).order_by(Payment.ask_at).limit(limit))
    return list(found)


async def settle(session: AsyncSession, payment_id: int, fact: Fact, *, test_mode: bool, now: datetime) -> Outcome:
    """Apply what the provider confirmed, in the caller's transaction, under the payment's and the order's row locks."""
    payment = await session.get_one(Payment, payment_id, with_for_update=PAYMENT_LOCK, populate_existing=True)
    order = await session.get_one(Order, payment.order_id, with_for_update=LOCK, populate_existing=True)
    wrong = _mismatch(payment, fact, test_mode)
    if fact.ref == payment.ref and payment.external_id not in (None, fact.external_id):
        payment = await _stray(session, payment, fact, now)
    if payment.state == Attempt.SUCCEEDED:
        return await _given_back(session, payment, fact)
    if fact.ref == payment.ref and payment.external_id is None:
        payment.external_id = fact.external_id
    if wrong is not None and fact.state is not PaymentState.PENDING:
        return await _set_aside(session, payment, fact, wrong)
    if fact.state is PaymentState.PENDING:
        return Outcome.PENDING
    if fact.state is PaymentState.CANCELLED:
        return _cancel(payment, fact)
    return await _succeed(session, payment, order, now)


def _mismatch(payment: Payment, fact: Fact, test_mode: bool) -> str | None:
    if fact.ref != payment.ref:
        return "the provider's payment names another payment of ours, or none"
    if fact.test != test_mode:
        return "play money in a live shop" if fact.test else "real money in a test shop"
    if fact.amount != payment.amount:
        return f"{fact.amount} came instead of {payment.amount}"
    return None


async def _stray(session: AsyncSession, attempt: Payment, fact: Fact, now: datetime) -> Payment:
    """A row of its own for a second payment that the provider holds for one attempt of ours.

    It comes about when a create call is repeated after the provider has forgotten its idempotency key.
    """
    mine = (Payment.provider == attempt.provider, Payment.external_id == fact.external_id)
    found = await session.scalar(select(Payment).where(*mine).with_for_update(of=Payment, key_share=True))
    if found is None:
        found = Payment(
            ref=new_token(12),
            order_id=attempt.order_id,
            provider=attempt.provider,
            idempotency_key=f"stray:{fact.external_id}",
            request=attempt.request,
            external_id=fact.external_id,
            state=Attempt.PENDING,
            minor=attempt.minor,
            currency=attempt.currency,
            created_at=now,
            ask_at=now + timedelta(seconds=ASKING_LADDER[0]),
            asked=0,
        )
        session.add(found)
        await session.flush()
    return found


async def _set_aside(session: AsyncSession, payment: Payment, fact: Fact, wrong: str) -> Outcome:
    arrived = fact.state is PaymentState.SUCCEEDED and not fact.test
    cause = f"payment:{payment.ref}"
    if arrived and fact.external_id == payment.external_id and not await ledger.posted(session, "unmatched", cause):
        await ledger.post(
            session,
            "unmatched",
            cause,
            [(f"provider:{payment.provider}", fact.amount), (f"unmatched:{payment.ref}", ledger.negative(fact.amount))],
        )
    payment.state = Attempt.REVIEW
    payment.reason = wrong
    payment.ask_at = None
    return Outcome.REVIEW


async def _given_back(session: AsyncSession, payment: Payment, fact: Fact) -> Outcome:
    """Take a refund made at the provider into the books; what it takes back of the access, a person decides."""
    total = fact.refunded
    if total is None or total.currency != payment.currency or not payment.refunded < total.minor <= payment.minor:
        return Outcome.ALREADY
    back = Money(total.minor - payment.refunded, payment.currency)
    legs = [("refunds", back), (f"provider:{payment.provider}", ledger.negative(back))]
    await ledger.post(session, f"refund:{total.minor}", f"payment:{payment.ref}", legs)
    payment.refunded = total.minor
    return Outcome.REFUNDED


def _cancel(payment: Payment, fact: Fact) -> Outcome:
    payment.state = Attempt.CANCELLED
    payment.reason = fact.reason
    payment.ask_at = None
    return Outcome.CANCELLED


async def _succeed(session: AsyncSession, payment: Payment, order: Order, now: datetime) -> Outcome:
    """Late or not, the money is there: the order is paid, or the customer's balance grows."""
    first = order.state == OrderState.OPEN
    account = "sales" if first else f"customer:{order.customer_id}"
    legs = [(f"provider:{payment.provider}", payment.amount), (account, ledger.negative(payment.amount))]
    for held in await ledger.held_on(session, f"unmatched:{payment.ref}"):
        # It was set aside before a person put things right: the same money must not stand in the books twice.
        legs += [(f"provider:{payment.provider}", held), (f"unmatched:{payment.ref}", ledger.negative(held))]
    await ledger.post(session, "purchase" if first else "credit", f"payment:{payment.ref}", legs)
    payment.state = Attempt.SUCCEEDED
    payment.succeeded_at = now
    payment.reason = None
    payment.ask_at = None
    if first:
        order.state = OrderState.PAID
        order.paid_at = now
    return Outcome.PAID if first else Outcome.SECOND


def _changed(result: object) -> int:
    return int(getattr(result, "rowcount", 0))

"""Settlement: what a provider confirmed becomes a state, entries in the ledger, and an outcome, under the row's lock.

Nothing here calls out, and nothing is granted here: that is for whoever asked.
"""

import enum
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from ferryman.billing import checkout, ledger, shortage
from ferryman.billing.order import Attempt, Order, OrderState, Payment
from ferryman.billing.provider import Fact, PaymentState
from ferryman.kit.db import LOCK
from ferryman.kit.errors import Refused
from ferryman.kit.money import Money
from ferryman.kit.secrets import new_token


class Outcome(enum.StrEnum):
    """What settling came to. PAID is answered once per order, whatever is repeated."""

    PAID = "paid"
    SECOND = "second_payment_credited"
    CREDITED = "what_came_credited"
    BARRED = "credited_to_barred_customer"
    ALREADY = "already_settled"
    PENDING = "still_pending"
    HELD = "held"
    CANCELLED = "cancelled"
    REVIEW = "needs_review"
    GIVEN_BACK = "given_back"
    WON_BACK = "chargeback_won_back"
    RETURNED = "refund_came_back"


@dataclass(frozen=True)
class Settled:
    """What settling came to, and which row it was: the one asked about, or a twin of it at the provider.

    `credited`: minor units that the balance got, where that is not the payment's amount.
    """

    outcome: Outcome
    payment: Payment
    credited: int = 0


async def settle(
    session: AsyncSession,
    payment_id: int,
    fact: Fact,
    *,
    test_mode: bool,
    now: datetime,
    barred: bool = False,
    overdrawn: bool = False,
    account: str | None = None,
) -> Settled:
    """Apply what the provider confirmed, in the caller's transaction, under the payment's and the order's row locks.

    `barred`: its customer is blocked from buying, so the money goes to their balance. `overdrawn`: so it does, for its
    price came of a code that they have used up since, or it is not wanted any more. `account` is where the money comes
    from, when that is not what the provider holds for us.
    """
    payment = await checkout.held(session, payment_id)
    order = await session.get_one(Order, payment.order_id, with_for_update=LOCK, populate_existing=True)
    wrong = _mismatch(payment, fact, test_mode)
    if fact.ref == payment.ref and payment.external_id not in (None, fact.external_id):
        payment = await _stray(session, payment, fact, now)
    if payment.state == Attempt.SUCCEEDED:
        await _book_fee(session, payment, fact)
        await book_dispute_fee(session, payment, fact)
        credited = await shortage.rest(session, payment, order, fact) if wrong is None else 0
        if credited:
            return Settled(Outcome.CREDITED, payment, credited)
        return Settled(Outcome.GIVEN_BACK if _went_back(payment, fact) else Outcome.ALREADY, payment)
    if fact.ref == payment.ref and payment.external_id is None:
        payment.external_id = fact.external_id
    if wrong is not None and fact.state is not PaymentState.PENDING:
        return Settled(await _set_aside(session, payment, fact, wrong), payment)
    match fact.state:
        case PaymentState.PENDING:
            if payment.state in (Attempt.CREATING, Attempt.PENDING):
                payment.reason = fact.reason
            return Settled(Outcome.PENDING, payment)
        case PaymentState.HELD:
            return Settled(Outcome.HELD, payment)
        case PaymentState.CANCELLED:
            return Settled(await _cancel(session, payment, fact), payment)
        case PaymentState.SHORT:
            return Settled(await _short(session, payment, fact, now), payment)
    return Settled(
        await _succeed(session, payment, order, fact, now, barred=barred, overdrawn=overdrawn, account=account), payment
    )


async def decide(
    session: AsyncSession, payment: Payment, *, grant: bool, now: datetime, because: dict[str, str]
) -> Settled:
    """A person's word on a payment in review, whose row the caller holds: it counts as paid, or goes to the balance.

    What is missing of the price is the shop's loss. Raises Refused when there is nothing that could be credited.
    """
    order = await session.get_one(Order, payment.order_id, with_for_update=LOCK, populate_existing=True)
    came = [ledger.negative(one) for one in await ledger.held_on(session, f"unmatched:{payment.ref}")]
    legs = [(f"unmatched:{payment.ref}", one) for one in came]
    pays = grant and order.state != OrderState.PAID
    if pays:
        missing = payment.amount.minor - sum(one.minor for one in came if one.currency == payment.currency)
        legs.append(("sales", ledger.negative(payment.amount)))
        if missing:
            # More than was asked for is a loss below zero: a windfall on the same account.
            legs.append(("shortfall", Money(missing, payment.currency)))
        legs += [("shortfall", ledger.negative(one)) for one in came if one.currency != payment.currency]
    elif not came:
        raise Refused(f"Nothing is known to have come for {payment.ref}: there is nothing to put on the balance.")
    else:
        legs += [(f"customer:{order.customer_id}", ledger.negative(one)) for one in came]
    await ledger.post(session, "purchase" if pays else "credit", f"payment:{payment.ref}", legs, because)
    payment.state, payment.succeeded_at, payment.ask_at = Attempt.SUCCEEDED, now, None
    payment.look_at = now + checkout.LOOK_AFTER if payment.external_id is not None else None
    payment.details = {**payment.details, "decided": because}
    if pays:
        order.state, order.paid_at = OrderState.PAID, now
        return Settled(Outcome.PAID, payment)
    return Settled(Outcome.CREDITED, payment, sum(one.minor for one in came if one.currency == payment.currency))


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
            way=attempt.way,
            idempotency_key=f"stray:{fact.external_id}",
            request=attempt.request,
            external_id=fact.external_id,
            state=Attempt.PENDING,
            minor=attempt.minor,
            currency=attempt.currency,
            created_at=now,
            ask_at=now + timedelta(seconds=checkout.ASKING_LADDER[0]),
            asked=0,
        )
        session.add(found)
        await session.flush()
    return found


async def _set_aside(session: AsyncSession, payment: Payment, fact: Fact, wrong: str) -> Outcome:
    arrived = fact.state is PaymentState.SUCCEEDED and not fact.test
    if arrived and fact.external_id == payment.external_id:
        await shortage.hold(session, payment, fact.amount, fact.details)
    return _review(payment, wrong)


async def _short(session: AsyncSession, payment: Payment, fact: Fact, now: datetime) -> Outcome:
    """A person may decide, or the rest may come yet: not every provider tells of that, so it goes on being asked."""
    payment.details = {**payment.details, **fact.details}
    if fact.came is not None:
        await shortage.hold(session, payment, fact.came, fact.details)
    which = "nothing of it is ours yet" if fact.came is None else f"{fact.came} is there"
    outcome = _review(payment, f"less came than {payment.amount}: {which}")
    payment.ask_at = checkout.much_later(payment, now)
    return outcome


def _review(payment: Payment, why: str) -> Outcome:
    payment.state = Attempt.REVIEW
    payment.reason = why
    payment.ask_at = None
    return Outcome.REVIEW


def _went_back(payment: Payment, fact: Fact) -> bool:
    """Whether more of a success has gone back than the books know; taking it into them is `refunds`' work."""
    known = {"refunded": payment.refunded, "charged_back": payment.charged_back}
    said = {"refunded": fact.refunded, "charged_back": fact.charged_back}
    return any(
        money is not None and money.currency == payment.currency and known[what] < money.minor <= payment.minor
        for what, money in said.items()
    )


async def _book_fee(session: AsyncSession, payment: Payment, fact: Fact) -> None:
    """What the provider kept of it, once it says so; some know only later."""
    fee = fact.fee
    if payment.fee is not None or fee is None or fee.currency != payment.currency or fee.minor < 0:
        return
    payment.fee = fee.minor
    if fee.minor:
        await ledger.post(session, ledger.FEE, f"payment:{payment.ref}", _kept_by(payment.provider, fee))


async def book_dispute_fee(session: AsyncSession, payment: Payment, fact: Fact) -> None:
    """What chargebacks cost beside the money that went. Less than before is believed once all that money is back: while
    it is away, an answer from before the chargeback says so, too."""
    fee, source = fact.dispute_fee, f"disputes:{payment.ref}"
    if fee is None or fee.currency != payment.currency or fee.minor < 0:
        return
    more = fee.minor - await ledger.booked(session, source, f"fees:{payment.provider}", fee.currency)
    if more > 0 or (more and not payment.charged_back):
        await ledger.post_again(session, "dispute fee", source, _kept_by(payment.provider, Money(more, fee.currency)))


def _kept_by(provider: str, fee: Money) -> list[ledger.Leg]:
    return [(f"fees:{provider}", fee), (f"provider:{provider}", ledger.negative(fee))]


async def _cancel(session: AsyncSession, payment: Payment, fact: Fact) -> Outcome:
    if payment.state == Attempt.REVIEW and await ledger.held_on(session, f"unmatched:{payment.ref}"):
        # Money came for it all the same: that is for a person to decide.
        return Outcome.REVIEW
    payment.state = Attempt.CANCELLED
    payment.reason = fact.reason
    payment.ask_at = None
    return Outcome.CANCELLED


async def _succeed(
    session: AsyncSession,
    payment: Payment,
    order: Order,
    fact: Fact,
    now: datetime,
    *,
    barred: bool,
    overdrawn: bool,
    account: str | None,
) -> Outcome:
    """Late or not, the money is there: the order is paid, or the customer's balance grows."""
    first = order.state != OrderState.PAID and not barred and not overdrawn
    source, target = account or f"provider:{payment.provider}", "sales" if first else f"customer:{order.customer_id}"
    legs = [(source, payment.amount), (target, ledger.negative(payment.amount))]
    for held in await ledger.held_on(session, f"unmatched:{payment.ref}"):
        # It was set aside before a person put things right: the same money must not stand in the books twice.
        legs += [(f"provider:{payment.provider}", held), (f"unmatched:{payment.ref}", ledger.negative(held))]
    await ledger.post(session, "purchase" if first else "credit", f"payment:{payment.ref}", legs, fact.details)
    # Cancelled counts until money comes all the same; that it did is for whoever looks at it later.
    late = {"late": payment.reason or "cancelled"} if payment.state == Attempt.CANCELLED else {}
    payment.state = Attempt.SUCCEEDED
    payment.succeeded_at = now
    # What came out of our own books is in nobody else's.
    payment.look_at = now + checkout.LOOK_AFTER if account is None else None
    payment.details = {**payment.details, **fact.details, **late}
    payment.reason = None
    payment.ask_at = None
    await _book_fee(session, payment, fact)
    await book_dispute_fee(session, payment, fact)
    if first:
        order.state = OrderState.PAID
        order.paid_at = now
    return Outcome.PAID if first else Outcome.BARRED if barred else Outcome.SECOND

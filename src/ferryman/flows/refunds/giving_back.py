"""Money that has gone back, taken into the books, and what it had paid for taken back with it: in one transaction.

Whoever sent it, it ends in `book`: the refund's row, the payment, the ledger, the subscription, its keys, its history,
unredeemed gift codes, and the notices change together or not at all.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from ferryman.billing import checkout, ledger, refund, renewals
from ferryman.billing.gift import GiftState
from ferryman.billing.order import Payment
from ferryman.billing.refund import Origin, Refund, State, Takes, Through
from ferryman.fleet import withdrawing
from ferryman.flows.alerting import alert
from ferryman.flows.announcing import announce
from ferryman.flows.keys import ending_renewals
from ferryman.flows.keys.handling import Cause, Change
from ferryman.flows.orders import gift_books
from ferryman.flows.refunds import weighing
from ferryman.flows.refunds.weighing import Case
from ferryman.flows.tools import Tools
from ferryman.kit import log
from ferryman.kit.db import LOCK
from ferryman.kit.money import Money
from ferryman.messaging import money_back
from ferryman.messaging.notice import Notice
from ferryman.people.customer import Customer
from ferryman.subscriptions.subscription import Subscription
from ferryman.subscriptions.taking_back import NOTHING, Share, allowance_after

_log = log.get("refunds")

A_SECOND = timedelta(seconds=1)


async def taken_back(
    tools: Tools, session: AsyncSession, payment: Payment, total: Money, *, chargeback: bool, now: datetime
) -> None:
    """The provider says that so much of a payment has gone back in all: book what the books do not know yet.

    The caller holds the rows of the payment and its customer. Refunds of ours whose answer we still wait for come
    first, so that none is booked twice when its webhook is faster. To be called with every such word, however often.
    """
    refunds = await refund.of_payment(session, payment.id)
    grown_by = total.minor - refund.known(refunds, chargeback=chargeback)
    if total.currency != payment.currency or grown_by <= 0:
        return
    if grown_by > max(payment.minor, await weighing.came(session, payment)):
        return
    if not chargeback:
        waiting = [each for each in refunds if each.open and each.through == Through.PROVIDER]
        for ours in refund.meant(waiting, grown_by):
            await book(tools, session, payment, ours, now)
            grown_by -= ours.minor
    if not grown_by:
        return
    origin = Origin.CHARGEBACK if chargeback else Origin.PROVIDER
    found = refund.new(
        payment,
        Money(grown_by, payment.currency),
        origin,
        Through.PROVIDER,
        now,
        idempotency_key=f"{origin}:{payment.ref}:{total.minor}{_again(refunds)}",
        takes=Takes.UNUSED if chargeback else Takes.SHARE,
        by=f"provider:{payment.provider}",
        why="the payer's bank took it back" if chargeback else "given back at the provider",
    )
    session.add(found)
    await session.flush()
    access = await book(tools, session, payment, found, now)
    kind = money_back.ChargebackCame if chargeback else money_back.RefundedElsewhere
    customer = (await session.get_one(Customer, payment.order.customer_id)).telegram_id
    await alert(tools, session, kind(payment.ref, grown_by, payment.currency, customer, access), f"refund:{found.ref}")


def _again(refunds: Sequence[Refund]) -> str:
    """What was won back may be taken back once more, and comes to the same total then."""
    won = sum(one.won_back for one in refunds)
    return f"+{won}" if won else ""


async def book(tools: Tools, session: AsyncSession, payment: Payment, one: Refund, now: datetime) -> str:
    """The money has gone: write it into the books and take back what it had paid for; answers what became of access.

    The caller holds the rows of the payment, its customer and the refund.
    """
    case = await weighing.case(tools, session, payment)
    takes, by_bank = Takes(one.takes), one.origin == Origin.CHARGEBACK
    goes = case.goes(takes, one.minor, chargeback=by_bank)
    again = case.again(takes, one.minor, chargeback=by_bank)
    await _post(session, case, one)
    one.finish(State.SUCCEEDED, now)
    one.taken_seconds, one.taken_bytes = goes.seconds, goes.bytes
    one.again_seconds, one.again_bytes = again.seconds, again.bytes
    _count(payment, one)
    if one.through == Through.PROVIDER and payment.external_id is not None:
        # It may come back, and whoever asks about successes may have been done with this one long ago.
        payment.look_at = now + checkout.LOOK_AFTER
    access = money_back.SAME
    if case.subscription is not None and goes != NOTHING:
        access = await _take(tools, session, case.subscription, one, goes, now)
    all_of_it = case.given_back + one.minor >= case.paid
    if all_of_it:
        for code in case.gifts:
            if code.state == GiftState.NEW:
                await gift_books.void(session, code, now)
            elif code.state == GiftState.VOID:
                await gift_books.take_again(session, code, case.customer.id)
    if one.origin == Origin.CHARGEBACK:
        await _renew_no_more(tools, session, case.subscription or await _meant(session, payment))
    elif access == money_back.ENDED or all_of_it:
        await _renew_no_more(tools, session, case.subscription)
    await session.flush()
    said = _said(payment, one, access, case.subscription)
    await announce(tools, session, case.customer.id, said, f"money-back:{one.ref}")
    _log.info(
        "money_given_back",
        refund=one.ref,
        payment=payment.ref,
        amount=str(one.amount),
        origin=one.origin,
        access=access,
    )
    return access


async def _renew_no_more(tools: Tools, session: AsyncSession, subscription: Subscription | None) -> None:
    """Whoever got their money back is not charged again by itself."""
    if subscription is not None:
        agreement = await renewals.active(session, subscription.id)
        if agreement is not None:
            await ending_renewals.ended(tools, session, agreement, subscription, "refunded")


async def _meant(session: AsyncSession, payment: Payment) -> Subscription | None:
    """The subscription that a payment was for which bought nothing, as it went to the balance; its row is held."""
    number = payment.order.subscription_id
    if number is None:
        return None
    return await session.get_one(Subscription, number, with_for_update=LOCK, populate_existing=True)


async def _post(session: AsyncSession, case: Case, one: Refund) -> None:
    """The provider's account, or the balance, gets it; the sale is undone, or the balance that it was credited to.

    What goes back on top of all that was paid, as when a bank takes what was given back already, the customer owes.
    """
    customer, payment = f"customer:{case.customer.id}", case.payment
    sold = 0 if case.credited else max(min(one.minor, case.paid - case.given_back), 0)
    target = customer if one.through == Through.BALANCE else f"provider:{payment.provider}"
    parts = [("refunds", sold), (customer, one.minor - sold), (target, -one.minor)]
    legs = [(account, Money(minor, one.currency)) for account, minor in parts if minor]
    kind = "chargeback" if one.origin == Origin.CHARGEBACK else "refund"
    await ledger.post(session, kind, f"refund:{one.ref}", legs, {"payment": payment.ref, "by": one.by})


def _count(payment: Payment, one: Refund) -> None:
    """What went back at the provider also stands in the payment, which can hold no more than was paid."""
    left = payment.minor - payment.refunded - payment.charged_back
    if one.origin == Origin.CHARGEBACK:
        payment.charged_back += min(one.minor, left)
    elif one.through in refund.AT_PROVIDER:
        payment.refunded += min(one.minor, left)


async def _take(
    tools: Tools, session: AsyncSession, held: Subscription, one: Refund, goes: Share, now: datetime
) -> str:
    """Shorten what the payment had bought; the panels follow, and whoever has no time left loses the keys at once."""
    cause = Cause(one.by, one.why)
    change = Change(tools, session, held, cause, now)
    before, allowed = held.ends_at, held.traffic_bytes
    ends_at = before - timedelta(seconds=goes.seconds)
    # Time is counted in whole seconds; a part of one that is left over is no access.
    held.ends_at = max(
        min(before, held.clock(now)) if ends_at - held.clock(now) < A_SECOND else ends_at, held.starts_at
    )
    held.traffic_bytes = allowance_after(allowed, held.used, goes.bytes)
    held.weigh(now)
    ended = held.ended(now)
    what = "charged_back" if one.origin == Origin.CHARGEBACK else "refunded"
    await change.note(
        what,
        seconds=goes.seconds,
        before=before.isoformat(),
        after=held.ends_at.isoformat(),
        traffic_bytes=[allowed, held.traffic_bytes],
        refund=one.ref,
    )
    await change.explain(what, f"refund:{one.ref}", before)
    if not ended:
        await change.follow()
        return money_back.SHORTER if held.ends_at != before else money_back.LESS
    held.frozen_at, held.untold = None, None
    nodes = await withdrawing.withdraw(session, held.id, now)
    held.revision += 1
    held.placed_revision, held.moving = held.revision, False
    await session.flush()
    await change.wake(nodes)
    return money_back.ENDED


def _said(payment: Payment, one: Refund, access: str, held: Subscription | None) -> Notice:
    order = payment.order.ref
    about = money_back.said_of(access, held.ends_at if held is not None else None)
    if one.origin == Origin.CHARGEBACK:
        return money_back.ChargedBack(order, one.minor, one.currency, **about)
    return money_back.MoneyBack(order, one.minor, one.currency, one.through, **about)

"""The one transaction: however we hear of money, it becomes true here, all of it or nothing.

apply_fact   what a provider confirms: payment, ledger, subscription, keys owed and notices change together
collect      the same for money that is in our own books: a balance, a code
follow_up    the same after a person's word on a payment
"""

from sqlalchemy.ext.asyncio import AsyncSession

from ferryman.billing import checkout, inbox, settlement
from ferryman.billing.order import Attempt, OrderKind, Payment
from ferryman.billing.provider import (
    Capturing,
    Fact,
    InHouse,
    Offered,
    PaymentProvider,
    PaymentState,
)
from ferryman.billing.settlement import Outcome, Settled
from ferryman.flows.alerting import alert
from ferryman.flows.keys import placing
from ferryman.flows.orders import pricing, reporting, upgrading
from ferryman.flows.orders.opening import connected, request_of
from ferryman.flows.payments import belated
from ferryman.flows.refunds import giving_back, weighing, winning_back
from ferryman.flows.refunds.winning_back import Gone
from ferryman.flows.renewals import agreeing, charging
from ferryman.flows.tools import Tools
from ferryman.kit import log
from ferryman.kit.db import LOCK
from ferryman.kit.errors import Busy, Refused
from ferryman.kit.money import Money
from ferryman.kit.steps import Step, reached
from ferryman.messaging import money_back
from ferryman.people.customer import Customer
from ferryman.subscriptions import granting
from ferryman.subscriptions.subscription import Subscription

_log = log.get("buying")

# Seconds.
LOOK_AGAIN = 5.0


async def apply_fact(
    tools: Tools, provider: PaymentProvider, fact: Fact, *, asked: int | None = None, knew: Gone | None = None
) -> Outcome | None:
    """The one transaction: payment, ledger, subscription, keys owed and notices change together or not at all.

    None when the provider's payment is none of ours; one that we `asked` about by its id is. What is held is captured,
    which takes a second look. So does money that is said to have come back, for the answer may be older than the
    chargeback or the refund: `knew` is what the books had as gone before the provider was asked.
    """
    reached(Step.FACT_HEARD)
    async with tools.db.unit() as session:
        payment_id = await inbox.payment_meant(session, provider.name, fact.ref, fact.external_id) or asked
        if payment_id is None:
            return None
        if fact.renews:
            payment_id, fact = await agreeing.came(tools, session, payment_id, fact)
        settled = await _settle(tools, session, provider, payment_id, fact)
        gone = await winning_back.doubted(session, settled.payment, fact, tools.clock.now())
        if gone is not None and gone == knew:
            back = await winning_back.come_back(tools, session, settled.payment, fact, gone, tools.clock.now())
            await settlement.book_dispute_fee(session, settled.payment, fact)
            settled, gone = Settled(back, settled.payment), None
    reached(Step.PAYMENT_COMMITTED)
    _note(settled, fact)
    if gone is not None:
        if knew is not None:
            raise Busy("What has gone of a payment changes while we ask about it.", LOOK_AGAIN)
        return await apply_fact(
            tools, provider, await provider.look_up(fact.external_id), asked=settled.payment.id, knew=gone
        )
    if settled.outcome is Outcome.HELD and isinstance(provider, Capturing):
        payment = settled.payment
        taken = await provider.capture(fact.external_id, payment.amount, f"take-{payment.ref}")
        if taken.state is not PaymentState.HELD:
            return await apply_fact(tools, provider, taken, asked=payment_id)
    return settled.outcome


async def collect(tools: Tools, payment_id: int) -> Outcome:
    """Take the money out of our own books and grant what it pays for, in one transaction.

    Raises Refused, with a sentence for the customer, when it is not there; the attempt is given up then.
    """
    async with tools.db.unit() as session:
        payment = await session.get_one(Payment, payment_id)
        provider = await connected(tools, session, payment.provider)
    assert isinstance(provider, InHouse)
    request = request_of(tools, payment)
    try:
        async with tools.db.unit() as session:
            customer_id = payment.order.customer_id
            await session.get_one(Customer, customer_id, with_for_update=LOCK)
            held = await checkout.held(session, payment_id)
            if held.state == Attempt.SUCCEEDED:
                return Outcome.ALREADY
            if held.state != Attempt.CREATING:
                raise Refused(held.reason or "This attempt to pay was given up; choose again.")
            await charging.must_be_wanted(session, held)
            fact = await provider.collect(session, request, customer_id)
            account = provider.account(request, customer_id)
            settled = await _settle(tools, session, provider, payment_id, fact, account=account)
    except Refused as error:
        await charging.give_up(tools, payment, str(error))
        raise
    _note(settled, fact)
    return settled.outcome


async def _settle(
    tools: Tools, session: AsyncSession, provider: Offered, payment_id: int, fact: Fact, account: str | None = None
) -> Settled:
    now = tools.clock.now()
    payment = await session.get_one(Payment, payment_id)
    order = payment.order
    # The customer's lock first, then the payment's: two payments of one person may settle at the same moment.
    customer = await session.get_one(Customer, order.customer_id, with_for_update=LOCK, populate_existing=True)
    settled = await settlement.settle(
        session,
        payment_id,
        fact,
        test_mode=provider.test_mode,
        now=now,
        barred=customer.banned,
        overdrawn=await belated.unwanted(session, payment),
        account=account,
    )
    granted = await fulfil(tools, session, settled.payment) if settled.outcome is Outcome.PAID else None
    await _take_back(tools, session, settled, fact)
    if settled.outcome is Outcome.CANCELLED and order.kind == OrderKind.RENEWAL:
        await charging.failed(tools, session, settled.payment)
    if settled.outcome is not Outcome.CANCELLED or fact.external_id == settled.payment.external_id:
        await reporting.tell(tools, session, settled.payment, order, settled.outcome, settled.credited)
    if settled.outcome is Outcome.BARRED:
        money = settled.payment.amount
        said = money_back.BarredPaid(settled.payment.ref, money.minor, money.currency, customer.telegram_id)
        await alert(tools, session, said, f"barred:{settled.payment.ref}")
    if granted is not None and _stays(settled.payment):
        await agreeing.paid(tools, session, settled.payment, fact, granted)
    elif granted is not None or settled.outcome in (Outcome.SECOND, Outcome.BARRED):
        agreeing.not_agreed(settled.payment)
    log.bind(order=order.ref)
    return settled


def _stays(payment: Payment) -> bool:
    """Whether it has not gone back by the time we heard of it: who has their money back is not charged again."""
    return payment.refunded < payment.minor and not payment.charged_back


async def follow_up(tools: Tools, session: AsyncSession, settled: Settled) -> None:
    """What a person's word on a payment leads to, in the transaction in which it was given."""
    if settled.outcome is Outcome.PAID:
        granted = await fulfil(tools, session, settled.payment)
        await agreeing.paid(tools, session, settled.payment, None, granted)
    agreeing.not_agreed(settled.payment)
    order = settled.payment.order
    await reporting.tell(tools, session, settled.payment, order, settled.outcome, settled.credited)


async def fulfil(tools: Tools, session: AsyncSession, payment: Payment) -> Subscription:
    """What was paid for is owed from now on."""
    reached(Step.PAYMENT_SETTLED)
    order = payment.order
    purchase = granting.Purchase(order.customer_id, payment.id, order.id, order.snapshot)
    now = tools.clock.now()
    if order.kind == OrderKind.UPGRADE:
        subscription = await upgrading.grant(session, purchase, order, now)
    else:
        subscription = await granting.grant(session, purchase, now)
    await pricing.consume(session, order, now)
    reached(Step.SUBSCRIPTION_GRANTED)
    if order.kind == OrderKind.PURCHASE and order.subscription_id is None:
        order.subscription_id = subscription.id
    await placing.place(tools, session, subscription)
    return subscription


async def _take_back(tools: Tools, session: AsyncSession, settled: Settled, fact: Fact) -> None:
    """What has gone back of a success, also when both are news at once."""
    if settled.payment.state != Attempt.SUCCEEDED:
        return
    payment, now = settled.payment, tools.clock.now()
    refunded = fact.refunded if fact.came is None else await _less_came(session, payment, fact.came)
    for total, chargeback in ((refunded, False), (fact.charged_back, True)):
        if total is not None and total.minor:
            await giving_back.taken_back(tools, session, payment, total, chargeback=chargeback, now=now)


async def _less_came(session: AsyncSession, payment: Payment, came: Money) -> Money | None:
    """What the payer got back of a payment that was too small, once somebody had decided about it: less is there."""
    if "decided" not in payment.details or came.currency != payment.currency:
        return None
    return Money(max(await weighing.came(session, payment) - came.minor, 0), came.currency)


def _note(settled: Settled, fact: Fact) -> None:
    if settled.outcome is Outcome.BARRED:
        _log.error("barred_customer_paid", payment=settled.payment.ref, fix="Give the money back, or lift the ban.")
    late = settled.payment.details.get("late")
    if late is not None and settled.outcome is not Outcome.ALREADY:
        _log.warning("paid_after_it_was_cancelled", payment=settled.payment.ref, was=late)
    _log.info("payment_settled", outcome=settled.outcome, payment=settled.payment.ref, state=fact.state)

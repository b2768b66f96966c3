"""How agreements to renew come about, go on and end by what happens to money; settling calls these in its transaction.

paid         something was paid: an instrument that was kept becomes an agreement, and a renewal begins a new period
came         a payment that repeats by itself came again: it gets an order and a payment of its own, once per charge
star_subscription_changed
             Telegram says that somebody has stopped, resumed, or could not pay what repeats by itself
unhook       what ended here, and repeats by itself elsewhere, is ended there; what was taken up meanwhile goes on
stop_payment so is what never began here, because its first payment went to the balance or back
"""

from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from ferryman.billing import checkout, renewals
from ferryman.billing.checkout import Wanted
from ferryman.billing.order import Attempt, Order, OrderKind, Payment
from ferryman.billing.provider import Fact, InHouse, Offered, Repeating, Way
from ferryman.billing.renewal import Agreement, By, State, charge_before
from ferryman.billing.renewals import Terms
from ferryman.catalog import shelf
from ferryman.flows.announcing import announce
from ferryman.flows.keys import ending_renewals
from ferryman.flows.keys.ending_renewals import what
from ferryman.flows.orders import opening
from ferryman.flows.renewals import proposing
from ferryman.flows.tools import Tools
from ferryman.kit import log
from ferryman.kit.db import LOCK
from ferryman.kit.errors import AccessDenied, NotFound, Refused
from ferryman.kit.money import Money
from ferryman.messaging.notice import Notice
from ferryman.messaging.renewals import RenewalFailed, RenewalMoved, RenewalOn, RenewalStopped, Renewed
from ferryman.people.customer import Customer
from ferryman.subscriptions.subscription import Subscription

_log = log.get("renewing")

# Days: the only period in which Telegram repeats a payment.
REPEATS_EVERY = 30


def keeps(kind: type[Offered], way: Way, days: int, *, reduced: bool) -> bool:
    """Whether what is paid this way can go on by itself.

    What Telegram repeats, it repeats at the first price for ever: that must not be a reduced one.
    """
    return way.keeps or (issubclass(kind, Repeating) and days == REPEATS_EVERY and not reduced)


def asked(kind: type[Offered], way: Way, days: int, *, reduced: bool) -> dict[str, Any]:
    """What a payment asks for so that it can go on by itself; see `PaymentRequest`."""
    if way.keeps or not keeps(kind, way, days, reduced=reduced):
        return {"keep": way.keeps}
    return {"every_days": days}


async def paid(
    tools: Tools, session: AsyncSession, payment: Payment, fact: Fact | None, subscription: Subscription
) -> None:
    """After an order was paid and granted. The caller holds the customer's row, and the subscription's.

    `fact` None: by a person's word, who knows of no instrument that was kept, so nothing new is agreed to.
    """
    order = payment.order
    if order.kind == OrderKind.RENEWAL:
        await _renewed(tools, session, payment, subscription)
        return
    may_agree = order.kind in (OrderKind.PURCHASE, OrderKind.UPGRADE)
    by = _by(tools, payment, fact) if fact is not None and may_agree else None
    if order.kind == OrderKind.UPGRADE:
        await _moved(tools, session, order, subscription, agrees=by is not None)
    if fact is not None and by is not None:
        await _agreed(tools, session, payment, fact, subscription, by)


async def _moved(
    tools: Tools, session: AsyncSession, order: Order, subscription: Subscription, *, agrees: bool
) -> None:
    """The plan that was agreed to was given in: that agreement ends, and one press agrees to the new plan.

    `agrees`: that was said while paying. The new plan is never charged by the yes to the old one.
    """
    one, now = await renewals.active(session, order.subscription_id or 0), tools.clock.now()
    if one is None:
        return
    renewals.end(one, State.STOPPED, "upgraded", now)
    _log.info("renewal_ended", renewal=one.id, state=one.state, why=one.why)
    await session.flush()
    old = await session.get_one(Subscription, one.subscription_id)
    if agrees and old.id == subscription.id:
        return
    said: Notice = RenewalStopped(*what(old), one.why)
    offer = await proposing.proposal(tools, session, old, one)
    if old.id == subscription.id and offer is not None and offer.before is one:
        said = RenewalMoved(*what(old), offer.price.minor, offer.price.currency, offer.term.days, offer.by, offer.title)
    await announce(tools, session, one.customer_id, said, f"renewal-moved:{one.id}:{order.ref}")


def _by(tools: Tools, payment: Payment, fact: Fact) -> By | None:
    """Who will move the money; None when it was not asked for, or nothing was kept."""
    if payment.request.get("every_days"):
        return By.STARS
    if not payment.request.get("keep"):
        return None
    if issubclass(tools.providers[payment.provider], InHouse):
        return By.BALANCE
    return By.KEPT if fact.kept is not None else None


async def _agreed(
    tools: Tools, session: AsyncSession, payment: Payment, fact: Fact, subscription: Subscription, by: By
) -> None:
    order, now, kept = payment.order, tools.clock.now(), fact.kept
    terms = Terms(
        subscription_id=subscription.id,
        customer_id=order.customer_id,
        term_id=order.term_id,
        days=order.snapshot["days"],
        amount=order.amount if by is By.STARS else next_price(order),
        by=by,
        provider=payment.provider,
        way=payment.way,
        sealed_token=tools.vault.seal({"token": kept.token}) if kept is not None and by is By.KEPT else None,
        external_id=fact.external_id if by is By.STARS else None,
        title=kept.title if kept is not None else "",
        payment_id=payment.id,
    )
    one = await renewals.agree(session, terms, subscription.ends_at, now)
    _log.info("renewal_agreed", renewal=one.id, by=by, amount=str(one.amount), order=order.ref)
    await welcome(tools, session, one, subscription)


async def welcome(tools: Tools, session: AsyncSession, one: Agreement, subscription: Subscription) -> None:
    """Say that it is on, and when the first charge will be."""
    on = one.period_end if one.by == By.STARS else one.period_end - charge_before(one.days)
    said = RenewalOn(*what(subscription), on.isoformat(), one.minor, one.currency, one.by, one.title)
    await announce(tools, session, one.customer_id, said, f"renewal-on:{one.id}:{int(one.agreed_at.timestamp())}")


def next_price(order: Order) -> Money:
    """What stood beside the tick: the price without a code, which is for the purchase that it was typed for."""
    again = order.quote.get("again", order.quote.get("base"))
    return Money(again, order.currency) if isinstance(again, int) and again > 0 else order.amount


async def _renewed(tools: Tools, session: AsyncSession, payment: Payment, subscription: Subscription) -> None:
    order, one = payment.order, await renewals.active(session, subscription.id)
    if one is not None:
        renewals.begin_period(one, subscription.ends_at)
        if one.by != By.STARS and await renewals.charge_of(session, payment.id) is None:
            # A row goes on that has ended here: it was taken up over there, and nobody told us.
            await renewals.unhook_all(session, subscription.id)
    by, way = (one.by, one.title) if one is not None else (By.KEPT, "")
    said = Renewed(*what(subscription), order.ref, payment.minor, payment.currency, order.snapshot["days"], by, way)
    await announce(tools, session, order.customer_id, said, f"renewed:{payment.ref}")


async def came(tools: Tools, session: AsyncSession, payment_id: int, fact: Fact) -> tuple[int, Fact]:
    """The payment of ours that this one of a repeating row is, made on its first mention, and the fact about it.

    What is owed is what was agreed, whatever the plan costs today; of a plan that is sold no more, as it was then.
    """
    first = await session.get_one(Payment, payment_id)
    mine = select(Payment).where(Payment.provider == first.provider, Payment.external_id == fact.external_id)
    customer = await session.get_one(Customer, first.order.customer_id, with_for_update=LOCK)
    found = await session.scalar(mine)
    if found is None:
        found = await _next_of(session, first, fact, customer.id, tools.clock.now())
        _log.info("renewal_came", payment=found.ref, first=first.ref, amount=str(fact.amount))
    return found.id, replace(fact, ref=found.ref, renews=False)


async def _next_of(session: AsyncSession, first: Payment, fact: Fact, customer_id: int, now: datetime) -> Payment:
    before = first.order
    term = await shelf.term(session, before.term_id)
    wanted = Wanted(
        customer_id,
        before.term_id,
        term.plan.snapshot(term) if term is not None else before.snapshot,
        before.amount,
        kind=OrderKind.RENEWAL if before.subscription_id is not None else OrderKind.PURCHASE,
        subscription_id=before.subscription_id,
    )
    order, _ = await checkout.place(session, wanted, f"renews:{first.provider}:{fact.external_id}", now)
    words = {**first.request, "every_days": 0}
    key = f"renews:{fact.external_id}"
    made = await checkout.attempt(session, order, first.provider, words, now, way=first.way, key=key)
    made.external_id, made.state = fact.external_id, Attempt.PENDING
    await session.flush()
    return made


async def star_subscription_changed(tools: Tools, payload_ref: str, telegram_id: int, state: str) -> None:
    """Telegram says of the row of payments that began with ours of this ref: "canceled", "active", or "failed".

    Raises NotFound when it is not one of this person's.
    """
    async with tools.db.unit() as session:
        found = await renewals.agreed_with(session, payload_ref)
        customer = await session.get_one(Customer, found.customer_id) if found is not None else None
        if found is None or customer is None or customer.telegram_id != telegram_id:
            await _never_agreed(session, payload_ref, telegram_id, state)
            return
        subscription = await session.get_one(Subscription, found.subscription_id, with_for_update=LOCK)
        one = await renewals.held(session, found.id)
        match state:
            case "canceled" if one.active:
                await ending_renewals.ended(tools, session, one, subscription, "telegram", known_there=True)
            case "failed" if one.active:
                renewals.end(one, State.FAILED, "unpaid", tools.clock.now(), known_there=True)
                said = RenewalFailed(*what(subscription), one.minor, one.currency, "unpaid", "")
                await announce(tools, session, one.customer_id, said, f"renewal-given-up:{one.id}:{one.stopped_at}")
            case "active" if customer.banned or not await _sold_still(session, one, subscription):
                # Taken up in Telegram's settings, for what the subscription is not any more: stopped there again.
                one.unhooked = one.active
            case "active" if one.active:
                pass
            case "active" if await renewals.active(session, subscription.id) is not None:
                # Something else renews it by now: both would take money for the same days.
                one.unhooked = False
            case "active":
                renewals.take_up(one, one.amount, subscription.ends_at, tools.clock.now())
                await welcome(tools, session, one, subscription)


async def _never_agreed(session: AsyncSession, payload_ref: str, telegram_id: int, state: str) -> None:
    """What was not agreed to here is stopped there, should somebody take it up again. Raises NotFound."""
    mine = select(Payment).join(Order).join(Customer, Customer.id == Order.customer_id)
    paid = (Payment.ref == payload_ref, Customer.telegram_id == telegram_id, Payment.state == Attempt.SUCCEEDED)
    payment = await session.scalar(mine.where(*paid))
    if payment is None or await renewals.agreed_with(session, payload_ref) is not None:
        raise NotFound("There is no such renewal of this person's.")
    if state == "active":
        not_agreed(payment)


async def _sold_still(session: AsyncSession, one: Agreement, subscription: Subscription) -> bool:
    term = await shelf.term(session, one.term_id)
    return term is not None and term.plan.code == subscription.plan_code


async def unhook(tools: Tools, agreement_id: int) -> None:
    """Have a payment that repeats by itself stopped where it repeats, or resumed, as its agreement stands here.

    What is not there any more is stopped. When the agreement changed meanwhile, or had just been taken up, nobody knows
    which word came last over there: the sweep says it again. Raises Retry, AccessDenied, Misconfigured: the sweep
    tries again, too.
    """
    now = tools.clock.now()
    async with tools.db.unit() as session:
        one = await session.get_one(Agreement, agreement_id)
        customer = await session.get_one(Customer, one.customer_id)
        provider = await opening.connected(tools, session, one.provider)
    if one.unhooked:
        return
    if one.external_id is not None:
        verb = _resume_again if one.active else stop_there
        await verb(provider, customer.telegram_id, one.external_id)
    async with tools.db.unit() as session:
        held = await renewals.held(session, agreement_id)
        changed = (held.agreed_at, held.stopped_at) != (one.agreed_at, one.stopped_at)
        held.unhooked = not changed and not renewals.may_be_overtaken(held, now)


def not_agreed(payment: Payment) -> None:
    """A payment has succeeded, and no agreement comes of it: should it repeat by itself, it is to be stopped."""
    payment.to_stop = bool(payment.request.get("every_days"))


async def stop_payment(tools: Tools, payment_id: int) -> None:
    """Have the row that begins with a payment stopped where it repeats. Raises Retry, AccessDenied, Misconfigured."""
    async with tools.db.unit() as session:
        payment = await session.get_one(Payment, payment_id)
        customer = await session.get_one(Customer, payment.order.customer_id)
        provider = await opening.connected(tools, session, payment.provider)
    if payment.external_id is not None:
        await stop_there(provider, customer.telegram_id, payment.external_id)
    async with tools.db.unit() as session:
        (await checkout.held(session, payment_id)).to_stop = False
    _log.info("repetition_stopped", payment=payment.ref)


async def stop_there(provider: Offered, payer: int, external_id: str) -> None:
    """What is not known there any more is stopped. `payer` is a Telegram id. Raises Retry, AccessDenied."""
    if not isinstance(provider, Repeating):
        return
    try:
        await provider.stop(payer, external_id)
    except AccessDenied:
        raise
    except Refused as error:
        _log.error("repetition_unknown_there", external_id=external_id, why=str(error))


async def _resume_again(provider: Offered, payer: int, external_id: str) -> None:
    """What is refused goes on there already, or comes no more, and is given up when it does not. See `resume_there`."""
    try:
        await resume_there(provider, payer, external_id)
    except AccessDenied:
        raise
    except Refused as error:
        _log.error("repetition_not_resumed", external_id=external_id, why=str(error))


async def resume_there(provider: Offered, payer: int, external_id: str) -> None:
    """Raises Refused when it cannot be resumed, Retry, AccessDenied."""
    if not isinstance(provider, Repeating):
        raise Refused("This renewal can only be switched on while paying.")
    await provider.resume(payer, external_id)

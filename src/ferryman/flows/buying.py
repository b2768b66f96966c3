"""Buying, from the tap to the key. Read top to bottom; every step is one transaction or one call out, never both.

begin            the customer chose a plan and a method: order and payment rows are committed, then
open_payment     the provider is asked to collect; a timeout means "unknown", and the sweep asks again
webhook_came     somebody says that a payment changed: kept in the inbox, answered, not believed
settle_event     who is meant?
settle_payment   the provider is asked for the truth, and in one transaction the payment succeeds, the ledger is
                 written, the subscription extended, keys owed, notices queued
(provisioning)   keys are put on the nodes, read back, and the customer is told
sweep            whatever should have happened by now, and did not
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from ferryman.billing import checkout, inbox, methods
from ferryman.billing.checkout import Outcome
from ferryman.billing.order import Attempt, Order, Payment, WebhookEvent
from ferryman.billing.provider import Fact, PaymentProvider, PaymentRequest, PaymentState, RawWebhook
from ferryman.catalog import shelf
from ferryman.flows import placing
from ferryman.flows.announcing import announce
from ferryman.flows.tools import Tools
from ferryman.kit import log
from ferryman.kit.db import LOCK
from ferryman.kit.errors import AccessDenied, Conflict, FerrymanError, Misconfigured, NotFound, Refused, Retry
from ferryman.kit.money import Money
from ferryman.messaging import notice
from ferryman.messaging.texts import voice
from ferryman.people.customer import Customer
from ferryman.subscriptions import granting

_log = log.get("buying")

# YooKassa forgets an idempotency key after 24 h; an older create request would make a second payment.
REPEAT_CREATE_WITHIN = timedelta(hours=23)
# A customer watches a spinner while the provider thinks; after this many seconds the link follows as a notice.
PATIENCE_SECONDS = 8.0


class NotForSale(Refused):
    """The plan, the term or the payment method was withdrawn since the button was shown."""


@dataclass(frozen=True)
class Checkout:
    """An order that waits to be paid. `pay_url` None: the provider is slow; the link follows as a notice."""

    order_ref: str
    icon: str
    title: Mapping[str, str]
    days: int
    amount: Money
    pay_url: str | None


async def begin(tools: Tools, customer_id: int, term_id: int, method: str, tap: str) -> Checkout:
    """Place the order and open its payment; the same `tap` finds the same order again.

    Raises NotForSale when the term or method is withdrawn, Refused when the customer is blocked from buying.
    """
    order_id, payment_id = await _place(tools, customer_id, term_id, method, tap)
    pay_url = await open_payment(tools, payment_id)
    async with tools.db.unit() as session:
        order = await session.get_one(Order, order_id)
    what = order.snapshot
    return Checkout(order.ref, what["icon"], what["title"], what["days"], order.amount, pay_url)


async def _place(tools: Tools, customer_id: int, term_id: int, method: str, tap: str) -> tuple[int, int]:
    now = tools.clock.now()
    async with tools.db.unit() as session:
        customer = await session.get_one(Customer, customer_id)
        if customer.banned:
            raise Refused("This customer is blocked from buying.")
        term = await shelf.term(session, term_id)
        if term is None or method not in await methods.enabled(session) or method not in tools.providers:
            raise NotForSale("This offer has changed; choose again.")
        price = term.price(tools.providers[method].currencies)
        if price is None:
            raise NotForSale("This plan has no price for that payment method; choose another.")
        order, new = await checkout.place(session, customer_id, term, price, tap, now)
        if order.customer_id != customer_id:
            raise Refused("This order belongs to somebody else.")
        if new:
            payment = await checkout.attempt(session, order, method, _in_words(tools, customer, order), now)
            _log.info("order_placed", order=order.ref, payment=payment.ref, amount=str(price))
            return order.id, payment.id
        return order.id, (await checkout.attempts(session, order))[-1].id


async def open_payment(tools: Tools, payment_id: int, *, late: bool = False) -> str | None:
    """Where the customer pays, asking the provider when it is not known yet; None when it does not say now.

    `late`: nobody is looking at a screen any more, so the customer is told by a notice.

    Raises Refused when the provider will not take this payment at all.
    """
    async with tools.db.unit() as session:
        payment = await session.get_one(Payment, payment_id)
        if payment.state == Attempt.CANCELLED and payment.pay_url is None:
            raise Refused(payment.reason or "This attempt to pay was given up; choose again.")
        if payment.state != Attempt.CREATING:
            return payment.pay_url
    try:
        async with tools.db.unit() as session:
            provider = await _provider(tools, session, payment.provider)
        async with asyncio.timeout(PATIENCE_SECONDS):
            at_provider = await provider.open(_request(payment))
    except (Retry, Misconfigured, TimeoutError) as error:
        _log.warning("payment_not_opened_yet", payment=payment.ref, why=str(error))
        return None
    except (AccessDenied, Conflict, NotFound) as error:
        # Said of this call only: an earlier one whose answer was lost may have made the payment. The sweep finds out.
        _log.error("payment_not_opened", payment=payment.ref, why=str(error))
        raise
    except Refused as error:
        _log.error("payment_refused", payment=payment.ref, why=str(error))
        async with tools.db.unit() as session:
            if await checkout.given_up(session, payment_id, str(error)) and late:
                await _tell(tools, session, payment, payment.order, Outcome.CANCELLED)
        raise
    async with tools.db.unit() as session:
        if await checkout.opened(session, payment_id, at_provider, tools.clock.now()) and late and at_provider.pay_url:
            link = notice.PaymentLink(payment.order.ref, at_provider.pay_url)
            await announce(tools, session, payment.order.customer_id, link, f"pay-link:{payment.ref}")
    _log.info("payment_opened", payment=payment.ref)
    return at_provider.pay_url or None


async def webhook_came(tools: Tools, provider_name: str, raw: RawWebhook) -> tuple[int, str]:
    """Keep the event and promise to look into it, in one transaction; answers what that provider wants to hear.

    Raises NotFound for a provider that is not set up, Misconfigured for one whose settings cannot be used, Refused for
    a body that is none of its webhooks.
    """
    async with tools.db.unit() as session:
        if provider_name not in tools.providers or await session.get(methods.Method, provider_name) is None:
            raise NotFound("There is no such provider.")
        provider = await _provider(tools, session, provider_name)
        claim = provider.read_webhook(raw)
        event_id = await inbox.keep(session, provider_name, claim, raw, tools.clock.now())
        await tools.jobs.defer(session, "settle_event", once=f"event:{event_id}", event_id=event_id)
    _log.info("webhook_kept", webhook=event_id, provider=provider_name, claims=claim.event)
    return provider.acknowledgement


async def settle_event(tools: Tools, event_id: int) -> None:
    """Find the payment that an event speaks of, and settle it; an event may be worked through again at any time."""
    async with tools.db.unit() as session:
        event = await inbox.tried(session, event_id, tools.clock.now())
        provider = await _provider(tools, session, event.provider)
    log.bind(webhook=event_id)
    try:
        verdict = await _verdict(tools, provider, event)
    except NotFound:
        verdict = "unknown_to_provider"
    except Retry as error:
        await _settle_event_later(tools, event, error)
        return
    async with tools.db.unit() as session:
        await inbox.judged(session, event_id, verdict, tools.clock.now())
    _log.info("event_judged", verdict=verdict)


async def _verdict(tools: Tools, provider: PaymentProvider, event: WebhookEvent) -> str:
    if event.external_id is None:
        async with tools.db.unit() as session:
            payment_id = await inbox.payment_meant(session, event.provider, event.payment_ref, None)
        return "unknown_payment" if payment_id is None else await settle_payment(tools, payment_id)
    fact = await provider.look_up(event.external_id)
    # Whose payment it is says the provider, not the event: a forged ref must not reach another customer's payment.
    outcome = await _apply(tools, provider, fact)
    if outcome is not None:
        return outcome
    if fact.state is PaymentState.SUCCEEDED and not fact.test:
        _log.error("money_without_order", provider=event.provider, external=fact.external_id, amount=str(fact.amount))
        return "money_without_order"
    return "unknown_payment"


async def _settle_event_later(tools: Tools, event: WebhookEvent, error: Retry) -> None:
    delay = error.after or min(2.0 ** min(event.attempts, 10), 300.0)
    _log.warning("event_waits", why=str(error), seconds=delay)
    async with tools.db.unit() as session:
        await inbox.put_off(session, event.id, tools.clock.now() + timedelta(seconds=delay))
        await tools.jobs.defer(session, "settle_event", once=f"event:{event.id}", after=delay, event_id=event.id)


async def settle_payment(tools: Tools, payment_id: int) -> str:
    """Ask the provider about one payment and apply what it says; answers the outcome in one word."""
    async with tools.db.unit() as session:
        # On its own: payments of a provider that cannot even be asked must not stay in front of all others.
        await checkout.ask_later(session, payment_id, tools.clock.now())
    async with tools.db.unit() as session:
        payment = await session.get_one(Payment, payment_id)
        provider = await _provider(tools, session, payment.provider)
        request = _request(payment)
    log.bind(payment=payment.ref)
    if payment.external_id is not None:
        fact = await provider.look_up(payment.external_id)
    else:
        found = await _opened_late(tools, provider, payment, request)
        if found is None:
            return Outcome.PENDING
        fact = found
    # A second payment over there has a row of its own, and names the first.
    outcome = await _apply(tools, provider, fact, asked=payment_id)
    assert outcome is not None
    return outcome


async def _opened_late(
    tools: Tools, provider: PaymentProvider, payment: Payment, request: PaymentRequest
) -> Fact | None:
    """A payment whose create answer never came: create it again while the same key is safe, later only look for it."""
    if tools.clock.now() - payment.created_at < REPEAT_CREATE_WITHIN:
        try:
            await open_payment(tools, payment.id, late=True)
        except (Conflict, NotFound):
            return await provider.find(request)
        return None
    fact = await provider.find(request)
    if fact is None:
        async with tools.db.unit() as session:
            if await checkout.given_up(session, payment.id, "never opened at the provider"):
                await _tell(tools, session, payment, payment.order, Outcome.CANCELLED)
    return fact


async def _apply(tools: Tools, provider: PaymentProvider, fact: Fact, *, asked: int | None = None) -> Outcome | None:
    """The one transaction: payment, ledger, subscription, keys owed and notices change together or not at all.

    None when the provider's payment is none of ours; one that we `asked` about by its id is.
    """
    now = tools.clock.now()
    async with tools.db.unit() as session:
        payment_id = await inbox.payment_meant(session, provider.name, fact.ref, fact.external_id) or asked
        if payment_id is None:
            return None
        payment = await session.get_one(Payment, payment_id)
        order = payment.order
        # The customer's lock first, then the payment's: two payments of one person may settle at the same moment.
        await session.get_one(Customer, order.customer_id, with_for_update=LOCK)
        outcome = await checkout.settle(session, payment_id, fact, test_mode=provider.test_mode, now=now)
        about = await _settled_payment(session, payment, fact) if outcome in (Outcome.PAID, Outcome.SECOND) else payment
        if outcome is Outcome.PAID:
            purchase = granting.Purchase(order.customer_id, about.id, order.id, order.snapshot)
            subscription = await granting.grant(session, purchase, now)
            await placing.place(tools, session, subscription)
        if outcome is not Outcome.CANCELLED or fact.external_id == payment.external_id:
            await _tell(tools, session, about, order, outcome)
    log.bind(order=order.ref)
    if outcome is Outcome.REFUNDED:
        _log.error(
            "payment_refunded_elsewhere", payment=payment.ref, fix="Decide what becomes of the customer's access."
        )
    _log.info("payment_settled", outcome=outcome, payment=payment.ref, state=fact.state)
    return outcome


async def _settled_payment(session: AsyncSession, asked: Payment, fact: Fact) -> Payment:
    """The row that succeeded: the one asked about, or its stray twin at the provider."""
    if asked.external_id == fact.external_id:
        return asked
    found = await session.scalar(
        select(Payment).where(Payment.provider == asked.provider, Payment.external_id == fact.external_id)
    )
    assert found is not None
    return found


async def _tell(tools: Tools, session: AsyncSession, payment: Payment, order: Order, outcome: Outcome) -> None:
    what, money = order.snapshot, payment.amount
    said: notice.Notice | None = None
    match outcome:
        case Outcome.PAID:
            said = notice.PaymentSucceeded(
                order.ref, money.minor, money.currency, what["icon"], what["title"], what["days"]
            )
        case Outcome.SECOND:
            said = notice.SecondPaymentCredited(order.ref, money.minor, money.currency)
        case Outcome.CANCELLED if order.state == "open":
            said = notice.PaymentCancelled(order.ref, payment.reason or "")
        case Outcome.REVIEW:
            said = notice.PaymentInReview(order.ref)
    if said is not None:
        await announce(tools, session, order.customer_id, said, f"{outcome}:{payment.ref}")


async def check(tools: Tools, customer_id: int, order_ref: str) -> str:
    """The customer asks "is it paid?": asks the provider now; answers "paid", "open", or "waiting" when it is silent.

    Raises NotFound when the customer has no such order.
    """
    async with tools.db.unit() as session:
        order = await session.scalar(select(Order).where(Order.ref == order_ref, Order.customer_id == customer_id))
        if order is None:
            raise NotFound("There is no such order.")
        open_ones = [payment.id for payment in await checkout.attempts(session, order) if payment.ask_at is not None]
    if order.state == "paid":
        return "paid"
    outcomes = []
    for payment_id in open_ones:
        try:
            outcomes.append(await settle_payment(tools, payment_id))
        except FerrymanError as error:
            _log.warning("payment_not_checked", why=str(error))
            return "waiting"
    return "paid" if Outcome.PAID in outcomes or Outcome.ALREADY in outcomes else "open"


async def ask_payment(tools: Tools, payment_id: int) -> None:
    """The sweep's question about one payment. A provider that does not know it is told so in the log only."""
    try:
        await settle_payment(tools, payment_id)
    except NotFound as error:
        _log.error("payment_unknown_to_provider", why=str(error))


async def sweep(tools: Tools) -> None:
    """Ask about every open payment whose time has come, and take up events whose job was lost."""
    now = tools.clock.now()
    async with tools.db.unit() as session:
        for payment_id in await checkout.due(session, now):
            await tools.jobs.defer(session, "ask_payment", once=f"payment:{payment_id}", payment_id=payment_id)
        for event_id in await inbox.waiting(session, now):
            await tools.jobs.defer(session, "settle_event", once=f"event:{event_id}", event_id=event_id)


async def _provider(tools: Tools, session: AsyncSession, name: str) -> PaymentProvider:
    return await methods.connect(session, name, tools.providers, tools.vault, tools.provider_tools)


def _in_words(tools: Tools, customer: Customer, order: Order) -> dict[str, str]:
    what, speak = order.snapshot, voice(customer.language)
    return {
        "description": f"{speak.pick(what['title'])} · {speak.plain('days', days=what['days'])} · {order.ref}",
        "language": customer.language,
        "return_url": tools.settings.base_url,
    }


def _request(payment: Payment) -> PaymentRequest:
    return PaymentRequest(
        ref=payment.ref,
        order_ref=payment.order.ref,
        amount=payment.amount,
        idempotency_key=payment.idempotency_key,
        placed_at=payment.created_at,
        **payment.request,
    )

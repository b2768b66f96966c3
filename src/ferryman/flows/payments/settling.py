"""Settling, from the rumour to the truth: every way in which we may hear of money ends in `apply_fact`.

webhook_came     somebody says that a payment changed: kept in the inbox, answered, not believed
told             the bot hands over what Telegram itself said of a payment: kept in the same inbox
settle_event     who is meant? the provider is asked, or, where it cannot be, its authentic word is taken
settle_payment   the provider is asked about one payment of ours
(applying)       in one transaction the payment succeeds, the ledger is written, the subscription extended, keys owed,
                 notices queued
sweep            whatever should have happened by now, and did not
"""

import asyncio
from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from ferryman.billing import checkout, inbox, methods
from ferryman.billing.order import Attempt, OrderKind, OrderState, Payment, WebhookEvent
from ferryman.billing.provider import (
    Claim,
    Fact,
    InHouse,
    PaymentProvider,
    PaymentState,
    RawWebhook,
    Revisited,
    Told,
)
from ferryman.billing.settlement import Outcome
from ferryman.catalog import using
from ferryman.flows.orders import credentials, reporting
from ferryman.flows.orders.opening import PATIENCE_SECONDS, collecting, connected, open_payment, request_of
from ferryman.flows.payments import applying
from ferryman.flows.payments.seating import COME_AGAIN, seat
from ferryman.flows.renewals import charging
from ferryman.flows.tools import Tools
from ferryman.kit import log
from ferryman.kit.errors import AccessDenied, Conflict, FerrymanError, NotFound, Refused, Retry
from ferryman.kit.steps import Step, reached

_log = log.get("buying")

# The refs of payments that staff make to try a provider out: they are no customer's, and in nobody's books.
TRIAL = "trial-"

# Collecting from our own books takes one transaction; an attempt that is older was cut off before it.
CUT_OFF_AFTER = timedelta(minutes=1)


async def webhook_came(tools: Tools, provider_name: str, raw: RawWebhook) -> tuple[int, str]:
    """Keep the event and promise to look into it, in one transaction; answers what that provider wants to hear.

    Raises NotFound for a provider that is not set up, Misconfigured for one whose settings cannot be used.
    """
    async with tools.db.unit() as session:
        # Held, for the session forgets what nobody holds, and connecting would read it again.
        method = await session.get(methods.Method, provider_name) if provider_name in tools.providers else None
        if method is None:
            raise NotFound("There is no such provider.")
        provider = await connected(tools, session, provider_name)
        if isinstance(provider, InHouse):
            raise NotFound("This provider has no webhooks.")
        asked: PaymentProvider = provider  # type: ignore[assignment]
        try:
            claim = asked.read_webhook(raw)
        except Refused as error:
            _log.warning("webhook_refused", provider=provider_name, why=str(error), bytes=len(raw.body))
            return asked.answer(None)
        reached(Step.WEBHOOK_READ)
        await _keep(tools, session, provider_name, claim, raw)
    reached(Step.WEBHOOK_KEPT)
    return asked.answer(claim)


async def told(tools: Tools, provider_name: str, raw: RawWebhook) -> None:
    """Keep what the bot hands over for this provider. Switched off or never on, money that came is looked into.

    Raises Misconfigured for one that hears nothing from the bot, Refused for what is none of its messages.
    """
    async with tools.db.unit() as session:
        provider = await connected(tools, session, provider_name)
        if not isinstance(provider, Told):
            raise Refused(f"{provider_name} hears nothing from the bot.")
        await _keep(tools, session, provider_name, provider.read_message(raw), raw)


async def _keep(tools: Tools, session: AsyncSession, provider: str, claim: Claim, raw: RawWebhook) -> None:
    event_id = await inbox.keep(session, provider, claim, raw, tools.clock.now())
    await tools.jobs.defer(session, "settle_event", once=f"event:{event_id}", event_id=event_id)
    _log.info("webhook_kept", webhook=event_id, provider=provider, claims=claim.event)


async def settle_event(tools: Tools, event_id: int) -> None:
    """Find the payment that an event speaks of, and settle it; an event may be worked through again at any time."""
    async with tools.db.unit() as session:
        event = await inbox.tried(session, event_id, tools.clock.now())
        provider = await collecting(tools, session, event.provider)
    reached(Step.EVENT_TAKEN)
    log.bind(webhook=event_id)
    with seat(tools, event.provider) as free:
        if not free:
            await _come_again(tools, event)
            return
        try:
            async with credentials.watched(tools, event.provider):
                verdict = await _verdict(tools, provider, event)
        except NotFound:
            verdict = "unknown_to_provider"
        except Retry as error:
            await _settle_event_later(tools, event, error)
            return
    async with tools.db.unit() as session:
        await inbox.judged(session, event_id, verdict, tools.clock.now())
    reached(Step.EVENT_JUDGED)
    _log.info("event_judged", verdict=verdict)


async def _verdict(tools: Tools, provider: PaymentProvider, event: WebhookEvent) -> str:
    if event.fact is not None:
        fact = inbox.read(event.fact)
    elif event.external_id is not None:
        try:
            fact = await provider.look_up(event.external_id)
        except (AccessDenied, NotFound):
            raise
        except Refused as error:
            # Asked again they say the same. Whoever makes up ids must not have us ask about each of them for ever.
            _log.warning("event_refused_by_provider", why=str(error))
            return "refused_by_provider"
    elif event.payment_ref is None:
        _log.warning("event_of_no_payment", provider=event.provider, claims=event.event)
        return "not_about_a_payment"
    else:
        async with tools.db.unit() as session:
            payment_id = await inbox.payment_meant(session, event.provider, event.payment_ref, None)
        return "unknown_payment" if payment_id is None else await settle_payment(tools, payment_id)
    # Whose payment it is says the provider, not the event: a forged ref must not reach another customer's payment.
    outcome = await applying.apply_fact(tools, provider, fact)
    if outcome is not None:
        return outcome
    if fact.ref is not None and fact.ref.startswith(TRIAL):
        return "trial"
    if fact.state is PaymentState.SUCCEEDED and not fact.test:
        _log.error("money_without_order", provider=event.provider, external=fact.external_id, amount=str(fact.amount))
        return "money_without_order"
    return "unknown_payment"


async def _come_again(tools: Tools, event: WebhookEvent) -> None:
    async with tools.db.unit() as session:
        await inbox.put_off(session, event.id, tools.clock.now() + timedelta(seconds=COME_AGAIN))
        await tools.jobs.defer(session, "settle_event", once=f"event:{event.id}", after=COME_AGAIN, event_id=event.id)


async def _settle_event_later(tools: Tools, event: WebhookEvent, error: Retry) -> None:
    delay = error.after or min(2.0 ** min(event.attempts, 10), 300.0)
    _log.warning("event_waits", why=str(error), seconds=delay)
    async with tools.db.unit() as session:
        now = tools.clock.now()
        await inbox.put_off(session, event.id, now + timedelta(seconds=delay))
        await inbox.traced(session, event.id, f"waits {delay:.0f} s: {error}", now)
        await tools.jobs.defer(session, "settle_event", once=f"event:{event.id}", after=delay, event_id=event.id)


async def settle_payment(tools: Tools, payment_id: int) -> str:
    """Ask the provider about one payment and apply what it says; answers the outcome in one word."""
    async with tools.db.unit() as session:
        # On its own: payments of a provider that cannot even be asked must not stay in front of all others.
        await checkout.ask_later(session, payment_id, tools.clock.now())
    async with tools.db.unit() as session:
        payment = await session.get_one(Payment, payment_id)
        found = await connected(tools, session, payment.provider)
    log.bind(payment=payment.ref)
    if isinstance(found, InHouse):
        # A renewal has nobody at a screen: the first question about it is what takes the money.
        renews = payment.order.kind == OrderKind.RENEWAL
        return await applying.collect(tools, payment_id) if renews else await _give_up_if_cut_off(tools, payment)
    provider: PaymentProvider = found  # type: ignore[assignment]
    # A second payment over there has a row of its own, and names the first.
    outcomes = [
        await applying.apply_fact(tools, provider, fact, asked=payment_id)
        for fact in await _said_of(tools, provider, payment)
    ]
    if not outcomes:
        return Outcome.PENDING
    assert outcomes[0] is not None
    return outcomes[0]


async def _said_of(tools: Tools, provider: PaymentProvider, payment: Payment) -> list[Fact]:
    """What the provider says of it. What was paid by the same link comes before it: whose order is paid need not hear
    that another visit came to nothing."""
    if payment.external_id is None:
        found = await _without_an_id(tools, provider, payment)
        return [found] if found is not None else []
    fact = await provider.look_up(payment.external_id)
    await _find_the_way(tools, payment, fact)
    beside = await provider.paid_beside(fact) if isinstance(provider, Revisited) else None
    return [beside, fact] if beside is not None else [fact]


async def _find_the_way(tools: Tools, payment: Payment, fact: Fact) -> None:
    """A webhook may name the payment before our create call was answered; where to pay, only that answer says."""
    lately = tools.clock.now() - payment.created_at < checkout.REPEAT_WITHIN
    lately = lately and payment.order.state != OrderState.CANCELLED
    if fact.state is PaymentState.PENDING and payment.state == Attempt.CREATING and lately:
        await open_payment(tools, payment.id, late=True)


async def _give_up_if_cut_off(tools: Tools, payment: Payment) -> str:
    if payment.state != Attempt.CREATING or tools.clock.now() - payment.created_at < CUT_OFF_AFTER:
        return Outcome.PENDING
    async with tools.db.unit() as session:
        await checkout.given_up(session, payment.id, "cut off before it was collected")
    return Outcome.CANCELLED


async def _without_an_id(tools: Tools, provider: PaymentProvider, payment: Payment) -> Fact | None:
    """A payment whose create answer never came: create it again while the same key is safe, later only look for it.

    One that has no id before somebody pays is looked for from the beginning.
    """
    request = request_of(tools, payment)
    if payment.state != Attempt.CREATING:
        return await provider.find(request)
    if payment.order.kind == OrderKind.RENEWAL:
        return await charging.charge(tools, provider, payment, request)
    wanted = payment.order.state != OrderState.CANCELLED
    if wanted and tools.clock.now() - payment.created_at < checkout.REPEAT_WITHIN:
        try:
            await open_payment(tools, payment.id, late=True)
        except (Conflict, NotFound):
            return await provider.find(request)
        return None
    fact = await provider.find(request)
    if fact is None:
        async with tools.db.unit() as session:
            if await checkout.given_up(session, payment.id, "never opened at the provider"):
                await reporting.tell(tools, session, payment, payment.order, Outcome.CANCELLED)
    return fact


async def ask_payment(tools: Tools, payment_id: int) -> None:
    """The sweep's question about one payment. A provider that does not know it is told so in the log only."""
    async with tools.db.unit() as session:
        payment = await session.get_one(Payment, payment_id)
    with seat(tools, payment.provider) as free:
        if not free:
            async with tools.db.unit() as session:
                await checkout.ask_soon(session, payment_id, tools.clock.now() + timedelta(seconds=COME_AGAIN))
            return
        try:
            async with credentials.watched(tools, payment.provider):
                await settle_payment(tools, payment_id)
        except NotFound as error:
            _log.error("payment_unknown_to_provider", why=str(error))


async def ask_now(tools: Tools, payment_ids: list[int]) -> str:
    """Ask about all attempts at one order: "paid", "open", or "waiting" when a provider is silent."""
    outcomes = []
    for payment_id in payment_ids:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                outcomes.append(await settle_payment(tools, payment_id))
        except (FerrymanError, TimeoutError) as error:
            _log.warning("payment_not_checked", why=str(error))
            return "waiting"
    return "paid" if Outcome.PAID in outcomes or Outcome.ALREADY in outcomes else "open"


async def sweep(tools: Tools) -> None:
    """Ask about every open payment whose time has come, and take up events whose job was lost."""
    now = tools.clock.now()
    async with tools.db.unit() as session:
        await using.release(session, now)
        for payment_id in await checkout.due(session, now):
            await tools.jobs.defer(session, "ask_payment", once=f"payment:{payment_id}", payment_id=payment_id)
        for event_id in await inbox.waiting(session, now):
            await tools.jobs.defer(session, "settle_event", once=f"event:{event_id}", event_id=event_id)

"""Trying a provider out with a real payment of a small sum: opened, paid by whoever tries, and given back."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

from sqlalchemy import func, select

from ferryman.billing.order import WebhookEvent
from ferryman.billing.provider import (
    Fact,
    InHouse,
    PaymentProvider,
    PaymentRequest,
    PaymentState,
    Refunding,
    RefundRequest,
    RefundState,
    Told,
)
from ferryman.flows.orders import opening
from ferryman.flows.payments import settling
from ferryman.flows.tools import Tools
from ferryman.kit.errors import NotFound, Refused
from ferryman.kit.money import Money
from ferryman.kit.secrets import new_token

LOOK_SECONDS = 2.0
SMALLEST = {"RUB": 100, "USD": 100, "EUR": 100, "XTR": 1}
ORDINARY = 100


@dataclass(frozen=True)
class Step:
    """One line of the report. `link` is where the trial is to be paid, on the line that has one."""

    icon: str
    text: str
    link: str = ""


async def trial(
    tools: Tools, name: str, way: str, amount: Money | None, patience: float, contact: str = ""
) -> AsyncIterator[Step]:
    """Open a payment, wait so many seconds for it to be paid, look for its webhook, and give it back.

    The sum is the smallest that the way takes unless another is given; `contact` is an e-mail address or a phone number
    for the receipt, where one is sent. Raises what the provider's verbs raise, Refused when it was not paid in time.
    """
    async with tools.db.unit() as session:
        found = await opening.connected(tools, session, name)
    if isinstance(found, InHouse):
        raise Refused(f"{name} takes the money out of our own books: there is nothing to try.")
    if isinstance(found, Told):
        # The bot says no to whoever would pay for what is no order.
        raise Refused(
            f"{name} can only be tried in the bot: buy something there for the smallest price, and give it back with "
            "`ferryman refund make PAYMENT all --why …`."
        )
    provider: PaymentProvider = found  # type: ignore[assignment]
    yield Step("✅", await provider.check())
    if provider.needs_contact and not contact:
        raise Refused(f"{name} sends a receipt: give an e-mail address or a phone number with --contact.")
    request = replace(_request(tools, provider, way, amount), contact=contact, number=await _spare_number(tools))
    opened = await provider.open(request)
    yield Step("🔗", f"pay {request.amount} here:", opened.pay_url)
    fact = await _paid(provider, request, opened.external_id, patience)
    yield Step("💰", f"{fact.amount} came in" + (f", the fee was {fact.fee}" if fact.fee is not None else ""))
    yield await _webhook(tools, request.ref)
    yield await _give_back(provider, request, fact)


async def _spare_number(tools: Tools) -> int:
    """A payment's number that none of ours will have: some providers know a payment by nothing else."""
    async with tools.db.unit() as session:
        return int(await session.scalar(select(func.nextval(func.pg_get_serial_sequence("payments", "id")))) or 0)


def _request(tools: Tools, provider: PaymentProvider, way: str, amount: Money | None) -> PaymentRequest:
    chosen = next((one for one in provider.ways if one.code == way or not way), None)
    if chosen is None:
        known = ", ".join(one.code for one in provider.ways)
        raise NotFound(f"{provider.name} has no way {way!r}; it has: {known}.")
    currency = next(iter((*chosen.currencies, *provider.currencies)), "RUB")
    least = max(chosen.least.get(currency, 1), SMALLEST.get(currency, ORDINARY))
    ref = settling.TRIAL + new_token(9)
    return PaymentRequest(
        ref=ref,
        order_ref=ref,
        amount=amount or Money(least, currency),
        description="Ferryman",
        language="en",
        return_url=tools.settings.base_url,
        idempotency_key=ref,
        placed_at=tools.clock.now(),
        way=chosen.code,
        hook_url=tools.hook_url(provider.name),
    )


async def _paid(provider: PaymentProvider, request: PaymentRequest, external_id: str | None, patience: float) -> Fact:
    try:
        async with asyncio.timeout(patience):
            while True:
                fact = await (provider.look_up(external_id) if external_id else provider.find(request))
                if fact is not None and fact.state is PaymentState.SUCCEEDED:
                    return fact
                if fact is not None and fact.state is PaymentState.CANCELLED:
                    raise Refused(f"The payment was cancelled: {fact.reason}.")
                await asyncio.sleep(LOOK_SECONDS)
    except TimeoutError as error:
        raise Refused(f"It was not paid within {patience:.0f} seconds.") from error


async def _webhook(tools: Tools, ref: str) -> Step:
    async with tools.db.unit() as session:
        event = await session.scalar(select(WebhookEvent).where(WebhookEvent.payment_ref == ref).limit(1))
    if event is None:
        return Step("⚠️", "no webhook has come yet: check its address in the provider's cabinet (polling works without)")
    return Step("📨", f"its webhook came: {event.event}")


async def _give_back(provider: PaymentProvider, request: PaymentRequest, fact: Fact) -> Step:
    if not isinstance(provider, Refunding):
        return Step("ℹ️", f"{provider.name} has no refunds by program: the money stays in your account there")
    asked = RefundRequest(
        ref=f"back-{request.ref}",
        payment_external_id=fact.external_id,
        payment_ref=request.ref,
        amount=fact.amount,
        whole=True,
        idempotency_key=f"back-{request.ref}",
        payer=request.payer,
        description=request.description,
        contact=request.contact,
    )
    said = await provider.refund(asked)
    if said.state is RefundState.FAILED:
        return Step("⚠️", f"it could not be given back: {said.reason}")
    return Step("↩️", f"{said.amount} {'is on its way back' if said.state is RefundState.PENDING else 'went back'}")

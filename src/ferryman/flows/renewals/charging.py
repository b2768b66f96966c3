"""Charging what was agreed: the one payment that nobody opens, because nobody has to look at a page.

A charge is a payment like every other, and is asked about like every other; only that the first question is the charge
itself. A lost answer is "unknown": the same charge is asked again under the same key, or looked for once that is old.
"""

from sqlalchemy.ext.asyncio import AsyncSession

from ferryman.billing import checkout, renewals
from ferryman.billing.order import Payment
from ferryman.billing.provider import Charging, Fact, PaymentProvider, PaymentRequest
from ferryman.billing.renewal import Agreement, Charge
from ferryman.flows.renewals.renewing import NOT_WANTED, count_failures, held
from ferryman.flows.tools import Tools
from ferryman.kit import log
from ferryman.kit.db import LOCK
from ferryman.kit.errors import AccessDenied, Conflict, Misconfigured, NotFound, Refused
from ferryman.kit.steps import Step, reached
from ferryman.people.customer import Customer
from ferryman.subscriptions.subscription import Subscription

_log = log.get("renewing")


async def charge(tools: Tools, provider: PaymentProvider, payment: Payment, request: PaymentRequest) -> Fact | None:
    """What the provider says of a charge that it may know already; None when there is none, and never will be.

    A charge that is not wanted any more is only looked for: what was sent has its effect, and nothing is sent anew.
    Raises Retry while the answer is unknown, AccessDenied, Misconfigured.
    """
    async with tools.db.unit() as session:
        found = await renewals.charge_of(session, payment.id)
        wanted = found is not None and await _wanted(session, *found)
    try:
        token = _token(tools, found[1]) if found is not None and wanted else None
    except Misconfigured as error:
        # Not for ever: with the key put back in time, the next try can open it.
        _log.error("kept_instrument_not_opened", payment=payment.ref, why=str(error))
        return await _looked_for(tools, provider, payment, request, "method_off")
    old = tools.clock.now() - payment.created_at >= checkout.REPEAT_WITHIN
    if token is None or old or not isinstance(provider, Charging):
        otherwise = "never charged" if found is None or wanted else NOT_WANTED
        return await _looked_for(tools, provider, payment, request, otherwise)
    reached(Step.CHARGE_WRITTEN)
    try:
        fact = await provider.charge(request, token)
    except AccessDenied:
        raise
    except (Conflict, NotFound) as error:
        _log.error("charge_not_made", payment=payment.ref, why=str(error))
        return await _looked_for(tools, provider, payment, request, "refused")
    except Refused as error:
        _log.error("charge_refused", payment=payment.ref, why=str(error))
        await give_up(tools, payment, "refused")
        return None
    reached(Step.CHARGE_MADE)
    return fact


async def must_be_wanted(session: AsyncSession, payment: Payment) -> None:
    """Raises Refused for a charge that is not to be made any more. The caller holds the customer's row."""
    found = await renewals.charge_of(session, payment.id)
    if found is not None and not await _wanted(session, *found):
        raise Refused(NOT_WANTED)


async def _wanted(session: AsyncSession, one: Charge, agreement: Agreement) -> bool:
    """Whether it may still be sent: it was switched off since, the customer was blocked, or the end is another.

    Switched off and on again, less may have been agreed to than it was written down for.
    """
    payment = await session.get_one(Payment, one.payment_id)
    customer = await session.get_one(Customer, agreement.customer_id)
    subscription = await session.get_one(Subscription, agreement.subscription_id)
    runs = subscription.disabled_at is None and subscription.frozen_at is None
    agreed = agreement.active and payment.minor <= agreement.minor
    return agreed and not customer.banned and runs and subscription.ends_at == one.period_end


async def _looked_for(
    tools: Tools, provider: PaymentProvider, payment: Payment, request: PaymentRequest, otherwise: str
) -> Fact | None:
    fact = await provider.find(request)
    if fact is None:
        await give_up(tools, payment, otherwise)
    return fact


async def give_up(tools: Tools, payment: Payment, why: str) -> None:
    """The payment exists nowhere; was it a charge, then it has failed, in the transaction that says so."""
    async with tools.db.unit() as session:
        await session.get_one(Customer, payment.order.customer_id, with_for_update=LOCK)
        if await checkout.given_up(session, payment.id, why):
            await failed(tools, session, payment)


async def failed(tools: Tools, session: AsyncSession, payment: Payment) -> None:
    """A charge was cancelled, in the caller's transaction, which holds the customer's row."""
    found = await renewals.charge_of(session, payment.id)
    if found is not None:
        await session.flush()
        await count_failures(await held(tools, session, found[1]))


def _token(tools: Tools, one: Agreement) -> str | None:
    return str(tools.vault.open(one.sealed_token)["token"]) if one.sealed_token is not None else None

"""Charging what was agreed: the one payment that nobody opens, because nobody has to look at a page.

A charge is a payment like every other, and is asked about like every other; only that the first question is the charge
itself. A lost answer is "unknown": the same charge is asked again under the same key, or looked for once that is old.
"""

from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from ferryman.billing import checkout, renewals
from ferryman.billing.order import Payment
from ferryman.billing.provider import Charging, Fact, PaymentProvider, PaymentRequest
from ferryman.billing.renewal import Agreement
from ferryman.flows.renewals.renewing import count_failures, held
from ferryman.flows.tools import Tools
from ferryman.kit import log
from ferryman.kit.db import LOCK
from ferryman.kit.errors import AccessDenied, Conflict, NotFound, Refused
from ferryman.people.customer import Customer

_log = log.get("renewing")

# Providers forget an idempotency key after 24 h; an older charge is only looked for.
REPEAT_CHARGE_WITHIN = timedelta(hours=23)


async def charge(tools: Tools, provider: PaymentProvider, payment: Payment, request: PaymentRequest) -> Fact | None:
    """What the provider says of a charge that it may know already; None when there is none, and never will be.

    Raises Retry while the answer is unknown, AccessDenied, Misconfigured.
    """
    async with tools.db.unit() as session:
        found = await renewals.charge_of(session, payment.id)
    token = _token(tools, found[1]) if found is not None else None
    old = tools.clock.now() - payment.created_at >= REPEAT_CHARGE_WITHIN
    if token is None or old or not isinstance(provider, Charging):
        return await _looked_for(tools, provider, payment, request, "never charged")
    try:
        return await provider.charge(request, token)
    except AccessDenied:
        raise
    except (Conflict, NotFound) as error:
        _log.error("charge_not_made", payment=payment.ref, why=str(error))
        return await _looked_for(tools, provider, payment, request, "refused")
    except Refused as error:
        _log.error("charge_refused", payment=payment.ref, why=str(error))
        await give_up(tools, payment, "refused")
        return None


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

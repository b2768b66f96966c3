"""Opening a payment at its provider: asked once, or many times with the same request, and never believed to have failed
because no answer came."""

import asyncio
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from ferryman.billing import checkout, methods
from ferryman.billing.order import Attempt, Order, OrderState, Payment
from ferryman.billing.provider import InHouse, Offered, PaymentProvider, PaymentRequest
from ferryman.billing.settlement import Outcome
from ferryman.flows.announcing import announce
from ferryman.flows.orders import credentials, reporting
from ferryman.flows.tools import Tools
from ferryman.kit import log
from ferryman.kit.errors import AccessDenied, Conflict, Misconfigured, NotFound, Refused, Retry
from ferryman.kit.steps import Step, reached
from ferryman.messaging import notice
from ferryman.messaging.texts import voice
from ferryman.people.customer import Customer

_log = log.get("buying")

# A customer watches a spinner while the provider thinks; after this many seconds the link follows as a notice.
PATIENCE_SECONDS = 8.0


async def open_payment(tools: Tools, payment_id: int, *, late: bool = False) -> str | None:
    """Where the customer pays, asking the provider when it is not known yet; None when it does not say now.

    `late`: nobody is looking at a screen any more, so the customer is told by a notice. For an order that its customer
    has cancelled nothing is opened.

    Raises Refused when the provider will not take this payment at all.
    """
    async with tools.db.unit() as session:
        payment = await session.get_one(Payment, payment_id)
        if payment.order.state == OrderState.CANCELLED:
            return None
        if payment.state == Attempt.CANCELLED and payment.pay_url is None:
            raise Refused(payment.reason or "This attempt to pay was given up; choose again.")
        if payment.state != Attempt.CREATING:
            return payment.pay_url
    try:
        async with tools.db.unit() as session:
            provider = await collecting(tools, session, payment.provider)
        async with credentials.watched(tools, payment.provider), asyncio.timeout(PATIENCE_SECONDS):
            at_provider = await provider.open(request_of(tools, payment))
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
                await reporting.tell(tools, session, payment, payment.order, Outcome.CANCELLED)
        raise
    reached(Step.PAYMENT_MADE)
    async with tools.db.unit() as session:
        first = await checkout.opened(session, payment_id, at_provider, tools.clock.now())
        kept = await session.get_one(Payment, payment_id, populate_existing=True)
        if first and late and at_provider.pay_url and kept.order.state == OrderState.OPEN:
            link = notice.PaymentLink(payment.order.ref, at_provider.pay_url)
            await announce(tools, session, payment.order.customer_id, link, f"pay-link:{payment.ref}")
    # Of two calls at once the first to be written down counts, so that everybody is shown the same link.
    reached(Step.PAYMENT_OPENED)
    _log.info("payment_opened", payment=payment.ref)
    return kept.pay_url or at_provider.pay_url or None


async def connected(tools: Tools, session: AsyncSession, name: str) -> Offered:
    """The provider of that name, whoever takes the money. Raises Misconfigured."""
    return await methods.connect(session, name, tools.providers, tools.vault, tools.provider_tools)


async def collecting(tools: Tools, session: AsyncSession, name: str) -> PaymentProvider:
    """The provider of that name, one that can be asked. Raises Misconfigured."""
    provider = await connected(tools, session, name)
    if isinstance(provider, InHouse):
        raise Misconfigured(f"Nobody can be asked about payments by {name}.", "They are settled when they are made.")
    return provider  # type: ignore[return-value]


def words(
    tools: Tools, customer: Customer, order: Order, *, contact: str = "", keep: bool = False, every_days: int = 0
) -> dict[str, Any]:
    """What a payment asks for in words, kept with it: a repeat must be the same to the letter."""
    what, speak = order.snapshot, voice(customer.language)
    return {
        "description": f"{speak.pick(what['title'])} · {speak.plain('days', days=what['days'])} · {order.ref}",
        "language": customer.language,
        "return_url": tools.settings.base_url,
        "payer": customer.telegram_id,
        "contact": contact,
        "keep": keep,
        "every_days": every_days,
    }


def request_of(tools: Tools, payment: Payment) -> PaymentRequest:
    """The request of this payment, the same however often it is made, but for where it is paid once that is known."""
    return PaymentRequest(
        ref=payment.ref,
        order_ref=payment.order.ref,
        amount=payment.amount,
        idempotency_key=payment.idempotency_key,
        placed_at=payment.created_at,
        way=payment.way,
        hook_url=tools.hook_url(payment.provider),
        number=payment.id,
        pay_url=payment.pay_url or "",
        **payment.request,
    )

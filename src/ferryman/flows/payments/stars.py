"""Stars, where Telegram itself speaks of money: it asks before a payment, and tells after it.

may_pay    Telegram asks whether this person may pay this invoice now; one read, and nothing is reserved by it
paid       Telegram says that somebody paid, or was given back: kept in the inbox, settled like everything else
changed    Telegram says that somebody ended a payment that repeats by itself, or took it up again, or has no Stars

An invoice is anybody's who holds its link. Who pays one that is not theirs is refused when Telegram asks; should the
money come all the same, it is nobody's purchase and goes straight back.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from ferryman.billing.order import Attempt, Order, OrderKind, OrderState, Payment
from ferryman.billing.provider import RawWebhook, Refunding, RefundRequest
from ferryman.billing.telegram import read_payload
from ferryman.catalog.plan import Plan, Term
from ferryman.flows.orders import opening
from ferryman.flows.payments import settling
from ferryman.flows.renewals import agreeing
from ferryman.flows.tools import Tools
from ferryman.kit import log
from ferryman.kit.errors import NotFound, Refused, Retry
from ferryman.kit.money import Money
from ferryman.people.customer import Customer

_log = log.get("stars")

PROVIDER = "stars"
CURRENCY = "XTR"


@dataclass(frozen=True)
class Question:
    """What Telegram asks before a payment: who pays how much of what, for the invoice that carries this."""

    payer: int
    carried: str
    amount: int
    currency: str


@dataclass(frozen=True)
class Received:
    """What Telegram told the bot of a payment: `kind` is successful_payment or refunded_payment, `said` that object.

    `date` in unix seconds.
    """

    payer: int
    date: int
    kind: str
    said: Mapping[str, Any]


class MayNotPay(Refused):
    """This payment must not happen. `reason`: unknown, stranger, amount, cancelled, paid, banned, withdrawn.

    `language` is the customer's own, None when the payer is none of ours.
    """

    def __init__(self, reason: str, language: str | None = None) -> None:
        super().__init__(f"This payment is refused before it happens: {reason}.")
        self.reason = reason
        self.language = language


async def may_pay(tools: Tools, question: Question) -> None:
    """Raises MayNotPay. One indexed read, without a lock: the truth is settled when the money is there."""
    ref, _ = read_payload(question.carried)
    query = (
        select(Payment, Order, Customer, Term.active.label("on_sale"), Plan.active.label("sold"))
        .join(Order, Payment.order_id == Order.id)
        .join(Customer, Order.customer_id == Customer.id)
        .join(Term, Order.term_id == Term.id)
        .join(Plan, Term.plan_id == Plan.id)
        .where(Payment.ref == ref, Payment.provider == PROVIDER)
    )
    async with tools.db.unit() as session:
        found = (await session.execute(query)).one_or_none()
    if found is None:
        raise MayNotPay("unknown")
    payment, order, customer, on_sale, sold = found
    if customer.telegram_id != question.payer:
        raise MayNotPay("stranger")
    if customer.banned:
        raise MayNotPay("banned", customer.language)
    if (payment.minor, payment.currency) != (question.amount, question.currency):
        raise MayNotPay("amount", customer.language)
    if order.state == OrderState.CANCELLED:
        raise MayNotPay("cancelled", customer.language)
    if order.state != OrderState.OPEN or payment.state in (Attempt.SUCCEEDED, Attempt.REVIEW):
        raise MayNotPay("paid", customer.language)
    if order.kind == OrderKind.PURCHASE and not (on_sale and sold):
        raise MayNotPay("withdrawn", customer.language)


async def paid(tools: Tools, received: Received) -> None:
    """Keep what was told, and promise to settle it; once, however often it is told."""
    body = {"payer": received.payer, "date": received.date, received.kind: dict(received.said)}
    await settling.told(tools, PROVIDER, RawWebhook(json.dumps(body, ensure_ascii=False).encode()))
    _, owner = read_payload(str(received.said.get("invoice_payload", "")))
    if received.kind == "successful_payment" and owner not in (0, received.payer):
        await _give_back(tools, received)


async def _give_back(tools: Tools, received: Received) -> None:
    charge, amount = received.said["telegram_payment_charge_id"], received.said["total_amount"]
    ref, _ = read_payload(received.said["invoice_payload"])
    async with tools.db.unit() as session:
        provider = await opening.connected(tools, session, PROVIDER)
    if not isinstance(provider, Refunding):
        raise Refused("The provider of Stars cannot give anything back.")
    request = RefundRequest(
        ref=f"stranger:{charge}",
        payment_external_id=charge,
        payment_ref=ref,
        amount=Money(amount, CURRENCY),
        whole=True,
        idempotency_key=f"stranger:{charge}",
        payer=received.payer,
        description="",
    )
    await provider.refund(request)
    if received.said.get("is_recurring"):
        await agreeing.stop_there(provider, received.payer, charge)
    _log.warning("strangers_stars_given_back", payment=ref, charge=charge, amount=amount)


async def changed(tools: Tools, payer: int, carried: str, state: str) -> None:
    """`state`: canceled, active or failed. Raises Retry while nothing is known of what it is about: the payment that
    began it may still be on its way."""
    ref, _ = read_payload(carried)
    try:
        await agreeing.star_subscription_changed(tools, ref, payer, state)
    except NotFound as error:
        raise Retry("Telegram speaks of a repeating payment that nobody here knows yet.") from error

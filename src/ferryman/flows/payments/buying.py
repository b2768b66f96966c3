"""Buying, from the tap to the key. Read top to bottom; every step is one transaction or one call out, never both.

begin            the customer chose a plan and a method: order and payment rows are committed, then the provider is
                 asked to collect (opening); a timeout means "unknown", and the sweep asks again
(settling)       the provider confirms, and in one transaction everything that was paid for is owed
(provisioning)   keys are put on the nodes, read back, and the customer is told
check            the customer asks whether it is paid
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from ferryman.billing import checkout, refund
from ferryman.billing.checkout import Wanted
from ferryman.billing.order import Attempt, Order, OrderKind, OrderState, Payment
from ferryman.billing.provider import InHouse, Offered, Way
from ferryman.catalog import shelf
from ferryman.catalog.pricing import Quote
from ferryman.flows.orders import offering, opening, pricing
from ferryman.flows.orders.offering import NotForSale
from ferryman.flows.payments import applying, settling
from ferryman.flows.renewals import agreeing
from ferryman.flows.tools import Tools
from ferryman.kit import log
from ferryman.kit.errors import Misconfigured, NotFound, Refused
from ferryman.kit.money import Money
from ferryman.kit.steps import Step, reached
from ferryman.people.customer import Customer
from ferryman.subscriptions import holdings

__all__ = ["Checkout", "ContactNeeded", "NotForSale", "Wish", "begin", "check"]

_log = log.get("buying")

# Each order is a call to a provider, and some take only so many an hour from all customers together.
MOST_UNPAID, UNPAID_WITHIN = 30, timedelta(hours=1)
# One press asks about no more attempts than these, the newest; the sweep asks about all.
MOST_ASKED = 5


class ContactNeeded(Refused):
    """This way to pay sends a receipt, and there is no address of the customer to send it to."""


@dataclass(frozen=True)
class Wish:
    """What the customer pressed: a term, a way to pay ("yookassa.sbp"), and the press itself, `tap`.

    `keep`: charge the same instrument again when the time comes. `upgrade_of`: the ref of the subscription that is
    given in for it. `promo`: a code, in place of the one that the customer has typed before.
    """

    customer_id: int
    term_id: int
    method: str
    tap: str
    keep: bool = False
    upgrade_of: str = ""
    promo: str = ""


@dataclass(frozen=True)
class Checkout:
    """An order that waits to be paid. `pay_url` None: the provider is slow; the link follows as a notice.

    `cancelled`: by the customer, and this is the old press once more. `paid`: nothing is left to be done, the money was
    in our own books. `was` is the price before anything came off.
    """

    order_ref: str
    icon: str
    title: Mapping[str, str]
    days: int
    amount: Money
    pay_url: str | None
    paid: bool = False
    was: Money | None = None
    cancelled: bool = False


async def begin(tools: Tools, wish: Wish) -> Checkout:
    """Place the order and open its payment; the same `tap` finds the same order again.

    Raises NotForSale when the term or method is withdrawn, ContactNeeded, PromoRefused, UpgradeRefused, Refused when
    the customer is blocked from buying or the money is not there.
    """
    order_id, payment_id = await _place(tools, wish)
    reached(Step.ORDER_COMMITTED)
    pay_url = None
    provider, _ = offering.parts(wish.method)
    if issubclass(tools.providers[provider], InHouse):
        await applying.collect(tools, payment_id)
    else:
        pay_url = await opening.open_payment(tools, payment_id)
    async with tools.db.unit() as session:
        order = await session.get_one(Order, order_id)
    what = order.snapshot
    was = Money(order.quote["base"], order.currency) if order.quote.get("lines") else None
    paid, cancelled = order.state == OrderState.PAID, order.state == OrderState.CANCELLED
    return Checkout(order.ref, what["icon"], what["title"], what["days"], order.amount, pay_url, paid, was, cancelled)


async def _place(tools: Tools, wish: Wish) -> tuple[int, int]:
    now = tools.clock.now()
    async with tools.db.unit() as session:
        customer = await session.get_one(Customer, wish.customer_id)
        if customer.banned:
            raise Refused("This customer is blocked from buying.")
        order = await checkout.pressed(session, wish.tap)
        if order is not None:
            return await _pressed_before(session, order, wish)
        if await _unpaid(session, customer, now - UNPAID_WITHIN) >= MOST_UNPAID:
            raise Refused("This customer has placed many orders within the hour and paid none of them.")
        kind, way = await offering.chosen(tools, session, wish.method)
        wanted, priced = await _wanted(session, wish, kind, way, now)
        contact = await _contact(tools, session, customer, kind.name)
        order, new = await checkout.place(session, wanted, wish.tap, now)
        if not new:
            return await _pressed_before(session, order, wish)
        await pricing.reserve(session, priced, order, now)
        days, reduced = order.snapshot["days"], priced.reduced
        again = agreeing.asked(kind, way, days, reduced=reduced) if wish.keep else {}
        words = opening.words(tools, customer, order, contact=contact, **again)
        payment = await checkout.attempt(session, order, kind.name, words, now, way=way.code)
        _log.info("order_placed", order=order.ref, payment=payment.ref, amount=str(wanted.amount))
        return order.id, payment.id


async def _unpaid(session: AsyncSession, customer: Customer, since: datetime) -> int:
    """How many orders of the customer's own making were placed since then and are not paid."""
    mine = (Order.customer_id == customer.id, Order.created_at >= since, Order.state != OrderState.PAID)
    return await session.scalar(select(func.count()).where(*mine, Order.kind != OrderKind.RENEWAL)) or 0


async def _pressed_before(session: AsyncSession, order: Order, wish: Wish) -> tuple[int, int]:
    if order.customer_id != wish.customer_id:
        raise Refused("This order belongs to somebody else.")
    return order.id, (await checkout.attempts(session, order))[-1].id


async def _wanted(
    session: AsyncSession, wish: Wish, kind: type[Offered], way: Way, now: datetime
) -> tuple[Wanted, Quote]:
    """The order as it would be placed now, and how its price came about."""
    term = await shelf.term(session, wish.term_id)
    if term is None:
        raise NotForSale("This offer has changed; choose again.")
    old = await holdings.of_ref(session, wish.customer_id, wish.upgrade_of) if wish.upgrade_of else None
    counter = await pricing.counter(session, wish.customer_id, now, promo=wish.promo, upgrade_of=old)
    if counter.refused is not None:
        raise counter.refused
    priced = offering.quoted(counter, term, kind, way, await refund.spendable(session, wish.customer_id))
    # Whoever ticks that it shall renew agrees to this price, and to no higher one.
    again = {"again": counter.next_time(term, priced.total.currency, way).minor} if wish.keep else {}
    wanted = Wanted(
        wish.customer_id,
        term.id,
        term.plan.snapshot(term),
        priced.total,
        OrderKind.PURCHASE if old is None else OrderKind.UPGRADE,
        priced.plain() | again,
        priced.subscription_id,
    )
    return wanted, priced


async def _contact(tools: Tools, session: AsyncSession, customer: Customer, provider: str) -> str:
    """Where this provider's receipt goes, "" where none is sent. Raises ContactNeeded."""
    try:
        connected = await opening.connected(tools, session, provider)
    except Misconfigured:
        # It cannot be asked for a payment either; the order is kept until a person has put the settings right.
        return ""
    if not getattr(connected, "needs_contact", False):
        return ""
    if not customer.contact:
        raise ContactNeeded("This way to pay sends a receipt; an e-mail address or a phone number is needed.")
    return customer.contact


def _may_be_paid(order: Order, attempt: Payment) -> bool:
    """With some a declined attempt can be paid after all, though it is not asked about by itself any more."""
    declined = attempt.state == Attempt.CANCELLED and attempt.external_id is not None
    return attempt.state != Attempt.SUCCEEDED and (
        attempt.ask_at is not None or (declined and order.kind != OrderKind.RENEWAL)
    )


async def check(tools: Tools, customer_id: int, order_ref: str) -> str:
    """The customer asks "is it paid?": asks the provider now; answers "paid", "open", or "waiting" when it is silent.

    One that they have cancelled, and not paid all the same, is "cancelled".
    Raises NotFound when the customer has no such order.
    """
    async with tools.db.unit() as session:
        order = await session.scalar(select(Order).where(Order.ref == order_ref, Order.customer_id == customer_id))
        if order is None:
            raise NotFound("There is no such order.")
        attempts = await checkout.attempts(session, order)
    if order.state == OrderState.PAID:
        return "paid"
    answer = await settling.ask_now(tools, [one.id for one in attempts if _may_be_paid(order, one)][-MOST_ASKED:])
    return "cancelled" if answer != "paid" and order.state == OrderState.CANCELLED else answer

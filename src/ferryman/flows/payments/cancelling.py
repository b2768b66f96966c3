"""Cancelling an order that nobody has paid: the customer does not want it any more, and says so with one press.

cancel    the order is closed in one transaction; then the providers are asked, for it may be paid already, and what
          can be called off over there is called off; everything else runs out of time by itself

Money that comes for it all the same is not lost. It buys what was ordered, for the customer may have pressed the wrong
button; unless they have bought something else since, or others have the code: then it goes to their balance.
"""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from ferryman.billing import checkout
from ferryman.billing.order import Attempt, Order, OrderKind, OrderState, Payment
from ferryman.billing.provider import InHouse, Withdrawing
from ferryman.catalog import using
from ferryman.flows.orders import opening
from ferryman.flows.payments import applying, buying
from ferryman.flows.tools import Tools
from ferryman.kit import log
from ferryman.kit.db import LOCK
from ferryman.kit.errors import FerrymanError, NotFound
from ferryman.people.customer import Customer

_log = log.get("buying")

BY_THE_CUSTOMER = "cancelled by the customer"


async def cancel(tools: Tools, customer_id: int, order_ref: str) -> str:
    """Answers "cancelled", "paid" when it is paid by now, "review" while a person looks at its money.

    Pressed twice it is cancelled once. Raises NotFound when the customer has no such order.
    """
    stood, order_id = await _closed(tools, customer_id, order_ref)
    if stood in (OrderState.PAID, Attempt.REVIEW):
        return stood
    # It may have been paid before: that is money for a cancelled order, which buys what was ordered.
    if await buying.check(tools, customer_id, order_ref) == "paid":
        return "paid"
    async with tools.db.unit() as session:
        attempts = await checkout.attempts(session, await session.get_one(Order, order_id))
    for one in attempts:
        if one.state == Attempt.PENDING and one.external_id is not None:
            await _call_off(tools, one, one.external_id)
    async with tools.db.unit() as session:
        return (await session.get_one(Order, order_id)).state


async def _closed(tools: Tools, customer_id: int, order_ref: str) -> tuple[str, int]:
    """How it stands, and its id: cancelled, unless it is paid or in review."""
    async with tools.db.unit() as session:
        await session.get(Customer, customer_id, with_for_update=LOCK)
        mine = (Order.ref == order_ref, Order.customer_id == customer_id)
        own = Order.kind.in_((OrderKind.PURCHASE, OrderKind.UPGRADE))
        order = await session.scalar(select(Order).where(*mine, own).with_for_update(key_share=True))
        if order is None:
            raise NotFound("There is no such order.")
        attempts = await checkout.attempts(session, order)
        if order.state == OrderState.OPEN and any(one.state == Attempt.REVIEW for one in attempts):
            return Attempt.REVIEW, order.id
        if order.state == OrderState.OPEN:
            await _close(tools, session, order, attempts)
        return order.state, order.id


async def _close(tools: Tools, session: AsyncSession, order: Order, attempts: list[Payment]) -> None:
    """The code that it held is free at once. What is collected out of our own books is given up here: nobody else can.

    An attempt whose answer never came stays as it is, and is looked for.
    """
    order.state, order.cancelled_at = OrderState.CANCELLED, tools.clock.now()
    await using.let_go(session, order.id, tools.clock.now())
    for one in attempts:
        if issubclass(tools.providers.get(one.provider, object), InHouse):
            await checkout.given_up(session, one.id, BY_THE_CUSTOMER)
    _log.info("order_cancelled", order=order.ref, by="customer", attempts=[one.ref for one in attempts])


async def _call_off(tools: Tools, payment: Payment, external_id: str) -> None:
    """Nobody can pay it any more, where the provider can do that; what it says instead is applied like any other fact.

    Tried once: unpaid it expires by itself.
    """
    try:
        async with tools.db.unit() as session:
            provider = await opening.collecting(tools, session, payment.provider)
        if isinstance(provider, Withdrawing):
            fact = await provider.withdraw(external_id)
            await applying.apply_fact(tools, provider, fact, asked=payment.id)
    except FerrymanError as error:
        _log.warning("payment_not_withdrawn", payment=payment.ref, why=str(error))

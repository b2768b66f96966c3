"""Marking an order as paid by somebody's word: money that came in cash or by a bank transfer."""

from sqlalchemy import select

from ferryman.billing import checkout
from ferryman.billing.order import Attempt, Order, OrderState
from ferryman.billing.settlement import Outcome
from ferryman.flows.keys.handling import Cause
from ferryman.flows.orders import opening
from ferryman.flows.payments import applying
from ferryman.flows.tools import Tools
from ferryman.kit import log
from ferryman.kit.db import LOCK
from ferryman.kit.errors import NotFound, Refused
from ferryman.people.customer import Customer

_log = log.get("payments")

PROVIDER = "manual"


async def mark_paid(tools: Tools, order_ref: str, cause: Cause) -> Outcome:
    """The order is paid, says `cause.actor`; what it is for is granted at once, once, however often it is said.

    Raises NotFound, Refused without a reason or for an order that was paid otherwise.
    """
    if not cause.why.strip():
        raise Refused("Give a reason: it stays in the books.")
    now = tools.clock.now()
    async with tools.db.unit() as session:
        order = await session.scalar(select(Order).where(Order.ref == order_ref))
        if order is None:
            raise NotFound(f"There is no order {order_ref!r}.")
        # Two who mark it at the same moment share one payment: the second would be credited to the balance.
        customer = await session.get_one(Customer, order.customer_id, with_for_update=LOCK, populate_existing=True)
        own = [one for one in await checkout.attempts(session, order) if one.provider == PROVIDER]
        payment = next((one for one in own if one.state != Attempt.CANCELLED), None)
        await session.refresh(order)
        if payment is None and order.state == OrderState.PAID:
            raise Refused(f"The order {order_ref} is paid already.")
        if payment is None:
            words = {**opening.words(tools, customer, order), "description": f"{cause.actor}: {cause.why}"}
            payment = await checkout.attempt(session, order, PROVIDER, words, now)
    outcome = await applying.collect(tools, payment.id)
    _log.info("order_marked_paid", order=order_ref, by=cause.actor, why=cause.why, outcome=outcome)
    return outcome

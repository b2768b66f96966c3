"""Money for what is not wanted any more: it is never lost, and goes to the customer's balance instead of being granted.

A code that has been used up with other orders; a renewal of a period that another try has renewed, or of a plan that
the subscription is none to any more; an order that its customer cancelled, before they bought something else, or others
took the last of its code.
"""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from ferryman.billing import renewals
from ferryman.billing.order import Order, OrderKind, OrderState, Payment
from ferryman.catalog import using
from ferryman.flows.orders import pricing
from ferryman.subscriptions.subscription import Subscription


async def unwanted(session: AsyncSession, payment: Payment) -> bool:
    """Whether a success of this payment is to be credited though its order is unpaid. The caller holds the customer."""
    order = payment.order
    await session.refresh(order)
    if order.state == OrderState.PAID:
        return False
    if order.kind == OrderKind.RENEWAL:
        return await _renewed_otherwise(session, payment)
    if order.state == OrderState.CANCELLED and (
        await _bought_since(session, order) or await using.taken_since(session, order.id)
    ):
        return True
    return await pricing.overdrawn(session, order)


async def _renewed_otherwise(session: AsyncSession, payment: Payment) -> bool:
    order = payment.order
    held = await session.get_one(Subscription, order.subscription_id, populate_existing=True)
    if held.plan_code != order.snapshot["plan"]:
        return True
    found = await renewals.charge_of(session, payment.id)
    if found is None or held.ends_at <= found[0].period_end:
        return False
    return await renewals.renewed(session, held.id, found[0].period_end, but=order.id)


async def _bought_since(session: AsyncSession, order: Order) -> bool:
    others = (Order.customer_id == order.customer_id, Order.id != order.id, Order.state == OrderState.PAID)
    own = Order.kind.in_((OrderKind.PURCHASE, OrderKind.UPGRADE))
    return await session.scalar(select(Order.id).where(*others, own, Order.paid_at >= order.cancelled_at)) is not None

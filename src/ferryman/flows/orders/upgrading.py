"""An upgrade that is paid for: what the subscription that is given in is worth by now, and what comes of it."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from ferryman.billing.order import Order
from ferryman.catalog import pricing, proration
from ferryman.catalog.proration import Bargain
from ferryman.flows.orders import worth
from ferryman.kit import log
from ferryman.subscriptions import upgrading
from ferryman.subscriptions.granting import Purchase
from ferryman.subscriptions.subscription import Subscription
from ferryman.subscriptions.upgrading import Takeover

_log = log.get("prices")


async def grant(session: AsyncSession, purchase: Purchase, order: Order, now: datetime) -> Subscription:
    """Give in the subscription that a paid order is about, in the transaction that settles the payment.

    The price stands on the order, however late it is paid; what it buys follows from what is given in now. Where that
    cannot be given in any more, it stays, and the payment buys its share of the other plan. The caller holds the
    customer's row. Raises IntegrityError when this payment or order was granted before.
    """
    agreed = pricing.read(order.quote)
    held = select(Subscription).where(Subscription.id == order.subscription_id).with_for_update(key_share=True)
    old = (await session.scalars(held, execution_options={"populate_existing": True})).one()
    left = await worth.left_of(session, old, now)
    carried = left.pop(order.currency, 0)
    bargain = Bargain(
        days=order.snapshot["days"],
        traffic_bytes=order.snapshot["traffic_bytes"],
        base=agreed.base.minor,
        paid=order.minor,
        credit=agreed.credit,
    )
    # Money in another currency must not be lost in an exchange that cannot count it, nor time whose money is on its way
    # back: should that fail, nobody could say what it was worth.
    doubtful = bool(left) or await worth.in_doubt(session, old.id)
    if doubtful or not await upgrading.possible(session, old, order.snapshot["plan"], now):
        alone = proration.converted(bargain, 0)
        takeover = Takeover(alone.seconds, alone.traffic_bytes, order.currency)
        _log.warning("upgrade_beside", order=order.ref, subscription=old.id)
        return await upgrading.beside(session, purchase, old, takeover, now)
    came_to = proration.converted(bargain, carried)
    parts = await worth.parts_of(session, old, order.currency, carried, now)
    takeover = Takeover(came_to.seconds, came_to.traffic_bytes, order.currency, carried, parts)
    _log.info("upgraded", order=order.ref, subscription=old.id, carried=carried, seconds=came_to.seconds)
    return await upgrading.exchange(session, purchase, old, takeover, now)

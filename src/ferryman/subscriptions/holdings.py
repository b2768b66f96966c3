"""The reads: what a customer holds, and who holds a link."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from ferryman.subscriptions.subscription import Subscription


async def of_customer(session: AsyncSession, customer_id: int) -> list[Subscription]:
    """A customer's subscriptions, the one that lasts longest first."""
    found = await session.scalars(
        select(Subscription).where(Subscription.customer_id == customer_id).order_by(Subscription.ends_at.desc())
    )
    return list(found)


async def by_token(session: AsyncSession, token: str) -> Subscription | None:
    """The subscription that a link's secret opens."""
    return await session.scalar(select(Subscription).where(Subscription.token == token))

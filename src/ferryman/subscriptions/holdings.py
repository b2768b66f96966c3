"""The reads: what a customer holds, and who holds a link."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from ferryman.kit.errors import NotFound, Refused
from ferryman.people import customer
from ferryman.subscriptions.subscription import Subscription

# A BIGINT has 19 digits at most.
LONGEST_ID = 18


async def of_customer(session: AsyncSession, customer_id: int) -> list[Subscription]:
    """A customer's subscriptions, the one that lasts longest first."""
    found = await session.scalars(
        select(Subscription).where(Subscription.customer_id == customer_id).order_by(Subscription.ends_at.desc())
    )
    return list(found)


async def of_ref(session: AsyncSession, customer_id: int, ref: str) -> Subscription:
    """A customer's subscription of this ref. Raises NotFound for another's, or nobody's."""
    mine = select(Subscription).where(Subscription.customer_id == customer_id, Subscription.ref == ref)
    found = await session.scalar(mine)
    if found is None:
        raise NotFound("The customer holds no such subscription.")
    return found


async def by_token(session: AsyncSession, token: str) -> Subscription | None:
    """The subscription that a link's secret opens."""
    return await session.scalar(select(Subscription).where(Subscription.token == token))


async def named(session: AsyncSession, word: str) -> Subscription:
    """The subscription of this ref, or the only one of the customer with this Telegram id.

    Raises NotFound when there is none, Refused, with their refs, when the customer holds several.
    """
    found = await session.scalar(select(Subscription).where(Subscription.ref == word))
    if found is not None:
        return found
    if not word.isdecimal() or len(word) > LONGEST_ID:
        raise NotFound(f"There is no subscription {word!r}.")
    customer_id = await customer.id_of(session, int(word))
    held = [] if customer_id is None else await of_customer(session, customer_id)
    match held:
        case []:
            raise NotFound(f"There is no subscription {word!r}, and nobody with that Telegram id holds one.")
        case [only]:
            return only
    several = ", ".join(f"{one.ref} ({one.plan_code})" for one in held)
    raise Refused(f"That customer holds several; name one: {several}.")

"""What is on sale."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from ferryman.catalog.plan import Plan, Price, Term
from ferryman.kit.errors import Refused


async def on_sale(session: AsyncSession) -> list[Plan]:
    """Active plans that have at least one active term, in the operator's order."""
    plans = await session.scalars(select(Plan).where(Plan.active).order_by(Plan.position, Plan.id))
    return [plan for plan in plans if any(term.active for term in plan.terms)]


async def term(session: AsyncSession, term_id: int) -> Term | None:
    """A term that can be bought now; None when it is withdrawn or never was."""
    found = await session.get(Term, term_id)
    return found if found is not None and found.active and found.plan.active else None


async def must_be_sold_in(session: AsyncSession, currency: str) -> None:
    """Raises Refused for a currency that no plan has a price in: money or a discount in it would be worth nothing."""
    known = sorted(await session.scalars(select(Price.currency).distinct()))
    if currency not in known:
        there_are = f"prices are in {', '.join(known)}" if known else "no plan has a price yet"
        raise Refused(f"Nothing is sold in {currency}; {there_are}.")

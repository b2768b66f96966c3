"""What is on sale."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from ferryman.catalog.plan import Plan, Term


async def on_sale(session: AsyncSession) -> list[Plan]:
    """Active plans that have at least one active term, in the operator's order."""
    plans = await session.scalars(select(Plan).where(Plan.active).order_by(Plan.position, Plan.id))
    return [plan for plan in plans if any(term.active for term in plan.terms)]


async def term(session: AsyncSession, term_id: int) -> Term | None:
    """A term that can be bought now; None when it is withdrawn or never was."""
    found = await session.get(Term, term_id)
    return found if found is not None and found.active and found.plan.active else None

"""Payments that a person must decide about: what came does not fit, and the money waits apart."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from ferryman.billing import checkout, settlement
from ferryman.billing.order import Attempt, Payment
from ferryman.billing.settlement import Settled
from ferryman.flows.payments import applying
from ferryman.flows.tools import Tools
from ferryman.kit import log
from ferryman.kit.db import LOCK
from ferryman.kit.errors import Refused
from ferryman.people.customer import Customer

_log = log.get("reviewing")


async def waiting(tools: Tools) -> list[Payment]:
    """Payments in review, oldest first."""
    async with tools.db.unit() as session:
        return list(await session.scalars(select(Payment).where(Payment.state == Attempt.REVIEW).order_by(Payment.id)))


async def accept(tools: Tools, ref: str, why: str, by: str) -> Settled:
    """Let it count as paid in full: the order is granted, what is missing is the shop's loss.

    Raises NotFound, Refused for one that is not in review or when no reason is given.
    """
    return await _decide(tools, ref, why, by, grant=True)


async def credit(tools: Tools, ref: str, why: str, by: str) -> Settled:
    """Put what came on the customer's balance; the order stays unpaid. Raises as `accept`, and where nothing came."""
    return await _decide(tools, ref, why, by, grant=False)


async def _decide(tools: Tools, ref: str, why: str, by: str, *, grant: bool) -> Settled:
    if not why.strip():
        raise Refused("Give a reason: it stays in the books.")
    async with tools.db.unit() as session:
        payment = await _in_review(session, ref)
        settled = await settlement.decide(
            session, payment, grant=grant, now=tools.clock.now(), because={"by": by, "why": why}
        )
        await applying.follow_up(tools, session, settled)
        # What went back while it was in review is in no book yet: the provider is asked once more.
        await tools.jobs.defer(session, "ask_payment", once=f"payment:{payment.id}", payment_id=payment.id)
    _log.warning("review_decided", payment=ref, outcome=settled.outcome, by=by, why=why)
    return settled


async def _in_review(session: AsyncSession, ref: str) -> Payment:
    found = await checkout.named(session, ref)
    await session.get_one(Customer, found.order.customer_id, with_for_update=LOCK)
    payment = await checkout.held(session, found.id)
    if payment.state != Attempt.REVIEW:
        raise Refused(f"{ref} is {payment.state}, not in review.")
    return payment

"""What switching a renewal on would agree to: which term, for how much, and who would move the money."""

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from ferryman.billing import renewals
from ferryman.billing.order import Order
from ferryman.billing.provider import InHouse
from ferryman.billing.renewal import FINAL_REASONS, Agreement, By, State
from ferryman.billing.renewals import Terms
from ferryman.catalog import shelf
from ferryman.catalog.plan import Term
from ferryman.flows.orders import offering
from ferryman.flows.renewals import costing
from ferryman.flows.tools import Tools
from ferryman.kit.errors import Misconfigured
from ferryman.kit.money import Money
from ferryman.subscriptions.subscription import Grant, Subscription


@dataclass(frozen=True)
class Proposal:
    """`before` is the agreement whose instrument is used again; None = it comes from the balance."""

    by: By
    term: Term
    price: Money
    provider: str
    way: str = ""
    title: str = ""
    before: Agreement | None = None


async def proposal(
    tools: Tools, session: AsyncSession, subscription: Subscription, before: Agreement | None
) -> Proposal | None:
    """What can be agreed to with one press. `before` is the latest agreement, which has ended; None = only by paying.

    After a change of plan that is the term that was paid for last, and never the one that was given in.
    """
    if before is not None and await _may_go_on(tools, session, subscription, before):
        found = await _as_before(tools, session, subscription, before)
        if found is not None:
            return found
    return await _from_the_balance(tools, session, subscription)


async def agree(tools: Tools, session: AsyncSession, subscription: Subscription, what: Proposal) -> Agreement:
    """The customer said yes to it. The caller holds the subscription."""
    now, before = tools.clock.now(), what.before
    if before is not None and before.term_id == what.term.id:
        one = await renewals.held(session, before.id)
        renewals.take_up(one, what.price, subscription.ends_at, now)
        return one
    terms = Terms(
        subscription_id=subscription.id,
        customer_id=subscription.customer_id,
        term_id=what.term.id,
        days=what.term.days,
        amount=what.price,
        by=what.by,
        provider=what.provider,
        way=what.way,
        sealed_token=before.sealed_token if before is not None else None,
        title=what.title,
    )
    return await renewals.agree(session, terms, subscription.ends_at, now)


async def _may_go_on(tools: Tools, session: AsyncSession, subscription: Subscription, one: Agreement) -> bool:
    """Whether what has ended can be taken up again with the same instrument."""
    if one.state == State.FAILED and one.why in FINAL_REASONS:
        return False
    if one.by == By.STARS:
        return one.state == State.STOPPED and not subscription.ended(tools.clock.now())
    usable = [choice for choice in await offering.choices(tools, session) if choice.enabled]
    there = any((choice.provider, choice.way.code) == (one.provider, one.way) for choice in usable)
    return there and (one.by == By.BALANCE or _can_be_charged(tools, one))


def _can_be_charged(tools: Tools, one: Agreement) -> bool:
    try:
        return one.sealed_token is not None and bool(tools.vault.open(one.sealed_token))
    except Misconfigured:
        return False


async def _as_before(
    tools: Tools, session: AsyncSession, subscription: Subscription, one: Agreement
) -> Proposal | None:
    term = await shelf.term(session, one.term_id)
    if one.by == By.STARS:
        # What Telegram repeats is the first payment as it was: for another plan there has to be another first.
        same = term is not None and term.plan.code == subscription.plan_code and term.price((one.currency,))
        return Proposal(By.STARS, term, one.amount, one.provider, one.way, one.title, one) if term and same else None
    if term is None or term.plan.code != subscription.plan_code:
        term, _ = await _bought_last(session, subscription)
    cost = await costing.cost(tools, session, one.customer_id, term, one.currency, one.provider, one.way)
    if term is None or cost.price is None or not cost.taken:
        return None
    return Proposal(By(one.by), term, cost.price, one.provider, one.way, one.title, one)


async def _from_the_balance(tools: Tools, session: AsyncSession, subscription: Subscription) -> Proposal | None:
    term, currency = await _bought_last(session, subscription)
    for choice in await offering.choices(tools, session) if term is not None else ():
        kind = tools.providers[choice.provider]
        if choice.enabled and choice.way.keeps and issubclass(kind, InHouse):
            whose = subscription.customer_id
            cost = await costing.cost(tools, session, whose, term, currency, choice.provider, choice.way.code)
            if term is None or cost.price is None:
                return None
            return Proposal(By.BALANCE, term, cost.price, choice.provider, choice.way.code)
    return None


async def _bought_last(session: AsyncSession, subscription: Subscription) -> tuple[Term | None, str]:
    """The term of its plan that was bought last, and in which currency; None when it is sold no more."""
    bought = select(Order).join(Grant, Grant.order_id == Order.id).where(Grant.subscription_id == subscription.id)
    last = await session.scalar(bought.order_by(Grant.id.desc()).limit(1))
    term = await shelf.term(session, last.term_id) if last is not None else None
    if last is None or term is None or term.plan.code != subscription.plan_code:
        return None, ""
    return term, last.currency

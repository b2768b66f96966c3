"""What a customer sees of a subscription's renewal, and the presses with which they change it; the operator's, too.

Switching off takes one press and is done at once, whatever else is going on. Switching on, and agreeing to a price, is
for the amount that was on the screen: when that has changed meanwhile, the press changes nothing.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from ferryman.billing import renewals
from ferryman.billing.renewal import Agreement, By, charge_at
from ferryman.catalog import shelf
from ferryman.flows.keys import ending_renewals
from ferryman.flows.orders import opening
from ferryman.flows.renewals import agreeing, costing, proposing
from ferryman.flows.renewals.proposing import Proposal
from ferryman.flows.tools import Tools
from ferryman.kit import log
from ferryman.kit.db import LOCK
from ferryman.kit.errors import FerrymanError, NotFound, Refused
from ferryman.kit.money import Money
from ferryman.people.customer import Customer
from ferryman.subscriptions import holdings
from ferryman.subscriptions.subscription import Subscription

_log = log.get("renewing")


class PriceChanged(Refused):
    """What was agreed to is not what it costs any more; show the screen again."""


@dataclass(frozen=True)
class Consent:
    """How a subscription's renewal stands. `amount` is what would be charged next, or what switching it on agrees to.

    `phase`: "on"; "asks" (for a yes to a higher price); "again" (a try failed, the next is `on` that day); "busy" (a
    charge is on its way); "off". `offer`, when off: who would move the money, "" = it can be switched on only while
    paying. `kept`: there is an instrument that could be forgotten.
    """

    subscription: Subscription
    phase: str
    amount: Money | None = None
    on: datetime | None = None
    by: str = ""
    way: str = ""
    days: int = 0
    kept: bool = False
    offer: str = ""


@dataclass(frozen=True)
class Listed:
    """An agreement with whose it is."""

    agreement: Agreement
    ref: str
    telegram_id: int


async def listed(tools: Tools, *, every: bool = False, most: int = 200) -> list[Listed]:
    """Agreements, the next to be looked at first; `every`: those that have ended too."""
    async with tools.db.unit() as session:
        found = await renewals.listed(session, every=every, most=most)
        whose = select(Subscription.id, Subscription.ref, Customer.telegram_id).join(
            Customer, Customer.id == Subscription.customer_id
        )
        rows = await session.execute(whose.where(Subscription.id.in_([one.subscription_id for one in found])))
        owners = {number: (ref, telegram_id) for number, ref, telegram_id in rows}
    return [Listed(one, *owners[one.subscription_id]) for one in found]


async def look(tools: Tools, customer_id: int, ref: str) -> Consent:
    """Raises NotFound for a subscription that is not this customer's."""
    async with tools.db.unit() as session:
        return await _seen(tools, session, await _theirs(session, customer_id, ref))


async def _seen(tools: Tools, session: AsyncSession, subscription: Subscription) -> Consent:
    one = await renewals.latest(session, subscription.id)
    if one is None or not one.active:
        return _off(subscription, one, await proposing.proposal(tools, session, subscription, one))
    on = subscription.ends_at if one.by == By.STARS else charge_at(one, subscription.ends_at)
    phase = "asks" if one.asks else "again" if one.tries else "on"
    if await renewals.unsettled(session, subscription.id):
        phase = "busy"
    amount = await _next_amount(tools, session, one)
    return Consent(subscription, phase, amount, on, one.by, one.title, one.days, one.sealed_token is not None)


async def _next_amount(tools: Tools, session: AsyncSession, one: Agreement) -> Money:
    """What would be charged next as things stand: never more than was told, and what a yes is wanted to."""
    if one.by == By.STARS:
        return one.amount
    if one.asks:
        return Money(one.told_minor or one.minor, one.currency)
    term = await shelf.term(session, one.term_id)
    cost = await costing.cost(tools, session, one.customer_id, term, one.currency, one.provider, one.way)
    known = [one.minor, one.told_minor, cost.price.minor if cost.price is not None else None]
    return Money(min(minor for minor in known if minor is not None), one.currency)


def _off(subscription: Subscription, one: Agreement | None, offer: Proposal | None) -> Consent:
    kept = one is not None and one.sealed_token is not None
    if offer is None:
        return Consent(subscription, "off", kept=kept)
    return Consent(subscription, "off", offer.price, None, offer.by, offer.title, offer.term.days, kept, offer=offer.by)


async def switch_on(tools: Tools, customer_id: int, ref: str, minor: int) -> Consent:
    """Agree to what the screen offered, for `minor` units. Already on, it stays as it is.

    Raises PriceChanged, NotFound, Refused when it cannot be switched on this way, Retry when Telegram does not answer.
    """
    async with tools.db.unit() as session:
        seen = await _seen(tools, session, await _theirs(session, customer_id, ref))
        one = await renewals.latest(session, seen.subscription.id)
        customer = await session.get_one(Customer, customer_id)
    if seen.phase != "off":
        return seen
    if not seen.offer or seen.amount is None or customer.banned:
        raise Refused("This renewal can only be switched on while paying.")
    if seen.amount.minor != minor:
        raise PriceChanged(f"It costs {seen.amount}, and {minor} was agreed to.")
    resumed = await _resume_there(tools, one, customer) if one is not None and seen.offer == By.STARS else None
    try:
        return await _agreed(tools, customer_id, seen)
    except FerrymanError:
        await _unhook_now(tools, resumed)
        raise


async def _agreed(tools: Tools, customer_id: int, seen: Consent) -> Consent:
    async with tools.db.unit() as session:
        await session.get_one(Customer, customer_id, with_for_update=LOCK)
        subscription = await _theirs(session, customer_id, seen.subscription.ref, lock=True)
        if await renewals.active(session, subscription.id) is None:
            await _agree(tools, session, subscription, seen)
        return await _seen(tools, session, subscription)


async def _resume_there(tools: Tools, one: Agreement, customer: Customer) -> Agreement:
    """Have it repeat again, and answer with the agreement, in which it was written down before Telegram heard of it.

    Should nothing come of it here, the sweep stops it there again. A stop may be on its way there, and come last: the
    sweep has what was taken up resumed once more when none can be. Raises Refused, Retry.
    """
    async with tools.db.unit() as session:
        provider = await opening.connected(tools, session, one.provider)
        held = await renewals.held(session, one.id)
        if not held.active:
            renewals.begin_to_take_up(held, tools.clock.now())
    if one.external_id is None:
        raise Refused("This renewal can only be switched on while paying.")
    await agreeing.resume_there(provider, customer.telegram_id, one.external_id)
    return held


async def _agree(tools: Tools, session: AsyncSession, subscription: Subscription, seen: Consent) -> None:
    latest = await renewals.latest(session, subscription.id)
    offer = await proposing.proposal(tools, session, subscription, latest)
    if offer is None:
        raise Refused("This renewal can only be switched on while paying.")
    if (offer.by, offer.price) != (seen.offer, seen.amount):
        raise PriceChanged(f"It costs {offer.price}, and {seen.amount} was agreed to.")
    one = await proposing.agree(tools, session, subscription, offer)
    _log.info("renewal_agreed", renewal=one.id, by=one.by, amount=str(one.amount))
    await agreeing.welcome(tools, session, one, subscription)


async def switch_off(tools: Tools, customer_id: int, ref: str) -> Consent:
    """One press, and nothing more is charged but what is on its way already. Off already, it stays off.

    Raises NotFound for a subscription that is not this customer's.
    """
    async with tools.db.unit() as session:
        subscription = await _theirs(session, customer_id, ref, lock=True)
        one = await _ended(tools, session, subscription, "customer")
        seen = await _seen(tools, session, subscription)
    await _unhook_now(tools, one)
    return seen


async def stop(tools: Tools, which: str, why: str) -> Subscription:
    """An operator ends a renewal. `which` is a subscription's ref, or its customer's Telegram id. Raises NotFound,
    Refused, also when there is no reason given."""
    if not why.strip():
        raise Refused("Give a reason: it stays in the log.")
    async with tools.db.unit() as session:
        found = await holdings.named(session, which)
        subscription = await session.get_one(Subscription, found.id, with_for_update=LOCK)
        one = await _ended(tools, session, subscription, "operator")
        if one is None:
            raise NotFound(f"{subscription.ref} does not renew itself.")
        _log.info("renewal_ended_by_operator", renewal=one.id, why=why)
    await _unhook_now(tools, one)
    return subscription


async def agree_to(tools: Tools, customer_id: int, ref: str, minor: int) -> Consent:
    """Say yes to the higher price of `minor` units. Raises PriceChanged, NotFound."""
    async with tools.db.unit() as session:
        subscription = await _theirs(session, customer_id, ref, lock=True)
        one = await renewals.active(session, subscription.id)
        if one is not None and one.asks:
            if one.told_minor != minor:
                raise PriceChanged(f"It costs {one.told_minor}, and {minor} was agreed to.")
            one.minor, one.agreed_at, one.next_try_at = minor, tools.clock.now(), tools.clock.now()
            await session.flush()
        return await _seen(tools, session, subscription)


async def forget(tools: Tools, customer_id: int, ref: str) -> Consent:
    """Forget the instrument: switched off, and it cannot be taken up again without paying. Raises NotFound."""
    await switch_off(tools, customer_id, ref)
    async with tools.db.unit() as session:
        subscription = await _theirs(session, customer_id, ref, lock=True)
        await renewals.forget_of(session, subscription.id)
        return await _seen(tools, session, subscription)


async def _ended(tools: Tools, session: AsyncSession, subscription: Subscription, why: str) -> Agreement | None:
    one = await renewals.active(session, subscription.id)
    if one is not None:
        await ending_renewals.ended(tools, session, one, subscription, why)
        await session.flush()
    return one


async def _unhook_now(tools: Tools, one: Agreement | None) -> None:
    if one is not None and not one.unhooked:
        try:
            await agreeing.unhook(tools, one.id)
        except FerrymanError as error:
            # The sweep will see to it: for the customer it is off.
            _log.warning("renewal_not_unhooked", renewal=one.id, why=str(error))


async def _theirs(session: AsyncSession, customer_id: int, ref: str, *, lock: bool = False) -> Subscription:
    mine = select(Subscription).where(Subscription.ref == ref, Subscription.customer_id == customer_id)
    found = await session.scalar(mine.with_for_update(key_share=True) if lock else mine)
    if found is None:
        raise NotFound("The customer holds no such subscription.")
    return found

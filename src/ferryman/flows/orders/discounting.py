"""The operator makes things cheaper: promo codes, personal discounts, volume rules; each checked before it is kept."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from ferryman.catalog import shelf
from ferryman.catalog.discount import Discount, DiscountUse, UseState, code_of
from ferryman.catalog.plan import Plan
from ferryman.catalog.pricing import Kind
from ferryman.flows.tools import Tools
from ferryman.kit import log
from ferryman.kit.errors import Conflict, Misconfigured, NotFound
from ferryman.kit.money import Money
from ferryman.people import customer
from ferryman.people.customer import Customer

_log = log.get("prices")


@dataclass(frozen=True)
class Terms:
    """What comes off, and when: "25%", or an amount and its currency, "100 RUB". `plans` empty = all of them."""

    off: str
    plans: Sequence[str] = ()
    begins_at: datetime | None = None
    ends_at: datetime | None = None


@dataclass(frozen=True)
class Limits:
    """How often a code may be used, by all and by one customer, 0 = any number; and whether by newcomers only."""

    most: int = 0
    each: int = 1
    newcomers: bool = False


@dataclass(frozen=True)
class Listed:
    """A discount with its uses: how many are held by unpaid orders, how many are paid for."""

    discount: Discount
    held: int = 0
    paid: int = 0
    telegram_id: int | None = field(default=None)


async def promo(tools: Tools, code: str, terms: Terms, limits: Limits, by: str) -> Discount:
    """A code that customers may type.

    Raises Misconfigured, NotFound for a plan, Conflict for a code there is, Refused for a currency of no price.
    """
    try:
        kept = code_of(code)
    except ValueError as error:
        raise Misconfigured(f"{code!r} cannot be a promo code:", f"{error}.") from error
    if limits.most < 0 or limits.each < 0:
        raise Misconfigured("A limit is less than zero.", "Give a number of uses, or 0 for any number.")
    if limits.newcomers and limits.each != 1:
        raise Misconfigured("Nobody is a newcomer twice.", "Leave --each at 1 for a code for newcomers.")
    counted = {"most": limits.most, "most_each": limits.each, "newcomers": limits.newcomers}
    return await _keep(tools, terms, by, kind=Kind.PROMO, code=kept, **counted)


async def personal(tools: Tools, telegram_id: int, terms: Terms, by: str) -> Discount:
    """One customer's own discount, in place of the one they had. Raises NotFound, Misconfigured, Refused."""
    async with tools.db.unit() as session:
        customer_id = await customer.id_of(session, telegram_id)
        if customer_id is None:
            raise NotFound(f"Nobody with the Telegram id {telegram_id} has been in the bot.")
        earlier = select(Discount).where(Discount.customer_id == customer_id, Discount.active)
        replaced = list(await session.scalars(earlier))
    made = await _keep(tools, terms, by, kind=Kind.PERSONAL, customer_id=customer_id)
    for one in replaced:
        await off(tools, str(one.id), by)
    return made


async def volume(tools: Tools, threshold: int, terms: Terms, by: str) -> Discount:
    """For everybody who has paid so many orders before. Raises Misconfigured, Refused, NotFound for a plan."""
    if threshold < 1:
        raise Misconfigured("A volume discount begins after some orders.", "Give 1 or more.")
    return await _keep(tools, terms, by, kind=Kind.VOLUME, threshold=threshold)


async def off(tools: Tools, which: str, by: str) -> Discount:
    """Switch one off, by its code or number: nobody new gets it, and what was ordered with it keeps its price.

    Raises NotFound.
    """
    async with tools.db.unit() as session:
        found = await _named(session, which)
        found.active = False
    _log.info("discount_off", discount=found.id, by=by)
    return found


async def listed(tools: Tools, *, all_: bool = False) -> list[Listed]:
    """Those that are on, or `all_` that ever were, oldest first."""
    held, paid = (
        func.count(DiscountUse.id).filter(DiscountUse.state == state)
        for state in (UseState.RESERVED, UseState.CONSUMED)
    )
    query = (
        select(Discount, held, paid, Customer.telegram_id)
        .outerjoin(DiscountUse, DiscountUse.discount_id == Discount.id)
        .outerjoin(Customer, Customer.id == Discount.customer_id)
        .group_by(Discount.id, Customer.telegram_id)
        .order_by(Discount.id)
    )
    async with tools.db.unit() as session:
        rows = await session.execute(query if all_ else query.where(Discount.active))
        return [Listed(*row) for row in rows]


def amount_of(words: str) -> int | Money:
    """ "25%" as a percentage, "100 RUB" as money. Raises Misconfigured."""
    shown = words.strip()
    rate = shown.removesuffix("%").strip()
    if shown.endswith("%") and rate.isascii() and rate.isdigit() and 1 <= int(rate[:4]) <= 99:
        return int(rate)
    amount, _, currency = shown.partition(" ")
    try:
        money = Money.parse(amount, currency.strip().upper())
    except ValueError:
        money = None
    if money is None or money.minor <= 0:
        raise Misconfigured(f"{words!r} is no discount.", 'Give "1%" to "99%", or an amount such as "100 RUB".')
    return money


async def _keep(tools: Tools, terms: Terms, by: str, **facts: Any) -> Discount:
    comes_off = amount_of(terms.off)
    much: dict[str, Any] = {"percent": comes_off}
    if isinstance(comes_off, Money):
        much = {"minor": comes_off.minor, "currency": comes_off.currency}
    begins, ends, now = terms.begins_at, terms.ends_at, tools.clock.now()
    if ends is not None and ends <= max(begins or now, now):
        raise Misconfigured("It would end before it begins.", "Give a later end.")
    made = Discount(**facts, **much, plans=list(terms.plans), begins_at=begins, ends_at=ends, by=by, created_at=now)
    try:
        async with tools.db.unit() as session:
            await _require_plans(session, terms.plans)
            if isinstance(comes_off, Money):
                await shelf.must_be_sold_in(session, comes_off.currency)
            session.add(made)
    except IntegrityError as error:
        raise Conflict(f"There is a promo code {facts.get('code')} already, perhaps switched off.") from error
    _log.info("discount_made", discount=made.id, kind=made.kind, by=by)
    return made


async def _require_plans(session: AsyncSession, codes: Sequence[str]) -> None:
    known = set(await session.scalars(select(Plan.code)))
    unknown = [code for code in codes if code not in known]
    if unknown:
        raise NotFound(f"There is no plan {unknown[0]!r}; there are: {', '.join(sorted(known))}.")


async def _named(session: AsyncSession, which: str) -> Discount:
    found = None
    if which.isdecimal() and len(which) < 19:
        found = await session.get(Discount, int(which))
    if found is None:
        try:
            found = await session.scalar(select(Discount).where(Discount.code == code_of(which)))
        except ValueError:
            found = None
    if found is None:
        raise NotFound(f"There is no discount {which!r}; `ferryman promo list` shows all.")
    return found

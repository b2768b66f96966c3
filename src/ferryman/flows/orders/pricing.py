"""What things cost for one customer at this moment: the discounts that are theirs, and what they give in.

counter          everything that this customer's prices depend on, read once
Counter.quote    the price of one term, by one way to pay: pure from there on
reserve, consume the discounts that count for an order, when it is placed and when it is paid
enter, forget    the customer types a promo code, or takes it away
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, distinct, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from ferryman.billing.order import Attempt, Order, OrderState, Payment
from ferryman.billing.provider import Way
from ferryman.catalog import pricing, using
from ferryman.catalog.discount import Discount, EnteredCode, code_of
from ferryman.catalog.plan import Term
from ferryman.catalog.pricing import Kind, Quote
from ferryman.catalog.using import PromoRefused
from ferryman.flows.orders import guessing, worth
from ferryman.flows.orders.worth import GivenIn, UpgradeRefused
from ferryman.flows.tools import Tools
from ferryman.kit import log
from ferryman.kit.errors import Refused
from ferryman.kit.money import Money
from ferryman.subscriptions.subscription import Subscription

_log = log.get("prices")


class NoPrice(Refused):
    """The term is not sold in a currency, or for as little or as much, as this way to pay takes."""


@dataclass(frozen=True)
class Counter:
    """`discounts` are those that count for this customer now, the code they have typed among them.

    `promo` is that code, `refused` why it does not count, as far as that is known before something is chosen.
    `given_in`: the subscription that is to be given in for what is bought.
    """

    discounts: tuple[Discount, ...] = ()
    promo: Discount | None = None
    refused: PromoRefused | None = None
    given_in: GivenIn | None = None

    @property
    def standing(self) -> "Counter":
        """What will count the next time too: a code counts once, and a subscription is given in once."""
        return Counter(tuple(each for each in self.discounts if each.kind != Kind.PROMO))

    def next_time(self, term: Term, currency: str, way: Way | None = None) -> Money:
        """What the term costs whoever renews it, by today's prices; the base price where that way does not take it.

        Raises NoPrice when it is not sold in that currency.
        """
        base = term.price((currency,))
        if base is None:
            raise NoPrice("This plan has no price in that currency.")
        try:
            return self.standing.quote(term, (currency,), way).total
        except NoPrice:
            return base

    def quote(self, term: Term, currencies: Sequence[str], way: Way | None = None) -> Quote:
        """What the term costs in the first of `currencies` that it is sold in.

        Without a `way` it is a price to be shown: one way or another may ask for more. Raises NoPrice, UpgradeRefused.
        """
        base = term.price(tuple(currencies))
        if base is None:
            raise NoPrice("This plan has no price for that payment method; choose another.")
        theirs = [each.reduction() for each in self.discounts if not each.plans or term.plan.code in each.plans]
        least = way.least.get(base.currency, 0) if way is not None else 0
        try:
            priced = self._priced(term, base, theirs, least)
        except pricing.BelowLeast as error:
            raise NoPrice(str(error)) from error
        if way is not None and priced.total.minor > way.most.get(base.currency, priced.total.minor):
            raise NoPrice(f"{priced.total} is more than can be paid this way.")
        return priced

    def _priced(self, term: Term, base: Money, theirs: list[pricing.Reduction], least: int) -> Quote:
        if self.given_in is None:
            return pricing.quote(base, theirs, least=least)
        credit = self.given_in.credit(term.plan.code, base.currency)
        try:
            number = self.given_in.subscription_id
            return pricing.quote(base, theirs, least=least, credit=credit, subscription_id=number)
        except pricing.WorthMore as error:
            raise UpgradeRefused("worth-more") from error


async def counter(
    session: AsyncSession, customer_id: int, now: datetime, *, promo: str = "", upgrade_of: Subscription | None = None
) -> Counter:
    """Everything that this customer's prices depend on. `promo` counts instead of the code they have typed before.

    Raises PromoRefused for a `promo` that does not count, UpgradeRefused for a subscription that cannot be given in.
    """
    typed = code_of(promo) if promo else None
    found = await _discounts(session, customer_id, typed)
    code = next((each for each in found if each.kind == Kind.PROMO), None)
    if typed and code is None:
        raise PromoRefused("unknown")
    counted, refused = [each for each in found if each.kind != Kind.PROMO and each.holds(now)], None
    paid = await _paid(session, customer_id) if any(each.threshold or each.newcomers for each in found) else (0, 0)
    counted = [each for each in counted if paid[1] >= each.threshold]
    if code is not None:
        try:
            await _theirs(session, code, customer_id, paid[0], now)
            counted.append(code)
        except PromoRefused as error:
            if typed:
                raise
            refused = error
    given_in = await worth.given_in(session, upgrade_of, now) if upgrade_of is not None else None
    return Counter(tuple(counted), code, refused, given_in)


async def reserve(session: AsyncSession, priced: Quote, order: Order, now: datetime) -> None:
    """Hold the discounts of a new order, in the transaction that places it. Raises PromoRefused."""
    await using.reserve(session, priced.discounts, order.id, order.customer_id, now)


async def consume(session: AsyncSession, order: Order, now: datetime) -> None:
    """The order is paid: its discounts are used. In the transaction that settles the payment."""
    if order.quote.get("lines"):
        await using.consume(session, order.id, now)


async def overdrawn(session: AsyncSession, order: Order) -> bool:
    """Whether an open order counts on a code that its customer has used up with other orders since; see `using`."""
    return bool(order.quote.get("lines")) and await using.overdrawn(session, order.id)


async def enter(tools: Tools, customer_id: int, typed: str) -> Discount:
    """A customer types a promo code: from now on their prices count with it. Raises PromoRefused, TooManyGuesses."""
    now = tools.clock.now()
    async with tools.db.unit() as session:
        await guessing.must_be_allowed(session, customer_id, now)
        try:
            found = await _typed(session, customer_id, typed, now)
        except PromoRefused as error:
            refused = error
            if error.reason in guessing.GUESSED:
                guessing.wrong(session, customer_id, now)
        else:
            await using.enter(session, found, customer_id, now)
            _log.info("promo_entered", customer=customer_id, discount=found.id)
            return found
    raise refused


async def _typed(session: AsyncSession, customer_id: int, typed: str, now: datetime) -> Discount:
    try:
        code = code_of(typed)
    except ValueError as error:
        raise PromoRefused("unknown") from error
    found = await using.by_code(session, code)
    paid = await _paid(session, customer_id) if found.newcomers else (0, 0)
    await _theirs(session, found, customer_id, paid[0], now)
    return found


async def forget(tools: Tools, customer_id: int) -> None:
    """The customer takes their code away, or it counts no more."""
    async with tools.db.unit() as session:
        await using.forget(session, customer_id)


async def _theirs(session: AsyncSession, code: Discount, customer_id: int, paid: int, now: datetime) -> None:
    """Raises PromoRefused when it does not count for this customer."""
    await using.allowed(session, code, customer_id, now)
    if code.newcomers and paid:
        raise PromoRefused("not-for-you")


async def _discounts(session: AsyncSession, customer_id: int, typed: str | None) -> list[Discount]:
    """Those that may count, in one question: personal ones, volume rules, and the code."""
    entered = select(EnteredCode.discount_id).where(EnteredCode.customer_id == customer_id).scalar_subquery()
    code = Discount.code == typed if typed is not None else Discount.id == entered
    standing = and_(Discount.active, or_(Discount.customer_id == customer_id, Discount.kind == Kind.VOLUME))
    return list(await session.scalars(select(Discount).where(or_(standing, code)).order_by(Discount.id)))


async def _paid(session: AsyncSession, customer_id: int) -> tuple[int, int]:
    """How many orders the customer has paid, and for how many of them the money was not given back; gifts apart."""
    kept = func.count(distinct(Order.id)).filter(worth.gone() < Payment.minor)
    mine = (
        select(func.count(distinct(Order.id)), kept)
        .join(Payment, Payment.order_id == Order.id)
        .where(Order.customer_id == customer_id, Order.state == OrderState.PAID, Payment.state == Attempt.SUCCEEDED)
        .where(worth.unpaid() < Payment.minor)
    )
    paid, not_given_back = (await session.execute(mine)).one()
    return int(paid), int(not_given_back)

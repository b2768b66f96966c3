"""What a refund of one payment would be: how much, by which way, and what of the access goes with it. Nothing is done.

The numbers come from the books and the history, the arithmetic from `subscriptions.taking_back`.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from ferryman.billing import checkout, gift, ledger, refund
from ferryman.billing.gift import GiftState
from ferryman.billing.order import Attempt, Order, Payment
from ferryman.billing.provider import InHouse, Offered, Refunding
from ferryman.billing.refund import Refund, State, Takes, Through
from ferryman.flows.orders.opening import connected, request_of
from ferryman.flows.orders.worth import unpaid
from ferryman.flows.refunds import holding
from ferryman.flows.tools import Tools
from ferryman.kit.db import LOCK
from ferryman.kit.errors import NotFound, Refused
from ferryman.kit.money import Money
from ferryman.people.customer import Customer
from ferryman.subscriptions.subscription import Subscription
from ferryman.subscriptions.taking_back import NOTHING, Bought, Share, money_for_unused, taken_for

ALL, UNUSED = "all", "unused"


@dataclass(frozen=True)
class Case:
    """Everything that a refund of a payment is decided by.

    `source` is the ledger account that the payment came from, `paid` what came in minor units: less or more than
    its amount where staff accepted another sum. `credited`: it went to the balance and bought nothing.
    `subscription`, `bought` and `unused` are what it bought, None or nothing where it bought nothing; `lives` minor
    units of it were carried over into an upgrade, `since` when, and `regained` came again after that. `owed` is the
    customer's balance in its currency, `keeps_percent` what the shop keeps of an unused part.
    """

    payment: Payment
    customer: Customer
    provider: Offered
    source: str
    paid: int
    credited: bool
    owed: int
    refunds: list[Refund]
    subscription: Subscription | None
    bought: Bought
    unused: Share
    lives: int
    since: datetime | None
    regained: Share
    gifts: list[gift.GiftCode]
    keeps_percent: int

    @property
    def given_back(self) -> int:
        """Minor units that have gone, whoever sent them."""
        return refund.sum_of(self.refunds, State.SUCCEEDED)

    @property
    def left(self) -> int:
        """Minor units that may still go: what is under way counts as gone."""
        return max(self.paid - refund.sum_of(self.refunds, State.SUCCEEDED, *refund.OPEN), 0)

    def goes(self, takes: Takes, minor: int, *, chargeback: bool = False) -> Share:
        """What of the access goes with so much money."""
        part, again = self._part(takes, minor), self.again(takes, minor, chargeback=chargeback)
        return Share(part.seconds + again.seconds, part.bytes + again.bytes)

    def again(self, takes: Takes, minor: int, *, chargeback: bool = False) -> Share:
        """What of it came again after an upgrade, and is no part of what the plan was bought for: it goes with the last
        of the money, or when a bank takes that anew."""
        last = takes is Takes.SHARE and self.given_back + minor >= self.paid
        return self.regained if chargeback or last else NOTHING

    def _part(self, takes: Takes, minor: int) -> Share:
        if takes is Takes.NOTHING or self.subscription is None:
            return NOTHING
        if takes is Takes.UNUSED:
            return self.unused
        before = sum(one.gone for one in self.refunds if self._took(one))
        worth = max(self.worth, 1)
        return taken_for(self.bought, self.unused, worth, min(before + minor, worth))

    @property
    def worth(self) -> int:
        """Minor units that what it bought was bought for: after it was given in, what of them was carried over."""
        return self.paid if self.since is None else min(self.lives, self.paid)

    def _took(self, one: Refund) -> bool:
        """Whether it has taken of what the payment bought, as that stands now."""
        if one.state != State.SUCCEEDED or one.takes == Takes.NOTHING:
            return False
        return self.since is None or (one.finished_at is not None and one.finished_at >= self.since)


@dataclass(frozen=True)
class Proposal:
    """What would happen; shown before it is done. `ends_at` is the subscription's end afterwards.

    `goes` in seconds and bytes. `void_gifts` are codes bought with that money that nobody has redeemed yet;
    `spent_gifts` those that are redeemed, and stay.
    """

    payment_ref: str
    order_ref: str
    paid: Money
    gone: Money
    amount: Money
    through: Through
    whole: bool
    takes: Takes
    goes: Share
    subscription_ref: str | None
    ended_before: datetime | None
    ends_at: datetime | None
    void_gifts: int
    spent_gifts: int


async def payments_named(session: AsyncSession, word: str) -> list[Payment]:
    """The payment of that ref, or all attempts to pay the order of that ref. Raises NotFound."""
    named = select(Payment).join(Order, Order.id == Payment.order_id).order_by(Payment.id)
    for ref in (Payment.ref, Order.ref):
        found = list(await session.scalars(named.where(ref == word)))
        if found:
            return found
    raise NotFound(f"There is no payment {word!r}, and no order of that name.")


async def payment_named(session: AsyncSession, word: str) -> int:
    """The id of a payment by its ref, or of the one payment of an order by the order's. Raises NotFound, Refused."""
    named = await payments_named(session, word)
    found = [one for one in named if word == one.ref or one.state == Attempt.SUCCEEDED]
    match found:
        case []:
            raise NotFound(f"The order {word!r} was not paid.")
        case [only]:
            return only.id
    raise Refused(f"That order was paid more than once; name one: {', '.join(one.ref for one in found)}.")


async def locked(session: AsyncSession, payment_id: int) -> Payment:
    """The payment, with its customer's row and its own held until the transaction ends, in the house's order."""
    payment = await session.get_one(Payment, payment_id)
    await session.get_one(Customer, payment.order.customer_id, with_for_update=LOCK, populate_existing=True)
    return await checkout.held(session, payment_id)


async def case(tools: Tools, session: AsyncSession, payment: Payment) -> Case:
    """The payment's case as it stands now. For a decision the caller holds the payment's row."""
    customer = await session.get_one(Customer, payment.order.customer_id)
    provider = await connected(tools, session, payment.provider)
    source = f"provider:{payment.provider}"
    if isinstance(provider, InHouse):
        source = provider.account(request_of(tools, payment), customer.id)
    refunds = await refund.of_payment(session, payment.id)
    has = await holding.of_payment(session, payment, tools.clock.now())
    return Case(
        payment=payment,
        customer=customer,
        provider=provider,
        source=source,
        paid=await _paid(session, payment, source),
        credited=await ledger.posted(session, "credit", f"payment:{payment.ref}"),
        owed=(await refund.spendable(session, customer.id)).get(payment.currency, 0),
        refunds=refunds,
        subscription=has.subscription,
        bought=has.bought,
        unused=has.unused,
        lives=has.lives,
        since=has.since,
        regained=has.regained,
        gifts=await gift.bought_with(session, payment.id),
        keeps_percent=tools.settings.refund_keeps_percent,
    )


async def came(session: AsyncSession, payment: Payment) -> int:
    """Minor units that a provider holds for us of this payment: more or less than asked for, where staff took it so."""
    return await ledger.booked(session, f"payment:{payment.ref}", f"provider:{payment.provider}", payment.currency)


async def _paid(session: AsyncSession, payment: Payment, source: str) -> int:
    if source.startswith("provider:"):
        return await came(session, payment)
    return payment.minor - int(await session.scalar(select(unpaid()).where(Payment.id == payment.id)) or 0)


def propose(one: Case, wish: str, through: Through | None, *, keep_access: bool = False) -> Proposal:
    """What `wish` ("all", "unused", or an amount such as "49.90") comes to.

    Raises Refused, with a sentence for staff, when it cannot be done.
    """
    payment = one.payment
    if payment.state != Attempt.SUCCEEDED:
        raise Refused(f"The payment {payment.ref} is {payment.state}: there is nothing of it to give back.")
    if one.source == "gifts":
        raise Refused("It was paid with a gift code: refund the payment that bought the code, or make another code.")
    way = _way(one, through)
    amount = Money(_minor(one, wish), payment.currency)
    if amount.minor <= 0 and wish not in (ALL, UNUSED):
        raise Refused(f"{amount} cannot be given back: name an amount above zero.")
    if amount.minor <= 0:
        why = "nothing of it is unused" if wish == UNUSED and one.left else "nothing of it is left"
        raise Refused(f"There is nothing to give back of {payment.ref}: {why}.")
    if amount.minor > one.left:
        raise Refused(f"{amount} is more than the {Money(one.left, payment.currency)} that is left of {payment.ref}.")
    _possible(one, way, amount)
    takes = Takes.NOTHING if keep_access else Takes.UNUSED if wish == UNUSED else Takes.SHARE
    goes = one.goes(takes, amount.minor)
    ends = one.subscription.ends_at if one.subscription is not None else None
    at_provider = refund.sum_of(one.refunds, State.SUCCEEDED, *refund.OPEN, through=refund.AT_PROVIDER)
    fresh = sum(code.state == GiftState.NEW for code in one.gifts)
    return Proposal(
        payment_ref=payment.ref,
        order_ref=payment.order.ref,
        paid=Money(one.paid, payment.currency),
        gone=Money(one.paid - one.left, payment.currency),
        amount=amount,
        through=way,
        whole=amount.minor == one.paid - at_provider,
        takes=takes,
        goes=goes,
        subscription_ref=one.subscription.ref if one.subscription is not None else None,
        ended_before=ends,
        ends_at=ends - timedelta(seconds=goes.seconds) if ends is not None else None,
        void_gifts=fresh if amount.minor == one.left else 0,
        spent_gifts=sum(code.state == GiftState.REDEEMED for code in one.gifts),
    )


def _way(one: Case, through: Through | None) -> Through:
    """How the money goes, when nobody says how: the way it came."""
    if through is not None:
        return through
    if one.source.startswith("customer:"):
        return Through.BALANCE
    return Through.PROVIDER


def _minor(one: Case, wish: str) -> int:
    if wish == ALL:
        return one.left
    if wish == UNUSED:
        worth = money_for_unused(one.worth, 0, one.bought, one.unused, one.keeps_percent)
        return min(worth, one.left)
    try:
        return Money.parse(wish, one.payment.currency).minor
    except ValueError as error:
        raise Refused(f'{wish!r} is no amount in {one.payment.currency}; give one, "unused" or "all".') from error


def _possible(one: Case, way: Through, amount: Money) -> None:
    name = one.payment.provider
    if one.source.startswith("customer:") and way is not Through.BALANCE:
        raise Refused("It was paid from the balance, and goes back there.")
    if one.credited and way is Through.BALANCE:
        raise Refused("This payment is on the customer's balance already.")
    if one.credited and one.owed < amount.minor:
        left = Money(max(one.owed, 0), amount.currency)
        raise Refused(f"This payment went to the customer's balance, where only {left} is left.")
    if way is not Through.PROVIDER:
        return
    if not isinstance(one.provider, Refunding):
        raise Refused(
            f"{name} gives nothing back at our word. Give it back in its dashboard and record that with --by-hand, or "
            "put it on the customer's balance with --to-balance."
        )
    if not one.provider.partly and amount.minor != one.payment.minor:
        raise Refused(f"{name} gives back whole payments only: {one.payment.amount}, once.")

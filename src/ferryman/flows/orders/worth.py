"""What a subscription is worth, should it be given in for another: read from grants, payments, refunds and adjustments.

Paid is what a provider collected or a balance gave; time from a gift code, from staff, or from nobody is worth nothing.
The arithmetic is `catalog.proration`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Select, cast, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from ferryman.billing.order import LedgerEntry, LedgerTransaction, Order, Payment
from ferryman.billing.refund import OPEN, Refund, State
from ferryman.catalog import proration
from ferryman.catalog.proration import DAY, Stretch
from ferryman.flows.orders import coming_again
from ferryman.flows.orders.coming_again import Regained
from ferryman.kit.errors import Refused
from ferryman.subscriptions.adjusting import Adjustment
from ferryman.subscriptions.subscription import Grant, Subscription
from ferryman.subscriptions.taking_back import NOTHING, Share
from ferryman.subscriptions.upgrading import Upgrade

SECOND = timedelta(seconds=1)
# Accounts that a payment comes from when it comes from nobody: a gift code, what an accepted payment was short of.
UNPAID = ("gifts", "shortfall")
# The end moved by the span that time stood still, so nothing was added; what came again is counted for itself.
NOT_ADDED = ("unfrozen", *coming_again.CAME_AGAIN)

REASONS = {
    "ended": "This subscription has ended; there is nothing left of it to be given in.",
    "not-now": "This subscription is frozen, switched off, or being replaced; that has to end first.",
    "same-plan": "It is that plan already: renew it.",
    "held": "The customer holds a subscription to that plan already: extend that one.",
    "other-currency": "It was paid for in another currency, which cannot be turned into this one.",
    "worth-more": "What is left of it is worth more than that term: choose a longer one.",
}


class UpgradeRefused(Refused):
    """This subscription cannot be given in for that term. `reason` is one of REASONS."""

    def __init__(self, reason: str) -> None:
        super().__init__(REASONS[reason])
        self.reason = reason


@dataclass(frozen=True)
class GivenIn:
    """A subscription that is to be given in: `worth` in minor units by currency, `held` the plans of the others."""

    subscription_id: int
    plan_code: str
    worth: Mapping[str, int]
    held: frozenset[str] = frozenset()

    def credit(self, plan_code: str, currency: str) -> int:
        """What it takes off the price of that plan, in minor units. Raises UpgradeRefused."""
        if plan_code == self.plan_code:
            raise UpgradeRefused("same-plan")
        if plan_code in self.held:
            raise UpgradeRefused("held")
        if any(worth for each, worth in self.worth.items() if each != currency):
            raise UpgradeRefused("other-currency")
        return self.worth.get(currency, 0)


async def given_in(session: AsyncSession, one: Subscription, now: datetime) -> GivenIn:
    """What the customer would give in. Raises UpgradeRefused."""
    if one.ended(now):
        raise UpgradeRefused("ended")
    if any(since is not None for since in (one.frozen_at, one.disabled_at, one.replacing_since)):
        raise UpgradeRefused("not-now")
    return GivenIn(one.id, one.plan_code, await left_of(session, one, now), await _held(session, one, now))


async def left_of(session: AsyncSession, one: Subscription, now: datetime) -> dict[str, int]:
    """What its unused time and traffic were bought for, in minor units by currency; empty when that is nothing."""
    return proration.worth_left(await _added(session, one.id), *_standing(one, now))


async def parts_of(
    session: AsyncSession, one: Subscription, currency: str, carried: int, now: datetime
) -> dict[int, int]:
    """Whose money `carried` minor units of its worth are, by payment id: what is left is what was bought last, and what
    came again is its own payment's.

    No payment stands for more than somebody paid and has not got back: what went back has taken its time along.
    """
    found, rest = {}, carried
    for stretch, worth in proration.each_left(await _added(session, one.id), *_standing(one, now)):
        if stretch.regained_with is not None and stretch.currency == currency and int(worth):
            found[stretch.regained_with] = int(worth)
            rest -= int(worth)
    rows = (await session.execute(_grants(one.id))).all()
    for row in reversed([each for each in rows if each.currency == currency]):
        known = found.get(row.Grant.payment_id, 0)
        part = min(_kept(row) - known, rest)
        if part:
            found[row.Grant.payment_id] = known + part
        rest -= part
    return found


async def in_doubt(session: AsyncSession, subscription_id: int) -> bool:
    """Whether money for it is on its way back, and may still fail to go."""
    open_ = select(Refund.id).join(Grant, Grant.payment_id == Refund.payment_id)
    mine = open_.where(Grant.subscription_id == subscription_id, Refund.state.in_(OPEN))
    return await session.scalar(mine.limit(1)) is not None


def unpaid() -> ColumnElement[int]:
    """Minor units of a payment that nobody paid: for a statement that selects from Payment.

    Of what was short then, what has come since is paid; and nobody has paid less than nothing.
    """
    return (
        select(func.greatest(_sum(LedgerEntry.minor), 0))
        .join(LedgerTransaction, LedgerTransaction.id == LedgerEntry.transaction_id)
        .where(LedgerTransaction.source == func.concat("payment:", Payment.ref))
        .where(LedgerEntry.account.in_(UNPAID), LedgerEntry.currency == Payment.currency)
        .correlate(Payment)
        .scalar_subquery()
    )


def gone() -> ColumnElement[int]:
    """Minor units of a payment that went back, to the balance too: for a statement that selects from Payment."""
    booked = (Refund.payment_id == Payment.id, Refund.state == State.SUCCEEDED)
    of_it = select(_sum(Refund.minor - Refund.won_back)).where(*booked).correlate(Payment).scalar_subquery()
    return func.greatest(of_it, Payment.refunded + Payment.charged_back)


def _standing(one: Subscription, now: datetime) -> tuple[int, int | None]:
    """Seconds and bytes that are left of it."""
    left_bytes = one.traffic_bytes - one.used if one.traffic_bytes else None
    return (one.ends_at - one.clock(now)) // SECOND, left_bytes


async def _held(session: AsyncSession, one: Subscription, now: datetime) -> frozenset[str]:
    mine = select(Subscription).where(Subscription.customer_id == one.customer_id, Subscription.id != one.id)
    return frozenset(each.plan_code for each in await session.scalars(mine) if not each.ended(now))


async def _added(session: AsyncSession, subscription_id: int) -> list[Stretch]:
    """Everything that was ever added to it, oldest first."""
    rows = (await session.execute(_grants(subscription_id))).all()
    mine = select(Refund).where(Refund.payment_id.in_([row.Grant.payment_id for row in rows]))
    refunds = list(await session.scalars(mine.where(Refund.state != State.FAILED)))
    taken = _taken(rows, refunds)
    found = [(row.Grant.created_at, _stretch(row, refunds, taken[row.Grant.id])) for row in rows]
    begun = next((row for row, (_, stretch) in reversed(list(zip(rows, found, strict=True))) if stretch.alone), None)
    others = select(Adjustment).where(Adjustment.subscription_id == subscription_id, Adjustment.kind.not_in(NOT_ADDED))
    given = [one for one in await session.scalars(others) if one.ends_at > one.ended_before]
    found += [(one.created_at, Stretch((one.ends_at - one.ended_before) // SECOND)) for one in given]
    if begun is None:
        return _in_order(found)
    since = begun.Grant.created_at
    came = await coming_again.since(session, subscription_id, refunds, since, upgraded=_replaces(begun))
    if not came:
        return _in_order(found)
    again = _came_again(rows, came, _carried(begun.Upgrade, refunds, since) if _replaces(begun) else {})
    if _replaces(begun):
        return _in_order([*found, *again])
    # Nothing was given in, so it is again what it was: time from before the purchase after which it came.
    after = _in_order([each for each in found if each[0] >= since])
    return [*_in_order(again), *(replace(each, alone=False) for each in after)]


def _in_order(found: Iterable[tuple[datetime, Stretch]]) -> list[Stretch]:
    return [stretch for _, stretch in sorted(found, key=lambda each: each[0])]


def _taken(rows: Sequence[Any], refunds: Sequence[Refund]) -> Mapping[int, Share]:
    """What refunds took back, by the grant that they took it of: after an upgrade that is the one it led to.

    What had come again after an upgrade was no part of any grant.
    """
    found = {row.Grant.id: NOTHING for row in rows}
    for one in refunds:
        if one.state != State.SUCCEEDED:
            continue
        number = _taken_of(rows, one).Grant.id
        seconds, bytes_ = one.taken_seconds - one.again_seconds, one.taken_bytes - one.again_bytes
        found[number] = Share(found[number].seconds + seconds, found[number].bytes + bytes_)
    return found


def _taken_of(rows: Sequence[Any], one: Refund) -> Any:
    """The grant that a refund took it of: its payment's, or the last for which that was given in by then."""
    at = next(at for at, row in enumerate(rows) if row.Grant.payment_id == one.payment_id)
    for later in range(at, len(rows)):
        if _replaces(rows[later]) and one.finished_at is not None and rows[later].Grant.created_at <= one.finished_at:
            at = later
    return rows[at]


def _came_again(
    rows: Sequence[Any], came: Mapping[int, Regained], carried: Mapping[str, int]
) -> list[tuple[datetime, Stretch]]:
    """What came again, and when: worth what it was bought for, as far as that is kept and not `carried` over anyway."""
    found = []
    for row in rows:
        number = row.Grant.payment_id
        if number in came:
            one = came[number]
            most = max(_kept(row) - carried.get(str(number), 0), 0)
            worth = min(_worth_once(_taken_of(rows, one.refund), one.share), most)
            # No traffic came again on a plan that had none to count; 0 would make all that is left unlimited.
            again = Stretch(one.share.seconds, worth, row.currency, max(one.share.bytes, 1), regained_with=number)
            found.append((one.at, again))
    return found


def _worth_once(row: Any, share: Share) -> int:
    """Minor units that so much of a grant was bought for."""
    paid = row.minor - row.unpaid + (row.Upgrade.carried if row.Upgrade is not None else 0)
    return int(max(paid, 0) * share.seconds // max(_seconds(row), 1))


def _seconds(row: Any) -> int:
    """How long what it bought was to last."""
    return int(row.Grant.days * DAY if row.Upgrade is None else row.Upgrade.seconds)


def _replaces(row: Any) -> bool:
    return row.Upgrade is not None and bool(row.Upgrade.replaced)


def _stretch(row: Any, refunds: Sequence[Refund], taken: Share) -> Stretch:
    """`refunds` are those of all its payments, `taken` is what went of this grant."""
    grant, upgrade = row.Grant, row.Upgrade
    seconds = _seconds(row)
    worth = _kept(row) + (sum(_carried(upgrade, refunds, grant.created_at).values()) if upgrade is not None else 0)
    bytes_ = int(row.snapshot["traffic_bytes"]) if upgrade is None else upgrade.traffic_bytes
    begun = grant.ends_at - timedelta(seconds=seconds)
    lapsed = grant.ended_before is None or begun > grant.ended_before
    return Stretch(
        seconds=seconds - taken.seconds,
        worth=worth,
        currency=row.currency,
        traffic_bytes=max(bytes_ - taken.bytes, 1) if bytes_ else 0,
        alone=lapsed or _replaces(row),
    )


def _carried(upgrade: Upgrade, refunds: Sequence[Refund], since: datetime) -> dict[str, int]:
    """Minor units of what was given in that have not gone back since: each payment answers for its own part, by id."""
    gone: dict[str, int] = {}
    for one in refunds:
        if one.finished_at is None or one.finished_at >= since:
            gone[str(one.payment_id)] = gone.get(str(one.payment_id), 0) + one.gone
    return {number: max(part - gone.get(number, 0), 0) for number, part in upgrade.parts.items()}


def _kept(row: Any) -> int:
    """Minor units that somebody paid for a grant and that have not gone back."""
    return max(int(row.minor - row.unpaid - row.given_back), 0)


def _sum(column: ColumnElement[int] | InstrumentedAttribute[int]) -> ColumnElement[int]:
    """0 for no rows. A sum of BIGINTs is a NUMERIC, which Python reads as a Decimal."""
    return cast(func.coalesce(func.sum(column), 0), BigInteger)


def _grants(subscription_id: int) -> Select[Any]:
    """Its grants, oldest first, with what was paid for each and what of that has gone back or is on its way."""
    gone = (
        select(_sum(Refund.minor - Refund.won_back).label("minor"))
        .where(Refund.payment_id == Payment.id, Refund.state != State.FAILED)
        .lateral()
    )
    given_back = func.greatest(gone.c.minor, Payment.refunded + Payment.charged_back)
    return (
        select(
            Grant,
            Upgrade,
            Order.snapshot,
            Payment.minor,
            Payment.currency,
            given_back.label("given_back"),
            unpaid().label("unpaid"),
        )
        .join(Payment, Payment.id == Grant.payment_id)
        .join(Order, Order.id == Grant.order_id)
        .outerjoin(Upgrade, Upgrade.grant_id == Grant.id)
        .join(gone, gone.c.minor >= 0)
        .where(Grant.subscription_id == subscription_id)
        .order_by(Grant.created_at, Grant.id)
    )

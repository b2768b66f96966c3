"""What a payment bought, and what of that is unused: read from grants, refunds and the history, under a row lock."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from ferryman.billing.order import Order, Payment
from ferryman.billing.refund import Refund, State
from ferryman.fleet.key import KeyEvent
from ferryman.flows.orders import coming_again
from ferryman.flows.orders.coming_again import Regained
from ferryman.subscriptions.subscription import Grant, Subscription
from ferryman.subscriptions.taking_back import NOTHING, Bought, Share, Standing, Stretch, less, sum_of, unused
from ferryman.subscriptions.upgrading import Upgrade

DAY = timedelta(days=1) // timedelta(seconds=1)
BOUGHT_NOTHING = Bought(0, 0, limited=False)


@dataclass(frozen=True)
class Holding:
    """`subscription` None: the payment bought nothing. `since`: when that was given in for another plan, of which
    `lives` minor units of the payment are a part; `regained` is what came again after that with money that came
    back, which is still there and no part of what was bought."""

    subscription: Subscription | None = None
    bought: Bought = BOUGHT_NOTHING
    unused: Share = NOTHING
    lives: int = 0
    since: datetime | None = None
    regained: Share = NOTHING


@dataclass(frozen=True)
class Added:
    """One grant with what it came to, what was paid for it, and what refunds of that payment took back since when."""

    grant: Grant
    upgrade: Upgrade | None
    payment: Payment
    bytes: int
    refunds: Sequence[Refund]

    @property
    def seconds(self) -> int:
        return self.grant.days * DAY if self.upgrade is None else self.upgrade.seconds

    @property
    def replaces(self) -> bool:
        """Whether everything before it was given in for it."""
        return self.upgrade is not None and self.upgrade.replaced

    def taken(self, since: datetime | None = None) -> Share:
        """Of what it bought: what had come again after an upgrade is no part of that."""
        return sum_of(
            Share(one.taken_seconds - one.again_seconds, one.taken_bytes - one.again_bytes)
            for one in self.refunds
            if since is None or (one.finished_at is not None and one.finished_at >= since)
        )


async def of_payment(session: AsyncSession, payment: Payment, now: datetime) -> Holding:
    """What it bought and what is left of that; holds the subscription's row until the transaction ends."""
    grant = await session.scalar(select(Grant).where(Grant.payment_id == payment.id))
    if grant is None:
        return Holding()
    held = select(Subscription).where(Subscription.id == grant.subscription_id).with_for_update(key_share=True)
    subscription = (await session.scalars(held, execution_options={"populate_existing": True})).one()
    added = await _added(session, subscription.id)
    mine = next(at for at, one in enumerate(added) if one.grant.id == grant.id)
    # Given in for another plan, it lives on as a part of what that came to.
    at = max((later for later in range(mine, len(added)) if added[later].replaces), default=mine)
    stretch, taken = _stretch(added, mine, at, subscription)
    since = added[at].grant.created_at
    came = await _came_again(session, added)
    given = await _given_later(session, added[at].grant)
    later = sum_of([given, *(less(Share(one.seconds, one.bytes), one.taken()) for one in added[at + 1 :])])
    bought = stretch.bought(taken)
    left = _left(subscription, now)
    on_top = sum_of([later, *(one.share for one in came.values() if one.at > since)])
    share = unused(stretch, bought, Standing(left, on_top))
    if at == mine:
        return Holding(subscription, bought, share, stretch.mine)
    won, there = came[payment.id].share if payment.id in came else NOTHING, less(less(left, later), share)
    regained = Share(max(min(won.seconds, there.seconds), 0), max(min(won.bytes, there.bytes), 0))
    return Holding(subscription, bought, share, stretch.mine, since, regained)


async def _came_again(session: AsyncSession, added: Sequence[Added]) -> dict[int, Regained]:
    """What came again after the last upgrade, by payment id."""
    since = next((one.grant.created_at for one in reversed(added) if one.replaces), None)
    if since is None:
        return {}
    refunds = [each for one in added for each in one.refunds]
    return await coming_again.since(session, added[0].grant.subscription_id, refunds, since, upgraded=True)


def _stretch(added: Sequence[Added], mine: int, at: int, subscription: Subscription) -> tuple[Stretch, Share]:
    """The piece that holds what the payment bought, and what was taken of the payment's own part."""
    one = added[at]
    limited = bool(one.bytes and subscription.traffic_bytes)
    if one.upgrade is None or not one.replaces:
        return Stretch(one.seconds, one.bytes, limited, taken=one.taken()), one.taken()
    since, carried = one.grant.created_at, one.upgrade.carried
    part = one.payment.minor if mine == at else int(one.upgrade.parts.get(str(added[mine].payment.id), 0))
    everybody = sum_of(each.taken(since) for each in added[: at + 1])
    whole = one.payment.minor + carried
    return Stretch(one.seconds, one.bytes, limited, part, whole, everybody), added[mine].taken(since)


async def _added(session: AsyncSession, subscription_id: int) -> list[Added]:
    """Everything that was granted to it, oldest first."""
    rows = (
        await session.execute(
            select(Grant, Upgrade, Payment, Order.snapshot)
            .join(Payment, Payment.id == Grant.payment_id)
            .join(Order, Order.id == Grant.order_id)
            .outerjoin(Upgrade, Upgrade.grant_id == Grant.id)
            .where(Grant.subscription_id == subscription_id)
            .order_by(Grant.id)
        )
    ).all()
    done = select(Refund).where(
        Refund.payment_id.in_([payment.id for _, _, payment, _ in rows]), Refund.state == State.SUCCEEDED
    )
    refunds = list(await session.scalars(done))
    return [
        Added(
            grant,
            upgrade,
            payment,
            upgrade.traffic_bytes if upgrade is not None else int(snapshot.get("traffic_bytes") or 0),
            [one for one in refunds if one.payment_id == payment.id],
        )
        for grant, upgrade, payment, snapshot in rows
    ]


async def _given_later(session: AsyncSession, grant: Grant) -> Share:
    """What staff gave away after it, which stays as well; the history tells."""
    given = select(KeyEvent.what, KeyEvent.detail).where(
        KeyEvent.subscription_id == grant.subscription_id,
        KeyEvent.at > grant.created_at,
        KeyEvent.what.in_(("extended", "limited")),
    )
    seconds = bytes_ = 0
    for what, detail in await session.execute(given):
        if what == "extended":
            seconds += int(detail.get("days", 0)) * DAY
        elif "traffic_bytes" in detail:
            before, after = detail["traffic_bytes"]
            bytes_ += max(after - before, 0)
    return Share(seconds, bytes_)


def _left(one: Subscription, now: datetime) -> Share:
    seconds = (one.ends_at - one.clock(now)) // timedelta(seconds=1)
    return Share(max(seconds, 0), max(one.traffic_bytes - one.used, 0))

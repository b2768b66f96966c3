"""The write of an upgrade: a subscription that is given in becomes one to another plan, from now on.

It stays the same row, with the same identity and link. What it led to is a grant like any other; beside it stands what
went in, so that every minute and every unit can be explained.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from ferryman.kit.db import Base
from ferryman.subscriptions import granting
from ferryman.subscriptions.granting import Purchase
from ferryman.subscriptions.subscription import Grant, Subscription, allowed_devices

# A plan code that no plan can have, while two subscriptions change places.
IN_BETWEEN = "(changing places)"


class Upgrade(Base):
    """What a grant took over of the subscription that was given in: `carried` minor units of what was paid for it.

    `parts` is whose money that was, in minor units by payment id, for what goes back or comes again later does not
    change that. `seconds` and `traffic_bytes` are what the new plan came to. Not `replaced`: it was not possible any
    more, and the payment bought its share beside it.
    """

    __tablename__ = "upgrades"

    grant_id: Mapped[int] = mapped_column(ForeignKey("grants.id"), primary_key=True, autoincrement=False)
    from_plan: Mapped[str]
    replaced: Mapped[bool]
    seconds: Mapped[int]
    traffic_bytes: Mapped[int] = mapped_column(BigInteger)
    carried: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str]
    parts: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default="{}")

    __table_args__ = (CheckConstraint("seconds >= 0 AND carried >= 0 AND traffic_bytes >= 0", name="nothing_negative"),)


@dataclass(frozen=True)
class Takeover:
    """What goes in, and what comes of it, named as in Upgrade: seconds from now, bytes of traffic (0 = unlimited)."""

    seconds: int
    traffic_bytes: int
    currency: str
    carried: int = 0
    parts: Mapping[int, int] = field(default_factory=dict)


async def possible(session: AsyncSession, old: Subscription, plan_code: str, now: datetime) -> bool:
    """Whether it can still become one to that plan: the customer holds no other running one to it."""
    other = await _other(session, old, plan_code)
    return other is None or other.ended(now)


async def exchange(
    session: AsyncSession, purchase: Purchase, old: Subscription, takeover: Takeover, now: datetime
) -> Subscription:
    """Give the old subscription in. The caller holds its row and its customer's, and has asked `possible`.

    One that is frozen or switched off stays so, and has its new time all the same.
    Raises IntegrityError when this payment or order was granted before.
    """
    bought, from_plan, ended_before = purchase.snapshot, old.plan_code, old.ends_at
    await _make_room(session, old, bought["plan"], now)
    old.plan_code = bought["plan"]
    old.ends_at = max(old.clock(now), old.starts_at) + timedelta(seconds=takeover.seconds)
    old.devices = allowed_devices(old.devices, old.snapshot.get("devices"), bought["devices"])
    # Counters are never set back: what was used before stays used, and what is left of it was given in.
    old.traffic_bytes = old.used + takeover.traffic_bytes if takeover.traffic_bytes else 0
    old.snapshot = bought
    old.revision += 1
    old.weigh(now)
    grant = Grant(
        subscription_id=old.id,
        payment_id=purchase.payment_id,
        order_id=purchase.order_id,
        days=bought["days"],
        ended_before=ended_before,
        ends_at=old.ends_at,
        created_at=now,
    )
    session.add(grant)
    await session.flush()
    session.add(_recorded(grant, from_plan, takeover, replaced=True))
    await session.flush()
    return old


async def beside(
    session: AsyncSession, purchase: Purchase, old: Subscription, takeover: Takeover, now: datetime
) -> Subscription:
    """Leave the old subscription as it is: the payment buys its share of the other plan, as a purchase would."""
    share = replace(purchase, snapshot={**purchase.snapshot, "traffic_bytes": takeover.traffic_bytes})
    new = await granting.grant(session, share, now)
    new.snapshot = purchase.snapshot
    grant = (await session.scalars(select(Grant).where(Grant.payment_id == purchase.payment_id))).one()
    less = timedelta(days=grant.days) - timedelta(seconds=takeover.seconds)
    new.ends_at = grant.ends_at = new.ends_at - less
    session.add(_recorded(grant, old.plan_code, takeover, replaced=False))
    await session.flush()
    return new


async def days_of(session: AsyncSession, payment_id: int) -> int:
    """How long the plan lasts that this payment's upgrade came to, to the nearest day, and a day at least."""
    found = select(Upgrade.seconds).join(Grant, Grant.id == Upgrade.grant_id).where(Grant.payment_id == payment_id)
    day = timedelta(days=1) // timedelta(seconds=1)
    return max((int(await session.scalar(found) or 0) + day // 2) // day, 1)


def _recorded(grant: Grant, from_plan: str, takeover: Takeover, *, replaced: bool) -> Upgrade:
    return Upgrade(
        grant_id=grant.id,
        from_plan=from_plan,
        replaced=replaced,
        seconds=takeover.seconds,
        traffic_bytes=takeover.traffic_bytes,
        carried=takeover.carried,
        currency=takeover.currency,
        parts={str(payment_id): minor for payment_id, minor in takeover.parts.items()},
    )


async def _other(session: AsyncSession, old: Subscription, plan_code: str) -> Subscription | None:
    """The customer's other subscription to that plan, locked."""
    same = (Subscription.customer_id == old.customer_id, Subscription.plan_code == plan_code)
    found = select(Subscription).where(*same, Subscription.id != old.id).with_for_update(key_share=True)
    return await session.scalar(found, execution_options={"populate_existing": True})


async def _make_room(session: AsyncSession, old: Subscription, plan_code: str, now: datetime) -> None:
    """A customer has one subscription to a plan at most: one that ended long ago changes places with this one."""
    ended = await _other(session, old, plan_code)
    if ended is None:
        return
    snapshot, from_plan = old.snapshot, old.plan_code
    ended.plan_code = IN_BETWEEN
    await session.flush()
    old.plan_code = plan_code
    await session.flush()
    ended.plan_code, ended.snapshot = from_plan, snapshot
    # What the plan it had allowed must not be there when somebody extends it: above all not "unlimited".
    ended.traffic_bytes = max(ended.used, 1) if snapshot.get("traffic_bytes") else 0
    ended.devices = snapshot.get("devices") or 0
    ended.weigh(now)
    await session.flush()

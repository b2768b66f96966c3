"""Subscription: what a customer is owed, until when. The arithmetic of its dates lives here."""

import hashlib
import math
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column

from ferryman.catalog.plan import EVERYWHERE
from ferryman.kit.db import Base

NAMES_BEGIN = "fm-"


class Subscription(Base):
    """One identity (uuid, password, sub_id, e-mail) on every node, for as long as the subscription exists.

    `token` is the secret of the subscription link. `revision` grows with every change that keys must follow;
    `placed_revision` and `placed_epoch` say for which revision, and which epoch of the fleet, its nodes were chosen;
    `moving`, that not all of that is done: a key waits until another is ready, or gone, or until there is room for it.
    `used_up` and `used_down` are bytes over all nodes, also those it has left; they only ever grow. `location` is the
    customer's choice (a location's code) where the plan leaves one.
    """

    __tablename__ = "subscriptions"

    id: Mapped[int] = mapped_column(primary_key=True)
    ref: Mapped[str] = mapped_column(unique=True)
    customer_id: Mapped[int] = mapped_column(ForeignKey("customers.id"))
    plan_code: Mapped[str]
    token: Mapped[str] = mapped_column(unique=True)
    uuid: Mapped[str] = mapped_column(unique=True)
    password: Mapped[str] = mapped_column(unique=True)
    sub_id: Mapped[str] = mapped_column(unique=True)
    snapshot: Mapped[dict[str, Any]]
    traffic_bytes: Mapped[int] = mapped_column(BigInteger)
    devices: Mapped[int]
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime] = mapped_column(index=True)
    explained_until: Mapped[datetime | None]  # kept by the database: until when grants and adjustments account for it
    revision: Mapped[int] = mapped_column(BigInteger, default=1)
    placed_revision: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    placed_epoch: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    moving: Mapped[bool] = mapped_column(default=False, server_default="false")
    used_up: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    used_down: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    exhausted_at: Mapped[datetime | None]  # since when the allowance is used up
    frozen_at: Mapped[datetime | None]  # since when its time stands still
    disabled_at: Mapped[datetime | None]  # since when the operator has switched it off
    disabled_why: Mapped[str] = mapped_column(default="", server_default="")
    location: Mapped[str | None]
    switched_at: Mapped[datetime | None]
    replacing_since: Mapped[datetime | None]  # a new identity waits until the old one is gone from every node
    untold: Mapped[str | None]  # "switched" or "replaced": what its customer hears as soon as a key is in order
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (
        UniqueConstraint("customer_id", "plan_code"),
        CheckConstraint("ends_at >= starts_at", name="ends_after_start"),
        Index(
            "ix_subscriptions_unexplained",
            "ends_at",
            postgresql_where=text("explained_until IS NULL OR ends_at > explained_until"),
        ),
    )

    @property
    def email(self) -> str:
        """The client's name on every panel: lower-case, and never changing."""
        return f"{NAMES_BEGIN}{self.ref}"

    @property
    def used(self) -> int:
        """Bytes in both directions, over all nodes."""
        return self.used_up + self.used_down

    @property
    def enabled(self) -> bool:
        """Whether its clients are to work, time aside."""
        return self.exhausted_at is None and self.frozen_at is None and self.disabled_at is None

    @property
    def places(self) -> dict[str, Any]:
        """Where its keys are, as the plan said when it was bought; see `Plan.places`."""
        return self.snapshot.get("places") or EVERYWHERE

    def clock(self, now: datetime) -> datetime:
        """The moment that its time has come to: now, or when it was frozen."""
        return self.frozen_at or now

    def ended(self, now: datetime) -> bool:
        return self.ends_at <= self.clock(now)

    def days_left(self, now: datetime) -> int:
        """Whole days, rounded up; 0 when it has ended."""
        return max(0, math.ceil((self.ends_at - self.clock(now)) / timedelta(days=1)))

    def weigh(self, now: datetime) -> None:
        """Mark it exhausted, or no longer so, by what is allowed and what has been counted."""
        spent = 0 < self.traffic_bytes <= self.used
        self.exhausted_at = (self.exhausted_at or now) if spent else None


class Grant(Base):
    """What one payment bought: once per payment, with the dates it led to, written down when it happened."""

    __tablename__ = "grants"

    id: Mapped[int] = mapped_column(primary_key=True)
    subscription_id: Mapped[int] = mapped_column(ForeignKey("subscriptions.id"), index=True)
    payment_id: Mapped[int] = mapped_column(ForeignKey("payments.id"), unique=True)
    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"), unique=True)
    days: Mapped[int]
    ended_before: Mapped[datetime | None]
    ends_at: Mapped[datetime]
    created_at: Mapped[datetime] = mapped_column(index=True)

    __table_args__ = (CheckConstraint("days > 0", name="days_positive"),)


def fingerprint(uuid: str) -> str:
    """What an identity is recognised by when it is given out no more; nobody can connect with it."""
    return hashlib.sha256(uuid.encode()).hexdigest()[:32]


def ref_of(name: str) -> str:
    """The ref behind a client's name (see `Subscription.email`), "" when it is no name of ours."""
    return name.removeprefix(NAMES_BEGIN) if name.startswith(NAMES_BEGIN) else ""


def extended(ends_at: datetime | None, now: datetime, days: int) -> datetime:
    """The new end: time that is left is kept, time that has lapsed is not charged for."""
    start = now if ends_at is None or ends_at < now else ends_at
    return start + timedelta(days=days)


def allowed_devices(before: int | None, bought_before: int | None, bought: int) -> int:
    """The new device limit; 0 = unlimited. What staff set by hand stays until they change it."""
    return bought if before is None or before == bought_before else before


def allowed_bytes(before: int | None, bought: int, used: int = 0) -> int:
    """The new allowance in bytes, counted from the subscription's first day, as panels count; 0 = unlimited.

    Counters are never set back, so what was allowed before stays in the sum: it was used, or it is left. Who was
    unlimited stays so, for there is no telling how much of a new limit is used up already. Who has used more than was
    allowed, in the minute until it was noticed, gets all of what is bought now: a payment must not sell nothing.
    """
    if before is None:
        return bought
    return 0 if 0 in (before, bought) else max(before, used) + bought

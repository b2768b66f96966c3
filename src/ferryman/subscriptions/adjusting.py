"""Adjustments: every change of a subscription's end that nobody paid for, and who made it, why, from what to what."""

from datetime import datetime

from sqlalchemy import ForeignKey, UniqueConstraint
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from ferryman.kit.db import Base
from ferryman.subscriptions.subscription import Subscription


class Adjustment(Base):
    """`cause` is what led to it, once per `kind`: the same cause twice is refused by the database."""

    __tablename__ = "adjustments"

    id: Mapped[int] = mapped_column(primary_key=True)
    subscription_id: Mapped[int] = mapped_column(ForeignKey("subscriptions.id"), index=True)
    kind: Mapped[str]
    cause: Mapped[str]
    ended_before: Mapped[datetime]
    ends_at: Mapped[datetime]
    by: Mapped[str]
    why: Mapped[str]
    created_at: Mapped[datetime]

    __table_args__ = (UniqueConstraint("cause", "kind"),)


async def record(
    session: AsyncSession,
    subscription: Subscription,
    kind: str,
    cause: str,
    ended_before: datetime,
    *,
    by: str,
    why: str,
    now: datetime,
) -> None:
    """Write down that the subscription's end is now what it is, instead of `ended_before`.

    Raises IntegrityError when this cause led to an adjustment of this kind before.
    """
    session.add(
        Adjustment(
            subscription_id=subscription.id,
            kind=kind,
            cause=cause,
            ended_before=ended_before,
            ends_at=subscription.ends_at,
            by=by,
            why=why,
            created_at=now,
        )
    )
    await session.flush()

"""What the comparison with the providers' own lists found, for a person to look at until it is explained."""

import enum
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, UniqueConstraint, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from ferryman.kit.db import Base
from ferryman.kit.money import Money


class FindingKind(enum.StrEnum):
    """UNKNOWN_HERE: paid over there, and no payment of ours. UNKNOWN_THERE: succeeded here, and not on their list.

    UNREADABLE: a line of their list that says nothing we understand; its amount is ours, or none.
    """

    UNKNOWN_HERE = "unknown_here"
    UNKNOWN_THERE = "unknown_there"
    DIFFERS = "differs"
    UNREADABLE = "unreadable"


class BankFinding(Base):
    """One difference; `seen_at` is when a comparison last saw it, `resolved_at` when one did not any more."""

    __tablename__ = "bank_findings"

    id: Mapped[int] = mapped_column(primary_key=True)
    provider: Mapped[str]
    external_id: Mapped[str]
    kind: Mapped[str]
    payment_ref: Mapped[str | None]
    minor: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str]
    what: Mapped[str]
    found_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    resolved_at: Mapped[datetime | None]
    told_at: Mapped[datetime | None]

    __table_args__ = (
        UniqueConstraint("provider", "external_id", "kind"),
        CheckConstraint("kind IN ('unknown_here', 'unknown_there', 'differs', 'unreadable')", name="kind_known"),
    )


class BankComparison(Base):
    """The last comparison with one provider that came to its end; `recovered` were settled by it."""

    __tablename__ = "bank_comparisons"

    provider: Mapped[str] = mapped_column(primary_key=True)
    compared_at: Mapped[datetime]
    theirs: Mapped[int]
    ours: Mapped[int]
    recovered: Mapped[int]


@dataclass(frozen=True)
class Difference:
    """One thing that is not the same here and there; `what` is a sentence for staff."""

    external_id: str
    kind: FindingKind
    amount: Money
    what: str
    payment_ref: str | None = None


async def keep(session: AsyncSession, provider: str, seen: list[Difference], now: datetime) -> list[BankFinding]:
    """Write down what is different now, resolve what no longer is; answers the open ones nobody was told of."""
    for one in seen:
        row = insert(BankFinding).values(
            provider=provider,
            external_id=one.external_id,
            kind=one.kind,
            payment_ref=one.payment_ref,
            minor=one.amount.minor,
            currency=one.amount.currency,
            what=one.what,
            found_at=now,
            seen_at=now,
        )
        again = {"seen_at": now, "what": one.what, "resolved_at": None}
        await session.execute(row.on_conflict_do_update(index_elements=["provider", "external_id", "kind"], set_=again))
    gone = (BankFinding.provider == provider, BankFinding.seen_at < now, BankFinding.resolved_at.is_(None))
    await session.execute(update(BankFinding).where(*gone).values(resolved_at=now))
    untold = (BankFinding.provider == provider, BankFinding.resolved_at.is_(None), BankFinding.told_at.is_(None))
    return list(await session.scalars(select(BankFinding).where(*untold).order_by(BankFinding.id)))


async def unresolved(session: AsyncSession) -> list[BankFinding]:
    """What nobody has explained yet, oldest first."""
    return list(
        await session.scalars(select(BankFinding).where(BankFinding.resolved_at.is_(None)).order_by(BankFinding.id))
    )


async def comparisons(session: AsyncSession) -> list[BankComparison]:
    """The last one with each provider, by name."""
    return list(await session.scalars(select(BankComparison).order_by(BankComparison.provider)))


async def compared(session: AsyncSession, provider: str, theirs: int, ours: int, recovered: int, now: datetime) -> None:
    """Remember that a comparison came to its end."""
    counts = {"compared_at": now, "theirs": theirs, "ours": ours, "recovered": recovered}
    row = insert(BankComparison).values(provider=provider, **counts)
    await session.execute(row.on_conflict_do_update(index_elements=["provider"], set_=counts))

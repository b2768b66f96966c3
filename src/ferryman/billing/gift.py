"""Gift codes: what is worth a plan's term, or money on the balance, to whoever writes it in first."""

import enum
import hashlib
import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from ferryman.billing.order import Order
from ferryman.kit.db import Base
from ferryman.kit.money import Money

# Without look-alikes (0/O, 1/I/L, U/V), so that a code can be read out; 16 of them are 77 bits.
ALPHABET = "ABCDEFGHJKMNPQRSTWXYZ23456789"
GROUPS, GROUP = 4, 4
LONGEST_TYPED = 64
FRESH = {"populate_existing": True}


class GiftState(enum.StrEnum):
    """NEW → REDEEMED or VOID, and nothing after that."""

    NEW = "new"
    REDEEMED = "redeemed"
    VOID = "void"


class GiftCode(Base):
    """`face` is the snapshot of a term as an order has it, None for a code worth money alone; `minor` what it is
    worth. `payment_id`: it was bought with that money. `ref` names it to staff, and opens nothing."""

    __tablename__ = "gift_codes"

    id: Mapped[int] = mapped_column(primary_key=True)
    ref: Mapped[str] = mapped_column(unique=True)
    code_hash: Mapped[str] = mapped_column(unique=True)
    state: Mapped[str] = mapped_column(default=GiftState.NEW)
    term_id: Mapped[int | None] = mapped_column(ForeignKey("terms.id"))
    face: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    minor: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str]
    payment_id: Mapped[int | None] = mapped_column(ForeignKey("payments.id"), index=True)
    by: Mapped[str]
    why: Mapped[str]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    customer_id: Mapped[int | None] = mapped_column(ForeignKey("customers.id"))
    order_id: Mapped[int | None] = mapped_column(ForeignKey("orders.id"), unique=True)
    ended_at: Mapped[datetime | None]

    __table_args__ = (
        CheckConstraint("minor > 0", name="amount_positive"),
        CheckConstraint("state IN ('new', 'redeemed', 'void')", name="state_known"),
        CheckConstraint("(face IS NULL) = (term_id IS NULL)", name="plan_has_its_term"),
        CheckConstraint("(state = 'new') = (ended_at IS NULL)", name="end_has_a_time"),
        CheckConstraint("(state = 'redeemed') = (customer_id IS NOT NULL)", name="redeemed_by_somebody"),
    )

    @property
    def worth(self) -> Money:
        return Money(self.minor, self.currency)

    def open(self, now: datetime) -> bool:
        """Whether it can be redeemed."""
        return self.state == GiftState.NEW and (self.expires_at is None or self.expires_at > now)

    def redeem(self, customer_id: int, order_id: int | None, now: datetime) -> None:
        self.state, self.customer_id, self.order_id, self.ended_at = GiftState.REDEEMED, customer_id, order_id, now

    def void(self, now: datetime) -> None:
        self.state, self.ended_at = GiftState.VOID, now


class GiftGuess(Base):
    """A code that was wrong, of a gift or of a promotion, and who tried it."""

    __tablename__ = "gift_guesses"

    id: Mapped[int] = mapped_column(primary_key=True)
    customer_id: Mapped[int] = mapped_column(ForeignKey("customers.id"))
    at: Mapped[datetime]

    __table_args__ = (Index("ix_gift_guesses_customer_id_at", "customer_id", "at"),)


def made_up() -> str:
    """A new code as it is handed out: "XXXX-XXXX-XXXX-XXXX"."""
    return "-".join("".join(secrets.choice(ALPHABET) for _ in range(GROUP)) for _ in range(GROUPS))


def hashed(typed: str) -> str:
    """What a code is looked up by; hyphens, spaces and case do not matter. There is nothing to guess behind the hash,
    so it needs no salt."""
    plain = "".join(sign for sign in typed[:LONGEST_TYPED].upper() if sign.isalnum())
    return hashlib.sha256(plain.encode()).hexdigest()


def new(
    worth: Money, term_id: int | None, face: Mapping[str, Any] | None, now: datetime, **more: Any
) -> tuple[GiftCode, str]:
    """A code that nobody has used, and its plain text, which is kept nowhere."""
    code = made_up()
    row = GiftCode(
        ref=f"g{secrets.token_hex(4)}",
        code_hash=hashed(code),
        state=GiftState.NEW,
        term_id=term_id,
        face=dict(face) if face is not None else None,
        minor=worth.minor,
        currency=worth.currency,
        created_at=now,
        **more,
    )
    return row, code


async def held(session: AsyncSession, typed: str) -> GiftCode | None:
    """The code that was typed, its row locked; None when there is none."""
    found = select(GiftCode).where(GiftCode.code_hash == hashed(typed))
    return (await session.scalars(found.with_for_update(key_share=True), execution_options=FRESH)).one_or_none()


async def named(session: AsyncSession, ref: str) -> GiftCode | None:
    """The code that staff call so, its row locked."""
    found = select(GiftCode).where(GiftCode.ref == ref)
    return (await session.scalars(found.with_for_update(key_share=True), execution_options=FRESH)).one_or_none()


async def bought_with(session: AsyncSession, payment_id: int) -> list[GiftCode]:
    """The codes that a payment bought, their rows locked, oldest first."""
    found = select(GiftCode).where(GiftCode.payment_id == payment_id).order_by(GiftCode.id)
    return list(await session.scalars(found.with_for_update(key_share=True)))


async def guesses(session: AsyncSession, customer_id: int, since: datetime) -> list[datetime]:
    """When a customer has typed wrong codes since then, oldest first."""
    typed = select(GiftGuess.at).where(GiftGuess.customer_id == customer_id, GiftGuess.at > since)
    return list(await session.scalars(typed.order_by(GiftGuess.at)))


async def order_of(session: AsyncSession, order_ref: str) -> int | None:
    """The id of the order that redeems a code."""
    return await session.scalar(select(Order.id).where(Order.ref == order_ref))

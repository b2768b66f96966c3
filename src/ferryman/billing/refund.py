"""Refund: money that goes back, from the wish to the provider's last word. The writes here call out to nobody."""

import enum
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, UniqueConstraint, func, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from ferryman.billing import ledger
from ferryman.billing.order import LedgerTransaction, Order, Payment
from ferryman.kit.db import LOCK, Base
from ferryman.kit.money import Money
from ferryman.kit.secrets import new_token

# Seconds until an open refund is asked about for the n-th time; a bank may take days, so the last step repeats.
ASKING_LADDER = (30, 60, 120, 300, 900, 3600)


class State(enum.StrEnum):
    """REQUESTED: committed, and whether the provider has it is unknown. SENT: it has, and has not decided yet."""

    REQUESTED = "requested"
    SENT = "sent"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


class Origin(enum.StrEnum):
    """Who wanted it: somebody here, somebody in the provider's dashboard, or the payer's bank."""

    OPERATOR = "operator"
    PROVIDER = "provider"
    CHARGEBACK = "chargeback"


class Through(enum.StrEnum):
    """How the money goes: through the provider, to the customer's balance, or by hand, outside of this program."""

    PROVIDER = "provider"
    BALANCE = "balance"
    HAND = "hand"


class Takes(enum.StrEnum):
    """What goes with the money: time and traffic by its share, all that is unused, or nothing."""

    SHARE = "share"
    UNUSED = "unused"
    NOTHING = "nothing"


OPEN = (State.REQUESTED, State.SENT)
# By hand means in its dashboard, or as good as that: the provider's account is what gets smaller.
AT_PROVIDER = (Through.PROVIDER, Through.HAND)


class Refund(Base):
    """`whole`: it was all that was left of the payment, and is asked for as such. `taken_seconds` and `taken_bytes` are
    what is taken of the access in the end, `again_seconds` and `again_bytes` what of that had come again after an
    upgrade and is no part of what the payment bought. `won_back` is how much has come back: of a chargeback that the
    bank gave up, or of a refund that the provider could not carry out after all; what was taken for that was given
    again, and counts as taken no more. `reason` is the provider's word for why it failed."""

    __tablename__ = "refunds"

    id: Mapped[int] = mapped_column(primary_key=True)
    ref: Mapped[str] = mapped_column(unique=True)
    payment_id: Mapped[int] = mapped_column(ForeignKey("payments.id"), index=True)
    provider: Mapped[str]
    idempotency_key: Mapped[str] = mapped_column(unique=True)
    external_id: Mapped[str | None]
    state: Mapped[str] = mapped_column(default=State.REQUESTED)
    minor: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str]
    origin: Mapped[str]
    through: Mapped[str]
    whole: Mapped[bool]
    takes: Mapped[str]
    taken_seconds: Mapped[int] = mapped_column(default=0, server_default="0")
    taken_bytes: Mapped[int] = mapped_column(default=0, server_default="0")
    again_seconds: Mapped[int] = mapped_column(default=0, server_default="0")
    again_bytes: Mapped[int] = mapped_column(default=0, server_default="0")
    won_back: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    by: Mapped[str]
    why: Mapped[str]
    reason: Mapped[str | None]
    created_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    ask_at: Mapped[datetime | None]
    asked: Mapped[int] = mapped_column(default=0, server_default="0")

    __table_args__ = (
        UniqueConstraint("provider", "external_id"),
        CheckConstraint("minor > 0", name="amount_positive"),
        CheckConstraint("state IN ('requested', 'sent', 'succeeded', 'failed')", name="state_known"),
        CheckConstraint("origin IN ('operator', 'provider', 'chargeback')", name="origin_known"),
        CheckConstraint("through IN ('provider', 'balance', 'hand')", name="through_known"),
        CheckConstraint("takes IN ('share', 'unused', 'nothing')", name="takes_known"),
        CheckConstraint("taken_seconds >= 0 AND taken_bytes >= 0", name="taken_not_negative"),
        CheckConstraint(
            "again_seconds BETWEEN 0 AND taken_seconds AND again_bytes BETWEEN 0 AND taken_bytes", name="again_is_taken"
        ),
        CheckConstraint("won_back BETWEEN 0 AND minor", name="won_back_at_most_all"),
        CheckConstraint("won_back = 0 OR (through = 'provider' AND state = 'succeeded')", name="won_back_from_a_bank"),
        CheckConstraint("(state IN ('succeeded', 'failed')) = (finished_at IS NOT NULL)", name="end_has_a_time"),
        CheckConstraint("(state IN ('requested', 'sent')) = (ask_at IS NOT NULL)", name="asked_while_open"),
        Index("ix_refunds_to_ask", "ask_at", postgresql_where=text("ask_at IS NOT NULL")),
        Index("ix_refunds_finished_at", "finished_at", postgresql_where=text("state = 'succeeded'")),
    )

    @property
    def amount(self) -> Money:
        return Money(self.minor, self.currency)

    @property
    def gone(self) -> int:
        """Minor units of it that have not come back."""
        return self.minor - self.won_back

    @property
    def open(self) -> bool:
        return self.state in OPEN

    def finish(self, state: State, now: datetime, reason: str | None = None) -> None:
        """Nothing more is asked about it."""
        self.state, self.finished_at, self.ask_at = state, now, None
        self.reason = reason[:300] if reason else None

    def ask_later(self, now: datetime) -> None:
        """Put the next question one step further away."""
        self.ask_at = now + timedelta(seconds=ASKING_LADDER[min(self.asked, len(ASKING_LADDER) - 1)])
        self.asked += 1


def new(payment: Payment, amount: Money, origin: Origin, through: Through, now: datetime, **more: Any) -> Refund:
    """A refund that is asked for, to be committed before the provider is called."""
    ref = new_token(12)
    asked_at = now + timedelta(seconds=ASKING_LADDER[0])
    return Refund(
        **{
            "ref": ref,
            "payment_id": payment.id,
            "provider": payment.provider,
            "idempotency_key": ref,
            "state": State.REQUESTED,
            "minor": amount.minor,
            "currency": amount.currency,
            "origin": origin,
            "through": through,
            "whole": False,
            "takes": Takes.SHARE,
            "created_at": now,
            "ask_at": asked_at,
            "asked": 0,
            "taken_seconds": 0,
            "taken_bytes": 0,
            "again_seconds": 0,
            "again_bytes": 0,
            "won_back": 0,
            **more,
        }
    )


async def of_payment(session: AsyncSession, payment_id: int) -> list[Refund]:
    """All of a payment's refunds, failed ones too, oldest first; locked with the payment's row by the caller."""
    found = select(Refund).where(Refund.payment_id == payment_id).order_by(Refund.id)
    return list(await session.scalars(found, execution_options={"populate_existing": True}))


async def held(session: AsyncSession, refund_id: int) -> Refund:
    """The refund, its row locked; the caller holds its payment's."""
    return await session.get_one(Refund, refund_id, with_for_update=LOCK, populate_existing=True)


async def due(session: AsyncSession, now: datetime, limit: int = 200) -> list[int]:
    """Ids of the open refunds that it is time to ask about."""
    found = await session.scalars(select(Refund.id).where(Refund.ask_at <= now).order_by(Refund.ask_at).limit(limit))
    return list(found)


async def spendable(session: AsyncSession, customer_id: int) -> dict[str, int]:
    """A customer's balance in minor units by currency, less what of it is on its way back to where it came from.

    That leaves the balance only when the provider has carried it out; spent meanwhile, it would be gone twice.
    """
    credited = (LedgerTransaction.kind == "credit", LedgerTransaction.source == func.concat("payment:", Payment.ref))
    leaving = (
        select(Refund.currency, func.sum(Refund.minor))
        .join(Payment, Payment.id == Refund.payment_id)
        .join(Order, Order.id == Payment.order_id)
        .join(LedgerTransaction, credited[0] & credited[1])
        .where(Order.customer_id == customer_id, Refund.state.in_(OPEN))
        .group_by(Refund.currency)
    )
    held = await ledger.balance(session, customer_id)
    for currency, minor in await session.execute(leaving):
        held[currency] = held.get(currency, 0) - int(minor)
    return held


def sum_of(refunds: Sequence[Refund], *states: State, through: Sequence[Through] = tuple(Through)) -> int:
    """Minor units of those in one of these states that went, or are to go, one of these ways."""
    return sum(one.gone for one in refunds if one.state in states and one.through in through)


def known(refunds: Sequence[Refund], *, chargeback: bool) -> int:
    """Minor units that the books have as gone at the provider: taken back by the payer's bank, or given back."""
    return sum(
        one.gone
        for one in refunds
        if one.state == State.SUCCEEDED
        and one.through in AT_PROVIDER
        and (one.origin == Origin.CHARGEBACK) == chargeback
    )


def sent(refunds: Sequence[Refund]) -> list[Refund]:
    """Those that count as carried out by the provider itself, of which its total must know."""
    done = (one for one in refunds if one.state == State.SUCCEEDED and one.origin != Origin.CHARGEBACK)
    return [one for one in done if one.through == Through.PROVIDER and one.gone]


def meant(waiting: Sequence[Refund], grown_by: int) -> list[Refund]:
    """Which open refunds of ours a provider has carried out, when it says only by how much its total has grown.

    The largest part of that sum that open ones explain; the rest was made elsewhere. Which of two equal ones it was
    does not matter: the sum is right, and is what is booked.
    """
    best: dict[int, list[Refund]] = {0: []}
    for one in waiting:
        best |= {
            total + one.minor: [*chosen, one]
            for total, chosen in list(best.items())
            if total + one.minor <= grown_by and total + one.minor not in best
        }
    return best[max(best)]

"""Order and Payment: what was bought, and each attempt to pay for it."""

import enum
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from ferryman.kit.db import Base
from ferryman.kit.money import Money


class OrderKind(enum.StrEnum):
    """What an order is for. RENEWAL and UPGRADE are about a subscription that there is."""

    PURCHASE = "purchase"
    RENEWAL = "renewal"
    UPGRADE = "upgrade"
    GIFT = "gift"


class OrderState(enum.StrEnum):
    """OPEN → PAID. A cancelled attempt leaves the order open: the customer may try again.

    OPEN → CANCELLED by the customer's own press; soft, as an attempt's is: money that comes all the same makes it PAID.
    """

    OPEN = "open"
    PAID = "paid"
    CANCELLED = "cancelled"


class Attempt(enum.StrEnum):
    """Where one payment stands with its provider.

    CREATING: our row is committed, whether the provider has the payment is unknown. PENDING: it has, nobody paid yet.
    CANCELLED is soft: a success that comes later still counts. REVIEW: something does not match, a person must look.
    """

    CREATING = "creating"
    PENDING = "pending"
    SUCCEEDED = "succeeded"
    CANCELLED = "cancelled"
    REVIEW = "review"


class Order(Base):
    """`tap` is the press that made the order: the same press twice finds the same order.

    `snapshot` is what is bought, `quote` how its price came about; both stay as they are whatever changes later.
    """

    __tablename__ = "orders"

    id: Mapped[int] = mapped_column(primary_key=True)
    ref: Mapped[str] = mapped_column(unique=True)
    customer_id: Mapped[int] = mapped_column(ForeignKey("customers.id"), index=True)
    term_id: Mapped[int] = mapped_column(ForeignKey("terms.id"))
    tap: Mapped[str] = mapped_column(unique=True)
    snapshot: Mapped[dict[str, Any]]
    minor: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str]
    kind: Mapped[str] = mapped_column(default=OrderKind.PURCHASE, server_default="purchase")
    quote: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default="{}")
    subscription_id: Mapped[int | None] = mapped_column(ForeignKey("subscriptions.id"))
    state: Mapped[str] = mapped_column(default=OrderState.OPEN)
    created_at: Mapped[datetime]
    paid_at: Mapped[datetime | None]
    cancelled_at: Mapped[datetime | None]  # stays when it is paid after all

    __table_args__ = (
        CheckConstraint("minor > 0", name="amount_positive"),
        CheckConstraint("state IN ('open', 'paid', 'cancelled')", name="state_known"),
        CheckConstraint("state <> 'cancelled' OR cancelled_at IS NOT NULL", name="cancelled_has_a_time"),
        CheckConstraint("(state = 'paid') = (paid_at IS NOT NULL)", name="paid_has_a_time"),
        CheckConstraint("kind IN ('purchase', 'renewal', 'upgrade', 'gift')", name="kind_known"),
        CheckConstraint(
            "kind NOT IN ('renewal', 'upgrade') OR subscription_id IS NOT NULL", name="upgrade_has_a_subscription"
        ),
    )

    @property
    def amount(self) -> Money:
        return Money(self.minor, self.currency)


class Payment(Base):
    """One attempt, one object at the provider, one idempotency key; committed before the provider is called.

    `request` is what was asked in words (description, language, …): a repeat must be the same to the letter.
    `way` is one of the provider's ways to pay. `fee` is what the provider kept, in minor units, where it says so;
    `details` what else it says for the books. `refunded` and `charged_back` are what went back, in minor units.
    `to_stop`: it repeats by itself at the provider, nothing was agreed with it, and the provider has not been told yet.
    """

    __tablename__ = "payments"

    id: Mapped[int] = mapped_column(primary_key=True)
    ref: Mapped[str] = mapped_column(unique=True)
    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"), index=True)
    provider: Mapped[str]
    way: Mapped[str] = mapped_column(default="", server_default="")
    idempotency_key: Mapped[str]
    request: Mapped[dict[str, Any]]
    external_id: Mapped[str | None]
    pay_url: Mapped[str | None]
    state: Mapped[str] = mapped_column(default=Attempt.CREATING)
    minor: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str]
    fee: Mapped[int | None] = mapped_column(BigInteger)
    refunded: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    charged_back: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    details: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default="{}")
    reason: Mapped[str | None]
    created_at: Mapped[datetime]
    opened_at: Mapped[datetime | None]
    succeeded_at: Mapped[datetime | None]
    ask_at: Mapped[datetime | None]  # when the sweep asks the provider again; None = final
    asked: Mapped[int] = mapped_column(default=0)
    to_stop: Mapped[bool] = mapped_column(default=False, server_default="false")
    look_at: Mapped[datetime | None]  # when a success is asked about once more; None = never
    order: Mapped[Order] = relationship(lazy="joined", innerjoin=True)

    __table_args__ = (
        UniqueConstraint("provider", "external_id"),
        UniqueConstraint("provider", "idempotency_key"),
        CheckConstraint("minor > 0", name="amount_positive"),
        CheckConstraint("refunded BETWEEN 0 AND minor", name="refunded_at_most_all"),
        CheckConstraint("charged_back BETWEEN 0 AND minor - refunded", name="charged_back_at_most_all"),
        CheckConstraint("state IN ('creating', 'pending', 'succeeded', 'cancelled', 'review')", name="state_known"),
        CheckConstraint("(state = 'succeeded') = (succeeded_at IS NOT NULL)", name="success_has_a_time"),
        Index("ix_payments_to_stop", "id", postgresql_where=text("to_stop")),
        Index("ix_payments_to_look_at", "provider", "look_at", postgresql_where=text("look_at IS NOT NULL")),
        Index("ix_payments_to_ask", "ask_at", postgresql_where=text("ask_at IS NOT NULL")),
        Index("ix_payments_created_at", "created_at"),
        Index("ix_payments_in_review", "id", postgresql_where=text("state = 'review'")),
        Index("ix_payments_refunded", "id", postgresql_where=text("refunded > 0")),
        Index("ix_payments_succeeded_at", "succeeded_at", postgresql_where=text("succeeded_at IS NOT NULL")),
    )

    @property
    def amount(self) -> Money:
        return Money(self.minor, self.currency)


class WebhookEvent(Base):
    """The inbox: every webhook as it came in, once. `verdict` says what became of it; the body is kept for disputes.

    `fact` is what an authentic event of a provider that cannot be asked says; `trace` has a line for everything that
    happened to it, `{"at": …, "what": …}`. `redacted_at`: since when body, headers and address are gone.
    """

    __tablename__ = "webhook_events"

    id: Mapped[int] = mapped_column(primary_key=True)
    provider: Mapped[str]
    dedup_key: Mapped[str]
    event: Mapped[str]
    external_id: Mapped[str | None]
    payment_ref: Mapped[str | None]
    body: Mapped[bytes]
    headers: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default="{}")
    query: Mapped[str] = mapped_column(default="", server_default="")
    remote_ip: Mapped[str]
    fact: Mapped[dict[str, Any] | None]
    received_at: Mapped[datetime]
    due_at: Mapped[datetime]  # when the sweep takes it up if nobody has judged it by then
    repeats: Mapped[int] = mapped_column(default=0, server_default="0")
    verdict: Mapped[str | None]
    processed_at: Mapped[datetime | None]
    attempts: Mapped[int] = mapped_column(default=0, server_default="0")
    trace: Mapped[list[Any]] = mapped_column(default=list, server_default="[]")
    redacted_at: Mapped[datetime | None]

    __table_args__ = (
        UniqueConstraint("provider", "dedup_key"),
        Index("ix_webhook_events_waiting", "due_at", postgresql_where=text("processed_at IS NULL")),
        Index("ix_webhook_events_without_order", "id", postgresql_where=text("verdict = 'money_without_order'")),
        Index("ix_webhook_events_received_at", "received_at", postgresql_where=text("redacted_at IS NULL")),
    )


class LedgerTransaction(Base):
    """One movement of money with its cause. `source` is what caused it, and causes it once per kind.

    `details` is what a provider told about it: rates, coins, card digits, in plain JSON.
    """

    __tablename__ = "ledger_transactions"

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    source: Mapped[str]
    details: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default="{}")
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    entries: Mapped[list["LedgerEntry"]] = relationship(lazy="selectin")

    __table_args__ = (UniqueConstraint("source", "kind"),)


class LedgerEntry(Base):
    """Debits are positive, credits negative; the entries of one transaction sum to zero per currency.

    The migration adds a deferred trigger that refuses an unbalanced transaction, and one that refuses any change.
    """

    __tablename__ = "ledger_entries"

    id: Mapped[int] = mapped_column(primary_key=True)
    transaction_id: Mapped[int] = mapped_column(ForeignKey("ledger_transactions.id"), index=True)
    account: Mapped[str] = mapped_column(index=True)
    minor: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str]

    __table_args__ = (CheckConstraint("minor <> 0", name="amount_not_zero"),)

"""Discount: a rule that makes things cheaper, and each use that was made of it."""

import enum
import re
import unicodedata
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column

from ferryman.catalog.pricing import Kind, Reduction
from ferryman.kit.db import Base
from ferryman.kit.money import Money

_CODE = re.compile(r"[\w-]{3,32}")


class UseState(enum.StrEnum):
    """RESERVED with the order, CONSUMED with its payment; RELEASED when nobody paid, until somebody does after all."""

    RESERVED = "reserved"
    CONSUMED = "consumed"
    RELEASED = "released"


class Discount(Base):
    """`percent`, or `minor` units of `currency`, never both. `code` is for PROMO, as `code_of` writes it.

    It is for everybody, unless it is narrowed: `plans` (codes; empty = all), `customer_id`, `newcomers` (who has never
    paid), `threshold` (who has paid so many orders). `most` and `most_each` are how often a code may be used by all and
    by one customer, 0 = any number. It holds from `begins_at` until `ends_at`.
    """

    __tablename__ = "discounts"

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    code: Mapped[str | None] = mapped_column(unique=True)
    percent: Mapped[int | None]
    minor: Mapped[int | None] = mapped_column(BigInteger)
    currency: Mapped[str | None]
    plans: Mapped[list[Any]] = mapped_column(default=list, server_default="[]")
    customer_id: Mapped[int | None] = mapped_column(ForeignKey("customers.id"), index=True)
    newcomers: Mapped[bool] = mapped_column(default=False, server_default="false")
    threshold: Mapped[int] = mapped_column(default=0, server_default="0")
    most: Mapped[int] = mapped_column(default=0, server_default="0")
    most_each: Mapped[int] = mapped_column(default=0, server_default="0")
    begins_at: Mapped[datetime | None]
    ends_at: Mapped[datetime | None]
    active: Mapped[bool] = mapped_column(default=True, server_default="true")
    by: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (
        CheckConstraint("kind IN ('personal', 'volume', 'promo')", name="kind_known"),
        CheckConstraint("(kind = 'promo') = (code IS NOT NULL)", name="promo_has_a_code"),
        CheckConstraint("(kind = 'personal') = (customer_id IS NOT NULL)", name="personal_has_a_customer"),
        CheckConstraint("(kind = 'volume') = (threshold > 0)", name="volume_has_a_threshold"),
        CheckConstraint("(percent IS NULL) <> (minor IS NULL)", name="percent_or_amount"),
        CheckConstraint("(minor IS NULL) = (currency IS NULL)", name="amount_has_a_currency"),
        CheckConstraint("coalesce(percent BETWEEN 1 AND 99, minor > 0)", name="something_comes_off"),
        CheckConstraint("most >= 0 AND most_each >= 0 AND threshold >= 0", name="limits_not_negative"),
        CheckConstraint("kind = 'promo' OR most = 0 AND most_each = 0", name="only_codes_are_counted"),
        # Otherwise somebody new could open any number of orders with it, and pay them all.
        CheckConstraint("NOT newcomers OR most_each = 1", name="newcomers_once"),
        CheckConstraint("ends_at > begins_at", name="ends_after_it_begins"),
    )

    @property
    def limited(self) -> bool:
        """Whether its uses are counted against a limit."""
        return self.most > 0 or self.most_each > 0

    def holds(self, now: datetime) -> bool:
        begun = self.begins_at is None or self.begins_at <= now
        return self.active and begun and (self.ends_at is None or now < self.ends_at)

    def reduction(self) -> Reduction:
        fixed = Money(self.minor, self.currency) if self.minor is not None and self.currency is not None else None
        return Reduction(Kind(self.kind), self.id, self.percent or 0, fixed, self.code or "")


class EnteredCode(Base):
    """The promo code that a customer has typed, until they buy with it or take it away."""

    __tablename__ = "entered_codes"

    customer_id: Mapped[int] = mapped_column(ForeignKey("customers.id"), primary_key=True)
    discount_id: Mapped[int] = mapped_column(ForeignKey("discounts.id"))
    at: Mapped[datetime]


class DiscountUse(Base):
    """One order that a discount counted for. `at` is when it came into its state."""

    __tablename__ = "discount_uses"

    id: Mapped[int] = mapped_column(primary_key=True)
    discount_id: Mapped[int] = mapped_column(ForeignKey("discounts.id"))
    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"), index=True)
    customer_id: Mapped[int] = mapped_column(ForeignKey("customers.id"))
    state: Mapped[str]
    at: Mapped[datetime]
    reserved_at: Mapped[datetime]

    __table_args__ = (
        UniqueConstraint("discount_id", "order_id"),
        CheckConstraint("state IN ('reserved', 'consumed', 'released')", name="state_known"),
        Index("ix_discount_uses_by_customer", "discount_id", "customer_id"),
        Index("ix_discount_uses_reserved", "at", postgresql_where=text("state = 'reserved'")),
    )


def code_of(typed: str) -> str:
    """A promo code as it is kept: whoever types it in small letters, or with spaces around, means the same one.

    Raises ValueError for what cannot be a code: 3 to 32 letters, digits, dashes and underscores.
    """
    code = unicodedata.normalize("NFKC", typed).strip().upper()
    if not _CODE.fullmatch(code):
        raise ValueError("a promo code has 3 to 32 letters, digits, dashes and underscores, and no spaces")
    return code

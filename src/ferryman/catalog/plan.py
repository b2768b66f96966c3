"""Plan and Terms: what is sold, for how many days, at what price."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, UniqueConstraint, func
from sqlalchemy.orm import Mapped, mapped_column, relationship

from ferryman.kit.db import Base
from ferryman.kit.money import Money

GIGABYTE = 1024**3
EVERYWHERE: dict[str, Any] = {"rule": "all"}


class Plan(Base):
    """A plan as the operator sells it. `title` and `description` are texts by language code ("ru", "en").

    `places` says where its keys are: `{"rule": "all"}`; `{"rule": "these", "codes": ["nl", …]}`, the named locations;
    or `{"rule": "one", "codes": […], "switch_hours": 24}`, one location of the customer's choice (among all when no
    code is named), to be changed once in so many hours, 0 = at any time.
    """

    __tablename__ = "plans"

    id: Mapped[int] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(unique=True)
    icon: Mapped[str]
    title: Mapped[dict[str, Any]]
    description: Mapped[dict[str, Any]]
    traffic_bytes: Mapped[int] = mapped_column(BigInteger, default=0)  # 0 = unlimited
    devices: Mapped[int] = mapped_column(default=0)  # 0 = unlimited
    places: Mapped[dict[str, Any]] = mapped_column(default=EVERYWHERE, server_default='{"rule": "all"}')
    position: Mapped[int] = mapped_column(default=0)
    active: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    terms: Mapped[list["Term"]] = relationship(back_populates="plan", order_by="Term.days", lazy="selectin")

    __table_args__ = (CheckConstraint("traffic_bytes >= 0 AND devices >= 0", name="limits_not_negative"),)

    def snapshot(self, term: "Term") -> dict[str, Any]:
        """What an order remembers, so that later edits of the plan do not touch what was bought."""
        return {
            "plan": self.code,
            "icon": self.icon,
            "title": self.title,
            "days": term.days,
            "traffic_bytes": self.traffic_bytes,
            "devices": self.devices,
            "places": self.places,
        }


class Term(Base):
    """One period of a plan, with its prices."""

    __tablename__ = "terms"

    id: Mapped[int] = mapped_column(primary_key=True)
    plan_id: Mapped[int] = mapped_column(ForeignKey("plans.id"))
    days: Mapped[int]
    active: Mapped[bool] = mapped_column(default=True)
    plan: Mapped[Plan] = relationship(back_populates="terms", lazy="joined", innerjoin=True)
    prices: Mapped[list["Price"]] = relationship(
        order_by="Price.currency", lazy="selectin", cascade="all, delete-orphan"
    )

    __table_args__ = (UniqueConstraint("plan_id", "days"), CheckConstraint("days > 0", name="days_positive"))

    def price(self, currencies: tuple[str, ...]) -> Money | None:
        """The price in the first of `currencies` that the term is sold in."""
        known = {price.currency: price.minor for price in self.prices}
        return next((Money(known[currency], currency) for currency in currencies if currency in known), None)


class Price(Base):
    __tablename__ = "prices"

    term_id: Mapped[int] = mapped_column(ForeignKey("terms.id"), primary_key=True)
    currency: Mapped[str] = mapped_column(primary_key=True)
    minor: Mapped[int] = mapped_column(BigInteger)

    __table_args__ = (CheckConstraint("minor > 0", name="price_positive"),)

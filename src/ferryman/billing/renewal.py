"""Renewal: what a customer agreed to be charged by itself, each try to charge it, and the rules of when.

Telegram repeats a payment in Stars by itself; every other one is charged by us: an instrument that a provider keeps, or
the customer's balance. The rules are pure: from an agreement and what is seen around it to the one next step.
"""

import enum
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, LargeBinary, text
from sqlalchemy.orm import Mapped, mapped_column

from ferryman.kit.db import Base
from ferryman.kit.money import Money

# Days from the first try to each of those that follow; who cannot be charged by then is charged no more.
RETRY_DAYS = (0, 1, 3)
# Nobody is charged for a subscription that ended longer ago than this.
GRACE = timedelta(days=3)
WARN_BEFORE, CHARGE_BEFORE = timedelta(days=3), timedelta(days=1)
# A reminder that Telegram has not taken by then is waited for no longer: a subscription does not end because of it.
LAST_CALL = timedelta(hours=1)
# While something is in the way that may pass: a subscription that is frozen, a payment that nobody knows the end of, a
# price that needs a yes and may come back.
LOOK_AGAIN = timedelta(hours=1)

# Providers' words for "never again with this instrument": asking once more would only make the bank distrust us.
FINAL_REASONS = frozenset(
    {
        "authentication_required",
        "card_expired",
        "country_forbidden",
        "expired_card",
        "identification_required",
        "invalid_card_number",
        "lost_card",
        "payment_method_restricted",
        "permission_revoked",
        "pickup_card",
        "refused",
        "stolen_card",
        "unsupported_mobile_operator",
    }
)


class By(enum.StrEnum):
    """Who moves the money. KEPT: we charge an instrument. STARS: Telegram repeats it. BALANCE: out of our own books."""

    KEPT = "kept"
    STARS = "stars"
    BALANCE = "balance"


class State(enum.StrEnum):
    """STOPPED: somebody's wish, or a rule's. FAILED: it could not be charged."""

    ACTIVE = "active"
    STOPPED = "stopped"
    FAILED = "failed"


class Agreement(Base):
    """The customer's word that a subscription goes on by itself; one that is active for each subscription.

    `minor` is the most they have agreed to. `period_end` is the end that the next charge is about; `tries`, `told_at`
    (when the reminder was written down) and `told_minor` (what it says) belong to that period. `next_try_at` is when
    the sweep looks at it again. `sealed_token` is the instrument, `external_id` the handle of a payment that repeats by
    itself; `unhooked` is false while whoever repeats it is still to hear that it has ended, or goes on again. `why`
    says by whom or what it was ended. `agreed_at` not before `stopped_at`: a yes is on its way, or may still be.
    """

    __tablename__ = "renewals"

    id: Mapped[int] = mapped_column(primary_key=True)
    subscription_id: Mapped[int] = mapped_column(ForeignKey("subscriptions.id"), index=True)
    customer_id: Mapped[int] = mapped_column(ForeignKey("customers.id"), index=True)
    by: Mapped[str]
    provider: Mapped[str]
    way: Mapped[str] = mapped_column(default="", server_default="")
    sealed_token: Mapped[bytes | None] = mapped_column(LargeBinary)
    external_id: Mapped[str | None]
    title: Mapped[str] = mapped_column(default="", server_default="")
    payment_id: Mapped[int | None] = mapped_column(ForeignKey("payments.id"))  # the one that it was agreed with
    term_id: Mapped[int] = mapped_column(ForeignKey("terms.id"))
    days: Mapped[int]
    minor: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str]
    state: Mapped[str] = mapped_column(default=State.ACTIVE, server_default="active")
    period_end: Mapped[datetime]
    next_try_at: Mapped[datetime | None]
    first_try_at: Mapped[datetime | None]
    tries: Mapped[int] = mapped_column(default=0, server_default="0")
    last_reason: Mapped[str] = mapped_column(default="", server_default="")
    told_at: Mapped[datetime | None]
    told_minor: Mapped[int | None] = mapped_column(BigInteger)
    agreed_at: Mapped[datetime]
    stopped_at: Mapped[datetime | None]
    why: Mapped[str] = mapped_column(default="", server_default="")
    unhooked: Mapped[bool] = mapped_column(default=True, server_default="true")

    __table_args__ = (
        CheckConstraint("by IN ('kept', 'stars', 'balance')", name="by_known"),
        CheckConstraint("state IN ('active', 'stopped', 'failed')", name="state_known"),
        CheckConstraint("minor > 0 AND days > 0 AND tries >= 0", name="numbers_make_sense"),
        CheckConstraint("(state = 'active') = (stopped_at IS NULL)", name="ended_has_a_time"),
        CheckConstraint("(state = 'active') = (next_try_at IS NOT NULL)", name="active_has_a_next_look"),
        Index("uq_renewals_active", "subscription_id", unique=True, postgresql_where=text("state = 'active'")),
        Index("ix_renewals_next_try_at", "next_try_at", postgresql_where=text("state = 'active'")),
        Index("ix_renewals_to_unhook", "id", postgresql_where=text("NOT unhooked")),
    )

    @property
    def amount(self) -> Money:
        """The most that was agreed to."""
        return Money(self.minor, self.currency)

    @property
    def active(self) -> bool:
        return self.state == State.ACTIVE

    @property
    def asks(self) -> bool:
        """Whether the customer was told of a higher price, and has not said yes to it: nothing is charged then."""
        return self.told_minor is not None and self.told_minor > self.minor


class Charge(Base):
    """One try to charge an agreement: the payment is what the provider is asked for, and is repeated as it is."""

    __tablename__ = "renewal_charges"

    payment_id: Mapped[int] = mapped_column(ForeignKey("payments.id"), primary_key=True, autoincrement=False)
    renewal_id: Mapped[int] = mapped_column(ForeignKey("renewals.id"), index=True)
    period_end: Mapped[datetime]
    counted: Mapped[bool] = mapped_column(default=False, server_default="false")  # that it failed has had its effect


class Step(enum.StrEnum):
    """WAIT: nothing now. WARN: say what will be charged, or what is needed for it. CHARGE. STOP, FAIL: it ends here."""

    WAIT = "wait"
    WARN = "warn"
    CHARGE = "charge"
    MISS = "miss"  # a try that cannot even be made
    STOP = "stop"
    FAIL = "fail"


@dataclass(frozen=True)
class Seen:
    """What is around an agreement now. `ends_at`: the subscription's real end; a frozen one's moves with the clock.

    `price` is today's for this customer, None when it is not sold in that currency any more; `least` the smallest
    amount that the way of paying takes; `on_sale` whether the plan and the term are sold at all; `moved` whether the
    subscription is one to another plan by now; `payable` whether the way of paying can be used; `open` whether an
    earlier charge has no end yet; `waiting` whether the reminder is still to go out, and `reminded_at` when it did
    (None: when it was written down).
    """

    now: datetime
    ends_at: datetime
    price: Money | None = None
    least: int = 0
    on_sale: bool = True
    moved: bool = False
    payable: bool = True
    open: bool = False
    waiting: bool = False
    reminded_at: datetime | None = None
    frozen: bool = False
    disabled: bool = False
    banned: bool = False


@dataclass(frozen=True)
class Next:
    """The step to take now, and when to look again (WAIT, WARN) or what to say of the reason (STOP, FAIL, MISS)."""

    step: Step
    at: datetime | None = None
    why: str = ""


def warn_before(days: int) -> timedelta:
    """How long before the end a customer hears of the charge: three days, half of a short term."""
    return min(WARN_BEFORE, timedelta(days=days) // 2)


def charge_before(days: int) -> timedelta:
    """How long before the end the charge is: a day, a quarter of a short term. So long a warning stands at least."""
    return min(CHARGE_BEFORE, timedelta(days=days) // 4)


def first_look(days: int, ends_at: datetime) -> datetime:
    return ends_at - warn_before(days)


def charge_at(one: Agreement, ends_at: datetime) -> datetime:
    """When the next try is due. The first: before the end, and never sooner after the warning than a warning needs."""
    lead = charge_before(one.days)
    due = ends_at - lead
    if one.tries and one.first_try_at is not None:
        due = one.first_try_at + timedelta(days=RETRY_DAYS[min(one.tries, len(RETRY_DAYS) - 1)])
    return due if one.told_at is None else max(due, one.told_at + lead)


def retry_at(one: Agreement, reason: str) -> datetime | None:
    """After `tries` tries, the last of which failed for this reason: when the next one is; None = never."""
    if reason in FINAL_REASONS or one.tries >= len(RETRY_DAYS) or one.first_try_at is None:
        return None
    return one.first_try_at + timedelta(days=RETRY_DAYS[one.tries])


def to_charge(one: Agreement, price: Money) -> Money:
    """What the next charge asks for: today's price, and never more than the customer was told."""
    return Money(min(price.minor, one.told_minor or price.minor), price.currency)


def next_step(one: Agreement, seen: Seen) -> Next:
    """The rules, in their order. The agreement is active, and its `period_end` is the subscription's end."""
    if seen.open:
        return Next(Step.WAIT, seen.now + LOOK_AGAIN)
    if one.by == By.STARS and (seen.banned or seen.disabled):
        # Telegram charges on a day of its own, and waits for nobody here.
        return Next(Step.STOP, why="banned" if seen.banned else "disabled")
    if seen.now < first_look(one.days, seen.ends_at):
        return Next(Step.WAIT, first_look(one.days, seen.ends_at))
    ended = _ended_for_good(one, seen)
    if ended is not None:
        return ended
    if seen.frozen or seen.disabled:
        return Next(Step.WAIT, seen.now + LOOK_AGAIN)
    if _unheard(one, seen):
        return Next(Step.WARN, seen.now + charge_before(one.days))
    if one.by == By.STARS:
        return Next(Step.WAIT, seen.ends_at + GRACE)
    if one.asks:
        return Next(Step.WAIT, seen.now + LOOK_AGAIN)
    due = _due(one, seen)
    if seen.now < due:
        return Next(Step.WAIT, due)
    return Next(Step.CHARGE) if seen.payable else Next(Step.MISS, why="method_off")


def _due(one: Agreement, seen: Seen) -> datetime:
    """When to charge, or to look again: the customer is to have the reminder for as long as one stands.

    What was written down in time, and is held up on its way, holds the charge up until the last call only.
    """
    due, last = charge_at(one, seen.ends_at), seen.ends_at - LAST_CALL
    if one.tries:
        return due
    fair = seen.now + LOOK_AGAIN if seen.waiting else due
    if seen.reminded_at is not None:
        fair = max(due, seen.reminded_at + charge_before(one.days))
    return min(fair, last) if due <= last and seen.now < seen.ends_at else fair


def _unheard(one: Agreement, seen: Seen) -> bool:
    """Whether the customer is still to be told what will be charged, or anew, as what they were told cannot be.

    They were asked for a yes, and the price has come back to what they had agreed to; or it has become less than can
    be paid at one time.
    """
    if one.told_at is None:
        return True
    if one.told_minor is None or seen.price is None or one.by == By.STARS:
        return False
    if one.asks:
        return seen.price.minor <= one.minor
    return one.told_minor < seen.least <= seen.price.minor


def _ended_for_good(one: Agreement, seen: Seen) -> Next | None:
    if seen.banned:
        return Next(Step.STOP, why="banned")
    if seen.moved:
        return Next(Step.STOP, why="upgraded")
    if not seen.on_sale:
        return Next(Step.STOP, why="withdrawn")
    if seen.price is None:
        return Next(Step.STOP, why="currency")
    if one.asks and seen.ends_at <= seen.now:
        return Next(Step.STOP, why="price")
    # Nobody is warned of a charge that would come too late to be made.
    warning = charge_before(one.days) if _unheard(one, seen) and one.by != By.STARS else timedelta(0)
    if seen.ends_at + GRACE <= seen.now + warning and not seen.frozen:
        why = "disabled" if seen.disabled else "unpaid" if one.by == By.STARS else one.last_reason or "late"
        return Next(Step.FAIL, why=why)
    return None

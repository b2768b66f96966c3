"""Notices: every sentence that the shop says on its own account, typed, and the table in which they wait.

A new notice is three lines of work: a dataclass here, its message `notice-<name-in-dashes>` in each language's
`notices.ftl`, and a `queue(…)` where the story wants it said.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import CheckConstraint, ForeignKey, Index, func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from ferryman.kit.db import Base
from ferryman.kit.money import Money
from ferryman.messaging.sender import Button, Keyboard
from ferryman.messaging.texts import Voice

# A caption holds 1024 characters; with a link and the words around it, fifteen such names always fit.
MOST_LOCATIONS = 15
LONGEST_NAME = 32


class QueuedNotice(Base):
    """One notice to one customer.

    `due_at` is when it may be sent next (None: at once); while it is being sent, when that attempt is given up for
    dead. `unsure` counts attempts of unknown outcome: raised before each, taken back when certainly nothing was sent.
    """

    __tablename__ = "notices"

    id: Mapped[int] = mapped_column(primary_key=True)
    customer_id: Mapped[int] = mapped_column(ForeignKey("customers.id"))
    kind: Mapped[str]
    dedup_key: Mapped[str] = mapped_column(unique=True)
    payload: Mapped[dict[str, Any]]
    state: Mapped[str] = mapped_column(server_default="queued")
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    unsure: Mapped[int] = mapped_column(server_default=text("0"))
    due_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    sent_at: Mapped[datetime | None]
    message_id: Mapped[int | None]
    error: Mapped[str | None]

    __table_args__ = (
        CheckConstraint("state IN ('queued', 'sent', 'blocked', 'failed')", name="state_known"),
        CheckConstraint("(state = 'sent') = (sent_at IS NOT NULL)", name="sent_has_a_time"),
        Index("ix_notices_queued", "customer_id", "id", postgresql_where=text("state = 'queued'")),
    )

    def notice(self) -> "Notice":
        """Raises LookupError for a kind that this version does not know."""
        return read(self.kind, self.payload)


@dataclass(frozen=True)
class Notice:
    """Base of every notice: the fields are the payload, the class name is the kind and the name of the message.

    `weighty`: it is about money or a key, and rather said too often than not at all.
    """

    kind: ClassVar[str]
    weighty: ClassVar[bool] = False
    kinds: ClassVar[dict[str, type["Notice"]]] = {}

    def __init_subclass__(cls) -> None:
        cls.kind = re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()
        Notice.kinds[cls.kind] = cls

    def text(self, voice: Voice, **more: str | int) -> str:
        """The sentence in HTML; `more` are arguments that are known only when it is sent."""
        return voice.html(f"notice-{self.kind.replace('_', '-')}", **self.words(voice), **more)

    def words(self, voice: Voice) -> dict[str, str | int]:
        """The arguments of the message: every field, money and texts by language put into words."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        if "currency" in values:
            values["amount"] = voice.money(Money(values["amount"], values.pop("currency")))
        return {name: voice.pick(value) if isinstance(value, Mapping) else value for name, value in values.items()}

    def keyboard(self, voice: Voice) -> Keyboard | None:
        return Keyboard(((Button(voice.plain("button-home"), data="v1:home"),),))


@dataclass(frozen=True)
class PaymentLink(Notice):
    """The pay page is there after all, for a checkout that could not wait for it."""

    order_ref: str
    pay_url: str

    def keyboard(self, voice: Voice) -> Keyboard:
        pay = Button(voice.plain("button-pay"), url=self.pay_url)
        check = Button(voice.plain("button-check"), data=f"v1:check:{self.order_ref}")
        return Keyboard(((pay,), (check,)))


@dataclass(frozen=True)
class PaymentSucceeded(Notice):
    """`amount` in minor units of `currency`; `title` by language; `days` bought."""

    weighty: ClassVar[bool] = True

    order_ref: str
    amount: int
    currency: str
    icon: str
    title: dict[str, str]
    days: int


@dataclass(frozen=True)
class PaymentCancelled(Notice):
    """`reason` is the provider's word for it, empty when it gave none."""

    order_ref: str
    reason: str

    def words(self, voice: Voice) -> dict[str, str | int]:
        # A variant of a Fluent message is named beginning with a letter, which "3d_secure_failed" does not.
        return super().words(voice) | {"reason": self.reason.removeprefix("3d_")}

    def keyboard(self, voice: Voice) -> Keyboard:
        again = Button(voice.plain("button-buy"), data="v1:buy")
        return Keyboard(((again,), (Button(voice.plain("button-home"), data="v1:home"),)))


@dataclass(frozen=True)
class PaymentInReview(Notice):
    """Something about the payment does not fit; a person will look at it."""

    weighty: ClassVar[bool] = True

    order_ref: str


@dataclass(frozen=True)
class SecondPaymentCredited(Notice):
    """A settled order was paid once more; the money is on the customer's balance."""

    weighty: ClassVar[bool] = True

    order_ref: str
    amount: int
    currency: str


@dataclass(frozen=True)
class PartCredited(Notice):
    """Less than the price came, and staff put it on the balance; or some more came after that."""

    weighty: ClassVar[bool] = True

    order_ref: str
    amount: int
    currency: str


@dataclass(frozen=True)
class CancelledOrderCredited(Notice):
    """An order was paid that its customer had cancelled, and that stands no more; it is on their balance."""

    weighty: ClassVar[bool] = True

    order_ref: str
    amount: int
    currency: str


@dataclass(frozen=True)
class PaymentOfBarredCredited(Notice):
    """A customer who is blocked from buying paid all the same; the money is on their balance."""

    weighty: ClassVar[bool] = True

    order_ref: str
    amount: int
    currency: str


@dataclass(frozen=True)
class KeyReady(Notice):
    """The key works. `locations` are `{"flag": …, "title": {language: name}}`; the link is added when it is sent."""

    weighty: ClassVar[bool] = True

    subscription_id: int
    locations: list[dict[str, Any]]

    def words(self, voice: Voice) -> dict[str, str | int]:
        return {"locations": listed(self.locations, voice), "count": len(self.locations)}


@dataclass(frozen=True)
class KeyReplaced(Notice):
    """The new key works; the old one is gone, or an operator did not wait for it. The link is added when it is sent."""

    weighty: ClassVar[bool] = True

    subscription_id: int
    locations: list[dict[str, Any]]

    def words(self, voice: Voice) -> dict[str, str | int]:
        return {"locations": listed(self.locations, voice)}


@dataclass(frozen=True)
class LocationSwitched(Notice):
    """The key works in the location that the customer chose; the link is the old one."""

    ref: str
    locations: list[dict[str, Any]]

    def words(self, voice: Voice) -> dict[str, str | int]:
        return {"locations": listed(self.locations, voice)}

    def keyboard(self, voice: Voice) -> Keyboard:
        subscription = Button(voice.plain("button-subs"), data=f"v1:sub:{self.ref}")
        help_ = Button(voice.plain("button-help"), data="v1:help")
        return Keyboard(((subscription,), (help_,)))


@dataclass(frozen=True)
class TrafficLow(Notice):
    """Most of the traffic that was bought last is used. `percent` of it, rounded down to a threshold; `left` in bytes
    over all locations."""

    ref: str
    icon: str
    title: dict[str, str]
    percent: int
    left: int

    def words(self, voice: Voice) -> dict[str, str | int]:
        return super().words(voice) | {"left": voice.bytes(self.left)}

    def keyboard(self, voice: Voice) -> Keyboard:
        return _renewing(voice, self.ref)


@dataclass(frozen=True)
class TrafficUsedUp(Notice):
    """Nothing is left, so the key is off until the allowance grows."""

    ref: str
    icon: str
    title: dict[str, str]

    def keyboard(self, voice: Voice) -> Keyboard:
        return _renewing(voice, self.ref)


def _renewing(voice: Voice, ref: str) -> Keyboard:
    renew = Button(voice.plain("button-renew"), data="v1:buy")
    return Keyboard(((renew,), (Button(voice.plain("button-subs"), data=f"v1:sub:{ref}"),)))


def listed(locations: Sequence[Mapping[str, Any]], voice: Voice) -> str:
    """ "🇳🇱 Нидерланды · 🇩🇪 Германия", with "…" for those that a photo's caption has no room for."""
    names = [f"{one['flag']} {voice.pick(one['title'])[:LONGEST_NAME]}".strip() for one in locations[:MOST_LOCATIONS]]
    return " · ".join([*names, "…"] if len(locations) > MOST_LOCATIONS else names)


def weighty() -> list[str]:
    """The kinds that are rather said too often than not at all."""
    return sorted(kind for kind, notice in Notice.kinds.items() if notice.weighty)


def read(kind: str, payload: Mapping[str, Any]) -> Notice:
    """The notice that `queue` stored. Raises LookupError for an unknown kind or a payload of another shape."""
    known = Notice.kinds.get(kind)
    if known is None:
        raise LookupError(f"no notice is called {kind!r}")
    try:
        return known(**payload)
    except TypeError as error:
        raise LookupError(f"the payload of a {kind!r} notice does not fit: {error}") from error


async def queue(session: AsyncSession, customer_id: int, notice: Notice, dedup_key: str) -> int | None:
    """Put a notice into the caller's transaction: its id, or None when one with this key was queued before.

    The caller defers `deliver_notice` with the id, in the same transaction.
    """
    row = (
        insert(QueuedNotice)
        .values(
            customer_id=customer_id,
            kind=notice.kind,
            dedup_key=dedup_key,
            payload=asdict(notice),
        )
        .on_conflict_do_nothing(index_elements=["dedup_key"])
        .returning(QueuedNotice.id)
    )
    return (await session.execute(row)).scalar_one_or_none()


async def queued_as(session: AsyncSession, dedup_key: str) -> QueuedNotice | None:
    """The notice that was queued under this key, and what has become of it."""
    return await session.scalar(select(QueuedNotice).where(QueuedNotice.dedup_key == dedup_key))

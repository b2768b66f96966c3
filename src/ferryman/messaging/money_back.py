"""What is said when money goes back, or a gift comes in: to the customer, and to the staff."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from ferryman.messaging.notice import Notice
from ferryman.messaging.sender import Button, Keyboard
from ferryman.messaging.texts import Voice

# What became of the access: all as before, a nearer end, less traffic, or over.
SAME, SHORTER, LESS, ENDED = "same", "shorter", "less", "ended"
# When what was taken is given again: a later end, or more traffic.
LONGER, MORE = "longer", "more"


@dataclass(frozen=True)
class MoneyBack(Notice):
    """Money was given back. `through`: provider, balance or hand. `access` is one of the words above, `until` the end
    of the subscription from now on, in ISO form, "" where there is none."""

    weighty: ClassVar[bool] = True

    order_ref: str
    amount: int
    currency: str
    through: str
    access: str
    until: str

    def words(self, voice: Voice) -> dict[str, str | int]:
        return super().words(voice) | {"until": _day(self.until, voice)}


@dataclass(frozen=True)
class ChargedBack(Notice):
    """The payer's bank took the money back. Fields as in MoneyBack."""

    weighty: ClassVar[bool] = True

    order_ref: str
    amount: int
    currency: str
    access: str
    until: str

    def words(self, voice: Voice) -> dict[str, str | int]:
        return super().words(voice) | {"until": _day(self.until, voice)}


@dataclass(frozen=True)
class PaymentStands(ChargedBack):
    """The payer's bank gave the money up again, and what it had paid for is theirs again. Fields as in MoneyBack."""


@dataclass(frozen=True)
class RefundReturned(ChargedBack):
    """Money that counted as given back did not arrive and is the shop's again; what it had paid for is theirs again.
    Fields as in MoneyBack."""


@dataclass(frozen=True)
class GiftRedeemed(Notice):
    """A gift code was a plan's term; `days` of it."""

    weighty: ClassVar[bool] = True

    icon: str
    title: dict[str, str]
    days: int


@dataclass(frozen=True)
class GiftCredited(Notice):
    """A gift code was money, which is on the balance now."""

    weighty: ClassVar[bool] = True

    amount: int
    currency: str

    def keyboard(self, voice: Voice) -> Keyboard:
        buy = Button(voice.plain("button-buy"), data="v1:buy")
        return Keyboard(((buy,), (Button(voice.plain("button-home"), data="v1:home"),)))


@dataclass(frozen=True)
class RefundFailed(Notice):
    """To the staff: a refund of theirs will not happen. `reason` is the provider's word."""

    payment_ref: str
    amount: int
    currency: str
    reason: str


@dataclass(frozen=True)
class RefundedElsewhere(Notice):
    """To the staff: the provider says that money went back which nobody here had sent."""

    payment_ref: str
    amount: int
    currency: str
    customer: int
    access: str


@dataclass(frozen=True)
class BarredPaid(Notice):
    """To the staff: somebody who is blocked has paid, and has it on their balance. `customer` is the Telegram id."""

    payment_ref: str
    amount: int
    currency: str
    customer: int


@dataclass(frozen=True)
class ChargebackCame(Notice):
    """To the staff: a bank took money back. `customer` is the Telegram id."""

    payment_ref: str
    amount: int
    currency: str
    customer: int
    access: str


@dataclass(frozen=True)
class ChargebackWon(ChargebackCame):
    """To the staff: a bank gave up what it had taken back. Fields as in ChargebackCame."""


@dataclass(frozen=True)
class RefundBounced(ChargebackCame):
    """To the staff: what counted as given back is the shop's again. Fields as in ChargebackCame."""


def said_of(access: str, until: datetime | None) -> dict[str, Any]:
    """The fields about the access, for a notice's payload."""
    return {"access": access, "until": until.isoformat() if until is not None else ""}


def _day(moment: str, voice: Voice) -> str:
    return voice.date(datetime.fromisoformat(moment)) if moment else ""

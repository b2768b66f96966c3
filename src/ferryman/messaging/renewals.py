"""What customers hear of renewals: before a charge, after it, and when there will be none.

Every one of them says which subscription (`ref`, `icon`, `title` by language) and until when it is paid; days are ISO
moments. `by` is who moves the money (kept, stars, balance), `way` what a person calls it: a card and its last digits.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from ferryman.kit.money import Money
from ferryman.messaging.notice import Notice
from ferryman.messaging.sender import Button, Keyboard
from ferryman.messaging.texts import Voice

Words = dict[str, str | int]


@dataclass(frozen=True)
class RenewalOn(Notice):
    """It was agreed; `on` is the day of the first charge."""

    ref: str
    icon: str
    title: dict[str, str]
    until: str
    on: str
    amount: int
    currency: str
    by: str
    way: str

    def words(self, voice: Voice) -> Words:
        return super().words(voice) | _days(voice, until=self.until, on=self.on)

    def keyboard(self, voice: Voice) -> Keyboard:
        return Keyboard(((_off(voice, self.ref),), (_subscription(voice, self.ref),)))


@dataclass(frozen=True)
class RenewalAhead(RenewalOn):
    """The charge is near: it will be `on` that day. The same facts as when it was agreed."""


@dataclass(frozen=True)
class RenewalPriceRose(Notice):
    """It costs more than was agreed (`was`, minor units too): without a new yes nothing is charged."""

    ref: str
    icon: str
    title: dict[str, str]
    until: str
    amount: int
    currency: str
    was: int

    def words(self, voice: Voice) -> Words:
        was = voice.money(Money(self.was, self.currency))
        return super().words(voice) | _days(voice, until=self.until) | {"was": was}

    def keyboard(self, voice: Voice) -> Keyboard:
        amount = voice.money(Money(self.amount, self.currency))
        yes = Button(voice.plain("button-renewal-yes", amount=amount), data=f"v1:renewal-yes:{self.ref}:{self.amount}")
        return Keyboard(((yes,), (_off(voice, self.ref),), (_subscription(voice, self.ref),)))


@dataclass(frozen=True)
class Renewed(Notice):
    """It was charged, and goes on `until` then."""

    weighty: ClassVar[bool] = True

    ref: str
    icon: str
    title: dict[str, str]
    until: str
    order_ref: str
    amount: int
    currency: str
    days: int
    by: str
    way: str

    def words(self, voice: Voice) -> Words:
        return super().words(voice) | _days(voice, until=self.until)

    def keyboard(self, voice: Voice) -> Keyboard:
        return Keyboard(((_subscription(voice, self.ref),),))


@dataclass(frozen=True)
class RenewalFailed(Notice):
    """It could not be charged. `reason` is a provider's word, or ours; `again` the day of the next try, "" = none."""

    weighty: ClassVar[bool] = True

    ref: str
    icon: str
    title: dict[str, str]
    until: str
    amount: int
    currency: str
    reason: str
    again: str

    def words(self, voice: Voice) -> Words:
        again = _days(voice, again=self.again) if self.again else {"again": ""}
        # A variant of a Fluent message is named beginning with a letter, which "3d_secure_failed" does not.
        reason = {"reason": self.reason.removeprefix("3d_"), "more": "yes" if self.again else "no"}
        return super().words(voice) | _days(voice, until=self.until) | again | reason

    def keyboard(self, voice: Voice) -> Keyboard:
        off = ((_off(voice, self.ref),),) if self.again else ()
        return Keyboard(((_by_hand(voice),), *off, (_subscription(voice, self.ref),)))


@dataclass(frozen=True)
class RenewalStopped(Notice):
    """It goes on by itself no more; `why` is by whom or what."""

    ref: str
    icon: str
    title: dict[str, str]
    until: str
    why: str

    def words(self, voice: Voice) -> Words:
        return super().words(voice) | _days(voice, until=self.until)

    def keyboard(self, voice: Voice) -> Keyboard:
        return Keyboard(((_by_hand(voice),), (_subscription(voice, self.ref),)))


@dataclass(frozen=True)
class RenewalMoved(Notice):
    """The plan it renewed was given in for this one: nothing is charged until the customer agrees to this amount."""

    ref: str
    icon: str
    title: dict[str, str]
    until: str
    amount: int
    currency: str
    days: int
    by: str
    way: str

    def words(self, voice: Voice) -> Words:
        return super().words(voice) | _days(voice, until=self.until)

    def keyboard(self, voice: Voice) -> Keyboard:
        amount = voice.money(Money(self.amount, self.currency))
        yes = Button(voice.plain("button-renewal-yes", amount=amount), data=f"v1:renewal-on:{self.ref}:{self.amount}")
        return Keyboard(((yes,), (_subscription(voice, self.ref),)))


@dataclass(frozen=True)
class RenewalCredited(Notice):
    """A renewal was charged that is not wanted any more; the money is on the customer's balance."""

    weighty: ClassVar[bool] = True

    order_ref: str
    amount: int
    currency: str


def _days(voice: Voice, **moments: str) -> Words:
    return {name: voice.date(datetime.fromisoformat(given)) for name, given in moments.items()}


def _off(voice: Voice, ref: str) -> Button:
    return Button(voice.plain("button-renewal-off"), data=f"v1:renewal-off:{ref}")


def _by_hand(voice: Voice) -> Button:
    return Button(voice.plain("button-renew"), data="v1:buy")


def _subscription(voice: Voice, ref: str) -> Button:
    return Button(voice.plain("button-subs"), data=f"v1:sub:{ref}")

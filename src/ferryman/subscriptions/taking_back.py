"""What a refund takes back of a subscription: pure arithmetic on whole seconds, bytes and minor units.

Time is used up in the order in which it was added. So of what is left, the end belongs to whatever was added last, and
a payment's own unused part is what lies before that and after what was there already. Money that is given back is held
against what it had bought: a third of the money takes back a third of the time, as far as that is still unused. Nothing
that another payment bought, or that staff gave away, is ever taken.
"""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Share:
    """Seconds and bytes of access. 0 bytes of what was bought or is left over all: traffic is not counted."""

    seconds: int
    bytes: int


NOTHING = Share(0, 0)


def sum_of(shares: Iterable[Share]) -> Share:
    seconds = bytes_ = 0
    for one in shares:
        seconds, bytes_ = seconds + one.seconds, bytes_ + one.bytes
    return Share(seconds, bytes_)


def less(one: Share, by: Share) -> Share:
    return Share(one.seconds - by.seconds, one.bytes - by.bytes)


@dataclass(frozen=True)
class Bought:
    """What one payment bought, and what of it was taken back before. `limited`: its traffic was."""

    seconds: int
    bytes: int
    limited: bool
    taken: Share = NOTHING

    @property
    def kept(self) -> Share:
        """What was not taken back yet, used or not."""
        return Share(self.seconds - self.taken.seconds, self.bytes - self.taken.bytes)


@dataclass(frozen=True)
class Standing:
    """What is left of the subscription now, and how much of that was added after the payment in question."""

    left: Share
    later: Share


@dataclass(frozen=True)
class Stretch:
    """A piece of access as it was added. `mine` of `whole` minor units of its worth came from the payment in question:
    all of it, unless a subscription was given in for it. `taken` is what was taken back of it, whoever had paid."""

    seconds: int
    bytes: int
    limited: bool
    mine: int = 1
    whole: int = 1
    taken: Share = NOTHING

    def bought(self, taken: Share) -> Bought:
        """The payment's part, of which `taken` was taken back."""
        return Bought(self.of_mine(self.seconds), self.of_mine(self.bytes), self.limited, taken)

    def of_mine(self, amount: int) -> int:
        return amount * self.mine // self.whole


def unused(stretch: Stretch, bought: Bought, standing: Standing) -> Share:
    """What is left of the payment's part of a stretch; who shares one has used it up in proportion."""
    there = Share(standing.left.seconds - standing.later.seconds, standing.left.bytes - standing.later.bytes)
    seconds = _left(stretch, stretch.seconds, there.seconds, stretch.taken.seconds, bought.taken.seconds)
    bytes_ = _left(stretch, stretch.bytes, there.bytes, stretch.taken.bytes, bought.taken.bytes)
    return Share(seconds, bytes_ if bought.limited else 0)


def _left(stretch: Stretch, whole: int, there: int, taken: int, taken_of_mine: int) -> int:
    not_used = _within(there + taken, whole)
    return _within(stretch.of_mine(not_used) - taken_of_mine, max(there, 0))


def money_for_unused(paid: int, given_back: int, bought: Bought, left: Share, kept_percent: int = 0) -> int:
    """Minor units that the unused part is worth, rounded down; at most what was not given back yet.

    Time and traffic are held against what was bought, and the one of which less is left counts: whoever has used up
    all traffic in two days has had what they paid for. `kept_percent` of the result stays with the shop.
    """
    by_time = paid * left.seconds // bought.seconds if bought.seconds else 0
    by_traffic = paid * left.bytes // bought.bytes if bought.limited and bought.bytes else by_time
    worth = min(by_time, by_traffic) * (100 - kept_percent) // 100
    return _within(worth, paid - given_back)


def taken_for(bought: Bought, left: Share, paid: int, given_back: int) -> Share:
    """What goes when `given_back` of what was `paid` has been given back in all, this refund included.

    All of the unused part when that is everything.
    """
    seconds = bought.seconds * given_back // paid - bought.taken.seconds
    bytes_ = bought.bytes * given_back // paid - bought.taken.bytes
    return Share(_within(seconds, left.seconds), _within(bytes_, left.bytes))


def allowance_after(allowed: int, used: int, taken: int) -> int:
    """The allowance in bytes once so much of it is taken back; never below what is used of it, and never 0, which would
    mean "unlimited"."""
    return allowed if allowed == 0 or taken == 0 else max(allowed - taken, min(used, allowed), 1)


def _within(value: int, most: int) -> int:
    return max(0, min(value, most))

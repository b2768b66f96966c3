"""What is left of a subscription in money, and what that buys of another plan. Pure arithmetic, in minor units.

The rules (docs/prices.md has them with examples):

1. Time is used up in the order in which it was added. So what is left is what was added last.
2. Time is worth what was paid for it, less what was given back; time that nobody paid for is worth nothing.
3. Of a limited allowance the part that is left counts too: whoever has used up half of the traffic in two days cannot
   give in more than half.
4. A subscription that is given in is worth what it is worth when the payment for the other one arrives, not when that
   was ordered. Time that it lost meanwhile is missing from the new one, time that was added is turned into more of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

DAY = 86400


@dataclass(frozen=True)
class Stretch:
    """Time that was added to a subscription and not taken back since, in whole seconds.

    `worth` is what was paid for it and not given back since, in minor units of `currency`; 0 for time that was given
    away. `traffic_bytes` came with it, 0 = unlimited. `alone`: nothing was left before it, or what was left was given
    in for it. `regained_with`: the payment's id, where it came again with money that came back.
    """

    seconds: int
    worth: int = 0
    currency: str = ""
    traffic_bytes: int = 0
    alone: bool = False
    regained_with: int | None = None


@dataclass(frozen=True)
class Bargain:
    """What an upgrade was ordered for: `days` of a plan that cost `base`, sold for `paid` and `credit` together.

    `credit` is what the subscription that is given in was worth then; `traffic_bytes` come with the term, 0 =
    unlimited.
    """

    days: int
    traffic_bytes: int
    base: int
    paid: int
    credit: int


@dataclass(frozen=True)
class Converted:
    """What an upgrade leads to: time from now in whole seconds, and traffic in bytes, 0 = unlimited."""

    seconds: int
    traffic_bytes: int


def worth_left(added: Sequence[Stretch], left_seconds: int, left_bytes: int | None) -> dict[str, int]:
    """What the time that is left was bought for, in minor units by currency, rounded down; nothing is left out.

    `added` in the order in which it happened; `left_bytes` None = unlimited.
    """
    found: dict[str, Fraction] = {}
    for stretch, worth in each_left(added, left_seconds, left_bytes):
        found[stretch.currency] = found.get(stretch.currency, Fraction(0)) + worth
    return {currency: int(worth) for currency, worth in found.items() if int(worth)}


def each_left(added: Sequence[Stretch], left_seconds: int, left_bytes: int | None) -> list[tuple[Stretch, Fraction]]:
    """The same for each stretch that was paid for and is not used up, newest first."""
    running = _running(added, left_seconds)
    unspent = _unspent(running, left_bytes)
    return [(stretch, stretch.worth * share * unspent) for stretch, share in running if stretch.worth > 0]


def _running(added: Sequence[Stretch], left_seconds: int) -> list[tuple[Stretch, Fraction]]:
    """What is not used up, and which part of each."""
    found, due = [], left_seconds
    for stretch in reversed(added):
        if due > 0 and stretch.seconds > 0:
            part = min(due, stretch.seconds)
            found.append((stretch, Fraction(part, stretch.seconds)))
            due -= part
        if stretch.alone:
            break
    return found


def converted(bargain: Bargain, worth: int) -> Converted:
    """The new time and traffic when the subscription that is given in turns out to be `worth` so much.

    Less than was agreed buys less, in proportion; more buys more, at the price without discounts, for a discount is
    given on what was ordered and on no more.
    """
    agreed = bargain.paid + bargain.credit
    share = min(Fraction(bargain.paid + worth, agreed), Fraction(1))
    share += Fraction(max(worth - bargain.credit, 0), bargain.base)
    limited = bargain.traffic_bytes > 0
    # 0 would mean "unlimited".
    return Converted(int(bargain.days * DAY * share), max(int(bargain.traffic_bytes * share), 1) if limited else 0)


def _unspent(running: Sequence[tuple[Stretch, Fraction]], left_bytes: int | None) -> Fraction:
    """Which part of the traffic that belongs to the time that is left, is left too."""
    if left_bytes is None or any(stretch.traffic_bytes == 0 for stretch, _ in running if stretch.worth > 0):
        return Fraction(1)
    bought = sum((stretch.traffic_bytes * share for stretch, share in running), Fraction(0))
    return min(Fraction(max(left_bytes, 0), bought), Fraction(1)) if bought else Fraction(1)

"""What something costs: a base price, what comes off it, and the smallest step of its currency. Pure.

The rule, in the order in which it is applied (docs/prices.md has it with examples):

1. Of every kind of discount (personal, volume, promo) one may count. Percentages come first, in the order of the kinds,
   each of what the one before it has left; then fixed amounts, in the same order. Of all such combinations the cheapest
   for the customer is taken, and of equal ones that with the fewest discounts, so that no code is used up for nothing.
2. The result is rounded down to a whole step of the currency. A price that nothing comes off is not rounded at all.
3. It is never less than one step, and never less than the way to pay takes at one time.
4. What is left of a subscription that is given in for another comes off last, rounded down to a whole step. It has to
   fit: what it is worth must leave at least the least to be paid. Discounts give way to it, for it is money paid.
"""

import enum
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from ferryman.kit.errors import Refused
from ferryman.kit.money import Money

# Minor units that prices are whole multiples of, once something has come off them. In these currencies nobody pays in
# hundredths any more; everywhere else it is one minor unit: a cent, a whole Star.
STEPS = {"RUB": 100, "KZT": 100, "AMD": 100, "UZS": 100}
UPGRADE = "upgrade"
ANNOUNCED = "announced"


class Kind(enum.StrEnum):
    """Why something is cheaper; in the order in which they come off."""

    PERSONAL = "personal"
    VOLUME = "volume"
    PROMO = "promo"


ORDER = {kind: at for at, kind in enumerate(Kind)}


class BelowLeast(Refused):
    """The price itself is less than this way to pay takes at one time."""


class WorthMore(Refused):
    """What is left of the subscription that is given in is worth as much as the new one, or more."""


@dataclass(frozen=True)
class Reduction:
    """A discount that this customer may have now: `percent` (1 to 99) or `fixed`, never both.

    `discount` is its id, `label` what a person calls it: a promo code.
    """

    kind: Kind
    discount: int
    percent: int = 0
    fixed: Money | None = None
    label: str = ""


@dataclass(frozen=True)
class Line:
    """One thing that came off, in minor units; `percent` 0 = a fixed amount.

    `kind` is a Kind, "upgrade", or "announced": what the price has risen by since the customer was told of it.
    """

    kind: str
    off: int
    discount: int | None = None
    percent: int = 0
    label: str = ""


@dataclass(frozen=True)
class Quote:
    """How a price comes about: `total` is `base` less all `lines`. `subscription_id` is the one that is given in."""

    base: Money
    total: Money
    lines: tuple[Line, ...] = ()
    subscription_id: int | None = None

    @property
    def reduced(self) -> bool:
        return self.total != self.base

    @property
    def credit(self) -> int:
        """What the subscription that is given in takes off, in minor units."""
        return sum(line.off for line in self.lines if line.kind == UPGRADE)

    @property
    def agreed(self) -> int:
        """What the term is sold for, in minor units, whether paid now or with what was paid before."""
        return self.total.minor + self.credit

    @property
    def discounts(self) -> tuple[int, ...]:
        """Ids of those that count, in ascending order, which is the order to lock them in."""
        return tuple(sorted(line.discount for line in self.lines if line.discount is not None))

    def lowered(self, to: Money) -> "Quote":
        """The same for a lower amount, which was announced before the price rose."""
        if to.minor >= self.total.minor:
            return self
        return replace(self, total=to, lines=(*self.lines, Line(ANNOUNCED, self.total.minor - to.minor)))

    def plain(self) -> dict[str, Any]:
        """As plain JSON, to be kept with the order; `read` makes the quote of it again."""
        return {
            "base": self.base.minor,
            "total": self.total.minor,
            "currency": self.base.currency,
            "lines": [vars(line) for line in self.lines],
            "subscription_id": self.subscription_id,
        }


def read(kept: Mapping[str, Any]) -> Quote:
    """A quote as `Quote.plain` has written it."""
    base, total = (Money(kept[name], kept["currency"]) for name in ("base", "total"))
    return Quote(base, total, tuple(Line(**line) for line in kept["lines"]), kept["subscription_id"])


def step_of(currency: str) -> int:
    """Minor units that a reduced price is a whole multiple of."""
    return STEPS.get(currency, 1)


def quote(
    base: Money,
    reductions: Sequence[Reduction] = (),
    *,
    least: int = 0,
    credit: int = 0,
    subscription_id: int | None = None,
) -> Quote:
    """What to pay for something that costs `base`.

    `least` is the smallest amount that the way to pay takes, `credit` what is left of the subscription that is given
    in, both in minor units of the base's currency. Raises BelowLeast, WorthMore.
    """
    if base.minor < max(least, 1):
        raise BelowLeast(f"{base} is less than can be paid this way.")
    step = step_of(base.currency)
    floor = min(_up(max(least, 1), step), base.minor)
    given_in = max(credit, 0) // step * step
    if given_in > base.minor - floor:
        raise WorthMore("What is left of the subscription is worth as much as what it is to be given in for.")
    counted, lines = _cheapest(base, reductions, floor + given_in, step)
    if given_in:
        lines = (*lines, Line(UPGRADE, given_in))
    return Quote(base, Money(counted - given_in, base.currency), lines, subscription_id)


def _cheapest(base: Money, reductions: Sequence[Reduction], floor: int, step: int) -> tuple[int, tuple[Line, ...]]:
    """The lowest price, not below `floor`, in minor units, and how it comes about."""
    best: tuple[tuple[int, int, list[tuple[int, int]]], tuple[Line, ...]] | None = None
    for taken in _combinations(base.currency, reductions):
        lines = _apply(base.minor, taken, floor, step)
        price = base.minor - sum(line.off for line in lines)
        # Of equals the one that uses up the least: a code counts once, what is personal remains.
        rank = (price, len(lines), sorted((ORDER[each.kind], each.discount) for each in taken))
        if best is None or rank < best[0]:
            best = rank, lines
    assert best is not None  # to take none at all is a combination too
    return best[0][0], best[1]


def _combinations(currency: str, reductions: Sequence[Reduction]) -> Iterator[list[Reduction]]:
    """At most one of each kind, sorted as they are applied.

    Within a kind only the highest percentage and the highest amount can be part of the cheapest.
    """
    for taken in itertools.product(*(_best_of(kind, currency, reductions) for kind in Kind)):
        counted = [each for each in taken if each is not None]
        yield sorted(counted, key=lambda each: (each.percent == 0, ORDER[each.kind]))


def _best_of(kind: Kind, currency: str, reductions: Sequence[Reduction]) -> list[Reduction | None]:
    mine = [each for each in reductions if each.kind == kind]
    rates = [each for each in mine if 0 < each.percent < 100 and each.fixed is None]
    amounts = [each for each in mine if each.fixed is not None and each.fixed.currency == currency and _off(each) > 0]
    best_rate = sorted(rates, key=lambda each: (-each.percent, each.discount))[:1]
    best_amount = sorted(amounts, key=lambda each: (-_off(each), each.discount))[:1]
    return [None, *best_rate, *best_amount]


def _apply(base: int, taken: Sequence[Reduction], floor: int, step: int) -> tuple[Line, ...]:
    """What each takes off, in whole steps and down to `floor` at most."""
    exact, shown = Fraction(base), base
    lines = []
    for each in taken:
        exact = exact * Fraction(100 - each.percent, 100) - _off(each)
        now = min(shown, max(floor, int(exact // step) * step))
        lines.append(Line(each.kind, shown - now, each.discount, each.percent, each.label))
        shown = now
    return tuple(lines)


def _off(reduction: Reduction) -> int:
    return 0 if reduction.fixed is None else reduction.fixed.minor


def _up(minor: int, step: int) -> int:
    return -(-minor // step) * step

"""What is left of a subscription in money: by example, and over thousands of lives in which everybody tries to gain."""

import random
from dataclasses import dataclass, field
from fractions import Fraction

import pytest

from ferryman.catalog.pricing import WorthMore, quote
from ferryman.catalog.proration import DAY, Bargain, Converted, Stretch, converted, worth_left
from ferryman.kit.money import Money

GB = 1024**3
MONTH = 30 * DAY


def paid(rubles: int, days: int = 30, gigabytes: int = 0, **more: bool) -> Stretch:
    return Stretch(days * DAY, rubles * 100, "RUB", gigabytes * GB, **more)


def given(days: int) -> Stretch:
    return Stretch(days * DAY)


@pytest.mark.parametrize(
    ("added", "days_left", "worth"),
    [
        ([paid(300)], 30, 300),
        ([paid(300)], 10, 100),
        ([paid(300)], 0, 0),
        ([paid(300)], -4, 0),
        ([paid(300), paid(600)], 45, 750),
        ([paid(300), paid(600)], 15, 300),
        ([given(3)], 3, 0),
        ([paid(300), given(10)], 25, 150),
        ([given(10), paid(300)], 35, 300),
        ([paid(300)], 90, 300),
        ([paid(900), paid(300, alone=True)], 60, 300),
        ([], 30, 0),
    ],
    ids=[
        "all of it", "a third of it", "ended", "long ago", "two months", "the last one only", "a gift is worth nothing",
        "a gift is used up last when it came last", "and first when it came first", "time that nobody explains",
        "what was there before an upgrade is in the upgrade", "nothing known",
    ],
)  # fmt: skip
def test_what_is_left_is_worth_what_was_paid_for_it(added: list[Stretch], days_left: int, worth: int) -> None:
    assert worth_left(added, days_left * DAY, None) == ({"RUB": worth * 100} if worth else {})


def test_what_was_paid_in_two_currencies_stays_apart() -> None:
    stars = Stretch(MONTH, 150, "XTR")
    assert worth_left([paid(300), stars], 45 * DAY, None) == {"RUB": 15000, "XTR": 150}


@pytest.mark.parametrize(
    ("days_left", "gigabytes_left", "worth"),
    [(15, 50, 150), (15, 20, 60), (15, 100, 150), (29, 0, 0), (30, 1000, 300), (15, -5, 0)],
)
def test_used_up_traffic_is_used_up_money(days_left: int, gigabytes_left: int, worth: int) -> None:
    left = worth_left([paid(300, gigabytes=100)], days_left * DAY, gigabytes_left * GB)
    assert left == ({"RUB": worth * 100} if worth else {})


def test_the_traffic_of_two_months_is_weighed_together() -> None:
    two = [paid(300, gigabytes=100), paid(300, gigabytes=100)]
    assert worth_left(two, 60 * DAY, 100 * GB) == {"RUB": 30000}
    assert worth_left(two, 60 * DAY, None) == {"RUB": 60000}


ORDERED = Bargain(days=30, traffic_bytes=100 * GB, base=40000, paid=20000, credit=20000)


@pytest.mark.parametrize(
    ("worth", "days", "gigabytes"),
    [(20000, 30, 100), (10000, 22.5, 75), (0, 15, 50), (60000, 60, 200)],
    ids=["as agreed", "half of it was used up meanwhile", "all of it was", "it was renewed meanwhile"],
)
def test_what_is_given_in_counts_as_it_is_when_the_payment_comes(worth: int, days: float, gigabytes: int) -> None:
    assert converted(ORDERED, worth) == Converted(int(days * DAY), gigabytes * GB)


def test_more_that_is_given_in_buys_time_without_the_discount() -> None:
    cheap = Bargain(days=30, traffic_bytes=0, base=40000, paid=2000, credit=2000)
    assert converted(cheap, 2000 + 40000) == Converted(60 * DAY, 0)


def test_so_little_traffic_that_it_rounds_to_nothing_does_not_become_unlimited() -> None:
    tiny = Bargain(days=365, traffic_bytes=10, base=10**6, paid=1, credit=10**6)
    assert converted(tiny, 0).traffic_bytes == 1


# Plans as (days, minor units, bytes; 0 = unlimited). Longer terms are cheaper by the day, as in real shops.
TERMS = {
    "small": [(30, 9900, 20 * GB), (90, 26900, 60 * GB)],
    "standard": [(30, 19900, 100 * GB), (90, 54900, 300 * GB), (365, 179000, 1200 * GB)],
    "other": [(30, 19900, 100 * GB), (90, 49900, 300 * GB)],
    "unlimited": [(30, 34900, 0), (365, 349000, 0)],
}
ALL = [term for terms in TERMS.values() for term in terms]
SECONDS_PER_UNIT = max(Fraction(days * DAY, minor) for days, minor, _ in ALL)
SECONDS_PER_UNIT_AT_LEAST = min(Fraction(days * DAY, minor) for days, minor, _ in ALL)
BYTES_PER_UNIT = max(Fraction(bytes_, minor) for _, minor, bytes_ in ALL)


@dataclass
class Life:
    """One subscription and everything that can be done to it, in the shape that the books have it."""

    chance: random.Random
    currency: str
    added: list[Stretch] = field(default_factory=list)
    seconds_left: int = 0
    bytes_left: int | None = 0
    waiting: list[tuple[Bargain, str]] = field(default_factory=list)
    plan: str = "standard"
    money: int = 0
    lived: int = 0
    gifts: int = 0
    limited_bytes: int = 0
    upgrades: int = 0

    def worth(self) -> int:
        return worth_left(self.added, self.seconds_left, self.bytes_left).get(self.currency, 0)

    def buy(self) -> None:
        days, minor, bytes_ = self.chance.choice(TERMS[self.plan])
        self.added.append(Stretch(days * DAY, minor, self.currency, bytes_, alone=self.seconds_left == 0))
        if self.seconds_left == 0 and not bytes_:
            self.bytes_left = None
        if self.bytes_left is not None:
            self.bytes_left += bytes_
            self.limited_bytes += bytes_
        self.seconds_left += days * DAY
        self.money += minor

    def gift(self) -> None:
        days = self.chance.randint(1, 20)
        self.added.append(Stretch(days * DAY))
        self.seconds_left += days * DAY
        self.gifts += days * DAY

    def live(self) -> None:
        passed = min(self.chance.randint(1, 40 * DAY), self.seconds_left)
        self.lived += passed
        self.seconds_left -= passed

    def download(self) -> None:
        if self.bytes_left is not None:
            self.bytes_left -= min(self.bytes_left, self.chance.randint(0, 150) * GB)

    def order(self) -> None:
        plan = self.chance.choice([name for name in TERMS if name != self.plan])
        days, minor, bytes_ = self.chance.choice(TERMS[plan])
        try:
            priced = quote(Money(minor, self.currency), least=self.chance.choice([0, 0, 6000]), credit=self.worth())
        except WorthMore:
            return
        self.waiting.append((Bargain(days, bytes_, minor, priced.total.minor, priced.credit), plan))

    def pay(self) -> None:
        """One of the orders that were ever placed, however long ago; its price is what it was."""
        if not self.waiting:
            return
        bargain, self.plan = self.waiting.pop(self.chance.randrange(len(self.waiting)))
        worth = self.worth()
        new = converted(bargain, worth)
        self.added.append(Stretch(new.seconds, bargain.paid + worth, self.currency, new.traffic_bytes, alone=True))
        self.seconds_left = new.seconds
        self.limited_bytes += new.traffic_bytes - (self.bytes_left or 0)
        self.bytes_left = new.traffic_bytes or None
        self.money += bargain.paid
        self.upgrades += 1

    def run(self, *deeds: str) -> None:
        for _ in range(self.chance.randint(4, 24)):
            getattr(self, self.chance.choice(deeds))()
            self.check()

    def check(self) -> None:
        assert 0 <= self.worth() <= self.money, "worth more than was paid"
        assert self.lived + self.seconds_left <= self.gifts + self.money * SECONDS_PER_UNIT, "free time"
        assert all(bargain.paid > 0 for bargain, _ in self.waiting)


LIVES = 1500


@pytest.mark.parametrize("currency", ["RUB", "USD"])
def test_no_life_ends_with_free_time_or_with_more_than_was_paid(currency: str) -> None:
    upgrades = 0
    for seed in range(LIVES):
        life = Life(random.Random(seed), currency)
        life.run("buy", "gift", "live", "live", "download", "order", "order", "pay")
        upgrades += life.upgrades
    assert upgrades > LIVES // 2, "the lives must be lived"


def test_no_life_ends_with_free_traffic() -> None:
    """Between limited plans alone, all that was ever allowed and not given in again is at most what money buys."""
    for seed in range(LIVES):
        life = Life(random.Random(seed), "RUB")
        for _ in range(12):
            deed = life.chance.choice(["buy", "live", "download", "order", "pay"])
            getattr(life, deed)()
            life.waiting = [each for each in life.waiting if each[1] != "unlimited"]
            assert life.limited_bytes <= life.money * BYTES_PER_UNIT + 1


def test_upgrading_again_and_again_never_gains_and_hardly_loses() -> None:
    """Without gifts, and with no traffic used, paid time is neither made nor lost: only fractions of a unit are."""
    for seed in range(LIVES):
        life = Life(random.Random(seed), "USD")
        life.buy()
        life.run("live", "order", "pay", "order", "pay", "buy")
        least = (life.money - 2 * life.upgrades) * SECONDS_PER_UNIT_AT_LEAST - life.upgrades
        assert life.lived + life.seconds_left >= least


def test_pressing_upgrade_every_day_is_no_cheaper_than_paying_for_the_days() -> None:
    for first, second in (("standard", "other"), ("other", "standard"), ("small", "standard")):
        life = Life(random.Random(1), "RUB", plan=first)
        days, minor, bytes_ = TERMS[first][0]
        life.added, life.money, life.seconds_left, life.bytes_left = [paid(minor // 100)], minor, days * DAY, None
        for day in range(60):
            life.lived += DAY
            life.seconds_left -= DAY
            days, minor, bytes_ = TERMS[(second, first)[day % 2]][0]
            try:
                priced = quote(Money(minor, "RUB"), credit=life.worth())
            except WorthMore:
                continue
            life.waiting = [(Bargain(days, bytes_, minor, priced.total.minor, priced.credit), first)]
            life.pay()
            life.check()
        cheapest = min(Fraction(minor, days) for days, minor, _ in (TERMS[first][0], TERMS[second][0]))
        assert life.money >= (life.lived // DAY + life.seconds_left // DAY) * cheapest


def test_the_longer_one_waits_with_paying_the_less_one_gets() -> None:
    """An order of the first day, paid on the last: the month that was used meanwhile is not given again."""
    chance = random.Random(7)
    for _ in range(2000):
        credit, minor = chance.randint(0, 30000), chance.randint(30100, 60000)
        bargain = Bargain(30, 100 * GB, minor, minor - credit, credit)
        worths = sorted(chance.randint(0, 40000) for _ in range(3))
        found = [converted(bargain, worth) for worth in worths]
        assert [each.seconds for each in found] == sorted(each.seconds for each in found)
        assert [each.traffic_bytes for each in found] == sorted(each.traffic_bytes for each in found)
        assert found[0].seconds <= Fraction(bargain.paid + worths[0], minor) * MONTH

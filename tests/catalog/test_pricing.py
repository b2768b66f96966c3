"""What something costs: the written rules by example, and what no combination of discounts may ever do."""

import itertools
import json

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ferryman.catalog.pricing import UPGRADE, BelowLeast, Kind, Quote, Reduction, WorthMore, quote, read, step_of
from ferryman.kit.errors import Refused
from ferryman.kit.money import Money

MANY = settings(max_examples=400, deadline=None)
Wish = tuple[Money, list[Reduction], int, int]


def rub(rubles: float) -> Money:
    return Money(int(rubles * 100), "RUB")


def percent(kind: str, rate: int, number: int = 1) -> Reduction:
    return Reduction(Kind(kind), number, percent=rate)


def fixed(kind: str, amount: Money, number: int = 1) -> Reduction:
    return Reduction(Kind(kind), number, fixed=amount)


def shown(priced: Quote) -> list[tuple[str, int]]:
    return [(line.kind, line.off) for line in priced.lines]


def test_a_price_that_nothing_comes_off_is_not_touched() -> None:
    assert quote(rub(199.50)) == Quote(rub(199.50), rub(199.50))
    assert not quote(rub(199.50)).reduced


def test_a_reduced_price_is_rounded_down_to_whole_rubles() -> None:
    priced = quote(rub(399), [percent("promo", 25)])
    assert (priced.total, shown(priced)) == (rub(299), [("promo", 10000)])


@pytest.mark.parametrize(
    ("currency", "base", "total"),
    [("RUB", 39900, 29900), ("USD", 399, 299), ("XTR", 399, 299), ("KZT", 199900, 149900), ("JPY", 399, 299)],
)
def test_every_currency_has_its_step(currency: str, base: int, total: int) -> None:
    assert quote(Money(base, currency), [percent("promo", 25)]).total == Money(total, currency)


def test_percentages_come_before_fixed_amounts_and_each_takes_of_what_is_left() -> None:
    priced = quote(rub(1000), [fixed("personal", rub(100), 1), percent("volume", 10, 2), percent("promo", 50, 3)])
    assert shown(priced) == [("volume", 10000), ("promo", 45000), ("personal", 10000)]
    assert priced.total == rub(350)
    assert priced.discounts == (1, 2, 3)


def test_the_kinds_come_off_in_their_order() -> None:
    offered = [percent("promo", 10, 1), percent("volume", 10, 2), percent("personal", 10, 3)]
    for given_in in itertools.permutations(offered):
        assert [kind for kind, _ in shown(quote(rub(1000), given_in))] == ["personal", "volume", "promo"]


def test_of_one_kind_only_the_best_counts() -> None:
    priced = quote(rub(1000), [percent("volume", 10, 1), percent("volume", 20, 2), fixed("volume", rub(150), 3)])
    assert (priced.total, priced.discounts) == (rub(800), (2,))


def test_the_best_is_what_is_best_together_with_the_others() -> None:
    offered = [percent("personal", 50, 1), percent("volume", 30, 2), fixed("volume", rub(29), 3)]
    assert quote(rub(100), offered).total == rub(21)
    assert quote(rub(100), offered[1:]).total == rub(70)


def test_a_code_that_changes_nothing_is_not_used_up() -> None:
    assert quote(rub(100), [percent("personal", 99, 1), percent("promo", 50, 2)], least=5000).discounts == (1,)
    assert quote(rub(100), [percent("promo", 50, 2)], least=10000).discounts == ()


def test_a_fixed_amount_of_another_currency_does_not_count() -> None:
    assert quote(Money(500, "USD"), [fixed("promo", rub(1))]).lines == ()


def test_it_never_becomes_free_nor_less_than_the_way_to_pay_takes() -> None:
    assert quote(rub(199), [fixed("promo", rub(100_000))]).total == rub(1)
    assert quote(Money(50, "XTR"), [percent("promo", 99), fixed("personal", Money(50, "XTR"), 2)]).total.minor == 1
    assert quote(rub(199), [percent("promo", 99)], least=6000).total == rub(60)
    assert quote(rub(199), [percent("promo", 99)], least=6050).total == rub(61), "and still whole rubles"
    assert quote(rub(60.50), [percent("promo", 99)], least=6050).total == rub(60.50)


def test_what_costs_less_than_the_way_takes_is_not_sold_that_way() -> None:
    with pytest.raises(BelowLeast):
        quote(rub(50), least=6000)


def test_what_is_left_of_a_subscription_comes_off_last_in_whole_rubles() -> None:
    priced = quote(rub(349), [percent("promo", 10, 7)], credit=10_099, subscription_id=5)
    assert shown(priced) == [("promo", 3500), (UPGRADE, 10_000)]
    assert (priced.total, priced.credit, priced.agreed, priced.subscription_id) == (rub(214), 10_000, 31_400, 5)


def test_a_discount_gives_way_to_money_that_was_paid() -> None:
    priced = quote(rub(349), [percent("promo", 90)], credit=20_000)
    assert (priced.total, priced.credit) == (rub(1), 20_000)
    assert shown(priced) == [("promo", 14_800), (UPGRADE, 20_000)]


@pytest.mark.parametrize(("credit", "least"), [(34_900, 0), (34_800, 200), (90_000, 0)])
def test_a_subscription_worth_as_much_is_not_given_in(credit: int, least: int) -> None:
    with pytest.raises(WorthMore):
        quote(rub(349), credit=credit, least=least)


def test_a_quote_survives_being_kept_with_its_order() -> None:
    priced = quote(rub(349), [Reduction(Kind.PROMO, 7, percent=10, label="SUMMER")], credit=5000, subscription_id=3)
    assert read(json.loads(json.dumps(priced.plain()))) == priced


currencies = st.sampled_from(["RUB", "USD", "XTR", "KZT"])


@st.composite
def reductions(draw: st.DrawFn, currency: str) -> list[Reduction]:
    made = []
    for number in range(draw(st.integers(0, 6))):
        kind = draw(st.sampled_from(list(Kind)))
        if draw(st.booleans()):
            made.append(Reduction(kind, number, percent=draw(st.integers(-5, 120))))
        else:
            amount = Money(draw(st.integers(-500, 400_000)), draw(st.sampled_from([currency, currency, "EUR"])))
            made.append(Reduction(kind, number, fixed=amount))
    return made


@st.composite
def wishes(draw: st.DrawFn) -> Wish:
    """Base, reductions (some of them nonsense), the least amount, and what is given in."""
    currency = draw(currencies)
    base = Money(draw(st.integers(1, 300_000)), currency)
    return base, draw(reductions(currency)), draw(st.integers(0, 20_000)), draw(st.integers(-10, 200_000))


def sold(wish: Wish) -> Quote:
    """The quote; a wish that is refused is no case."""
    base, offered, least, credit = wish
    try:
        return quote(base, offered, least=least, credit=credit)
    except Refused:
        assume(False)
        raise


@settings(MANY, max_examples=2000)
@given(wishes())
def test_a_price_is_between_the_least_and_the_base_in_whole_steps_and_explained_to_the_last_unit(wish: Wish) -> None:
    base, _, least, credit = wish
    priced = sold(wish)
    assert max(least, 1) <= priced.total.minor <= base.minor
    assert priced.total.currency == base.currency
    assert priced.credit <= max(credit, 0)
    assert all(line.off >= 0 for line in priced.lines)
    assert base.minor - sum(line.off for line in priced.lines) == priced.total.minor
    kinds = [line.kind for line in priced.lines]
    assert len(kinds) == len(set(kinds))
    step = step_of(base.currency)
    whole = priced.total.minor % step == 0
    assert whole or (base.minor - priced.total.minor) % step == 0, "what the operator wrote, or whole steps"
    assert read(json.loads(json.dumps(priced.plain()))) == priced


@MANY
@given(wishes(), st.data())
def test_another_discount_never_makes_it_dearer(wish: Wish, data: st.DataObject) -> None:
    base, offered, least, credit = wish
    before = sold(wish)
    more = [*offered, *data.draw(reductions(base.currency))]
    assert quote(base, more, least=least, credit=credit).total.minor <= before.total.minor


@MANY
@given(wishes(), st.randoms(use_true_random=False))
def test_the_order_in_which_discounts_were_made_does_not_matter(wish: Wish, chance: object) -> None:
    base, offered, least, credit = wish
    before = sold(wish)
    shuffled = list(offered)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    assert quote(base, shuffled, least=least, credit=credit) == before


@MANY
@given(wishes(), st.integers(0, 100_000), st.integers(0, 20_000))
def test_a_dearer_plan_never_costs_less_and_more_given_in_never_costs_more(
    wish: Wish, dearer: int, given_in: int
) -> None:
    base, offered, least, credit = wish
    before = sold(wish)
    raised = quote(Money(base.minor + dearer, base.currency), offered, least=least, credit=credit)
    assert raised.total.minor >= before.total.minor
    try:
        more = quote(base, offered, least=least, credit=max(credit, 0) + given_in)
    except WorthMore:
        return
    assert more.total.minor <= before.total.minor


@settings(MANY, max_examples=150)
@given(wishes())
def test_the_engine_finds_the_cheapest_of_all_combinations(wish: Wish) -> None:
    base, offered, least, credit = wish
    best = sold(wish).total.minor
    by_kind = [[None, *(each for each in offered if each.kind == kind)] for kind in Kind]
    for taken in itertools.product(*by_kind):
        alone = [each for each in taken if each is not None]
        assert quote(base, alone, least=least, credit=credit).total.minor >= best

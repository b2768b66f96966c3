"""Money: decimal strings in, minor units inside, decimal strings out, and nothing in between."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferryman.kit.money import Money, exponent


@pytest.mark.parametrize("written", ["10", "10.0", "10.00"])
def test_providers_write_one_amount_in_many_ways(written: str) -> None:
    assert Money.parse(written, "RUB") == Money(1000, "RUB")


def test_stars_have_no_decimals() -> None:
    assert Money.parse("250", "XTR") == Money(250, "XTR")
    assert Money(250, "XTR").decimal() == "250"


@pytest.mark.parametrize(
    "wrong", ["", " ", "1e3", "NaN", "Infinity", "1,5", "٣", "1.005", "0x10", "1_000", "+5", "--1", "1" * 400]
)
def test_what_is_no_amount_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match=r"amount|smallest unit"):
        Money.parse(wrong, "RUB")


def test_an_amount_finer_than_the_currency_is_refused_not_rounded() -> None:
    with pytest.raises(ValueError, match="smallest unit"):
        Money.parse("0.5", "XTR")


@pytest.mark.parametrize("wrong", ["rub", "R", "", "RUBRUB", "R1B"])
def test_what_is_no_currency_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match="currency"):
        Money(1, wrong)


@given(st.integers(-(10**14), 10**14), st.sampled_from(["RUB", "EUR", "XTR", "JPY"]))
def test_every_amount_survives_being_written_and_read(minor: int, currency: str) -> None:
    money = Money(minor, currency)
    assert Money.parse(money.decimal(), currency) == money
    assert Decimal(money.decimal()) == Decimal(minor).scaleb(-exponent(currency))

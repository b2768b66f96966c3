"""The fixed prices of coins: exact, rounded against the payer, written plainly."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferryman_sandbox.coins import COINS, coins_for, plain
from ferryman_sandbox.coins.rates import rate


@pytest.mark.parametrize(
    ("amount", "currency", "coin", "coins"),
    [
        ("10", "EUR", "USDT", "12.5"),
        ("60000", "EUR", "BTC", "1"),
        ("1", "USD", "USDT", "1"),
        ("100", "RUB", "LTC", "0.0125"),
        ("10", "EUR", "BTC", "0.00016667"),
    ],
)
def test_a_price_in_coins(amount: str, currency: str, coin: str, coins: str) -> None:
    assert plain(coins_for(Decimal(amount), currency, coin)) == coins


@given(cents=st.integers(1, 10**7), coin=st.sampled_from(sorted(COINS)))
def test_the_coins_are_never_worth_less_than_the_price(cents: int, coin: str) -> None:
    price = Decimal(cents) / 100
    assert coins_for(price, "EUR", coin) * rate(coin, "EUR") >= price


@pytest.mark.parametrize(
    ("amount", "text"), [("1E+2", "100"), ("0.10", "0.1"), ("0E-8", "0"), ("5", "5"), ("1E-8", "0.00000001")]
)
def test_an_amount_is_written_without_an_exponent(amount: str, text: str) -> None:
    assert plain(Decimal(amount)) == text

"""A statement's lines: what came, what went, and a running balance by currency."""

from hypothesis import given
from hypothesis import strategies as st

from ferryman.billing.statement import Leg, lines
from ferryman.kit.money import Money
from tests.billing.books import NOW

MINE = "customer:1"


def leg(number: int, account: str, minor: int, currency: str = "RUB") -> Leg:
    return Leg(number, NOW, "purchase", f"payment:{number}", account, Money(minor, currency))


def test_a_sale_leaves_the_balance_and_a_credit_raises_it() -> None:
    first, second = lines(
        [leg(1, "provider:bank", 500), leg(1, "sales", -500), leg(2, "provider:bank", 300), leg(2, MINE, -300)], MINE
    )
    assert (first.paid.minor, first.credited.minor, first.balance.minor) == (500, 0, 0)
    assert (second.paid.minor, second.credited.minor, second.balance.minor) == (300, 300, 300)


def test_a_fee_that_is_kept_at_once_does_not_lessen_what_was_paid() -> None:
    (only,) = lines([leg(1, "provider:bank", 480), leg(1, "fees:bank", 20), leg(1, "sales", -500)], MINE)
    assert only.paid.minor == 500


def test_currencies_have_balances_of_their_own() -> None:
    found = lines([leg(1, MINE, -5), leg(1, "gifts", 5), leg(2, MINE, -7, "XTR"), leg(2, "gifts", 7, "XTR")], MINE)
    assert [str(line.balance) for line in found] == ["0.05 RUB", "7 XTR"]


@given(st.lists(st.tuples(st.sampled_from([MINE, "sales", "customer:2"]), st.integers(-1000, 1000)), max_size=30))
def test_the_last_balance_is_the_sum_of_the_entries(entries: list[tuple[str, int]]) -> None:
    legs = [leg(number, account, minor) for number, (account, minor) in enumerate(entries)]
    found = lines(legs, MINE)
    assert len(found) == len(entries)
    owed = -sum(minor for account, minor in entries if account == MINE)
    assert (found[-1].balance.minor if found else 0) == owed

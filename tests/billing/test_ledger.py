"""The ledger: whatever a program tries, it balances, and nothing that was written is ever changed."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from ferryman.billing import ledger
from ferryman.kit.db import Database
from ferryman.kit.money import Money
from tests.billing.books import Books

TEN = Money(1000, "RUB")


async def post(database: Database, source: str, *legs: ledger.Leg, kind: str = "purchase") -> None:
    async with database.unit() as session:
        await ledger.post(session, kind, source, legs)


async def test_a_movement_is_read_back_by_account_and_sums_to_zero(database: Database) -> None:
    await post(database, "a", ("provider:bank", TEN), ("sales", ledger.negative(TEN)))
    await post(database, "b", ("provider:bank", Money(5, "XTR")), ("customer:1", Money(-5, "XTR")))
    async with database.unit() as session:
        assert await ledger.balances(session) == {
            ("customer:1", "XTR"): -5,
            ("provider:bank", "RUB"): 1000,
            ("provider:bank", "XTR"): 5,
            ("sales", "RUB"): -1000,
        }
        assert await ledger.trial_balance(session) == {"RUB": 0, "XTR": 0}


async def test_an_empty_ledger_balances(database: Database) -> None:
    async with database.unit() as session:
        assert await ledger.trial_balance(session) == {}


@pytest.mark.parametrize(
    "legs",
    [
        [("a", TEN), ("b", Money(-999, "RUB"))],
        [("a", TEN), ("b", Money(-1000, "EUR"))],
        [("a", TEN), ("b", Money(-1000, "RUB")), ("c", Money(1, "XTR"))],
        [("a", TEN)],
        [("a", Money(0, "RUB")), ("b", Money(0, "RUB"))],
        [],
    ],
    ids=["a kopeck off", "two currencies", "one currency off", "one leg", "nothing moved", "no legs"],
)
async def test_what_does_not_balance_is_refused_at_the_commit_at_the_latest(
    database: Database, legs: list[ledger.Leg]
) -> None:
    with pytest.raises(IntegrityError):
        await post(database, "a", *legs)
    async with database.unit() as session:
        assert await ledger.balances(session) == {}


async def test_the_same_cause_moves_money_once(database: Database) -> None:
    await post(database, "payment:1", ("a", TEN), ("b", ledger.negative(TEN)))
    with pytest.raises(IntegrityError, match="uq_ledger_transactions_source_kind"):
        await post(database, "payment:1", ("a", TEN), ("b", ledger.negative(TEN)))
    await post(database, "payment:1", ("a", TEN), ("b", ledger.negative(TEN)), kind="refund")


@pytest.mark.parametrize(
    "deed",
    [
        "UPDATE ledger_entries SET minor = minor * 2",
        "UPDATE ledger_entries SET account = 'mine'",
        "UPDATE ledger_transactions SET source = 'x'",
        "DELETE FROM ledger_entries",
        "DELETE FROM ledger_transactions",
        "INSERT INTO ledger_entries (transaction_id, account, minor, currency) SELECT id, 'x', 1, 'RUB'"
        " FROM ledger_transactions",
        "INSERT INTO ledger_transactions (kind, source) VALUES ('purchase', 'x')",
    ],
)
async def test_nobody_changes_the_books_afterwards(database: Database, books: Books, deed: str) -> None:
    await post(database, "a", ("provider:bank", TEN), ("sales", ledger.negative(TEN)))
    with pytest.raises(IntegrityError):
        await books.rows(f"{deed} RETURNING id")
    assert await books.accounts() == {"provider": 1000, "sales": -1000}


async def test_nobody_empties_the_books(database: Database, books: Books) -> None:
    await post(database, "a", ("provider:bank", TEN), ("sales", ledger.negative(TEN)))
    with pytest.raises(IntegrityError, match="append-only"):
        async with database.unit() as session:
            await session.execute(text("TRUNCATE ledger_entries, ledger_transactions"))
    assert await books.accounts() == {"provider": 1000, "sales": -1000}


def test_only_what_sums_to_zero_per_currency_gets_in(database_url: str) -> None:
    amounts = st.integers(-(10**12), 10**12)
    legs = st.lists(st.tuples(amounts, st.sampled_from(["RUB", "XTR"]), st.booleans()), min_size=1, max_size=4)
    with asyncio.Runner() as runner:
        database = Database(database_url)

        @settings(max_examples=60, deadline=None)
        @given(legs)
        def whatever_is_posted(drawn: list[tuple[int, str, bool]]) -> None:
            runner.run(_post_any(database, drawn))

        try:
            whatever_is_posted()
        finally:
            runner.run(database.close())


async def _post_any(database: Database, drawn: list[tuple[int, str, bool]]) -> None:
    """Some legs come with their counterpart, some without; the database decides, and must agree with arithmetic."""
    money = [
        Money(sign * minor, currency) for minor, currency, paired in drawn for sign in ((1, -1) if paired else (1,))
    ]
    sums = {one.currency: sum(other.minor for other in money if other.currency == one.currency) for one in money}
    sound = not any(sums.values()) and all(one.minor for one in money) and len(money) > 1
    async with database.unit() as session:
        cause = f"{await session.scalar(text('SELECT gen_random_uuid()'))}"
    try:
        await post(database, cause, *((f"account:{number}", one) for number, one in enumerate(money)))
    except IntegrityError:
        assert not sound
    else:
        assert sound
    async with database.unit() as session:
        assert not any((await ledger.trial_balance(session)).values())

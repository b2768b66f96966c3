"""Discounts in the database: what can be one, how codes are read, and limits that hold when all press at once."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from ferryman.catalog import using
from ferryman.catalog.discount import Discount, code_of
from ferryman.catalog.using import MOST_UNPAID, PromoRefused
from ferryman.kit.db import Database
from ferryman.people.customer import Customer
from tests.billing.books import NOW, Books

LATER = NOW + timedelta(hours=25)


@pytest.fixture
async def books(database: Database) -> Books:
    return await Books.open(database)


def promo(**facts: Any) -> Discount:
    return Discount(**{"kind": "promo", "code": "SUMMER", "percent": 10, "by": "operator:tests", **facts})


async def keep(books: Books, discount: Discount) -> Discount:
    async with books.database.unit() as session:
        session.add(discount)
    return discount


async def reserve(books: Books, discount: Discount, now: Any = NOW, customer_id: int = 0) -> int:
    """A new order that counts on the discount; answers its id."""
    async with books.database.unit() as session:
        order, _ = await books.place(session, f"tap:{next(books.numbers)}")
        await using.reserve(session, [discount.id], order.id, customer_id or books.customer_id, now)
        return order.id


async def consume(books: Books, order_id: int, now: Any = NOW) -> None:
    async with books.database.unit() as session:
        await using.consume(session, order_id, now)


async def states(books: Books) -> list[str]:
    return [state for (state,) in await books.rows("SELECT state FROM discount_uses ORDER BY id")]


@pytest.mark.parametrize("typed", ["SUMMER", "summer", " Summer\n", "ｓummer"])
def test_a_code_is_the_same_however_it_is_typed(typed: str) -> None:
    assert code_of(typed) == "SUMMER"


def test_a_code_may_be_russian() -> None:
    assert code_of("скидка-10") == "СКИДКА-10"


@pytest.mark.parametrize("typed", ["", "ab", "a" * 33, "two words", "<b>", "a\x00b", "%%%%", "🎟🎟🎟"])
def test_what_cannot_be_a_code_is_none(typed: str) -> None:
    with pytest.raises(ValueError, match="3 to 32"):
        code_of(typed)


@pytest.mark.parametrize(
    ("facts", "rule"),
    [
        ({"percent": 0}, "something_comes_off"),
        ({"percent": 100}, "something_comes_off"),
        ({"percent": None}, "percent_or_amount"),
        ({"minor": 100, "currency": "RUB"}, "percent_or_amount"),
        ({"percent": None, "minor": 100}, "amount_has_a_currency"),
        ({"percent": None, "minor": 0, "currency": "RUB"}, "something_comes_off"),
        ({"code": None}, "promo_has_a_code"),
        ({"kind": "gift"}, "kind_known"),
        ({"kind": "personal", "code": None}, "personal_has_a_customer"),
        ({"kind": "volume", "code": None}, "volume_has_a_threshold"),
        ({"kind": "volume", "code": None, "threshold": 3, "most": 1}, "only_codes_are_counted"),
        ({"newcomers": True}, "newcomers_once"),
        ({"most": -1}, "limits_not_negative"),
        ({"begins_at": LATER, "ends_at": NOW}, "ends_after_it_begins"),
    ],
)
async def test_what_cannot_be_a_discount_is_refused_by_the_database(
    books: Books, facts: dict[str, Any], rule: str
) -> None:
    with pytest.raises(IntegrityError, match=rule):
        await keep(books, promo(**facts))


async def test_two_promos_cannot_have_one_code(books: Books) -> None:
    await keep(books, promo())
    with pytest.raises(IntegrityError, match="uq_discounts_code"):
        await keep(books, promo())


@pytest.mark.parametrize(
    "facts",
    [{"active": False}, {"ends_at": NOW}, {"begins_at": NOW + timedelta(seconds=1)}],
    ids=["switched off", "ended just now", "begins later"],
)
async def test_a_code_outside_its_time_is_refused(books: Books, facts: dict[str, Any]) -> None:
    discount = await keep(books, promo(most_each=1, **facts))
    with pytest.raises(PromoRefused) as refused:
        await reserve(books, discount)
    assert refused.value.reason == "ended"


async def test_a_use_is_held_with_the_order_and_used_with_its_payment(books: Books) -> None:
    order = await reserve(books, await keep(books, promo(most_each=1)))
    assert await states(books) == ["reserved"]
    for _ in range(2):
        await consume(books, order)
    assert await states(books) == ["consumed"]


async def test_a_refused_order_holds_nothing(books: Books) -> None:
    discount = await keep(books, promo(most_each=1))
    await consume(books, await reserve(books, discount))
    with pytest.raises(PromoRefused, match="already"):
        await reserve(books, discount)
    assert await states(books) == ["consumed"]
    assert (await books.rows("SELECT count(*) FROM orders"))[0][0] == 1, "the order was not placed either"


async def test_choosing_again_moves_the_code_to_the_new_order(books: Books) -> None:
    discount = await keep(books, promo(most=1, most_each=1))
    first, second = await reserve(books, discount), await reserve(books, discount)
    assert await states(books) == ["released", "reserved"]
    async with books.database.unit() as session:
        assert not await using.overdrawn(session, first), "either may be paid, as long as it is one"
    await consume(books, second)
    async with books.database.unit() as session:
        assert await using.overdrawn(session, first)
        assert not await using.overdrawn(session, second)


async def test_what_nobody_pays_for_a_day_is_free_for_others_and_honoured_when_it_is_paid_late(books: Books) -> None:
    discount = await keep(books, promo(most=1, most_each=1))
    first = await reserve(books, discount)
    other = await somebody_else(books, 8)
    with pytest.raises(PromoRefused, match="used up by others"):
        await reserve(books, discount, customer_id=other)
    async with books.database.unit() as session:
        assert await using.release(session, NOW + timedelta(hours=23)) == 0
        assert await using.release(session, LATER) == 1
    await consume(books, await reserve(books, discount, LATER, other), LATER)
    async with books.database.unit() as session:
        assert not await using.overdrawn(session, first)
    await consume(books, first, LATER)
    assert await states(books) == ["consumed", "consumed"]


async def test_a_used_code_stays_used(books: Books) -> None:
    await consume(books, await reserve(books, await keep(books, promo(most_each=1))))
    with pytest.raises(IntegrityError, match="is paid for"):
        await books.rows("UPDATE discount_uses SET state = 'released' RETURNING id")


async def test_one_customer_cannot_leave_any_number_of_orders_unpaid_with_a_code(books: Books) -> None:
    discount = await keep(books, promo(most_each=1))
    for _ in range(MOST_UNPAID):
        await reserve(books, discount)
    with pytest.raises(PromoRefused) as refused:
        await reserve(books, discount)
    assert refused.value.reason == "unpaid"
    await reserve(books, discount, NOW + timedelta(days=31))


async def test_a_code_without_limits_is_never_used_up(books: Books) -> None:
    discount = await keep(books, promo())
    for _ in range(MOST_UNPAID + 2):
        await consume(books, await reserve(books, discount))


@pytest.mark.parametrize("most", [1, 3])
async def test_a_limit_for_all_holds_when_everybody_presses_at_once(books: Books, most: int) -> None:
    discount = await keep(books, promo(most=most, most_each=1))
    people = [await somebody_else(books, number) for number in range(100, 110)]
    tried = await asyncio.gather(*(reserve(books, discount, customer_id=one) for one in people), return_exceptions=True)
    refused = [one for one in tried if isinstance(one, PromoRefused)]
    assert len(refused) == len(people) - most
    assert {one.reason for one in refused} == {"used-up"}
    assert await states(books) == ["reserved"] * most


async def test_one_customer_pressing_ten_times_at_once_holds_the_code_once(books: Books) -> None:
    discount = await keep(books, promo(most=5, most_each=1))
    tried = await asyncio.gather(*(reserve(books, discount) for _ in range(10)), return_exceptions=True)
    assert all(isinstance(one, int | PromoRefused) for one in tried)
    assert (await states(books)).count("reserved") == 1


async def test_the_code_that_was_typed_last_is_the_one_and_buying_with_it_forgets_it(books: Books) -> None:
    first, second = await keep(books, promo(most_each=1)), await keep(books, promo(code="WINTER", most_each=1))
    async with books.database.unit() as session:
        for discount in (first, second, first):
            await using.enter(session, discount, books.customer_id, NOW)
    assert await books.rows("SELECT discount_id FROM entered_codes") == [(first.id,)]
    await consume(books, await reserve(books, first))
    assert await books.rows("SELECT discount_id FROM entered_codes") == []


async def somebody_else(books: Books, telegram_id: int) -> int:
    async with books.database.unit() as session:
        customer = Customer(telegram_id=telegram_id, first_name="Boris", language="ru")
        session.add(customer)
    return customer.id


async def test_a_discount_of_another_order_is_not_touched(books: Books) -> None:
    discount = await keep(books, promo(most=0))
    first, second = await reserve(books, discount), await reserve(books, discount)
    await consume(books, first)
    async with books.database.unit() as session:
        found = await session.execute(text("SELECT order_id, state FROM discount_uses ORDER BY id"))
        assert [tuple(row) for row in found] == [(first, "consumed"), (second, "reserved")]

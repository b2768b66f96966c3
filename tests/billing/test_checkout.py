"""Settling: in whatever order facts come, an order is paid once, and every kopeck that came is in the books."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.exc import IntegrityError

from ferryman.billing import checkout
from ferryman.billing.order import Attempt, Payment
from ferryman.billing.provider import Opened
from ferryman.billing.settlement import Outcome
from ferryman.kit.db import Database
from ferryman.kit.money import Money
from tests.billing.books import NOW, PRICE, Books, fact


async def test_pressing_twice_finds_the_first_order_and_another_press_makes_another(books: Books) -> None:
    async with books.database.unit() as session:
        first, new = await books.place(session, "7:41")
        again, still_new = await books.place(session, "7:41")
        other, other_new = await books.place(session, "7:42")
    assert (new, still_new, other_new) == (True, False, True)
    assert first.id == again.id != other.id
    assert first.snapshot == {
        "plan": "standard",
        "icon": "⛵",
        "title": {"ru": "Стандарт", "en": "Standard"},
        "days": 30,
        "traffic_bytes": 0,
        "devices": 0,
        "places": {"rule": "all"},
    }


async def test_presses_at_the_same_moment_are_one_order(books: Books) -> None:
    orders = await asyncio.gather(*(books.order("7:41") for _ in range(8)))
    assert len({order.id for order in orders}) == 1


async def test_every_attempt_has_a_key_and_a_ref_of_its_own(books: Books) -> None:
    order = await books.order()
    one, two = await books.payment(order), await books.payment(order)
    assert len({one.ref, two.ref, one.idempotency_key, two.idempotency_key}) == 2
    assert (one.state, one.amount, one.ask_at) == (Attempt.CREATING, PRICE, NOW + timedelta(seconds=10))


async def test_a_late_answer_to_opening_does_not_undo_what_has_happened_since(books: Books) -> None:
    payment = await books.payment(await books.order())
    assert await books.settle(payment, fact(payment)) is Outcome.PAID
    async with books.database.unit() as session:
        assert not await checkout.opened(session, payment.id, Opened("ext-late", "https://pay"), NOW)
        await checkout.given_up(session, payment.id, "late")
    assert (await books.read(payment)).state == Attempt.SUCCEEDED


async def test_an_attempt_that_was_refused_may_be_followed_by_another(books: Books) -> None:
    order = await books.order()
    payment = await books.payment(order)
    async with books.database.unit() as session:
        await checkout.given_up(session, payment.id, "x" * 1000)
    read = await books.read(payment)
    assert (read.state, read.ask_at, len(read.reason or "")) == (Attempt.CANCELLED, None, 300)
    second = await books.payment(order, "ext-2")
    assert await books.settle(second, fact(second)) is Outcome.PAID


@pytest.mark.parametrize(
    ("age", "next_at"),
    [
        (0, 10),
        (9, 10),
        (10, 30),
        (31, 60),
        (60, 120),
        (299, 300),
        (300, 900),
        (3599, 3600),
        (3600, 7200),
        (86400, 90000),
    ],
)
async def test_questions_come_less_and_less_often_the_older_a_payment_is(books: Books, age: int, next_at: int) -> None:
    payment = await books.payment(await books.order(), "ext-1")
    for _ in range(3):  # however often the customer asks in between
        async with books.database.unit() as session:
            await checkout.ask_later(session, payment.id, NOW + timedelta(seconds=age))
    asked = await books.read(payment)
    assert (asked.ask_at, asked.asked) == (NOW + timedelta(seconds=next_at), 3)


async def test_questions_end_with_the_answer(books: Books) -> None:
    payment = await books.payment(await books.order(), "ext-1")
    async with books.database.unit() as session:
        assert await checkout.due(session, NOW + timedelta(seconds=10)) == [payment.id]
        assert await checkout.due(session, NOW) == []
    await books.settle(payment, fact(payment))
    async with books.database.unit() as session:
        await checkout.ask_later(session, payment.id, NOW)
        assert await checkout.due(session, NOW + timedelta(days=9)) == []


async def test_an_answer_to_opening_that_comes_after_a_rival_gave_up_brings_the_attempt_back(books: Books) -> None:
    payment = await books.payment(await books.order())
    async with books.database.unit() as session:
        assert await checkout.given_up(session, payment.id, "refused")
        assert not await checkout.given_up(session, payment.id, "again")
        assert await checkout.opened(session, payment.id, Opened("ext-1", "https://pay"), NOW)
    read = await books.read(payment)
    assert (read.state, read.external_id, read.reason) == (Attempt.PENDING, "ext-1", None)
    assert read.ask_at is not None


async def test_a_payment_that_the_provider_cancelled_is_not_opened_again(books: Books) -> None:
    payment = await books.payment(await books.order(), "ext-1")
    await books.settle(payment, fact(payment, "cancelled"))
    async with books.database.unit() as session:
        assert not await checkout.opened(session, payment.id, Opened("ext-1", "https://pay"), NOW)


async def test_money_that_does_not_match_is_kept_apart_even_when_the_create_answer_was_lost(books: Books) -> None:
    payment = await books.payment(await books.order())
    odd = fact(payment, amount=Money(100, "RUB"))
    assert await books.settle(payment, odd) is Outcome.REVIEW
    assert await books.settle(payment, odd) is Outcome.REVIEW
    assert await books.accounts() == {"provider": 100, "unmatched": -100}


async def test_money_that_comes_for_a_cancelled_odd_payment_is_kept_apart_too(books: Books) -> None:
    payment = await books.payment(await books.order(), "ext-1")
    await books.settle(payment, fact(payment, "cancelled", amount=Money(100, "RUB")))
    await books.settle(payment, fact(payment, amount=Money(100, "RUB")))
    assert await books.accounts() == {"provider": 100, "unmatched": -100}


async def test_play_money_is_never_money(books: Books) -> None:
    payment = await books.payment(await books.order(), "ext-1")
    assert await books.settle(payment, fact(payment, test=True)) is Outcome.REVIEW
    assert await books.accounts() == {}
    assert (await books.read(payment)).reason == "play money in a live shop"


async def test_real_money_that_comes_to_a_test_shop_is_kept_apart(books: Books) -> None:
    payment = await books.payment(await books.order(), "ext-1")
    assert await books.settle(payment, fact(payment), test_mode=True) is Outcome.REVIEW
    assert await books.accounts() == {"provider": PRICE.minor, "unmatched": -PRICE.minor}
    assert (await books.read(payment)).reason == "real money in a test shop"
    assert await books.settle(payment, fact(payment)) is Outcome.PAID
    assert await books.accounts() == {"provider": PRICE.minor, "sales": -PRICE.minor}


async def test_two_attempts_settled_at_the_same_moment_pay_once_and_credit_once(books: Books) -> None:
    order = await books.order()
    payments = [await books.payment(order, f"ext-{number}") for number in range(2)]
    outcomes = await asyncio.gather(*(books.settle(one, fact(one)) for one in payments for _ in range(3)))
    assert sorted(outcomes) == sorted([Outcome.PAID, Outcome.SECOND, *[Outcome.ALREADY] * 4])
    assert await books.accounts() == {"provider": 2 * PRICE.minor, "sales": -PRICE.minor, "customer": -PRICE.minor}


@pytest.mark.parametrize("state", ["creating", "pending", "cancelled", "review"])
async def test_no_program_takes_a_success_back(books: Books, state: str) -> None:
    payment = await books.payment(await books.order(), "ext-1")
    await books.settle(payment, fact(payment))
    with pytest.raises(IntegrityError, match="is final"):
        await books.rows("UPDATE payments SET state = :state, succeeded_at = NULL RETURNING id", state=state)
    with pytest.raises(IntegrityError, match="is final"):
        await books.rows("UPDATE orders SET state = 'open', paid_at = NULL RETURNING id")
    assert await books.rows("UPDATE payments SET asked = asked + 1 RETURNING state") == [("succeeded",)]


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ("UPDATE payments SET external_id = 'same'", "uq_payments_provider_external_id"),
        ("UPDATE payments SET idempotency_key = 'same'", "uq_payments_provider_idempotency_key"),
        ("UPDATE payments SET ref = 'same'", "uq_payments_ref"),
        ("UPDATE payments SET minor = 0", "ck_payments_amount_positive"),
        ("UPDATE payments SET state = 'lost'", "ck_payments_state_known"),
        ("UPDATE payments SET state = 'succeeded'", "ck_payments_success_has_a_time"),
        ("UPDATE orders SET minor = -1", "ck_orders_amount_positive"),
        ("UPDATE orders SET state = 'paid'", "ck_orders_paid_has_a_time"),
        ("UPDATE orders SET snapshot = snapshot - 'days'", "ck_orders_snapshot_complete"),
    ],
)
async def test_what_must_never_be_is_refused_by_the_database(books: Books, change: str, rule: str) -> None:
    order = await books.order()
    for number in range(2):
        await books.payment(order, f"ext-{number}")
    with pytest.raises(IntegrityError, match=rule):
        await books.rows(f"{change} RETURNING id")


async def test_two_providers_may_use_the_same_id(books: Books) -> None:
    order = await books.order()
    await books.payment(order, "1", provider="bank")
    await books.payment(order, "1", provider="other")


@dataclass(frozen=True)
class Said:
    """One fact: about which attempt, from which of its payments over there (0 = the first), and what it says."""

    attempt: int
    twin: int
    state: str


@dataclass(frozen=True)
class Story:
    """`known`: whether each attempt's create answer came. `odd`: what is wrong with a payment over there."""

    known: tuple[bool, ...]
    odd: dict[tuple[int, int], str]
    facts: list[Said]


ODD: dict[str, dict[str, Any]] = {
    "less": {"amount": Money(PRICE.minor - 1, "RUB")},
    "more": {"amount": Money(PRICE.minor + 1, "RUB")},
    "currency": {"amount": Money(PRICE.minor, "EUR")},
    "play": {"test": True},
}


@st.composite
def stories(draw: st.DrawFn) -> Story:
    known = draw(st.lists(st.booleans(), min_size=1, max_size=3))
    places = [(attempt, twin) for attempt in range(len(known)) for twin in range(2)]
    odd = draw(
        st.dictionaries(st.sampled_from(places), st.sampled_from(["less", "more", "currency", "play"]), max_size=2)
    )
    states = st.sampled_from(["pending", "succeeded", "cancelled"])
    facts = st.builds(lambda place, state: Said(place[0], place[1], state), st.sampled_from(places), states)
    return Story(tuple(known), odd, draw(st.lists(facts, min_size=1, max_size=8)))


def test_whatever_is_said_in_whatever_order_an_order_is_paid_once_and_no_money_is_lost(database_url: str) -> None:
    with asyncio.Runner() as runner:
        database = Database(database_url)
        books = runner.run(Books.open(database))

        @settings(max_examples=100, deadline=None)
        @given(stories())
        def tell(story: Story) -> None:
            runner.run(_told(books, story))

        try:
            tell()
        finally:
            runner.run(database.close())


async def _told(books: Books, story: Story) -> None:
    order = await books.order()
    attempts = [
        await books.payment(order, f"ext-{order.id}-{number}-0" if known else None)
        for number, known in enumerate(story.known)
    ]
    arrived: dict[str, Money] = {}
    outcomes = [await _settled(books, attempts[said.attempt], said, story, arrived) for said in story.facts]
    ((state, paid_at),) = await books.rows("SELECT state, paid_at FROM orders WHERE id = :id", id=order.id)
    assert outcomes.count(Outcome.PAID) == (state == "paid") == (paid_at is not None)
    await _books_tell_the_truth(books, order.id, list(arrived.values()))


async def _settled(books: Books, asked: Payment, said: Said, story: Story, arrived: dict[str, Money]) -> Outcome:
    external_id = f"ext-{asked.order_id}-{said.attempt}-{said.twin}"
    odd = story.odd.get((said.attempt, said.twin))
    told = fact(asked, said.state, external_id=external_id, **(ODD[odd] if odd else {}))
    if said.state == "succeeded" and odd != "play":
        arrived[external_id] = told.amount
    return await books.settle(asked, told)


async def _books_tell_the_truth(books: Books, order_id: int, arrived: list[Money]) -> None:
    """Per currency: nothing is left over, and what providers hold for this order is what came for it."""
    rows = await books.rows(
        """SELECT e.currency, sum(e.minor)::bigint,
                  coalesce(sum(e.minor) FILTER (WHERE e.account LIKE 'provider:%'), 0)::bigint,
                  count(*) FILTER (WHERE e.account = 'sales')
           FROM ledger_entries e JOIN ledger_transactions t ON t.id = e.transaction_id
           JOIN payments p ON t.source = 'payment:' || p.ref WHERE p.order_id = :id GROUP BY e.currency""",
        id=order_id,
    )
    assert [left for _, left, _, _ in rows if left] == []
    assert sum(sales for *_, sales in rows) <= 1
    held = {currency: provider for currency, _, provider, _ in rows}
    came: dict[str, int] = {}
    for money in arrived:
        came[money.currency] = came.get(money.currency, 0) + money.minor
    assert held == came

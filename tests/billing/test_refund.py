"""Which refunds of ours a provider means when it says only by how much its total has grown."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.exc import IntegrityError

from ferryman.billing import refund
from ferryman.billing.order import Payment
from ferryman.billing.refund import ASKING_LADDER, Origin, Refund, State, Through, meant, sum_of
from ferryman.kit.money import Money
from tests.billing.books import NOW, Books


def waiting(*amounts: int) -> list[Refund]:
    return [Refund(won_back=0, id=number, minor=minor, state=State.SENT) for number, minor in enumerate(amounts)]


@pytest.mark.parametrize(
    ("amounts", "grown_by", "found"),
    [
        ((5000,), 5000, [5000]),
        ((5000,), 8000, [5000]),
        ((5000,), 3000, []),
        ((5000, 3000), 3000, [3000]),
        ((5000, 3000, 2000), 5000, [5000]),
        ((4000, 3000, 2000), 5000, [3000, 2000]),
        ((5000, 5000), 5000, [5000]),
        ((), 5000, []),
    ],
)
def test_the_largest_part_that_open_refunds_explain_is_ours(
    amounts: tuple[int, ...], grown_by: int, found: list[int]
) -> None:
    assert [one.minor for one in meant(waiting(*amounts), grown_by)] == found


@given(st.lists(st.integers(min_value=1, max_value=10_000), max_size=8), st.integers(min_value=0, max_value=40_000))
def test_never_more_than_the_provider_says_and_none_twice(amounts: list[int], grown_by: int) -> None:
    chosen = meant(waiting(*amounts), grown_by)
    assert sum(one.minor for one in chosen) <= grown_by
    assert len({one.id for one in chosen}) == len(chosen)
    # Nothing that is left over would still fit.
    left = grown_by - sum(one.minor for one in chosen)
    assert all(minor > left for number, minor in enumerate(amounts) if number not in {one.id for one in chosen})


def test_a_refund_is_asked_about_ever_less_often_but_never_no_more() -> None:
    one = Refund(won_back=0, state=State.SENT, asked=0)
    now, pauses = datetime(2026, 3, 1, tzinfo=UTC), []
    for _ in range(len(ASKING_LADDER) + 2):
        one.ask_later(now)
        assert one.ask_at is not None
        pauses.append((one.ask_at - now) // timedelta(seconds=1))
    assert pauses == [*ASKING_LADDER, ASKING_LADDER[-1], ASKING_LADDER[-1]]


def test_sums_are_of_those_states_and_ways_alone() -> None:
    rows = [
        Refund(won_back=0, minor=1, state=State.SUCCEEDED, through=Through.PROVIDER),
        Refund(won_back=0, minor=10, state=State.SUCCEEDED, through=Through.BALANCE),
        Refund(won_back=0, minor=100, state=State.FAILED, through=Through.PROVIDER),
        Refund(won_back=0, minor=1000, state=State.SENT, through=Through.HAND),
    ]
    assert sum_of(rows, State.SUCCEEDED) == 11
    assert sum_of(rows, State.SUCCEEDED, *refund.OPEN, through=refund.AT_PROVIDER) == 1001


async def kept(books: Books, payment: Payment, **more: object) -> Refund:
    async with books.database.unit() as session:
        one = refund.new(payment, Money(100, "RUB"), Origin.OPERATOR, Through.PROVIDER, NOW, by="x", why="y", **more)
        session.add(one)
    return one


async def test_money_that_went_back_stays_recorded(books: Books) -> None:
    payment = await books.payment(await books.order(), "ext-1")
    one = await kept(books, payment)
    async with books.database.unit() as session:
        (await refund.held(session, one.id)).finish(State.SUCCEEDED, NOW)
    with pytest.raises(IntegrityError, match="is final"):
        async with books.database.unit() as session:
            (await refund.held(session, one.id)).finish(State.FAILED, NOW)


async def test_one_key_and_one_refund_over_there_are_one_row(books: Books) -> None:
    payment = await books.payment(await books.order(), "ext-1")
    await kept(books, payment, idempotency_key="k", external_id="r-1")
    for twice in ({"idempotency_key": "k"}, {"external_id": "r-1"}):
        with pytest.raises(IntegrityError):
            await kept(books, payment, **twice)


async def test_open_refunds_come_due_and_finished_ones_never_do(books: Books) -> None:
    payment = await books.payment(await books.order(), "ext-1")
    one, other = await kept(books, payment), await kept(books, payment)
    async with books.database.unit() as session:
        (await refund.held(session, other.id)).finish(State.FAILED, NOW, "no")
    async with books.database.unit() as session:
        assert await refund.due(session, NOW) == []
        assert await refund.due(session, NOW + timedelta(days=1)) == [one.id]

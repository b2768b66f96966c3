"""Granting: what one payment bought, once, on the subscription that its customer already has."""

import asyncio
import string
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from ferryman.kit.db import LOCK, Database
from ferryman.people.customer import Customer
from ferryman.subscriptions import granting, holdings
from ferryman.subscriptions.granting import Purchase
from ferryman.subscriptions.subscription import Grant, Subscription
from tests.billing.books import NOW, Books


@pytest.fixture
async def books(database: Database) -> Books:
    return await Books.open(database)


async def purchase(books: Books, **changes: Any) -> Purchase:
    order = await books.order()
    payment = await books.payment(order, f"ext-{order.id}")
    return Purchase(books.customer_id, payment.id, order.id, {**order.snapshot, **changes})


async def grant(books: Books, bought: Purchase, now: datetime = NOW) -> Subscription:
    async with books.database.unit() as session:
        await session.get_one(Customer, bought.customer_id, with_for_update=LOCK)
        return await granting.grant(session, bought, now)


async def test_the_first_purchase_begins_a_subscription_with_one_identity(books: Books) -> None:
    made = await grant(books, await purchase(books, traffic_bytes=5, devices=3))
    assert (made.starts_at, made.ends_at, made.revision) == (NOW, NOW + timedelta(days=30), 1)
    assert (made.plan_code, made.traffic_bytes, made.devices) == ("standard", 5, 3)
    assert len(made.token) == 24
    assert len(made.sub_id) == 20
    assert set(made.sub_id) <= set(string.ascii_lowercase + string.digits)
    assert not set(made.ref) & set("01iloIO")


async def test_the_next_one_extends_it_and_leaves_its_link_and_identity_alone(books: Books) -> None:
    first = await grant(books, await purchase(books))
    second = await grant(books, await purchase(books, days=90, devices=5), NOW + timedelta(days=10))
    assert second.id == first.id
    for name in ("ref", "token", "uuid", "password", "sub_id", "starts_at"):
        assert getattr(second, name) == getattr(first, name)
    assert (second.ends_at, second.devices) == (NOW + timedelta(days=120), 5)
    assert second.revision == 2


async def test_one_that_has_lapsed_begins_again_from_now(books: Books) -> None:
    await grant(books, await purchase(books))
    later = NOW + timedelta(days=100)
    assert (await grant(books, await purchase(books), later)).ends_at == later + timedelta(days=30)


async def test_another_plan_is_another_subscription(books: Books) -> None:
    first, second = await grant(books, await purchase(books)), await grant(books, await purchase(books, plan="gold"))
    assert first.id != second.id
    async with books.database.unit() as session:
        assert len(await holdings.of_customer(session, books.customer_id)) == 2


async def test_each_grant_writes_down_what_it_led_to(books: Books) -> None:
    for day in (0, 10):
        await grant(books, await purchase(books), NOW + timedelta(days=day))
    async with books.database.unit() as session:
        first, second = await session.scalars(select(Grant).order_by(Grant.id))
    assert (first.ended_before, first.ends_at) == (None, NOW + timedelta(days=30))
    assert (second.ended_before, second.ends_at) == (NOW + timedelta(days=30), NOW + timedelta(days=60))


async def test_the_same_payment_or_order_is_granted_once_whoever_asks(books: Books) -> None:
    one, other = await purchase(books), await purchase(books)
    made = await grant(books, one)
    for again, rule in (
        (Purchase(one.customer_id, one.payment_id, other.order_id, one.snapshot), "uq_grants_payment_id"),
        (Purchase(one.customer_id, other.payment_id, one.order_id, one.snapshot), "uq_grants_order_id"),
    ):
        with pytest.raises(IntegrityError, match=rule):
            await grant(books, again)
    async with books.database.unit() as session:
        assert (await session.get_one(Subscription, made.id)).ends_at == made.ends_at


async def test_two_payments_of_one_person_at_the_same_moment_are_one_subscription_of_both(books: Books) -> None:
    bought = [await purchase(books) for _ in range(4)]
    made = await asyncio.gather(*(grant(books, each) for each in bought))
    assert len({each.id for each in made}) == 1
    assert max(each.ends_at for each in made) == NOW + timedelta(days=120)


async def test_no_days_is_no_grant(books: Books) -> None:
    with pytest.raises(IntegrityError, match="days_positive"):
        await grant(books, await purchase(books, days=0))


async def test_a_link_opens_its_own_subscription_and_no_other(books: Books) -> None:
    made = await grant(books, await purchase(books))
    async with books.database.unit() as session:
        found = await holdings.by_token(session, made.token)
        assert found is not None
        assert found.id == made.id
        for wrong in ("", made.token[:-1], made.token.swapcase(), made.token + " ", "%"):
            assert await holdings.by_token(session, wrong) is None


async def test_what_lasts_longest_comes_first(books: Books) -> None:
    for plan, days in (("a", 10), ("b", 90), ("c", 30)):
        await grant(books, await purchase(books, plan=plan, days=days))
    async with books.database.unit() as session:
        assert [one.plan_code for one in await holdings.of_customer(session, books.customer_id)] == ["b", "c", "a"]
        assert await holdings.of_customer(session, 999) == []


async def test_a_renewal_while_it_is_frozen_is_added_and_it_stays_frozen(books: Books) -> None:
    first = await grant(books, await purchase(books))
    async with books.database.unit() as session:
        held = await session.get_one(Subscription, first.id)
        held.frozen_at = NOW + timedelta(days=10)
    # Long after the end that it had when it was frozen.
    renewed = await grant(books, await purchase(books), NOW + timedelta(days=80))
    assert renewed.frozen_at == NOW + timedelta(days=10)
    assert renewed.ends_at == NOW + timedelta(days=60)


async def test_a_renewal_in_the_middle_of_a_replacement_leaves_the_replacement_alone(books: Books) -> None:
    first = await grant(books, await purchase(books))
    async with books.database.unit() as session:
        held = await session.get_one(Subscription, first.id)
        held.replacing_since, held.token = NOW, "another-token"
    renewed = await grant(books, await purchase(books), NOW)
    assert (renewed.replacing_since, renewed.token, renewed.uuid) == (NOW, "another-token", first.uuid)
    assert renewed.ends_at == NOW + timedelta(days=60)


async def test_a_renewal_gives_traffic_to_somebody_who_has_none_left(books: Books) -> None:
    first = await grant(books, await purchase(books, traffic_bytes=100))
    async with books.database.unit() as session:
        held = await session.get_one(Subscription, first.id)
        held.used_down, held.exhausted_at = 130, NOW
    renewed = await grant(books, await purchase(books, traffic_bytes=100), NOW)
    assert (renewed.traffic_bytes, renewed.exhausted_at, renewed.enabled) == (230, None, True)

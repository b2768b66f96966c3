"""Giving back after an upgrade: the new payment's part, the part that was given in, and no free access between them."""

import secrets
from datetime import timedelta

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from ferryman.billing.order import Payment
from ferryman.billing.refund import Through
from ferryman.flows.payments import buying, reviewing
from ferryman.flows.refunds import weighing
from tests.flows.refund_shop import PRICE, Counter, accounts, balances, bought, days_later
from tests.support.shop import Town

# Prices of upgrades are rounded to whole rubles, which is an hour or two.
HOUR = timedelta(hours=3)


async def upgraded(one: Counter, plan: str = "unlimited", days: int = 30) -> Counter:
    """What is left of ⛵ is given in for a month of 🚀 at 349.00, or the other way round."""
    shop = one.shop
    ref = (await one.subscription()).ref
    wish = buying.Wish(one.customer.id, await shop.term(plan, days), "yookassa", secrets.token_hex(8), upgrade_of=ref)
    checkout = await buying.begin(shop.tools, wish)
    await shop.webhook(shop.pay(checkout))
    await shop.work()
    mine = "SELECT p.ref FROM payments p JOIN orders o ON o.id = p.order_id WHERE o.ref = :ref"
    return Counter(shop, one.customer, checkout, await shop.value(mine, ref=checkout.order_ref))


async def test_the_upgrades_money_takes_back_its_part_and_leaves_what_was_given_in(shop: Town) -> None:
    one = await bought(shop)
    days_later(shop, 15)
    new = await upgraded(one)
    assert await new.left() == pytest.approx(timedelta(days=30), abs=HOUR)
    await new.give_back("all")
    # 99.50 of 349.00 were carried over.
    assert await new.left() == pytest.approx(timedelta(days=30) * 9950 / 34900, abs=HOUR)
    await one.give_back("all")
    assert await new.left() == pytest.approx(timedelta(0), abs=HOUR)
    assert await balances(shop) == 0
    paid = PRICE + 24950
    assert await accounts(shop) == {"sales": pytest.approx(-paid, abs=100), "refunds": pytest.approx(paid, abs=100)}


async def test_the_money_that_was_given_in_takes_its_part_of_the_new_plan(shop: Town) -> None:
    one = await bought(shop)
    days_later(shop, 15)
    new = await upgraded(one)
    days_later(shop, 15)
    await one.from_the_dashboard("199.00")
    part = timedelta(days=15) * 9950 / 34900
    assert await new.left() == pytest.approx(timedelta(days=15) - part, abs=HOUR)
    said = await new.give_back("unused")
    assert await new.left() == timedelta(0)
    assert said.minor == pytest.approx(24950 / 2, abs=100)


async def short_by(one: Counter, came: str) -> Counter:
    """The same customer buys once more and pays less, and somebody lets that count."""
    shop = one.shop
    checkout = await shop.order(one.customer)
    paid = shop.pay(checkout)
    shop.rewrite(paid, amount={"value": came, "currency": "RUB"})
    await shop.webhook(paid)
    await shop.work()
    ref = str(await shop.value("SELECT ref FROM payments WHERE state = 'review'"))
    await reviewing.accept(shop.tools, ref, "a good customer", "operator:cli")
    await shop.work()
    return Counter(shop, one.customer, checkout, ref)


async def kept(shop: Town) -> timedelta:
    """How much of a month of 🚀 at 349.00 the money buys that has not gone back."""
    held = (await accounts(shop)).get("provider", 0)
    return timedelta(days=30) * held / 34900


async def test_what_was_given_in_is_the_money_that_had_not_gone_back_by_then(shop: Town) -> None:
    first = await bought(shop)
    second = await first.again()
    await second.provider_says(charged_back=PRICE)
    await upgraded(first)
    await first.provider_says(charged_back=PRICE)
    assert await first.left() == pytest.approx(await kept(shop), abs=HOUR)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
async def test_no_time_is_left_when_all_that_was_given_in_goes_back(shop: Town, order: tuple[int, ...]) -> None:
    first = await bought(shop)
    second = await first.again()
    await second.give_back("150.00")
    counters = [first, second, await upgraded(first)]
    for at in order:
        await counters[at].give_back("all")
        assert await first.left() == pytest.approx(await kept(shop), abs=HOUR)
    assert (await accounts(shop)).get("provider", 0) == 0


@pytest.mark.parametrize("through", [Through.PROVIDER, Through.BALANCE])
async def test_a_refund_that_waits_for_an_upgrade_counts_as_made_after_it(
    shop: Town, monkeypatch: pytest.MonkeyPatch, through: Through
) -> None:
    one = await bought(shop)
    locked, had = weighing.locked, shop.tools.clock.now()

    async def waited_for(session: AsyncSession, payment_id: int) -> Payment:
        """Somebody else holds the customer's row for a day."""
        nonlocal had
        days_later(shop, 1)
        payment = await locked(session, payment_id)
        had = shop.tools.clock.now()
        return payment

    monkeypatch.setattr(weighing, "locked", waited_for)
    await one.give_back("50.00", through)
    assert await shop.value("SELECT finished_at FROM refunds") >= had


async def test_a_payment_that_was_too_small_is_given_in_for_what_came_of_it(shop: Town) -> None:
    first = await bought(shop)
    second = await short_by(first, "50.00")
    new = await upgraded(first)
    for one in (first, second, new):
        await one.give_back("all")
        assert await first.left() == pytest.approx(await kept(shop), abs=HOUR)
    assert (await accounts(shop)).get("provider", 0) == 0


async def test_a_dispute_that_is_won_later_does_not_change_whose_money_was_given_in(shop: Town) -> None:
    first = await bought(shop)
    second = await first.again()
    await second.provider_says(charged_back=PRICE)
    new = await upgraded(first)
    before = await new.left()
    await second.provider_says(charged_back=0)
    again = await new.left() - before
    await first.provider_says(charged_back=PRICE)
    fair = timedelta(days=30) * (34900 - PRICE) / 34900
    assert await new.left() - again == pytest.approx(fair, abs=HOUR)

"""Time that comes again after an upgrade, with money that came back: no part of what the new plan was bought for."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from ferryman.flows.orders import worth
from ferryman.flows.refunds import winning_back
from ferryman.subscriptions.subscription import Subscription
from tests.flows.refund_shop import PRICE, accounts, bought, days_later
from tests.flows.refunds.test_refunding_upgrades import HOUR, upgraded
from tests.support.shop import Town


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A refund that did not arrive is believed without an hour's wait."""
    monkeypatch.setattr(winning_back, "SETTLED_AFTER", timedelta(0))


async def worth_now(shop: Town) -> int:
    """What the next upgrade would be credited, in kopecks."""
    async with shop.tools.db.unit() as session:
        (one,) = await session.scalars(select(Subscription))
        return (await worth.left_of(session, one, shop.tools.clock.now())).get("RUB", 0)


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 2, 0), (2, 0, 1)])
async def test_what_a_dispute_that_was_won_gave_again_goes_with_the_last_of_its_money(
    shop: Town, order: tuple[int, ...]
) -> None:
    first = await bought(shop)
    second = await first.again()
    await second.provider_says(charged_back=PRICE)
    counters = [first, second, await upgraded(first)]
    await second.provider_says(charged_back=0)
    for at in order:
        await counters[at].give_back("all")
    assert (await accounts(shop)).get("provider", 0) == 0
    assert await first.left() == timedelta(0)


async def test_of_what_a_won_dispute_gave_again_nothing_is_taken_twice(shop: Town) -> None:
    first = await bought(shop)
    second = await first.again()
    await second.provider_says(charged_back=PRICE)
    new = await upgraded(first)
    mine = await new.left()
    await second.provider_says(charged_back=0)
    await second.give_back("all")
    assert await new.left() == pytest.approx(mine, abs=HOUR)
    await second.provider_says(charged_back=PRICE)
    assert await new.left() == pytest.approx(mine, abs=HOUR)


@pytest.mark.parametrize("disputed_anew", [False, True])
async def test_half_used_half_of_the_price_is_unused_whatever_came_and_went_beside_it(
    shop: Town, disputed_anew: bool
) -> None:
    first = await bought(shop)
    second = await first.again()
    await second.provider_says(charged_back=PRICE)
    days_later(shop, 15)
    new = await upgraded(first)
    price = await shop.value("SELECT minor FROM payments WHERE ref = :ref", ref=new.payment)
    whole = await worth_now(shop)
    if disputed_anew:
        await second.provider_says(charged_back=0)
        await second.provider_says(charged_back=PRICE)
    days_later(shop, 15)
    assert await worth_now(shop) == pytest.approx(whole / 2, abs=100)
    assert (await new.give_back("unused")).minor == pytest.approx(price / 2, abs=100)


async def test_all_money_gone_no_time_is_left_however_often_it_went_and_came(shop: Town) -> None:
    first = await bought(shop)
    await first.provider_says(refunded=9900)
    new = await upgraded(first)
    for gone in (0, 10000, PRICE, 9900, PRICE):
        days_later(shop, 0.01)
        await first.provider_says(refunded=gone)
    await new.give_back("all")
    assert (await accounts(shop)).get("provider", 0) == 0
    assert await first.left() <= HOUR


async def test_money_for_time_that_was_used_up_before_the_upgrade_may_go_and_its_worth_stays(shop: Town) -> None:
    first = await bought(shop)
    await first.again()
    days_later(shop, 45)
    await upgraded(first)
    before, left = await worth_now(shop), await first.left()
    await first.from_the_dashboard("199.00")
    assert await first.left() == left
    assert await worth_now(shop) == before


async def test_a_refund_from_before_the_upgrade_that_did_not_arrive_makes_no_other_one_good(shop: Town) -> None:
    first = await bought(shop)
    second = await first.again()
    await first.provider_says(refunded=9950)
    days_later(shop, 30)
    await upgraded(first)
    days_later(shop, 0.01)
    await second.provider_says(refunded=9950)
    before = await worth_now(shop)
    await first.provider_says(refunded=0)
    assert await worth_now(shop) == pytest.approx(before + 9950, abs=100), "the half month that came again, no more"


async def test_what_came_again_after_an_upgrade_is_given_in_at_the_next_one(shop: Town) -> None:
    first = await bought(shop)
    second = await first.again()
    await second.provider_says(charged_back=PRICE)
    new = await upgraded(first)
    before = await worth_now(shop)
    await second.provider_says(charged_back=0)
    assert await worth_now(shop) == pytest.approx(before + PRICE, abs=100)
    await shop.rows("UPDATE prices SET minor = 90000 WHERE minor = 54900 RETURNING term_id")
    newer = await upgraded(first, "standard", 90)
    assert await newer.left() == pytest.approx(timedelta(days=90), abs=HOUR)
    for one in (second, new, first, newer):
        await one.give_back("all")
        fair = timedelta(days=90) * (await accounts(shop)).get("provider", 0) / 90000
        assert await first.left() == pytest.approx(fair, abs=HOUR)


async def test_what_comes_again_after_all_had_ended_and_began_anew_is_worth_its_money_too(shop: Town) -> None:
    first = await bought(shop)
    await first.provider_says(charged_back=PRICE)
    second = await first.again()
    before = await worth_now(shop)
    await first.provider_says(charged_back=0)
    assert await worth_now(shop) == pytest.approx(before + PRICE, abs=100)
    await first.provider_says(charged_back=PRICE)
    assert await worth_now(shop) == pytest.approx(before, abs=100)
    await second.give_back("all")
    assert await first.left() == timedelta(0)


async def test_what_came_again_leaves_the_new_plan_as_used_up_as_it_is(shop: Town) -> None:
    first = await bought(shop)
    second = await first.again()
    await second.provider_says(charged_back=PRICE)
    new = await upgraded(first)
    await second.provider_says(charged_back=0)
    days_later(shop, 15)
    assert (await new.give_back("unused")).minor == pytest.approx(15000 / 2, abs=100)
    assert await worth_now(shop) == pytest.approx(PRICE + PRICE / 2, abs=100)

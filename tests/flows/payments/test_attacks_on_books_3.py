"""Attacks with what customers may call off by now, with payments that are too small, and with addresses in the logs."""

import asyncio
from datetime import timedelta
from urllib.parse import quote

import pytest

from ferryman import wiring
from ferryman.billing.provider import PaymentState
from ferryman.billing.refund import Through
from ferryman.flows.orders import discounting
from ferryman.flows.orders.discounting import Limits, Terms
from ferryman.flows.payments import banking, buying, cancelling, reviewing, settling
from ferryman.flows.refunds import refunding
from ferryman.flows.renewals import consenting, renewing
from ferryman.flows.tools import Tools
from ferryman.kit import log
from ferryman.kit.settings import Settings
from ferryman.people.customer import Customer
from tests.flows.payments.test_short import PRICE, books, half_paid, run_out, short_of
from tests.flows.provider_till import at_the_till
from tests.flows.refund_shop import STAFF, balances
from tests.flows.till import Till, till_of
from tests.support.shop import Town
from tests.support.subscriber import Subscriber

HALF = PRICE // 2 // 100 * 100
BOSS = "operator:cli"
USED = "SELECT count(*) FROM discount_uses WHERE state = 'consumed'"


@pytest.fixture
async def till(shop: Town) -> Till:
    return await till_of(shop)


async def crowd(till: Till, people: int, most: int) -> list[tuple[Customer, buying.Checkout]]:
    """Each in turn orders with the code that only so many may use, and cancels, which leaves it to the next."""
    await discounting.promo(till.shop.tools, "SUMMER", Terms("50%"), Limits(most=most), BOSS)
    found = []
    for number in range(people):
        who = await till.shop.customer(100 + number)
        order = await till.order(who, promo="SUMMER")
        assert order.amount.minor == HALF
        await cancelling.cancel(till.shop.tools, who.id, order.order_ref)
        found.append((who, order))
    return found


async def test_cancelling_hands_a_limited_code_on_and_does_not_multiply_it(till: Till) -> None:
    people = await crowd(till, 3, most=1)
    for _, order in people:
        await till.shop.webhook(till.shop.pay(order))
        await till.shop.work()
    assert await till.shop.value(USED) == await till.grants() == 1
    assert [await till.balance(who) for who, _ in people] == [0, HALF, HALF], "nothing that came is lost"
    assert await balances(till.shop) == 0


async def test_paid_at_one_moment_cancelled_orders_share_the_uses_that_are_left(till: Till) -> None:
    people = await crowd(till, 5, most=2)
    paid = [till.shop.pay(order) for _, order in people]
    numbers = [await till.shop.value("SELECT id FROM payments WHERE external_id = :id", id=each["id"]) for each in paid]
    await asyncio.gather(*(settling.settle_payment(till.shop.tools, number) for number in numbers))
    assert await till.shop.value(USED) == await till.grants() == 2
    assert sorted([await till.balance(who) for who, _ in people]) == [0, 0, HALF, HALF, HALF]


async def test_one_that_holds_the_last_use_is_not_robbed_by_who_had_given_it_away(till: Till) -> None:
    ((anna, given_away),) = await crowd(till, 1, most=1)
    boris = await till.shop.customer(8)
    held = await till.order(boris, promo="SUMMER")
    for order in (given_away, held):
        await till.shop.webhook(till.shop.pay(order))
        await till.shop.work()
    assert (await till.balance(anna), await till.balance(boris)) == (HALF, 0)
    assert await till.shop.value(USED) == await till.grants() == 1


async def test_who_cancels_and_orders_again_with_the_code_may_pay_the_first_link_all_the_same(till: Till) -> None:
    ((anna, first),) = await crowd(till, 1, most=1)
    second = await till.order(anna, promo="SUMMER")
    for order in (first, second):
        await till.shop.webhook(till.shop.pay(order))
        await till.shop.work()
    assert (await till.grants(), await till.balance(anna), await till.shop.value(USED)) == (1, HALF, 1)


async def test_a_charge_of_before_is_not_sent_when_less_was_agreed_to_since(tools: Tools) -> None:
    """It was written down, the bank did not answer; then the customer stopped it, and agreed anew to less."""
    anna = Subscriber(tools)
    await anna.open()
    await anna.buys()
    await anna.is_warned()
    left = await anna.ends_at() - tools.clock.now() - timedelta(days=1)
    tools.clock.advance(seconds=left.total_seconds() + 1)  # type: ignore[attr-defined]
    await renewing.look(tools, (await anna.agreement()).id)
    await anna.do("UPDATE procrastinate_jobs SET status = 'failed' WHERE task_name = 'ask_payment'")
    await anna.do("UPDATE prices SET minor = 14900 WHERE currency = 'RUB'")
    ref = (await anna.subscription()).ref
    await consenting.switch_off(tools, anna.customer_id, ref)
    await consenting.switch_on(tools, anna.customer_id, ref, 14900)
    for _ in range(8):
        await anna.later(hours=10)
    assert anna.bank.taken == [19900, 14900]
    assert await anna.books() == (2, 2, 0)
    assert (await anna.told()).count("renewal_failed") == 0


@pytest.mark.parametrize("left", [0, 2000])
async def test_what_goes_back_to_the_payer_after_it_was_credited_leaves_the_balance(shop: Town, left: int) -> None:
    one = await short_of(shop)
    await one.short(5000)
    await reviewing.credit(shop.tools, one.ref, "asked for it", BOSS)
    for _ in range(3):
        await one.short(left)
    assert await one.books() == ({"provider": left, "customer": -left} if left else {})
    assert await one.short(5000) == "already_settled"


async def test_what_goes_back_to_the_payer_after_it_was_accepted_takes_the_access_with_it(shop: Town) -> None:
    one = await short_of(shop)
    await one.short(5000)
    await reviewing.accept(shop.tools, one.ref, "a good customer", BOSS)
    await one.short(0)
    await one.short(0)
    assert await one.books() == {"sales": -PRICE, "shortfall": PRICE - 5000, "refunds": 5000}
    running = "SELECT count(*) FROM subscriptions WHERE ends_at > :now + interval '1 second'"
    assert await shop.value(running, now=shop.tools.clock.now()) == 0


async def test_given_back_by_hand_it_is_not_booked_again_when_the_provider_says_so(shop: Town) -> None:
    one = await short_of(shop)
    await one.short(5000)
    await reviewing.credit(shop.tools, one.ref, "asked for it", BOSS)
    assert await one.short(None) == "already_settled", "how much is there was not said"
    await refunding.make(shop.tools, one.ref, "all", STAFF, Through.HAND)
    await one.short(0)
    assert await one.books() == {}
    assert await shop.value("SELECT count(*) FROM refunds") == 1


async def test_an_accepted_payment_is_worth_all_that_came_for_it_when_it_is_given_in(till: Till) -> None:
    one = await short_of(till.shop)
    await one.short(5000)
    await reviewing.accept(till.shop.tools, one.ref, "a good customer", BOSS)
    assert await till.worth("standard") == pytest.approx(5000, abs=1)
    await one.short(12000)
    assert await till.worth("standard") == pytest.approx(12000, abs=1)
    await one.hears(PaymentState.SUCCEEDED)
    assert await till.worth("standard") == pytest.approx(PRICE, abs=1)


async def test_after_the_decision_the_list_tells_of_a_part_that_came_and_of_one_that_went(shop: Town) -> None:
    async with at_the_till(shop, "heleket") as till:
        external = await half_paid(till)
        await run_out(till)
        await reviewing.credit(shop.tools, await shop.value("SELECT ref FROM payments"), "asked for it", BOSS)
        assert (await banking.compare(shop.tools, "heleket")).recovered == 0
        await till.control.post(f"payments/{external}/refund")
        await banking.compare(shop.tools, "heleket")
        assert await books(shop) == {}
        assert (await banking.compare(shop.tools, "heleket")).recovered == 0


async def test_the_secret_of_an_address_is_hidden_in_whatever_dress_a_provider_repeats_it(
    settings: Settings, database_url: str
) -> None:
    async with wiring.built(settings, database_url, up_to_date=False) as tools:
        for name in tools.providers:
            address = tools.hook_url(name)
            for said in (address, quote(address, safe=""), address.replace("/", "\\/")):
                assert tools.hook_key(name) not in log.redactor.text(f"not a valid address: {said}")

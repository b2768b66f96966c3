"""Attacks on the books: money spent while it is on its way back, access kept for it, traffic for free."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from ferryman.billing.refund import Through
from ferryman.flows.orders import discounting
from ferryman.flows.orders.discounting import Limits, Terms
from ferryman.flows.payments import reviewing, settling
from ferryman.flows.refunds import refunding
from ferryman.kit.errors import Refused
from tests.flows.refund_shop import PRICE, STAFF, accounts, balances, bought, days_later, paid_twice, sweep
from tests.flows.till import GB, Till, till_of
from tests.support.shop import Town

MONTH = timedelta(days=30)
HOUR = timedelta(hours=3)


@pytest.fixture
async def till(shop: Town) -> Till:
    return await till_of(shop)


async def test_a_balance_that_is_on_its_way_back_buys_nothing_meanwhile(till: Till) -> None:
    one = await bought(till.shop)
    second = await paid_twice(one)
    till.shop.bank.shop.settings.refunds = "pending"
    await refunding.make(till.shop.tools, second, "all", STAFF)
    with pytest.raises(Refused):
        await till.buys(one.customer)
    for at_bank in till.shop.bank.shop.refunds():
        till.shop.bank.shop.settle_refund(at_bank["id"])
    await sweep(till.shop, seconds=121)
    assert await till.balance(one.customer) == 0
    assert await till.grants() == 1


async def test_a_balance_is_free_again_when_its_refund_has_failed(till: Till) -> None:
    one = await bought(till.shop)
    second = await paid_twice(one)
    till.shop.bank.shop.settings.refunds = "pending"
    await refunding.make(till.shop.tools, second, "all", STAFF)
    (at_bank,) = till.shop.bank.shop.refunds()
    till.shop.bank.shop.settle_refund(at_bank["id"], "insufficient_funds")
    await sweep(till.shop, seconds=121)
    assert (await till.buys(one.customer)).paid
    assert await till.balance(one.customer) == 0


async def test_one_balance_does_not_go_back_to_two_cards(till: Till) -> None:
    one = await bought(till.shop)
    second = await paid_twice(one)
    other = await bought(till.shop, one.customer)
    third = await paid_twice(other, "22e12f66-000f-5000-8000-18db351245c9")
    assert (await till.buys(one.customer)).paid
    till.shop.bank.shop.settings.refunds = "pending"
    await refunding.make(till.shop.tools, second, "all", STAFF)
    with pytest.raises(Refused, match=r"only 0\.00 RUB is left"):
        await refunding.make(till.shop.tools, third, "all", STAFF)


async def test_spending_and_giving_back_at_the_same_moment_never_leaves_less_than_nothing(till: Till) -> None:
    one = await bought(till.shop)
    second = await paid_twice(one)
    outcomes = await asyncio.gather(
        *(till.buys(one.customer) for _ in range(3)),
        refunding.make(till.shop.tools, second, "all", STAFF),
        return_exceptions=True,
    )
    assert all(isinstance(error, Refused) for error in outcomes if isinstance(error, BaseException)), outcomes
    await till.shop.work()
    assert await till.balance(one.customer) == 0
    gone = await till.shop.value("SELECT count(*) FROM refunds WHERE state = 'succeeded'")
    assert await till.grants() + gone == 2


async def test_changing_places_with_an_unlimited_plan_leaves_no_unlimited_traffic_behind(till: Till) -> None:
    shop, anna = till.shop, await till.shop.customer()
    await till.pays(anna, "unlimited")
    days_later(shop, 40)
    await till.pays(anna)
    await till.pays(anna, "unlimited", upgrade_of=await till.ref("standard"))
    await till.pays(anna)
    bytes_, devices, ends_at = await till.has("standard")
    # One byte may be too many: none at all would mean "unlimited".
    assert (bytes_ - 100 * GB, devices) in ((0, 3), (1, 3))
    assert ends_at - shop.tools.clock.now() == pytest.approx(MONTH, abs=timedelta(minutes=1))


async def test_changing_places_with_a_limited_plan_leaves_no_limit_behind(till: Till) -> None:
    shop, anna = till.shop, await till.shop.customer()
    await till.pays(anna)
    days_later(shop, 40)
    await till.pays(anna, "unlimited")
    days_later(shop, 15)
    await till.pays(anna, days=90, upgrade_of=await till.ref("unlimited"))
    await till.pays(anna, "unlimited")
    assert (await till.has("unlimited"))[:2] == (0, 0)


async def test_a_code_for_one_use_in_all_is_not_paid_in_five_orders_of_one_customer(till: Till) -> None:
    shop, anna = till.shop, await till.shop.customer()
    await discounting.promo(shop.tools, "ONCE", Terms("50%"), Limits(most=1, each=0), "operator:tests")
    orders = [await till.order(anna, promo="ONCE") for _ in range(5)]
    for checkout in orders:
        await shop.webhook(shop.pay(checkout))
    await shop.work()
    assert await till.grants() == 1
    assert await till.balance(anna) == sum(one.amount.minor for one in orders[1:])


async def test_what_was_given_back_before_we_heard_of_it_is_not_charged_again_by_itself(till: Till) -> None:
    shop, anna = till.shop, await till.shop.customer()
    checkout = await till.order(anna, keep=True)
    paid = shop.pay(checkout)
    card = {"id": paid["id"], "saved": True, "type": "bank_card", "title": "Bank card *4444"}
    shop.rewrite(paid, payment_method=card)
    shop.bank.shop.refund({"payment_id": paid["id"], "amount": {"value": "199.00", "currency": "RUB"}})
    await shop.webhook(shop.payment_of(checkout))
    await shop.work()
    assert await shop.rows("SELECT refunded FROM payments") == [(PRICE,)]
    assert await shop.value("SELECT count(*) FROM renewals WHERE state = 'active'") == 0


@pytest.mark.parametrize("decide", [reviewing.accept, reviewing.credit])
async def test_more_than_was_asked_for_takes_all_along_when_it_goes_back(till: Till, decide: Any) -> None:
    shop, anna = till.shop, await till.shop.customer()
    checkout = await till.order(anna)
    paid = shop.pay(checkout)
    shop.rewrite(paid, amount={"value": "250.00", "currency": "RUB"}, income_amount=None)
    await shop.webhook(paid)
    await shop.work()
    await decide(shop.tools, await shop.value("SELECT ref FROM payments"), "they said so", "operator:cli")
    shop.bank.shop.refund({"payment_id": paid["id"], "amount": {"value": "250.00", "currency": "RUB"}})
    await settling.settle_payment(shop.tools, await shop.value("SELECT id FROM payments"))
    assert await till.balance(anna) == 0
    assert (await accounts(shop)).get("provider", 0) == 0
    assert await till.running() == 0
    assert await balances(shop) == 0


async def test_money_that_went_back_while_it_was_in_review_is_not_on_the_balance(till: Till) -> None:
    shop, anna = till.shop, await till.shop.customer()
    paid = shop.pay(await till.order(anna))
    shop.rewrite(paid, amount={"value": "150.00", "currency": "RUB"}, income_amount=None)
    await shop.webhook(paid)
    await shop.work()
    back = shop.bank.shop.refund({"payment_id": paid["id"], "amount": {"value": "150.00", "currency": "RUB"}})
    await shop.webhook(back, "refund.succeeded")
    await shop.work()
    await reviewing.credit(shop.tools, await shop.value("SELECT ref FROM payments"), "not theirs", "operator:cli")
    await shop.work()
    assert await till.balance(anna) == 0
    assert (await accounts(shop)).get("provider", 0) == 0


async def test_money_that_is_held_apart_stays_in_review_whatever_the_bank_says_next(till: Till) -> None:
    shop, anna = till.shop, await till.shop.customer()
    paid = shop.pay(await till.order(anna))
    shop.rewrite(paid, amount={"value": "150.00", "currency": "RUB"}, income_amount=None)
    await shop.webhook(paid)
    await shop.work()
    shop.rewrite(paid, amount={"value": "199.00", "currency": "RUB"}, status="canceled", paid=False)
    await shop.webhook(paid, "payment.canceled")
    await shop.work()
    assert await shop.value("SELECT state FROM payments") == "review"


async def test_the_unused_part_of_what_was_given_in_is_no_more_than_was_carried_over(till: Till) -> None:
    one = await bought(till.shop)
    days_later(till.shop, 15)
    await till.pays(one.customer, "unlimited", upgrade_of=await till.ref("standard"))
    said = await one.give_back("unused")
    assert said.minor == pytest.approx(PRICE / 2, abs=100)


async def test_a_subscription_whose_money_is_on_its_way_back_is_not_lost_in_an_upgrade(till: Till) -> None:
    """The bank says no in the end: then the money is still ours, and the time must still be theirs."""
    shop, one = till.shop, await bought(till.shop)
    checkout = await till.order(one.customer, "unlimited", upgrade_of=await till.ref("standard"))
    shop.bank.shop.settings.refunds = "pending"
    await one.give_back("all")
    await shop.webhook(shop.pay(checkout))
    await shop.work()
    (at_bank,) = shop.bank.shop.refunds()
    shop.bank.shop.settle_refund(at_bank["id"], "insufficient_funds")
    await sweep(shop, seconds=121)
    ends = await shop.rows("SELECT plan_code, ends_at FROM subscriptions")
    prices = {"standard": PRICE, "unlimited": 34900}
    now = shop.tools.clock.now()
    worth = sum(prices[plan] * ((ends_at - now) / MONTH) for plan, ends_at in ends)
    assert worth == pytest.approx(PRICE + checkout.amount.minor, abs=300)


async def test_what_is_left_after_a_part_went_back_keeps_its_worth(till: Till) -> None:
    one = await bought(till.shop)
    second = await till.pays(one.customer, "unlimited", upgrade_of=await till.ref("standard"))
    await one.give_back("all")
    assert await till.worth("unlimited") == pytest.approx(second.amount.minor, abs=100)


async def test_buying_and_giving_back_to_the_balance_earns_no_volume_discount(till: Till) -> None:
    shop, one = till.shop, await bought(till.shop)
    await discounting.volume(shop.tools, 3, Terms("30%"), "operator:tests")
    await one.give_back("all", Through.BALANCE)
    for _ in range(3):
        checkout = await till.buys(one.customer)
        await refunding.make(shop.tools, checkout.order_ref, "all", STAFF)
    assert (await till.order(one.customer)).amount.minor == PRICE


async def test_a_part_that_went_back_before_an_upgrade_counts_once(till: Till) -> None:
    """It took time and traffic along: what stays is worth what was paid for it and not given back."""
    one = await bought(till.shop)
    await one.give_back("66.33")
    assert await till.worth("standard") == pytest.approx(PRICE - 6633, abs=100)


async def test_after_an_upgrade_the_same_money_takes_the_same_worth(till: Till) -> None:
    one = await bought(till.shop)
    days_later(till.shop, 15)
    checkout = await till.pays(one.customer, "unlimited", upgrade_of=await till.ref("standard"))
    await one.give_back("49.75")
    await one.give_back("49.75")
    assert await till.worth("unlimited") == pytest.approx(checkout.amount.minor, abs=100)
    _, _, ends_at = await till.has("unlimited")
    fair = MONTH * (checkout.amount.minor / 34900)
    assert ends_at - till.shop.tools.clock.now() == pytest.approx(fair, abs=HOUR)

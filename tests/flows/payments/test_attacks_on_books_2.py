"""More attacks on the books: everything at once on one person, and a process that ends between any two steps."""

import asyncio
import random
import secrets
from collections.abc import Awaitable
from datetime import timedelta
from typing import Any

import pytest

from ferryman.billing.refund import Through
from ferryman.flows.keys import lifecycle
from ferryman.flows.keys.handling import Cause
from ferryman.flows.payments import buying, gifting, marking, settling
from ferryman.flows.payments.buying import Wish
from ferryman.flows.payments.gifting import Face
from ferryman.flows.refunds import refunding
from ferryman.flows.renewals import renewing
from ferryman.kit.errors import Refused
from ferryman.kit.money import Money
from ferryman.people.customer import Customer
from tests.flows.refund_shop import PRICE, STAFF, accounts, balances, bought, days_later, paid_twice
from tests.flows.till import Till, till_of
from tests.support.shop import Town
from tests.support.watching import Guillotine

MONTH = timedelta(days=30)
MINUTE = timedelta(minutes=1)


@pytest.fixture
async def till(shop: Town) -> Till:
    return await till_of(shop)


async def rich(till: Till, who: Customer, months: int = 1) -> None:
    """Money for so many months is on the balance."""
    (made,) = await gifting.make(till.shop.tools, Face(money=Money(months * PRICE, "RUB")), STAFF)
    await gifting.redeem(till.shop.tools, who.id, made.code)


async def at_once(*what: Awaitable[Any]) -> list[Any]:
    """All of it at one moment; what is refused is refused, anything else, a deadlock above all, is a failure."""
    outcomes = await asyncio.gather(*what, return_exceptions=True)
    wrong = [one for one in outcomes if isinstance(one, BaseException) and not isinstance(one, Refused)]
    assert wrong == []
    return [one for one in outcomes if not isinstance(one, BaseException)]


async def in_order(till: Till) -> None:
    """The books come to nothing, no balance is below zero, all that was paid is granted, and no more than that."""
    assert await balances(till.shop) == 0
    owing = "SELECT account FROM ledger_entries WHERE account LIKE 'customer:%' GROUP BY 1 HAVING sum(minor) > 0"
    assert await till.shop.rows(owing) == []
    assert await till.shop.value("SELECT count(*) FROM key_without_money") == 0
    assert await till.shop.value("SELECT count(*) FROM money_without_key WHERE why = 'not granted'") == 0
    sold = await till.shop.value("SELECT count(*) FROM ledger_transactions WHERE kind = 'purchase'")
    assert sold == await till.grants() == await till.shop.value("SELECT count(*) FROM orders WHERE state = 'paid'")


async def test_everything_at_once_on_one_person_neither_deadlocks_nor_gives_anything_away(till: Till) -> None:
    shop, tools = till.shop, till.shop.tools
    one = await bought(shop)
    anna, second = one.customer, await paid_twice(one)
    await rich(till, anna, 2)
    (gift,) = await gifting.make(tools, Face(await shop.term()), STAFF)
    old = await till.ref("standard")
    open_ones = [await till.order(anna) for _ in range(3)]
    open_ones += [await till.order(anna, "unlimited", upgrade_of=old) for _ in range(2)]
    paid = [shop.pay(each) for each in open_ones]
    payments = [number for (number,) in await shop.rows("SELECT id FROM payments WHERE state = 'pending'")]
    crowd = [
        *(settling.settle_payment(tools, number) for number in payments),
        *(shop.webhook(each) for each in paid),
        *(till.buys(anna, keep=True) for _ in range(4)),
        refunding.make(tools, second, "all", STAFF),
        refunding.make(tools, one.payment, "unused", STAFF),
        refunding.make(tools, one.payment, "50.00", STAFF, Through.BALANCE),
        marking.mark_paid(tools, open_ones[0].order_ref, STAFF),
        gifting.redeem(tools, anna.id, gift.code),
        lifecycle.freeze(tools, old, STAFF),
        lifecycle.unfreeze(tools, old, STAFF),
        renewing.sweep(tools),
        settling.sweep(tools),
    ]
    random.Random(7).shuffle(crowd)
    await at_once(*crowd)
    await shop.work()
    await in_order(till)
    assert await till.balance(anna) >= 0


async def test_one_order_marked_by_four_and_paid_at_the_bank_is_one_month(till: Till) -> None:
    shop, anna = till.shop, await till.shop.customer()
    checkout = await till.order(anna)
    shop.pay(checkout)
    number = await shop.value("SELECT id FROM payments")
    marks = (marking.mark_paid(shop.tools, checkout.order_ref, STAFF) for _ in range(4))
    await at_once(*marks, settling.settle_payment(shop.tools, number))
    await shop.work()
    await in_order(till)
    assert await till.grants() == 1
    succeeded = await shop.value("SELECT count(*) FROM payments WHERE state = 'succeeded'")
    assert await till.balance(anna) == (succeeded - 1) * PRICE


async def test_a_gift_code_is_either_redeemed_or_void_when_its_money_goes_back_at_that_moment(till: Till) -> None:
    shop, one = till.shop, await bought(till.shop)
    made = await gifting.make(shop.tools, Face(await shop.term()), STAFF, count=4)
    await shop.rows("UPDATE gift_codes SET payment_id = (SELECT id FROM payments LIMIT 1) RETURNING id")
    friends = [await shop.customer(100 + number) for number in range(4)]
    tries = (gifting.redeem(shop.tools, who.id, code.code) for who, code in zip(friends, made, strict=True))
    await at_once(*tries, one.give_back("all"))
    await shop.work()
    states = [state for (state,) in await shop.rows("SELECT state FROM gift_codes")]
    assert set(states) <= {"redeemed", "void"}
    assert await till.grants() == 1 + states.count("redeemed")
    assert (await accounts(shop)).get("gifts", 0) == 0
    await in_order(till)


async def test_of_two_payments_of_one_order_the_first_given_back_leaves_one_month_and_no_more(till: Till) -> None:
    shop, one = till.shop, await bought(till.shop)
    await paid_twice(one)
    await at_once(one.give_back("all"), *(till.buys(one.customer) for _ in range(3)))
    await shop.work()
    assert await one.left() == pytest.approx(MONTH, abs=MINUTE)
    assert await till.balance(one.customer) == 0
    await in_order(till)


async def test_an_upgrade_that_is_paid_twice_is_one_upgrade_and_money_on_the_balance(till: Till) -> None:
    shop, one = till.shop, await bought(till.shop)
    checkout = await till.order(one.customer, "unlimited", upgrade_of=await till.ref("standard"))
    first = shop.pay(checkout)
    other = "22e12f66-000f-5000-8000-18db351245c8"
    shop.rewrite(first, id=other)
    await at_once(shop.webhook(first), shop.webhook({**first, "id": other}))
    await shop.work()
    assert await shop.value("SELECT count(*) FROM upgrades") == 1
    assert await till.balance(one.customer) == checkout.amount.minor
    assert await one.left() == pytest.approx(MONTH, abs=timedelta(hours=3))
    await in_order(till)


async def test_going_up_and_down_and_giving_all_back_leaves_no_access_and_no_money(till: Till) -> None:
    shop, one = till.shop, await bought(till.shop)
    for plan, days, before in (("unlimited", 30, "standard"), ("standard", 90, "unlimited")):
        days_later(shop, 5)
        await till.pays(one.customer, plan, days, upgrade_of=await till.ref(before))
    days_later(shop, 5)
    for (ref,) in await shop.rows("SELECT ref FROM payments ORDER BY id"):
        await refunding.make(shop.tools, ref, "all", STAFF)
    assert await one.left() == pytest.approx(timedelta(0), abs=timedelta(hours=3))
    books = await accounts(shop)
    assert books.get("provider", 0) == 0
    assert books["sales"] == -books["refunds"]


async def test_frozen_time_whose_money_goes_back_does_not_thaw(till: Till) -> None:
    shop, one = till.shop, await bought(till.shop)
    ref = await till.ref("standard")
    days_later(shop, 10)
    await lifecycle.freeze(shop.tools, ref, STAFF)
    days_later(shop, 20)
    said = await one.give_back("unused")
    assert said.minor == pytest.approx(PRICE * 2 / 3, abs=100)
    await lifecycle.unfreeze(shop.tools, ref, STAFF)
    assert await till.running() == 0


async def test_who_is_barred_between_order_and_payment_gets_the_month_when_the_bar_is_lifted(till: Till) -> None:
    shop, anna = till.shop, await till.shop.customer()
    checkout = await till.order(anna)
    await shop.rows("UPDATE customers SET banned = true RETURNING id")
    await shop.webhook(shop.pay(checkout))
    await shop.work()
    assert (await till.grants(), await till.balance(anna)) == (0, PRICE)
    await shop.rows("UPDATE customers SET banned = false RETURNING id")
    await at_once(*(till.buys(anna) for _ in range(3)))
    assert (await till.grants(), await till.balance(anna)) == (1, 0)


async def test_what_was_ordered_is_granted_at_its_price_though_the_plan_is_dearer_and_then_withdrawn(
    till: Till,
) -> None:
    shop, anna = till.shop, await till.shop.customer()
    checkout = await till.order(anna)
    await shop.rows("UPDATE prices SET minor = minor * 2 RETURNING minor")
    await shop.rows("UPDATE plans SET active = false, traffic_bytes = 1 RETURNING id")
    await shop.webhook(shop.pay(checkout))
    await shop.work()
    bytes_, _, ends_at = await till.has("standard")
    assert bytes_ > 1
    assert ends_at - shop.tools.clock.now() == pytest.approx(MONTH, abs=MINUTE)
    await in_order(till)


async def test_stars_on_the_balance_buy_nothing_that_is_sold_for_rubles(till: Till) -> None:
    shop, anna = till.shop, await till.shop.customer()
    await shop.rows("INSERT INTO prices SELECT max(id), 'XTR', 500 FROM terms RETURNING term_id")
    (made,) = await gifting.make(shop.tools, Face(money=Money(10 * PRICE, "XTR")), STAFF)
    await gifting.redeem(shop.tools, anna.id, made.code)
    with pytest.raises(Refused):
        await till.buys(anna)
    assert await till.grants() == 0


@pytest.mark.parametrize("late", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("at", range(1, 5))
async def test_a_purchase_from_the_balance_that_ends_anywhere_takes_the_money_with_the_grant(
    till: Till, at: int, late: bool
) -> None:
    shop, anna = till.shop, await till.shop.customer()
    await rich(till, anna)
    wish = Wish(anna.id, await shop.term(), "balance", secrets.token_hex(8))
    blade = Guillotine(shop.tools, at, late=late)
    assert await blade.run(lambda: buying.begin(shop.tools, wish)), "there are as many boundaries"
    assert await till.balance(anna) == PRICE * (1 - await till.grants())
    await buying.begin(shop.tools, wish)
    assert (await till.grants(), await till.balance(anna)) == (1, 0)
    await in_order(till)


@pytest.mark.parametrize("late", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("at", range(1, 3))
async def test_a_refund_to_the_balance_that_ends_anywhere_is_made_once(till: Till, at: int, late: bool) -> None:
    shop, one = till.shop, await bought(till.shop)
    cause = Cause("operator:cli", "they asked for it", tap="tap-1")

    async def give_back() -> None:
        await refunding.make(shop.tools, one.payment, "all", cause, Through.BALANCE)

    assert await Guillotine(shop.tools, at, late=late).run(give_back)
    await give_back()
    assert await till.balance(one.customer) == PRICE
    assert await till.running() == 0
    await in_order(till)


async def test_a_renewal_from_the_balance_and_a_purchase_at_that_moment_share_the_money_of_one(till: Till) -> None:
    shop, anna = till.shop, await till.shop.customer()
    await rich(till, anna)
    await till.buys(anna, keep=True)
    days_later(shop, 27.1)
    await renewing.sweep(shop.tools)
    await shop.work()
    days_later(shop, 2)
    await rich(till, anna)
    (agreement,) = await shop.rows("SELECT id FROM renewals WHERE state = 'active'")
    await at_once(renewing.look(shop.tools, agreement.id), till.buys(anna), till.buys(anna))
    charges = "SELECT p.id FROM payments p JOIN orders o ON o.id = p.order_id WHERE o.kind = 'renewal'"
    asked = [settling.settle_payment(shop.tools, number) for (number,) in await shop.rows(charges)]
    await at_once(*asked, till.buys(anna))
    await shop.work()
    assert (await till.grants(), await till.balance(anna)) == (2, 0)
    await in_order(till)

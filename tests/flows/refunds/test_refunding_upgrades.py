"""Giving back after an upgrade: the new payment's part, the part that was given in, and no free access between them."""

import secrets
from datetime import timedelta

import pytest

from ferryman.flows.payments import buying
from tests.flows.refund_shop import PRICE, Counter, accounts, balances, bought, days_later
from tests.support.shop import Town

# Prices of upgrades are rounded to whole rubles, which is an hour or two.
HOUR = timedelta(hours=3)


async def upgraded(one: Counter) -> Counter:
    """Half a month of ⛵ is given in for a month of 🚀 at 349.00."""
    shop = one.shop
    ref = (await one.subscription()).ref
    wish = buying.Wish(one.customer.id, await shop.term("unlimited"), "yookassa", secrets.token_hex(8), upgrade_of=ref)
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

"""Codes that became void with the money that had bought them, when that money comes back, and goes once more."""

from datetime import timedelta

import pytest

from ferryman.flows.payments import gifting
from ferryman.flows.payments.gifting import Face
from ferryman.flows.refunds import winning_back
from tests.flows.refund_shop import PRICE, STAFF, Counter, accounts, balances, bought, days_later
from tests.support.shop import Town


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A refund that did not arrive is believed without an hour's wait."""
    monkeypatch.setattr(winning_back, "SETTLED_AFTER", timedelta(0))


async def with_a_code(shop: Town) -> Counter:
    """A payment that bought a code, which nobody has redeemed."""
    one = await bought(shop)
    await gifting.make(shop.tools, Face(await shop.term()), STAFF)
    await shop.rows("UPDATE gift_codes SET payment_id = (SELECT id FROM payments LIMIT 1) RETURNING id")
    return one


async def on_the_balance(shop: Town) -> int:
    return -(await accounts(shop)).get("customer", 0)


async def test_what_the_balance_got_for_a_void_code_goes_again_with_the_money(shop: Town) -> None:
    one = await with_a_code(shop)
    for _ in range(2):
        for gone, worth in ((PRICE, 0), (0, PRICE)):
            days_later(shop, 0.01)
            await one.provider_says(charged_back=gone)
            assert await on_the_balance(shop) == worth
    await one.give_back("all")
    assert await on_the_balance(shop) == 0
    assert await balances(shop) == 0


async def test_a_refund_and_a_dispute_that_come_back_together_pay_for_a_code_once(shop: Town) -> None:
    one = await with_a_code(shop)
    await one.provider_says(refunded=9900, charged_back=PRICE - 9900)
    days_later(shop, 0.01)
    await one.provider_says(refunded=0, charged_back=0)
    assert await on_the_balance(shop) == PRICE
    assert await shop.rows("SELECT refunded, charged_back FROM payments") == [(0, 0)]
    assert await balances(shop) == 0


async def test_a_code_is_paid_for_too_when_the_part_comes_back_that_had_gone_first(shop: Town) -> None:
    one = await with_a_code(shop)
    await one.provider_says(refunded=9900)
    days_later(shop, 0.01)
    await one.provider_says(charged_back=PRICE - 9900)
    await one.provider_says(refunded=0)
    assert await on_the_balance(shop) == PRICE
    assert await balances(shop) == 0

"""Money that goes back at somebody else's word: the dashboard, the payer's bank, and races with refunds of our own."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from ferryman.billing import ledger
from ferryman.billing.provider import Fact
from ferryman.billing.refund import Through
from ferryman.flows.orders.opening import connected
from ferryman.flows.payments import applying, settling
from ferryman.flows.refunds import refunding
from ferryman.kit.errors import Refused
from ferryman.kit.money import Money
from tests.flows.refund_shop import (
    PRICE,
    REFUNDS,
    STAFF,
    Counter,
    accounts,
    balances,
    bought,
    paid_twice,
    refunds,
    storm,
    sweep,
)
from tests.support.shop import Town

MONTH = timedelta(days=30)


async def said(one: Counter, **more: Any) -> None:
    """The bank says something of the payment, whatever its emulator can do."""
    tools = one.shop.tools
    async with tools.db.unit() as session:
        provider: Any = await connected(tools, session, "yookassa")
    fact: Fact = await provider.look_up(one.shop.payment_of(one.checkout)["id"])
    await applying.apply_fact(tools, provider, replace(fact, **more))
    await one.shop.work()


async def staff_hears(shop: Town) -> list[str]:
    query = """SELECT n.kind FROM notices n JOIN customers c ON c.id = n.customer_id
               WHERE c.telegram_id = 99 ORDER BY n.id"""
    return [kind for (kind,) in await shop.rows(query)]


async def boss(shop: Town) -> None:
    await shop.customer(99)
    await shop.rows("INSERT INTO staff (telegram_id, name) VALUES (99, 'Boss') RETURNING telegram_id")


async def test_a_dashboard_refund_ends_the_access_it_paid_for_and_tells_both_sides(shop: Town) -> None:
    """A refund that we never asked for revokes access by the policy."""
    await boss(shop)
    one = await bought(shop)
    await one.from_the_dashboard("199.00")
    assert await refunds(shop) == [("succeeded", "provider", PRICE)]
    assert await accounts(shop) == {"sales": -PRICE, "refunds": PRICE}
    assert await one.left() == timedelta(0)
    assert [shop.clients(node) for node in shop.panels] == [{}, {}, {}]
    assert (await one.notices())[-1] == "money_back"
    assert await staff_hears(shop) == ["refunded_elsewhere"]
    assert await shop.rows("SELECT ref FROM money_without_key") == []


async def test_a_dashboard_refund_told_many_times_is_booked_once(shop: Town) -> None:
    one = await bought(shop)
    at_bank = shop.payment_of(one.checkout)
    back = shop.bank.shop.refund({"payment_id": at_bank["id"], "amount": {"value": "66.33", "currency": "RUB"}})
    await asyncio.gather(*(shop.webhook({**back, "id": back["id"]}, "refund.succeeded") for _ in range(5)))
    await shop.work()
    await asyncio.gather(said(one), said(one), said(one))
    assert await refunds(shop) == [("succeeded", "provider", 6633)]
    assert await one.left() == pytest.approx(timedelta(days=20), abs=timedelta(minutes=10))


async def test_partial_dashboard_refunds_and_then_the_rest(shop: Town) -> None:
    one = await bought(shop)
    await one.from_the_dashboard("50.00")
    await one.from_the_dashboard("149.00")
    assert await refunds(shop) == [("succeeded", "provider", 5000), ("succeeded", "provider", 14900)]
    assert await one.left() == timedelta(0)
    assert await accounts(shop) == {"sales": -PRICE, "refunds": PRICE}


@pytest.mark.weather
async def test_our_own_refund_whose_webhook_comes_before_its_answer_is_booked_once(shop: Town) -> None:
    one = await bought(shop)
    storm(shop, mode="drop_after", **REFUNDS)
    mine = await one.give_back("66.33")
    (back,) = shop.bank.shop.refunds()
    await shop.webhook(back, "refund.succeeded")
    await shop.work()
    assert await refunds(shop) == [("succeeded", "operator", 6633)]
    ends = (await one.subscription()).ends_at
    # And now the answer, late.
    await sweep(shop, seconds=61)
    await refunding.ask(shop.tools, mine.id)
    assert (await one.subscription()).ends_at == ends
    assert await refunds(shop) == [("succeeded", "operator", 6633)]
    assert await accounts(shop) == {"provider": PRICE - 6633, "sales": -PRICE, "refunds": 6633}


@pytest.mark.weather
async def test_our_refund_and_one_of_the_dashboard_come_as_one_sum(shop: Town) -> None:
    one = await bought(shop)
    storm(shop, mode="drop_after", **REFUNDS)
    await one.give_back("50.00")
    await one.from_the_dashboard("30.00")
    assert await refunds(shop) == [("succeeded", "operator", 5000), ("succeeded", "provider", 3000)]
    await sweep(shop, seconds=61)
    assert one.at_the_bank() == "80.00"
    assert await accounts(shop) == {"provider": PRICE - 8000, "sales": -PRICE, "refunds": 8000}


async def test_a_dashboard_refund_while_ours_waits_for_the_bank_counts_both(shop: Town) -> None:
    one = await bought(shop)
    shop.bank.shop.settings.refunds = "pending"
    await one.give_back("50.00")
    shop.bank.shop.settings.refunds = "succeeded"
    await one.from_the_dashboard("30.00")
    assert await refunds(shop) == [("sent", "operator", 5000), ("succeeded", "provider", 3000)]
    waiting = next(back for back in shop.bank.shop.refunds() if back["status"] == "pending")
    shop.bank.shop.settle_refund(waiting["id"])
    await sweep(shop, seconds=121)
    await said(one)
    assert await refunds(shop) == [("succeeded", "operator", 5000), ("succeeded", "provider", 3000)]
    assert await balances(shop) == 0


async def test_a_chargeback_takes_the_access_at_once_and_flags_the_customer(shop: Town) -> None:
    await boss(shop)
    one = await bought(shop)
    await said(one, charged_back=Money(PRICE, "RUB"))
    await said(one, charged_back=Money(PRICE, "RUB"))
    assert await refunds(shop) == [("succeeded", "chargeback", PRICE)]
    assert await one.left() == timedelta(0)
    assert [shop.clients(node) for node in shop.panels] == [{}, {}, {}]
    assert (await one.notices())[-1] == "charged_back"
    assert await staff_hears(shop) == ["chargeback_came"]
    assert await shop.value("SELECT charged_back FROM payments") == PRICE
    assert await accounts(shop) == {"sales": -PRICE, "refunds": PRICE}


async def test_a_chargeback_of_a_part_takes_all_that_is_unused_and_no_time_of_other_payments(shop: Town) -> None:
    one = await bought(shop)
    await one.again()
    await said(one, charged_back=Money(100, "RUB"))
    assert await one.left() == MONTH


async def test_a_chargeback_of_what_was_given_back_already_is_the_customers_debt(shop: Town) -> None:
    one = await bought(shop)
    await one.give_back("all")
    await said(one, charged_back=Money(PRICE, "RUB"))
    await said(one, charged_back=Money(PRICE, "RUB"))
    assert await accounts(shop) == {"provider": -PRICE, "sales": -PRICE, "refunds": PRICE, "customer": PRICE}
    assert [state for state, _, _ in await refunds(shop)] == ["succeeded", "succeeded"]


async def test_a_second_payment_of_an_order_is_refunded_from_the_balance_and_takes_no_access(shop: Town) -> None:
    one = await bought(shop)
    second = await paid_twice(one)
    with pytest.raises(Refused, match="balance already"):
        await refunding.make(shop.tools, second, "all", STAFF, Through.BALANCE)
    with pytest.raises(Refused, match="name one"):
        await refunding.preview(shop.tools, one.checkout.order_ref, "all")
    await refunding.make(shop.tools, second, "all", STAFF)
    assert await one.left() == pytest.approx(MONTH, abs=timedelta(minutes=1))
    assert await accounts(shop) == {"provider": PRICE, "sales": -PRICE}


async def test_a_second_payment_whose_balance_is_spent_is_not_refunded_by_us_and_by_the_bank_becomes_a_debt(
    shop: Town,
) -> None:
    one = await bought(shop)
    second = await paid_twice(one)
    customer = f"customer:{one.customer.id}"
    async with shop.tools.db.unit() as session:
        spent = [(customer, Money(15000, "RUB")), ("sales", Money(-15000, "RUB"))]
        await ledger.post(session, "purchase", "payment:elsewhere", spent)
    with pytest.raises(Refused, match=r"only 49\.00 RUB is left"):
        await refunding.make(shop.tools, second, "all", STAFF)
    other = await shop.value("SELECT external_id FROM payments WHERE ref = :ref", ref=second)
    shop.rewrite({"id": other}, refunded_amount={"value": "199.00", "currency": "RUB"})
    shop.bank.store.put(
        "refund",
        "216749f7-0016-50be-b000-078d43a63ae4",
        {
            "id": "216749f7-0016-50be-b000-078d43a63ae4",
            "payment_id": other,
            "status": "succeeded",
            "amount": {"value": "199.00", "currency": "RUB"},
            "created_at": "2026-11-22T00:00:00.000Z",
        },
    )
    await settling.settle_payment(shop.tools, await shop.value("SELECT id FROM payments WHERE ref = :ref", ref=second))
    assert (await accounts(shop))["customer"] == 15000, "they owe us what they have spent of it"
    assert await balances(shop) == 0


async def test_a_total_in_another_currency_or_beyond_the_payment_is_not_believed(shop: Town) -> None:
    one = await bought(shop)
    await said(one, refunded=Money(PRICE, "USD"))
    await said(one, refunded=Money(PRICE * 2, "RUB"))
    assert await refunds(shop) == []
    assert await one.left() == pytest.approx(MONTH, abs=timedelta(minutes=1))

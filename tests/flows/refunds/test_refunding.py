"""Giving money back: in full and in part, once, whatever the weather, and never more access than was paid for."""

import asyncio
from datetime import timedelta

import pytest

from ferryman.billing.refund import Through
from ferryman.flows.keys import keybook, lifecycle
from ferryman.flows.keys.handling import Cause
from ferryman.flows.refunds import refunding
from ferryman.flows.shop import overview
from ferryman.kit.errors import NotFound, Refused
from tests.flows.refund_shop import (
    PRICE,
    REFUNDS,
    STAFF,
    accounts,
    balances,
    bought,
    days_later,
    refunds,
    storm,
    sweep,
)
from tests.support.shop import Town

MONTH = timedelta(days=30)
DONE = [("succeeded", "operator", PRICE)]


async def test_a_full_refund_ends_what_it_paid_for_and_leaves_the_books_at_zero(shop: Town) -> None:
    one = await bought(shop)
    refund = await one.give_back("all")
    await shop.work()

    assert (refund.state, refund.minor, refund.external_id is not None) == ("succeeded", PRICE, True)
    assert one.at_the_bank() == "199.00"
    assert await accounts(shop) == {"sales": -PRICE, "refunds": PRICE}
    fee = await shop.value("SELECT sum(minor)::int FROM ledger_entries WHERE account = 'fees:yookassa'")
    assert fee == await shop.value("SELECT fee FROM payments") > 0, "what the bank kept, it keeps"
    assert await balances(shop) == 0
    assert await one.left() == timedelta(0)
    assert [shop.clients(node) for node in shop.panels] == [{}, {}, {}], "no key works any more"
    assert (await one.notices())[-1] == "money_back"
    assert await shop.rows("SELECT * FROM money_without_key") == []
    async with shop.tools.db.unit() as session:
        assert (await overview.numbers(session, {}))["money_without_key"] == 0


async def test_what_is_shown_is_what_is_done(shop: Town) -> None:
    one = await bought(shop)
    days_later(shop, 10)
    said = await refunding.preview(shop.tools, one.payment, "unused")
    assert (said.paid.minor, said.gone.minor, said.amount.minor) == (PRICE, 0, 13266)
    assert said.ended_before is not None
    assert said.ends_at is not None
    assert await refunds(shop) == [], "a preview does nothing"
    assert await one.left() == timedelta(days=20)

    refund = await one.give_back("unused")
    assert refund.minor == said.amount.minor
    assert (await one.subscription()).ends_at - said.ends_at <= timedelta(seconds=30)
    assert refund.taken_seconds == pytest.approx(20 * 86400, abs=30)


async def test_a_third_of_the_money_takes_back_a_third_of_the_time_and_of_the_traffic(shop: Town) -> None:
    one = await bought(shop)
    await one.give_back("66.33")
    await shop.work()
    assert await one.left() == pytest.approx(timedelta(days=20), abs=timedelta(minutes=10))
    gigabytes = (await one.subscription()).traffic_bytes / 1024**3
    assert gigabytes == pytest.approx(100 * 2 / 3, abs=0.1)
    for node in shop.panels:
        (client,) = shop.clients(node).values()
        assert client["enable"]
        assert client["totalGB"] == (await one.subscription()).traffic_bytes, "the panels follow"
        assert client["expiryTime"] == pytest.approx((await one.subscription()).ends_at.timestamp() * 1000, abs=1000)


async def test_parts_add_up_to_the_whole_and_no_further(shop: Town) -> None:
    one = await bought(shop)
    await one.give_back("99.00")
    with pytest.raises(Refused, match=r"100\.01 RUB is more than the 100\.00 RUB"):
        await one.give_back("100.01")
    await one.give_back("all")
    await shop.work()
    with pytest.raises(Refused, match="nothing of it is left"):
        await one.give_back("all")
    assert await refunds(shop) == [("succeeded", "operator", 9900), ("succeeded", "operator", 10000)]
    assert (one.at_the_bank(), await one.left()) == ("199.00", timedelta(0))
    assert await accounts(shop) == {"sales": -PRICE, "refunds": PRICE}


async def test_two_who_give_back_at_the_same_moment_do_not_give_back_twice(shop: Town) -> None:
    one = await bought(shop)
    outcomes = await asyncio.gather(one.give_back("150.00"), one.give_back("150.00"), return_exceptions=True)
    assert sum(isinstance(outcome, Refused) for outcome in outcomes) == 1
    assert one.at_the_bank() == "150.00"


async def test_the_same_press_twice_is_one_refund(shop: Town) -> None:
    one = await bought(shop)
    press = Cause("operator:web", "asked", tap="press-7")
    first, second = await asyncio.gather(*(refunding.make(shop.tools, one.payment, "50.00", press) for _ in range(2)))
    assert first.id == second.id
    assert one.at_the_bank() == "50.00"


async def test_time_that_another_payment_bought_stays(shop: Town) -> None:
    one = await bought(shop)
    days_later(shop, 10)
    other = await one.again()
    assert await one.left() == timedelta(days=50)
    await one.give_back("all")
    assert await one.left() == timedelta(days=30)
    await other.give_back("all")
    assert await one.left() == timedelta(0)
    assert await balances(shop) == 0


async def test_time_that_was_left_from_before_stays(shop: Town) -> None:
    one = await bought(shop)
    days_later(shop, 10)
    await (await one.again()).give_back("all")
    assert await one.left() == timedelta(days=20)


async def test_days_that_staff_gave_away_stay(shop: Town) -> None:
    one = await bought(shop)
    ref = (await one.subscription()).ref
    from_staff = Cause("operator:cli", "for the trouble")
    await lifecycle.extend(shop.tools, ref, 5, from_staff)
    await one.give_back("all")
    assert await one.left() == timedelta(days=5)
    assert await shop.rows("SELECT ref FROM key_without_money") == []


async def test_a_refund_after_the_end_gives_money_and_takes_nothing(shop: Town) -> None:
    one = await bought(shop)
    days_later(shop, 45)
    before = (await one.subscription()).ends_at
    with pytest.raises(Refused, match="nothing of it is unused"):
        await one.give_back("unused")
    await one.give_back("all")
    assert (await one.subscription()).ends_at == before
    assert (await one.notices())[-1] == "money_back"


async def test_frozen_time_is_unused_time(shop: Town) -> None:
    one = await bought(shop)
    days_later(shop, 10)
    await lifecycle.freeze(shop.tools, (await one.subscription()).ref, STAFF)
    days_later(shop, 10)
    refund = await one.give_back("unused")
    assert refund.minor == 13266
    assert await shop.value("SELECT frozen_at IS NULL AND ends_at <= now() + interval '30 days' FROM subscriptions")


async def test_all_traffic_used_is_nothing_unused_and_a_gesture_may_leave_the_access_alone(shop: Town) -> None:
    one = await bought(shop)
    await shop.rows("UPDATE subscriptions SET used_down = traffic_bytes RETURNING id")
    with pytest.raises(Refused, match="nothing of it is unused"):
        await one.give_back("unused")
    await one.give_back("50.00", keep_access=True)
    assert await one.left() == MONTH
    assert (await one.subscription()).traffic_bytes == 100 * 1024**3


async def test_a_limited_plan_never_becomes_unlimited_by_a_refund(shop: Town) -> None:
    one = await bought(shop)
    await lifecycle.extend(shop.tools, (await one.subscription()).ref, 5, STAFF)
    await one.give_back("all")
    assert (await one.subscription()).traffic_bytes == 1


async def test_to_the_balance_instead_of_the_bank(shop: Town) -> None:
    one = await bought(shop)
    await one.give_back("all", Through.BALANCE)
    assert one.at_the_bank() == "0.00"
    assert await accounts(shop) == {"provider": PRICE, "sales": -PRICE, "refunds": PRICE, "customer": -PRICE}
    assert await one.left() == timedelta(0)
    # The bank's own refund on top would pay twice: what comes on top is the customer's debt.
    await one.from_the_dashboard("199.00")
    assert await accounts(shop) == {"sales": -PRICE, "refunds": PRICE}
    assert await balances(shop) == 0


async def test_what_was_given_back_by_hand_is_only_recorded(shop: Town) -> None:
    one = await bought(shop)
    await one.give_back("all", Through.HAND)
    assert one.at_the_bank() == "0.00"
    assert await accounts(shop) == {"sales": -PRICE, "refunds": PRICE}
    assert await shop.value("SELECT refunded FROM payments") == PRICE


async def test_a_reason_is_needed_and_the_payment_must_be_there(shop: Town) -> None:
    one = await bought(shop)
    with pytest.raises(Refused, match="reason"):
        await refunding.make(shop.tools, one.payment, "all", Cause("operator:cli", " "))
    with pytest.raises(NotFound):
        await refunding.make(shop.tools, "no-such-payment", "all", STAFF)
    with pytest.raises(Refused, match="no amount in RUB"):
        await one.give_back("a lot")
    for nothing in ("0", "-5"):
        with pytest.raises(Refused, match="above zero"):
            await one.give_back(nothing)
    assert (await refunding.preview(shop.tools, one.checkout.order_ref, "all")).payment_ref == one.payment


async def test_an_unpaid_payment_has_nothing_to_give_back(shop: Town) -> None:
    checkout = await shop.order(await shop.customer())
    with pytest.raises(NotFound):
        await refunding.preview(shop.tools, checkout.order_ref)
    ref = await shop.value("SELECT ref FROM payments")
    with pytest.raises(Refused, match="is pending"):
        await refunding.make(shop.tools, ref, "all", STAFF)


async def test_the_history_tells_who_gave_it_back(shop: Town) -> None:
    one = await bought(shop)
    await one.give_back("all")
    lines = await keybook.history(shop.tools, (await one.subscription()).ref)
    (line,) = [line for line in lines if line.what == "refunded"]
    assert (line.actor, line.why) == (STAFF.actor, STAFF.why)
    query = "SELECT kind, cause LIKE 'refund:%' FROM adjustments"
    assert await shop.rows(query) == [("refunded", True)]


@pytest.mark.weather
async def test_a_lost_answer_is_unknown_and_is_looked_up_not_repeated(shop: Town) -> None:
    one = await bought(shop)
    storm(shop, mode="drop_after", **REFUNDS)
    refund = await one.give_back("all")
    assert refund.state == "requested", "nobody knows"
    assert await one.left() == MONTH, "so nothing is taken"
    await sweep(shop, seconds=61)
    assert await refunds(shop) == DONE
    assert len(shop.bank.shop.refunds()) == 1
    assert await one.left() == timedelta(0)


@pytest.mark.weather
async def test_a_refund_that_never_arrived_is_asked_for_again(shop: Town) -> None:
    one = await bought(shop)
    storm(shop, mode="drop_before", **REFUNDS)
    await one.give_back("all")
    assert shop.bank.shop.refunds() == []
    await sweep(shop, seconds=61)
    assert await refunds(shop) == DONE
    assert one.at_the_bank() == "199.00"


@pytest.mark.weather
async def test_a_crash_between_the_row_and_the_call_is_made_up_for(shop: Town) -> None:
    one = await bought(shop)
    begun = await refunding._begin(shop.tools, one.payment, "all", STAFF, None, keep_access=False)
    assert begun.state == "requested"
    await sweep(shop, seconds=31)
    assert await refunds(shop) == DONE


@pytest.mark.weather
async def test_a_bank_that_is_away_for_hours_changes_nothing_until_it_is_back(shop: Town) -> None:
    one = await bought(shop)
    storm(shop, mode="status", status=500, route="/v3/refunds", times=-1)
    await one.give_back("all")
    for _ in range(5):
        await sweep(shop, hours=2)
    assert await refunds(shop) == [("requested", "operator", PRICE)]
    assert (await one.subscription()).revision == 1
    shop.bank.weather.clear()
    await sweep(shop, hours=2)
    assert await refunds(shop) == DONE


async def test_a_refund_that_the_bank_decides_later_is_polled(shop: Town) -> None:
    one = await bought(shop)
    shop.bank.shop.settings.refunds = "pending"
    refund = await one.give_back("all")
    assert (refund.state, refund.sent_at is not None) == ("sent", True)
    assert await one.left() == MONTH
    (at_bank,) = shop.bank.shop.refunds()
    shop.bank.shop.settle_refund(at_bank["id"])
    await sweep(shop, seconds=121)
    assert await refunds(shop) == DONE
    assert await one.left() == timedelta(0)


async def test_a_refund_that_the_bank_cancels_leaves_the_access_and_tells_the_staff(shop: Town) -> None:
    """No push tells of it: it is polled to its end."""
    boss = await shop.customer(99)
    await shop.rows("INSERT INTO staff (telegram_id, name) VALUES (99, 'Boss') RETURNING telegram_id")
    one = await bought(shop)
    shop.bank.shop.settings.refunds = "pending"
    await one.give_back("all")
    (at_bank,) = shop.bank.shop.refunds()
    shop.bank.shop.settle_refund(at_bank["id"], "insufficient_funds")
    await sweep(shop, seconds=121)
    assert await refunds(shop) == [("failed", "operator", PRICE)]
    assert await shop.value("SELECT reason FROM refunds") == "insufficient_funds"
    assert await one.left() == pytest.approx(MONTH, abs=timedelta(minutes=5))
    assert "money_back" not in await one.notices()
    assert await shop.rows("SELECT kind FROM notices WHERE customer_id = :id", id=boss.id) == [("refund_failed",)]
    assert await accounts(shop) == {"provider": PRICE, "sales": -PRICE}
    # It may be tried again.
    shop.bank.shop.settings.refunds = "succeeded"
    await one.give_back("all")
    assert (await refunds(shop))[-1] == ("succeeded", "operator", PRICE)


async def test_a_refund_that_the_bank_refuses_at_once_has_failed(shop: Town) -> None:
    one = await bought(shop)
    no = {"type": "error", "id": "1", "code": "invalid_request", "description": "too late"}
    storm(shop, mode="status", status=400, body=no, **REFUNDS)
    refund = await one.give_back("all")
    assert refund.state == "failed"
    assert await one.left() == MONTH


async def test_a_provider_that_gives_back_whole_payments_only_is_asked_for_no_part(shop: Town) -> None:
    one = await bought(shop)
    kind = shop.tools.providers["yookassa"]
    stars = type("Whole", (kind,), {"partly": False})
    shop.tools.providers = {**shop.tools.providers, "yookassa": stars}
    with pytest.raises(Refused, match="whole payments only"):
        await one.give_back("50.00")
    await one.give_back("all")
    assert await refunds(shop) == DONE

"""The rules of settlement, one story each: whatever comes has its outcome, its books and its word."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from ferryman.billing import ledger
from ferryman.billing.provider import Claim, Fact, PaymentState, RawWebhook
from ferryman.billing.providers.yookassa import YooKassa
from ferryman.flows.orders import opening
from ferryman.flows.payments import applying, buying, eventbook, settling
from ferryman.kit.errors import Misconfigured, NotFound, Refused
from ferryman.kit.money import Money
from tests.support.shop import Town, notification

PRICE = 19900


async def paid(shop: Town, **customer: Any) -> dict[str, Any]:
    """An order, paid at the bank, of which we have not heard."""
    return shop.pay(await shop.order(await shop.customer(**customer)))


async def heard(shop: Town, payment: dict[str, Any], event: str = "payment.succeeded") -> str:
    """The verdict on a webhook about it."""
    await shop.webhook(payment, event)
    await shop.work()
    return str(await shop.value("SELECT verdict FROM webhook_events ORDER BY processed_at DESC LIMIT 1"))


async def books(shop: Town) -> dict[str, int]:
    async with shop.tools.db.unit() as session:
        assert set((await ledger.trial_balance(session)).values()) <= {0}
        return {account: minor for (account, _), minor in (await ledger.balances(session)).items() if minor}


async def grants(shop: Town) -> int:
    return int(await shop.value("SELECT count(*) FROM grants"))


async def said(shop: Town) -> list[str]:
    """Kinds of the notices to customers about money, oldest first."""
    rows = await shop.rows("SELECT kind FROM notices WHERE kind LIKE '%payment%' ORDER BY id")
    return [kind for (kind,) in rows]


async def test_a_success_books_the_sale_and_what_the_bank_kept(shop: Town) -> None:
    assert await heard(shop, await paid(shop)) == "paid"
    assert await books(shop) == {"provider:yookassa": PRICE - 796, "fees:yookassa": 796, "sales": -PRICE}
    assert await shop.value("SELECT fee FROM payments") == 796
    assert await said(shop) == ["payment_succeeded"]


async def test_a_fee_that_is_told_later_is_booked_once(shop: Town) -> None:
    one = await paid(shop)
    shop.rewrite(one, income_amount=None)
    await heard(shop, one)
    assert await shop.value("SELECT fee FROM payments") is None
    shop.rewrite(one, income_amount={"value": "190.00", "currency": "RUB"})
    for _ in range(3):
        assert await heard(shop, one) == "already_settled"
    assert await books(shop) == {"provider:yookassa": 19000, "fees:yookassa": 900, "sales": -PRICE}


async def test_late_after_the_bank_had_let_it_die_it_is_granted_all_the_same(shop: Town) -> None:
    order = await shop.order(await shop.customer())
    open_one = shop.payment_of(order)
    shop.rewrite(
        open_one, status="canceled", cancellation_details={"party": "yoo_money", "reason": "expired_on_confirmation"}
    )
    assert await heard(shop, open_one, "payment.canceled") == "cancelled"
    shop.rewrite(open_one, status="succeeded", paid=True, cancellation_details=None)
    assert await heard(shop, open_one) == "paid"
    assert await grants(shop) == 1
    late = "SELECT details->>'late' = :why, reason IS NULL FROM payments"
    assert await shop.rows(late, why="expired_on_confirmation") == [(True, True)]


async def test_what_is_paid_in_time_is_not_called_late(shop: Town) -> None:
    await heard(shop, await paid(shop))
    assert await shop.value("SELECT details ? 'late' FROM payments") is False


async def test_cancelled_after_paid_changes_nothing_and_says_nothing(shop: Town) -> None:
    one = await paid(shop)
    await heard(shop, one)
    assert await heard(shop, {**one, "status": "canceled"}, "payment.canceled") == "already_settled"
    assert await said(shop) == ["payment_succeeded"]


async def test_two_payments_of_one_order_pay_once_and_the_other_is_on_the_balance(shop: Town) -> None:
    anna = await shop.customer()
    order = await shop.order(anna)
    first = shop.pay(order)
    second = {**first, "id": "2f000000-000f-5000-8000-00000000000a"}
    shop.bank.store.put(
        "payment", second["id"], {**(shop.bank.store.get("payment", first["id"]) or {}), "object": second}
    )
    assert await heard(shop, first) == "paid"
    assert await heard(shop, second) == "second_payment_credited"
    assert await grants(shop) == 1
    assert (await books(shop))[f"customer:{anna.id}"] == -PRICE
    async with shop.tools.db.unit() as session:
        assert await ledger.balance(session, anna.id) == {"RUB": PRICE}
    assert await said(shop) == ["payment_succeeded", "second_payment_credited"]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"amount": {"value": "198.99", "currency": "RUB"}}, "198.99 RUB came instead of 199.00 RUB"),
        ({"amount": {"value": "199.01", "currency": "RUB"}}, "199.01 RUB came instead of 199.00 RUB"),
        ({"amount": {"value": "199.00", "currency": "KZT"}}, "199.00 KZT came instead of 199.00 RUB"),
        ({"test": True}, "play money in a live shop"),
    ],
    ids=["a kopeck short", "a kopeck over", "another currency", "play money"],
)
async def test_what_does_not_match_waits_for_a_person(shop: Town, changes: dict[str, Any], why: str) -> None:
    one = await paid(shop)
    shop.rewrite(one, **changes)
    assert await heard(shop, one) == "needs_review"
    assert await shop.rows("SELECT state, reason FROM payments") == [("review", why)]
    assert await grants(shop) == 0
    assert await said(shop) == ["payment_in_review"]
    came = not changes.get("test")
    assert any(account.startswith("unmatched:") for account in await books(shop)) is came


async def test_a_customer_blocked_meanwhile_has_their_money_on_the_balance(shop: Town) -> None:
    one = await paid(shop)
    await shop.rows("UPDATE customers SET banned = true RETURNING id")
    assert await heard(shop, one) == "credited_to_barred_customer"
    assert await grants(shop) == 0
    assert [minor for account, minor in (await books(shop)).items() if account.startswith("customer:")] == [-PRICE]
    assert await said(shop) == ["payment_of_barred_credited"]
    assert await shop.value("SELECT count(*) FROM money_without_key") == 0
    await shop.rows("UPDATE customers SET banned = false RETURNING id")
    assert await heard(shop, one) == "already_settled"


async def test_a_plan_withdrawn_and_a_price_changed_meanwhile_do_not_touch_what_was_ordered(shop: Town) -> None:
    one = await paid(shop)
    await shop.rows("UPDATE plans SET active = false, traffic_bytes = 1, devices = 1 RETURNING id")
    await shop.rows("UPDATE prices SET minor = 99900 RETURNING minor")
    assert await heard(shop, one) == "paid"
    assert await shop.rows("SELECT traffic_bytes, devices FROM subscriptions") == [(100 * 1024**3, 3)]
    assert (await books(shop))["sales"] == -PRICE


async def test_held_money_is_taken_and_granted_only_then(shop: Town) -> None:
    order = await shop.order(await shop.customer())
    held = shop.payment_of(order)
    shop.rewrite(held, status="waiting_for_capture", paid=True)
    assert await heard(shop, held, "payment.waiting_for_capture") == "paid"
    assert shop.payment_of(order)["status"] == "succeeded"
    assert await grants(shop) == 1


async def test_less_than_was_asked_for_waits_for_a_person_and_says_what_came(shop: Town) -> None:
    order = await shop.order(await shop.customer())
    payment = await shop.value("SELECT id FROM payments")
    external = shop.payment_of(order)["id"]
    ref = await shop.value("SELECT ref FROM payments")
    short = Fact(external, ref, PaymentState.SHORT, Money(PRICE, "RUB"), test=False, details={"received": "0.001 BTC"})
    assert await applying.apply_fact(shop.tools, await bank(shop), short) == "needs_review"
    assert await shop.rows("SELECT state, details FROM payments") == [("review", {"received": "0.001 BTC"})]
    assert await books(shop) == {}
    enough = replace(short, state=PaymentState.SUCCEEDED)
    assert await applying.apply_fact(shop.tools, await bank(shop), enough, asked=payment) == "paid"


async def bank(shop: Town) -> YooKassa:
    async with shop.tools.db.unit() as session:
        found = await opening.collecting(shop.tools, session, "yookassa")
    assert isinstance(found, YooKassa)
    return found


async def test_paid_and_given_back_before_we_heard_of_either(shop: Town) -> None:
    one = await paid(shop)
    shop.bank.shop.refund({"payment_id": one["id"], "amount": {"value": "199.00", "currency": "RUB"}})
    await heard(shop, one)
    found = await books(shop)
    assert (found["sales"], found["refunds"]) == (-PRICE, PRICE)
    left = await shop.value("SELECT ends_at FROM subscriptions") - shop.tools.clock.now()
    assert left < timedelta(minutes=1)


async def test_what_nobody_may_send_over_the_web_is_not_taken(shop: Town) -> None:
    with pytest.raises(NotFound):
        await settling.webhook_came(shop.tools, "balance", RawWebhook(b"{}"))
    with pytest.raises(Refused, match="hears nothing from the bot"):
        await settling.told(shop.tools, "yookassa", RawWebhook(b"{}"))
    with pytest.raises(Misconfigured):
        await settling.told(shop.tools, "no-such-provider", RawWebhook(b"{}"))


@pytest.mark.parametrize("event", ["payout.succeeded", "deal.closed", "payment_method.active"])
async def test_an_event_about_something_else_is_kept_answered_and_nothing_comes_of_it(shop: Town, event: str) -> None:
    raw = RawWebhook(notification(await paid(shop), event), {"content-type": "application/json"}, "203.0.113.9")
    for _ in range(2):
        assert await settling.webhook_came(shop.tools, "yookassa", raw) == (200, "")
        await shop.work()
    ((verdict, repeats, body, seen),) = await shop.rows(
        "SELECT verdict, repeats, body, processed_at IS NOT NULL FROM webhook_events"
    )
    assert (verdict, repeats, body, seen) == ("not_about_a_payment", 1, raw.body, True)
    assert (await grants(shop), await shop.value("SELECT state FROM payments")) == (0, "pending")
    shop.tools.clock.advance(days=shop.tools.settings.events_kept_days + 1)  # type: ignore[attr-defined]
    await eventbook.redact(shop.tools)
    assert await shop.value("SELECT body FROM webhook_events") == b""


async def test_an_event_that_names_no_id_is_settled_by_our_ref(shop: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    await paid(shop)
    ref = await shop.value("SELECT ref FROM payments")
    monkeypatch.setattr(YooKassa, "read_webhook", lambda *_: Claim("payment.succeeded", "one", None, ref))
    await settling.webhook_came(shop.tools, "yookassa", RawWebhook(b"{}"))
    await shop.work()
    assert await shop.value("SELECT verdict FROM webhook_events") == "paid"


async def test_a_link_that_nobody_pays_is_asked_about_ever_less_often_and_not_for_ever(shop: Town) -> None:
    order = await shop.order(await shop.customer())
    shop.bank.store.drop("payment", shop.payment_of(order)["id"])
    await shop.rows("UPDATE payments SET external_id = NULL RETURNING id")
    shop.bank.calls.clear()
    for _ in range(40):
        await shop.later(hours=12)
    assert await shop.rows("SELECT state, ask_at FROM payments") == [("pending", None)]
    assert len(shop.bank.calls) < 40


async def test_a_provider_that_is_switched_off_still_settles_what_comes_late(shop: Town) -> None:
    one = await paid(shop)
    await shop.rows("UPDATE payment_methods SET enabled = false RETURNING name")
    with pytest.raises(buying.NotForSale):
        await shop.order(await shop.customer(8))
    assert await heard(shop, one) == "paid"

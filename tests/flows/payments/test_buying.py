"""Buying, in good weather and in every order of events: paid once, granted once, told the truth."""

import asyncio
import math
from datetime import datetime, timedelta
from typing import Any

import pytest

from ferryman.billing.provider import RawWebhook
from ferryman.flows.payments import buying, settling
from ferryman.flows.payments.buying import NotForSale
from ferryman.kit.errors import NotFound, Refused
from ferryman_sandbox.weather import Fault
from tests.support.messages import Outbox
from tests.support.shop import Town, notification


async def outcome(shop: Town) -> dict[str, Any]:
    """What the books say after everything that is due has been done."""
    row = await shop.rows(
        """SELECT (SELECT count(*) FROM orders WHERE state = 'paid') AS paid,
                  (SELECT count(*) FROM grants) AS grants,
                  (SELECT count(*) FROM subscriptions) AS subscriptions,
                  (SELECT coalesce(sum(minor), 0)::int FROM ledger_entries) AS balance,
                  (SELECT count(*) FROM money_without_key) AS stuck"""
    )
    return dict(row[0]._mapping)


SOLD_ONCE = {"paid": 1, "grants": 1, "subscriptions": 1, "balance": 0, "stuck": 0}


async def test_a_person_buys_a_month_and_holds_a_key_on_three_nodes(shop: Town, outbox: Outbox) -> None:
    anna = await shop.customer()
    checkout = await shop.order(anna)
    assert str(checkout.amount) == "199.00 RUB"
    assert checkout.pay_url is not None
    await shop.webhook(shop.pay(checkout))
    await shop.work()

    assert await outcome(shop) == SOLD_ONCE
    for node in shop.panels:
        (client,) = shop.clients(node).values()
        assert client["enable"]
        assert client["totalGB"] == 100 * 1024**3
        assert client["limitIp"] == 3
    kinds = await shop.rows("SELECT kind FROM notices ORDER BY id")
    assert [kind for (kind,) in kinds] == ["payment_succeeded", "key_ready"]
    assert [sent.chat_id for sent in outbox.sent] == [7, 7]
    assert outbox.sent[1].png is not None
    assert "/s/" in outbox.sent[1].text


async def test_one_identity_on_every_node(shop: Town) -> None:
    await shop.webhook(shop.pay(await shop.order(await shop.customer())))
    await shop.work()
    faces = {
        (email, client["uuid"], client["password"], client["subId"], client["expiryTime"])
        for node in shop.panels
        for email, client in shop.clients(node).items()
    }
    assert len(faces) == 1


async def test_the_same_press_twice_is_one_order_and_one_payment(shop: Town) -> None:
    anna = await shop.customer()
    first, second = await asyncio.gather(shop.order(anna, tap="7:41:pay"), shop.order(anna, tap="7:41:pay"))
    assert first.order_ref == second.order_ref
    assert await shop.value("SELECT count(*) FROM payments") == 1
    assert len(shop.bank.shop.payments()) == 1


async def test_somebody_elses_press_does_not_find_my_order(shop: Town) -> None:
    anna, boris = await shop.customer(7), await shop.customer(8)
    await shop.order(anna, tap="the-same")
    with pytest.raises(Refused, match="somebody else"):
        await shop.order(boris, tap="the-same")


async def test_a_withdrawn_term_an_unknown_one_and_a_method_that_is_off_are_not_for_sale(shop: Town) -> None:
    anna = await shop.customer()
    term = await shop.term()
    with pytest.raises(NotForSale):
        await buying.begin(shop.tools, buying.Wish(anna.id, 999_999, "yookassa", "a"))
    with pytest.raises(NotForSale):
        await buying.begin(shop.tools, buying.Wish(anna.id, term, "no-such-method", "b"))
    await shop.rows("UPDATE terms SET active = false WHERE id = :id RETURNING id", id=term)
    with pytest.raises(NotForSale):
        await buying.begin(shop.tools, buying.Wish(anna.id, term, "yookassa", "c"))
    assert await shop.value("SELECT count(*) FROM orders") == 0


async def test_a_blocked_customer_cannot_buy(shop: Town) -> None:
    with pytest.raises(Refused, match="blocked"):
        await shop.order(await shop.customer(banned=True))


async def test_the_same_webhook_five_times_at_once_grants_once(shop: Town) -> None:
    raw = RawWebhook(notification(shop.pay(await shop.order(await shop.customer()))))
    came = await asyncio.gather(*(settling.webhook_came(shop.tools, "yookassa", raw) for _ in range(5)))
    assert came == [(200, "")] * 5
    await shop.work()
    assert await outcome(shop) == SOLD_ONCE
    assert await shop.rows("SELECT repeats, verdict FROM webhook_events") == [(4, "paid")]


async def test_an_event_worked_through_again_changes_nothing(shop: Town) -> None:
    await shop.webhook(shop.pay(await shop.order(await shop.customer())))
    await shop.work()
    event = await shop.value("SELECT id FROM webhook_events")
    ends = await shop.value("SELECT ends_at FROM subscriptions")
    for _ in range(3):
        await settling.settle_event(shop.tools, event)
    assert await shop.value("SELECT ends_at FROM subscriptions") == ends
    assert await outcome(shop) == SOLD_ONCE


async def test_webhook_sweep_and_customer_asking_at_once_grant_once(shop: Town) -> None:
    anna = await shop.customer()
    checkout = await shop.order(anna)
    payment = shop.pay(checkout)
    row = await shop.value("SELECT id FROM payments")
    await shop.webhook(payment)
    await asyncio.gather(
        shop.work(),
        settling.ask_payment(shop.tools, row),
        buying.check(shop.tools, anna.id, checkout.order_ref),
        settling.ask_payment(shop.tools, row),
    )
    await shop.work()
    assert await outcome(shop) == SOLD_ONCE


async def test_a_webhook_that_never_came_is_made_up_for_by_the_sweep(shop: Town) -> None:
    shop.pay(await shop.order(await shop.customer()))
    await shop.later(seconds=11)
    assert await outcome(shop) == SOLD_ONCE


async def test_an_open_payment_is_asked_about_less_and_less_often(shop: Town) -> None:
    await shop.order(await shop.customer())
    asked = []
    for _ in range(40):
        await shop.later(seconds=30)
        asked.append(await shop.value("SELECT asked FROM payments"))
    assert asked[0] == 1
    assert 5 <= asked[-1] <= 7


async def test_a_webhook_that_comes_before_the_create_answer_grants_once(shop: Town) -> None:
    shop.bank.weather.add(Fault.from_json({"mode": "drop_after", "route": "/v3/payments", "method": "POST"}))
    checkout = await shop.order(await shop.customer())
    assert checkout.pay_url is None
    assert await shop.value("SELECT external_id FROM payments") is None
    await shop.webhook(shop.pay(checkout))
    await shop.work()
    assert await outcome(shop) == SOLD_ONCE


async def test_a_lost_create_answer_leads_to_one_payment_and_the_link_follows(shop: Town, outbox: Outbox) -> None:
    shop.bank.weather.add(Fault.from_json({"mode": "drop_after", "route": "/v3/payments", "method": "POST"}))
    checkout = await shop.order(await shop.customer())
    assert checkout.pay_url is None
    await shop.later(seconds=11)
    assert len(shop.bank.shop.payments()) == 1
    (link,) = outbox.sent
    assert link.keyboard is not None
    assert link.keyboard.rows[0][0].url == await shop.value("SELECT pay_url FROM payments")


async def test_pressing_again_after_a_lost_create_answer_shows_the_same_payment(shop: Town) -> None:
    shop.bank.weather.add(Fault.from_json({"mode": "drop_after", "route": "/v3/payments", "method": "POST"}))
    anna = await shop.customer()
    assert (await shop.order(anna, tap="t")).pay_url is None
    assert (await shop.order(anna, tap="t")).pay_url is not None
    assert len(shop.bank.shop.payments()) == 1


@pytest.mark.parametrize("mode", ["html", "empty", "drop_before"])
async def test_a_bank_that_talks_nonsense_leaves_the_order_open_and_the_link_follows(shop: Town, mode: str) -> None:
    shop.bank.weather.add(Fault.from_json({"mode": mode, "route": "/v3/payments"}))
    assert (await shop.order(await shop.customer())).pay_url is None
    await shop.later(seconds=11)
    assert await shop.value("SELECT state FROM payments") == "pending"


async def test_a_declined_payment_tells_the_customer_and_the_order_stays_open(shop: Town, outbox: Outbox) -> None:
    checkout = await shop.order(await shop.customer())
    shop.bank.shop.decline(shop.payment_of(checkout)["id"], "insufficient_funds")
    await shop.webhook(shop.payment_of(checkout), "payment.canceled")
    await shop.work()
    assert await shop.rows("SELECT state, reason FROM payments") == [("cancelled", "insufficient_funds")]
    assert await shop.value("SELECT state FROM orders") == "open"
    assert len(outbox.sent) == 1


async def test_a_cancellation_that_overtakes_a_success_changes_nothing(shop: Town) -> None:
    payment = shop.pay(await shop.order(await shop.customer()))
    await shop.webhook(payment)
    await shop.work()
    await shop.webhook({**payment, "status": "canceled"}, "payment.canceled")
    await shop.work()
    assert await outcome(shop) == SOLD_ONCE


async def test_a_success_after_a_cancellation_is_honoured(shop: Town) -> None:
    checkout = await shop.order(await shop.customer())
    await shop.rows("UPDATE payments SET state = 'cancelled', ask_at = NULL RETURNING id")
    await shop.webhook(shop.pay(checkout))
    await shop.work()
    assert await outcome(shop) == SOLD_ONCE


async def test_a_claimed_success_of_an_unpaid_payment_grants_nothing(shop: Town) -> None:
    payment = shop.payment_of(await shop.order(await shop.customer()))
    await shop.webhook({**payment, "status": "succeeded", "paid": True})
    await shop.work()
    assert await shop.value("SELECT count(*) FROM grants") == 0
    assert await shop.value("SELECT verdict FROM webhook_events") == "still_pending"


async def test_a_forgery_before_the_payment_does_not_silence_the_real_webhook(shop: Town) -> None:
    checkout = await shop.order(await shop.customer())
    await shop.webhook({**shop.payment_of(checkout), "status": "succeeded"})
    await shop.work()
    await shop.webhook(shop.pay(checkout))
    await shop.work()
    assert await outcome(shop) == SOLD_ONCE


async def test_a_webhook_about_a_payment_that_nobody_knows_is_kept_and_grants_nothing(shop: Town) -> None:
    stranger = {"id": "22e12f66-000f-5000-8000-18db351245c7", "status": "succeeded", "metadata": {"payment_id": "x"}}
    await shop.webhook(stranger)
    await shop.work()
    assert await shop.value("SELECT verdict FROM webhook_events") == "unknown_to_provider"
    assert await shop.value("SELECT count(*) FROM grants") == 0


async def test_a_stranger_naming_our_payment_with_another_id_grants_nothing(shop: Town) -> None:
    anna, boris = await shop.customer(7), await shop.customer(8)
    mine, theirs = await shop.order(anna), await shop.order(boris)
    paid = shop.pay(theirs)
    await shop.webhook({**paid, "metadata": shop.payment_of(mine)["metadata"]})
    await shop.work()
    owners = await shop.rows("SELECT customer_id FROM subscriptions")
    assert (anna.id,) not in owners


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{",
        b"\xff\xfe",
        b'{"type":"notification"}',
        b'{"type":"notification","event":"payment.succeeded"}',
        b'{"type":"notification","event":"payment.succeeded","object":{}}',
        b'{"type":"notification","event":"payment.succeeded","object":{"id":5}}',
        b'{"type":"notification","event":"payment.succeeded","object":{"id":"../refunds/1"}}',
        b"[" * 20_000,
    ],
    ids=range(11),
)
async def test_what_is_no_webhook_is_refused_and_not_kept(shop: Town, body: bytes) -> None:
    assert await settling.webhook_came(shop.tools, "yookassa", RawWebhook(body)) == (400, "")
    assert await shop.value("SELECT count(*) FROM webhook_events") == 0


async def test_a_truncated_webhook_is_refused(shop: Town) -> None:
    whole = notification(shop.pay(await shop.order(await shop.customer())))
    cut_off = RawWebhook(whole[: len(whole) // 2])
    assert await settling.webhook_came(shop.tools, "yookassa", cut_off) == (400, "")


async def test_a_webhook_for_a_provider_that_is_not_set_up_is_not_found(shop: Town) -> None:
    with pytest.raises(NotFound):
        await settling.webhook_came(shop.tools, "nobody", RawWebhook(b"{}"))


@pytest.mark.parametrize(("value", "currency"), [("198.99", "RUB"), ("1.00", "RUB"), ("199.00", "USD")])
async def test_a_wrong_amount_or_currency_goes_to_review_and_the_money_is_in_the_books(
    shop: Town, value: str, currency: str
) -> None:
    checkout = await shop.order(await shop.customer())
    payment = shop.pay(checkout)
    shop.rewrite(payment, amount={"value": value, "currency": currency})
    await shop.webhook(payment)
    await shop.work()
    assert await shop.value("SELECT state FROM payments") == "review"
    assert await shop.value("SELECT count(*) FROM grants") == 0
    assert await shop.rows("SELECT count(*), sum(minor) FROM ledger_entries") == [(2, 0)]
    assert await shop.value("SELECT kind FROM notices") == "payment_in_review"


async def test_play_money_in_a_live_shop_goes_to_review_and_stays_out_of_the_books(shop: Town) -> None:
    payment = shop.pay(await shop.order(await shop.customer()))
    shop.rewrite(payment, test=True)
    await shop.webhook(payment)
    await shop.work()
    assert await shop.value("SELECT state FROM payments") == "review"
    assert await shop.value("SELECT count(*) FROM ledger_entries") == 0


async def test_a_second_payment_for_a_paid_order_goes_to_the_customers_balance(shop: Town, outbox: Outbox) -> None:
    anna = await shop.customer()
    checkout = await shop.order(anna)
    await shop.webhook(shop.pay(checkout))
    await shop.work()
    # The bank holds another payment for the same attempt: it had forgotten our idempotency key.
    first = shop.payment_of(checkout)
    shop.rewrite(first, id="22e12f66-000f-5000-8000-18db351245c8")
    await shop.webhook({**first, "id": "22e12f66-000f-5000-8000-18db351245c8"})
    await shop.work()
    assert await outcome(shop) == SOLD_ONCE
    query = "SELECT sum(minor) FROM ledger_entries WHERE account = :account"
    assert await shop.value(query, account=f"customer:{anna.id}") == -19900
    assert await shop.value("SELECT count(*) FROM notices WHERE kind = 'second_payment_credited'") == 1


async def test_buying_again_extends_from_the_end_and_keeps_the_link_and_the_key(shop: Town) -> None:
    anna = await shop.customer()
    await shop.webhook(shop.pay(await shop.order(anna)))
    await shop.work()
    before = (await shop.rows("SELECT token, uuid, sub_id, ends_at FROM subscriptions"))[0]
    await shop.webhook(shop.pay(await shop.order(anna, days=90)))
    await shop.work()
    after = (await shop.rows("SELECT token, uuid, sub_id, ends_at FROM subscriptions"))[0]
    assert before[:3] == after[:3]
    assert after.ends_at - before.ends_at == timedelta(days=90)
    for node in shop.panels:
        (client,) = shop.clients(node).values()
        assert client["expiryTime"] == milliseconds(after.ends_at)


async def test_an_ended_subscription_is_extended_from_now(shop: Town) -> None:
    anna = await shop.customer()
    await shop.webhook(shop.pay(await shop.order(anna)))
    await shop.work()
    shop.tools.clock.advance(days=40)  # type: ignore[attr-defined]
    now = shop.tools.clock.now()
    await shop.webhook(shop.pay(await shop.order(anna)))
    await shop.work()
    ends = await shop.value("SELECT ends_at FROM subscriptions")
    assert timedelta(days=30) <= ends - now < timedelta(days=30, minutes=1)


async def test_another_plan_is_a_subscription_of_its_own(shop: Town) -> None:
    anna = await shop.customer()
    for plan in ("standard", "unlimited"):
        await shop.webhook(shop.pay(await shop.order(anna, plan)))
    await shop.work()
    assert await shop.value("SELECT count(DISTINCT token) FROM subscriptions") == 2
    assert {len(shop.clients(node)) for node in shop.panels} == {2}


async def test_two_orders_paid_at_once_by_one_person_make_one_subscription_twice_as_long(shop: Town) -> None:
    anna = await shop.customer()
    paid = [shop.pay(await shop.order(anna)) for _ in range(2)]
    await asyncio.gather(*(shop.webhook(payment) for payment in paid))
    await shop.work()
    length = await shop.value("SELECT ends_at - starts_at FROM subscriptions")
    assert timedelta(days=60) <= length < timedelta(days=60, minutes=1)
    assert (await outcome(shop))["grants"] == 2


async def test_a_plan_changed_after_the_order_does_not_change_what_was_bought(shop: Town) -> None:
    checkout = await shop.order(await shop.customer())
    await shop.rows("UPDATE plans SET traffic_bytes = 1, devices = 1, active = false RETURNING id")
    await shop.rows("UPDATE prices SET minor = 1 RETURNING minor")
    await shop.webhook(shop.pay(checkout))
    await shop.work()
    (client,) = shop.clients("de-1").values()
    assert (client["totalGB"], client["limitIp"]) == (100 * 1024**3, 3)


async def test_a_method_switched_off_still_settles_what_is_open(shop: Town) -> None:
    payment = shop.pay(await shop.order(await shop.customer()))
    await shop.rows("UPDATE payment_methods SET enabled = false RETURNING name")
    await shop.webhook(payment)
    await shop.work()
    assert await outcome(shop) == SOLD_ONCE


async def test_the_bank_going_away_after_the_webhook_delays_the_key_and_loses_nothing(shop: Town) -> None:
    payment = shop.pay(await shop.order(await shop.customer()))
    shop.bank.weather.add(Fault.from_json({"mode": "html", "route": "/v3/payments", "times": 2}))
    await shop.webhook(payment)
    await shop.work()
    assert await shop.value("SELECT processed_at FROM webhook_events") is None
    for _ in range(3):
        await shop.later(seconds=61)
    assert await outcome(shop) == SOLD_ONCE


async def test_an_event_whose_job_was_lost_is_taken_up_by_the_sweep(shop: Town) -> None:
    await shop.webhook(shop.pay(await shop.order(await shop.customer())))
    await shop.rows("DELETE FROM procrastinate_jobs RETURNING id")
    await shop.later(seconds=31)
    assert await outcome(shop) == SOLD_ONCE
    assert await shop.value("SELECT verdict FROM webhook_events") in ("paid", "already_settled")


async def test_asking_tells_paid_from_open_and_strangers_apart(shop: Town) -> None:
    anna, boris = await shop.customer(7), await shop.customer(8)
    checkout = await shop.order(anna)
    assert await buying.check(shop.tools, anna.id, checkout.order_ref) == "open"
    with pytest.raises(NotFound):
        await buying.check(shop.tools, boris.id, checkout.order_ref)
    shop.pay(checkout)
    assert await buying.check(shop.tools, anna.id, checkout.order_ref) == "paid"
    shop.bank.weather.add(Fault.from_json({"mode": "html", "route": "/v3/payments", "times": -1}))
    assert await buying.check(shop.tools, anna.id, checkout.order_ref) == "paid"


async def test_a_refused_create_ends_the_attempt_and_says_so(shop: Town) -> None:
    body = {"type": "error", "id": "1", "code": "invalid_request", "description": "no", "parameter": "amount"}
    shop.bank.weather.add(Fault.from_json({"mode": "status", "status": 400, "body": body, "route": "/v3/payments"}))
    with pytest.raises(Refused):
        await shop.order(await shop.customer())
    assert await shop.rows("SELECT state, ask_at FROM payments") == [("cancelled", None)]


def milliseconds(moment: datetime) -> int:
    """Rounded up, as the client writes it: paid time is never shortened by a conversion."""
    return math.ceil(moment.timestamp() * 1000)


async def test_a_promised_link_that_never_came_about_is_taken_back_in_words(shop: Town, outbox: Outbox) -> None:
    shop.bank.weather.add(Fault.from_json({"mode": "drop_before", "route": "/v3/payments", "times": -1}))
    assert (await shop.order(await shop.customer())).pay_url is None
    shop.tools.clock.advance(hours=24)  # type: ignore[attr-defined]
    shop.bank.weather.clear()
    await shop.later(seconds=1)
    await shop.work()
    assert await shop.value("SELECT state FROM payments") == "cancelled"
    assert await shop.rows("SELECT kind FROM notices") == [("payment_cancelled",)]


async def test_a_provider_whose_settings_cannot_be_opened_keeps_the_order_and_sends_the_link_later(shop: Town) -> None:
    sealed = await shop.value("SELECT sealed_config FROM payment_methods")
    await shop.rows("UPDATE payment_methods SET sealed_config = :no RETURNING name", no=b"sealed with another key")
    assert (await shop.order(await shop.customer())).pay_url is None
    await shop.rows("UPDATE payment_methods SET sealed_config = :yes RETURNING name", yes=sealed)
    await shop.later(seconds=11)
    await shop.work()
    assert await shop.value("SELECT state FROM payments") == "pending"
    assert await shop.value("SELECT kind FROM notices") == "payment_link"

"""Attacks on the money path: forgeries, crashes between two steps, races, and a bank in every kind of trouble."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from ferryman.billing import checkout
from ferryman.billing.order import Payment
from ferryman.flows.payments import buying, settling
from ferryman.flows.shop import overview
from ferryman.kit.errors import Misconfigured, Refused
from ferryman_sandbox.weather import Fault
from tests.faces.web.conftest import served
from tests.support.chat import until
from tests.support.messages import Outbox
from tests.support.shop import Town, notification

STRANGERS = ("22e12f66-000f-5000-8000-18db351245c8", "22e12f66-000f-5000-8000-18db351245c9")
CREATE = {"route": "/v3/payments", "method": "POST"}
NO = {"type": "error", "id": "1", "code": "invalid_request", "description": "no"}
PRICE = 19900
# What the emulated bank keeps of it.
FEE = 796


def storm(shop: Town, **fault: Any) -> None:
    shop.bank.weather.add(Fault.from_json(fault))


async def said(shop: Town, payment: dict[str, Any], event: str = "payment.succeeded") -> None:
    await shop.webhook(payment, event)
    await shop.work()


async def account(shop: Town, name: str) -> int:
    """What an account of the ledger holds, in minor units; debit is positive."""
    total = "SELECT coalesce(sum(minor), 0)::bigint FROM ledger_entries WHERE account = :name"
    return int(await shop.value(total, name=name))


async def grants(shop: Town) -> int:
    return int(await shop.value("SELECT count(*) FROM grants"))


async def verdicts(shop: Town) -> list[str]:
    return [verdict for (verdict,) in await shop.rows("SELECT verdict FROM webhook_events ORDER BY id")]


async def altered(shop: Town, statement: str) -> None:
    async with shop.tools.db.unit() as session:
        await session.execute(text(statement))


async def rounds(shop: Town, times: int, **by: float) -> None:
    for _ in range(times):
        await shop.later(**by)


def asked(shop: Town) -> int:
    """How often the bank was asked about a payment."""
    return sum(call["method"] == "GET" and "/payments/" in call["path"] for call in shop.bank.calls)


async def blocked(shop: Town, statements: int) -> bool:
    """Whether so many statements wait for somebody else's lock."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    return bool(await shop.value(query) == statements)


def twin(shop: Town, payment: dict[str, Any], id_: str, **changes: Any) -> dict[str, Any]:
    """The bank holds one more payment for the same attempt of ours: it had forgotten our idempotency key."""
    shop.rewrite(payment, id=id_, **changes)
    return {**payment, "id": id_, **changes}


async def test_an_event_that_names_another_customers_payment_moves_neither_wrongly(shop: Town) -> None:
    anna, boris = await shop.customer(7), await shop.customer(8)
    mine, theirs = await shop.order(anna), await shop.order(boris)
    paid = shop.pay(theirs)
    await said(shop, {**paid, "metadata": shop.payment_of(mine)["metadata"]})
    assert await shop.rows("SELECT customer_id FROM subscriptions") == [(boris.id,)]
    assert await shop.rows("SELECT DISTINCT customer_id FROM notices") == [(boris.id,)]
    shop.pay(mine)  # and the real webhook is lost
    await rounds(shop, 3, hours=2)
    assert await shop.rows("SELECT customer_id FROM subscriptions ORDER BY id") == [(boris.id,), (anna.id,)]


async def test_a_second_payment_over_there_is_asked_about_until_it_is_final(shop: Town) -> None:
    order = await shop.order(await shop.customer())
    stray = twin(shop, shop.payment_of(order), STRANGERS[0])
    await said(shop, stray, "payment.waiting_for_capture")
    shop.rewrite(stray, status="succeeded", paid=True)  # and its webhook is lost
    await rounds(shop, 3, hours=2)
    assert await grants(shop) == 1
    assert await account(shop, "provider:yookassa") == PRICE


async def test_each_stray_is_credited_once_and_told_separately(shop: Town, outbox: Outbox) -> None:
    anna = await shop.customer()
    order = await shop.order(anna)
    first = shop.pay(order)
    await said(shop, first)
    for id_ in STRANGERS:
        stray = twin(shop, first, id_)
        await said(shop, stray)
        await said(shop, stray)
    await rounds(shop, 3, hours=2)
    assert await account(shop, f"customer:{anna.id}") == -2 * PRICE
    assert await account(shop, "sales") == -PRICE
    assert await shop.value("SELECT count(*) FROM notices WHERE kind = 'second_payment_credited'") == 2
    assert len(outbox.sent) == 4
    assert await grants(shop) == 1


async def test_money_that_no_order_knows_is_a_number_that_the_operator_sees(shop: Town) -> None:
    paid = shop.pay(await shop.order(await shop.customer()))
    for table in ("payments", "orders"):  # as after yesterday's backup was restored
        await shop.rows(f"DELETE FROM {table} RETURNING id")
    assert (await overview.look(shop.tools))["numbers"]["money_without_order"] == 0
    await said(shop, paid)
    await said(shop, paid)
    assert (await overview.look(shop.tools))["numbers"]["money_without_order"] == 1


async def test_a_wrong_amount_is_in_the_books_though_the_create_answer_never_came(shop: Town) -> None:
    storm(shop, mode="drop_after", **CREATE)
    paid = shop.pay(await shop.order(await shop.customer()))
    shop.rewrite(paid, amount={"value": "150.00", "currency": "RUB"})
    await said(shop, paid)
    assert await shop.rows("SELECT state, external_id FROM payments") == [("review", paid["id"])]
    assert await account(shop, "provider:yookassa") == 15000
    assert await grants(shop) == 0


async def test_a_review_that_is_put_right_counts_the_money_once(shop: Town) -> None:
    paid = shop.pay(await shop.order(await shop.customer()))
    shop.rewrite(paid, amount={"value": "150.00", "currency": "RUB"})
    await said(shop, paid)
    await said(shop, paid)
    shop.rewrite(paid, amount={"value": "199.00", "currency": "RUB"})
    await said(shop, paid)
    reference = await shop.value("SELECT ref FROM payments")
    assert await account(shop, "provider:yookassa") == PRICE - FEE
    assert await account(shop, f"unmatched:{reference}") == 0
    assert await account(shop, "sales") == -PRICE
    assert await grants(shop) == 1


async def test_refunds_made_in_the_banks_cabinet_are_in_the_books_once_each(shop: Town) -> None:
    paid = shop.pay(await shop.order(await shop.customer()))
    await said(shop, paid)
    ends = await shop.value("SELECT ends_at FROM subscriptions")
    for value, so_far in (("50.00", 5000), ("149.00", PRICE)):
        amount = {"value": value, "currency": "RUB"}
        refund = shop.bank.shop.refund({"payment_id": paid["id"], "amount": amount})
        await said(shop, refund, "refund.succeeded")
        assert (await verdicts(shop))[-1] == "given_back"
        await said(shop, refund, "refund.succeeded")
        await said(shop, paid)
        assert await account(shop, "refunds") == so_far
        assert await account(shop, "provider:yookassa") == PRICE - FEE - so_far
        assert await shop.rows("SELECT state, refunded FROM payments") == [("succeeded", so_far)]
    assert await account(shop, "sales") == -PRICE
    assert (await overview.look(shop.tools))["numbers"]["refunded"] == 1
    # All that was paid for has gone back, and so has the time.
    assert await shop.value("SELECT ends_at FROM subscriptions") < ends
    left = await shop.value("SELECT ends_at FROM subscriptions") - shop.tools.clock.now()
    assert left < timedelta(seconds=5)
    assert await shop.value("SELECT count(*) FROM key_without_money") == 0


async def test_play_money_is_refused_in_production(shop: Town) -> None:
    config = {"shop_id": "100500", "secret_key": "test_key_of_the_tests"}
    shop.tools.settings = shop.tools.settings.model_copy(update={"env": "production"})
    sealed = shop.tools.vault.seal(config)
    await shop.rows("UPDATE payment_methods SET sealed_config = :sealed RETURNING name", sealed=sealed)
    anna = await shop.customer()
    assert (await shop.order(anna)).pay_url is None
    await rounds(shop, 2, hours=2)
    assert await shop.value("SELECT count(*) FROM ledger_entries") == 0
    assert await grants(shop) == 0


@pytest.mark.parametrize("status", [400, 404])
async def test_of_two_presses_at_once_one_refused_the_other_ones_link_is_paid_for(shop: Town, status: int) -> None:
    anna = await shop.customer()
    storm(shop, mode="delay", seconds=3.0, **CREATE)
    first = asyncio.create_task(shop.order(anna, tap="t"))
    await until(lambda: shop.bank.weather.hits.get("delay") == 1, "the first press to reach the bank")
    storm(shop, mode="status", status=status, body={}, **CREATE)
    with pytest.raises(Refused, match=str(status)):
        await shop.order(anna, tap="t")
    order = await first
    assert order.pay_url is not None
    shop.pay(order)  # and the webhook is lost
    await rounds(shop, 3, hours=1)
    assert await grants(shop) == 1


async def test_a_second_press_on_a_refused_order_promises_no_link(shop: Town) -> None:
    storm(shop, mode="status", status=400, body=NO, **CREATE)
    anna = await shop.customer()
    for _ in range(2):
        with pytest.raises(Refused, match="400"):
            await shop.order(anna, tap="t")


async def test_a_link_that_was_promised_and_then_refused_is_told(shop: Town, outbox: Outbox) -> None:
    storm(shop, mode="drop_before", **CREATE)
    assert (await shop.order(await shop.customer())).pay_url is None
    storm(shop, mode="status", status=400, body=NO, **CREATE)
    await rounds(shop, 3, seconds=60)
    assert await shop.rows("SELECT kind, state FROM notices") == [("payment_cancelled", "sent")]
    assert len(outbox.sent) == 1


async def test_a_crash_between_the_opening_and_its_notice_loses_no_link(shop: Town, outbox: Outbox) -> None:
    storm(shop, mode="drop_after", **CREATE)
    await shop.order(await shop.customer())
    # The database refuses the notice: what was written before it in that transaction must go with it.
    await altered(shop, "ALTER TABLE notices ADD CONSTRAINT crash CHECK (false) NOT VALID")
    await shop.later(seconds=11)
    assert await shop.rows("SELECT state, pay_url FROM payments") == [("creating", None)]
    await altered(shop, "ALTER TABLE notices DROP CONSTRAINT crash")
    await rounds(shop, 3, seconds=60)
    (link,) = outbox.sent
    assert link.keyboard is not None
    assert link.keyboard.rows[0][0].url == await shop.value("SELECT pay_url FROM payments")
    assert len(shop.bank.shop.payments()) == 1


@pytest.mark.parametrize("changed", ["language", "public_url"])
async def test_what_changes_before_the_repeat_does_not_lose_the_link(shop: Town, outbox: Outbox, changed: str) -> None:
    storm(shop, mode="drop_after", **CREATE)
    assert (await shop.order(await shop.customer())).pay_url is None
    if changed == "language":
        await shop.rows("UPDATE customers SET language = 'en' RETURNING id")
    else:
        moved = {"public_url": "https://moved.example.net"}
        shop.tools.settings = shop.tools.settings.model_copy(update=moved)
    await rounds(shop, 3, seconds=60)
    assert await shop.value("SELECT state FROM payments") == "pending"
    assert len(outbox.sent) == 1
    assert len(shop.bank.shop.payments()) == 1


async def test_a_payment_made_before_a_long_outage_is_found_after_it(shop: Town) -> None:
    storm(shop, mode="drop_after", **CREATE)
    shop.pay(await shop.order(await shop.customer()))
    await shop.later(days=5)
    assert await shop.value("SELECT state FROM payments") == "succeeded"
    assert await grants(shop) == 1
    assert len(shop.bank.shop.payments()) == 1


async def test_asking_eagerly_does_not_push_the_sweep_away(shop: Town) -> None:
    anna = await shop.customer()
    order = await shop.order(anna)
    for _ in range(8):
        assert await buying.check(shop.tools, anna.id, order.order_ref) == "open"
    shop.pay(order)
    await shop.later(seconds=31)
    assert await grants(shop) == 1


async def test_a_cancelled_payment_is_never_called_paid(shop: Town) -> None:
    anna = await shop.customer()
    order = await shop.order(anna)
    shop.bank.shop.decline(shop.payment_of(order)["id"], "insufficient_funds")
    payment = await shop.value("SELECT id FROM payments")
    async with shop.tools.db.unit() as session:
        # Both have heard the bank's answer and queue for the customer: the sweep first, then the customer's question.
        await session.execute(text("SELECT 1 FROM customers FOR NO KEY UPDATE"))
        sweep = asyncio.create_task(settling.settle_payment(shop.tools, payment))
        await until(lambda: blocked(shop, 1), "the sweep to wait")
        question = asyncio.create_task(buying.check(shop.tools, anna.id, order.order_ref))
        await until(lambda: blocked(shop, 2), "the question to wait")
    assert await sweep == "cancelled"
    assert await question == "open"


async def test_asking_later_does_not_open_a_settled_payment_again(shop: Town) -> None:
    shop.pay(await shop.order(await shop.customer()))
    payment = await shop.value("SELECT id FROM payments")
    async with shop.tools.db.unit() as session:
        await session.get_one(Payment, payment)
        assert await settling.settle_payment(shop.tools, payment) == "paid"
        await checkout.ask_later(session, payment, shop.tools.clock.now())
    assert await shop.value("SELECT ask_at FROM payments") is None


async def test_payments_of_a_broken_provider_do_not_starve_the_others(shop: Town) -> None:
    shop.pay(await shop.order(await shop.customer()))
    mine = await shop.value("SELECT id FROM payments")
    await shop.rows(
        """INSERT INTO payments (ref, order_id, provider, idempotency_key, external_id, request, state, minor, currency,
                                 created_at, ask_at, asked)
           SELECT 'x' || n, (SELECT id FROM orders), 'gone', 'x' || n, 'x' || n, '{}', 'pending', 1, 'RUB', now(),
                  now() - interval '1 day', 0 FROM generate_series(1, 50) AS n RETURNING id"""
    )
    shop.tools.clock.advance(seconds=11)  # type: ignore[attr-defined]
    first = await due(shop)
    assert len(first) == 50
    assert mine not in first
    for payment in first:
        with pytest.raises(Misconfigured):
            await settling.ask_payment(shop.tools, payment)
    assert (await due(shop))[0] == mine


async def due(shop: Town) -> list[int]:
    """What one round of a sweep takes up, if that were fifty payments."""
    async with shop.tools.db.unit() as session:
        return await checkout.due(session, shop.tools.clock.now(), limit=50)


async def only_the_event_is_left(shop: Town, **answer: Any) -> None:
    """Paid, and told of by a webhook alone; the bank answers every question so from now on."""
    paid = shop.pay(await shop.order(await shop.customer()))
    await shop.rows("UPDATE payments SET ask_at = NULL RETURNING id")
    storm(shop, mode="status", route="/v3/payments", times=-1, **answer)
    await said(shop, paid)


async def test_a_bank_that_names_a_pause_is_left_alone_for_it(shop: Town) -> None:
    await only_the_event_is_left(shop, status=429, body={"type": "error", "retry_after": 1_800_000})
    assert asked(shop) == 1
    await rounds(shop, 12, seconds=140)
    assert asked(shop) == 1
    shop.bank.weather.clear()
    await rounds(shop, 2, seconds=100)
    assert asked(shop) == 2
    assert await grants(shop) == 1


async def test_a_key_that_the_bank_refuses_is_not_hammered_with(shop: Town) -> None:
    await only_the_event_is_left(shop, status=401, body={"type": "error", "code": "invalid_credentials"})
    await rounds(shop, 24, seconds=10)
    assert 3 <= asked(shop) <= 5
    shop.bank.weather.clear()
    await rounds(shop, 2, seconds=300)
    assert await grants(shop) == 1


async def test_a_webhook_that_finds_unusable_settings_is_asked_for_again_and_not_lost(shop: Town) -> None:
    body = notification(shop.pay(await shop.order(await shop.customer())))
    sealed = await shop.value("SELECT sealed_config FROM payment_methods")
    async with served(shop.tools) as site:
        await shop.rows("UPDATE payment_methods SET sealed_config = 'x' RETURNING name")
        refused = await site.post(site.hook, body)
        assert (refused.status, refused.headers["retry-after"]) == (503, "5")
        await shop.rows("UPDATE payment_methods SET sealed_config = :sealed RETURNING name", sealed=sealed)
        assert (await site.post(site.hook, body)).status == 200
    await shop.work()
    assert await grants(shop) == 1


async def test_everything_at_once_on_the_same_people_never_deadlocks(shop: Town) -> None:
    """Eight payments of four people, three ways to each, all at one moment: each is granted once."""
    people = [await shop.customer(number) for number in range(10, 14)]
    orders = [await shop.order(person) for person in people for _ in range(2)]
    paid = [shop.pay(order) for order in orders]
    payments = [payment for (payment,) in await shop.rows("SELECT id FROM payments")]
    outcomes = await asyncio.gather(
        *(settling.settle_payment(shop.tools, payment) for payment in payments),
        *(shop.webhook(payment) for payment in paid),
        *(buying.check(shop.tools, people[n // 2].id, order.order_ref) for n, order in enumerate(orders)),
        return_exceptions=True,
    )
    assert [error for error in outcomes if isinstance(error, BaseException)] == []
    await shop.work()
    assert await grants(shop) == 8
    assert await shop.value("SELECT count(*) FROM subscriptions") == 4
    assert await account(shop, "sales") == -8 * PRICE

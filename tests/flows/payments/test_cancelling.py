"""An order that its customer cancels: closed at once, called off where that can be, and money for it is never lost."""

import asyncio
import secrets
from typing import Any

import pytest

from ferryman.billing.provider import Fact, PaymentState
from ferryman.flows.keys.handling import Cause
from ferryman.flows.orders import discounting, opening, pricing
from ferryman.flows.orders.discounting import Limits, Terms
from ferryman.flows.payments import applying, buying, cancelling, marking, settling
from ferryman.flows.payments.buying import Checkout
from ferryman.flows.payments.stars import MayNotPay, Question, may_pay
from ferryman.flows.tools import Tools
from ferryman.kit.errors import NotFound, Refused, Unreachable
from tests.support.subscriber import TELEGRAM_ID, Subscriber

ORDERS = "SELECT state, cancelled_at IS NOT NULL, paid_at IS NOT NULL FROM orders ORDER BY id"
BALANCE = "SELECT coalesce(sum(minor), 0)::int FROM ledger_entries WHERE account LIKE 'customer:%'"


@pytest.fixture
async def anna(tools: Tools) -> Subscriber:
    """Has nothing yet."""
    made = Subscriber(tools)
    await made.open()
    return made


async def orders(anna: Subscriber, **more: Any) -> Checkout:
    wish = buying.Wish(anna.customer_id, anna.term_id, "cards", more.pop("tap", secrets.token_hex(8)), **more)
    return await buying.begin(anna.tools, wish)


async def cancels(anna: Subscriber, order: Checkout) -> str:
    return await cancelling.cancel(anna.tools, anna.customer_id, order.order_ref)


async def pays(anna: Subscriber, order: Checkout) -> None:
    """At the bank, and we hear of it when we ask."""
    query = "SELECT p.ref FROM payments p JOIN orders o ON o.id = p.order_id WHERE o.ref = :ref"
    anna.bank.pay(await anna.value(query, ref=order.order_ref))
    await anna.later(minutes=1)


async def test_one_press_closes_it_and_a_second_changes_nothing(anna: Subscriber) -> None:
    order = await orders(anna)
    for _ in range(2):
        assert await cancels(anna, order) == "cancelled"
    assert await anna.rows(ORDERS) == [("cancelled", True, False)]
    assert await buying.check(anna.tools, anna.customer_id, order.order_ref) == "cancelled"
    assert await anna.told() == []


async def test_the_press_that_made_it_makes_no_other_and_shows_no_way_to_pay(anna: Subscriber) -> None:
    order = await orders(anna, tap="7:1:pay")
    await cancels(anna, order)
    again = await orders(anna, tap="7:1:pay")
    assert (again.order_ref, again.cancelled, again.pay_url) == (order.order_ref, True, None)
    assert (await orders(anna)).order_ref != order.order_ref


async def test_money_that_comes_all_the_same_buys_what_was_ordered(anna: Subscriber) -> None:
    order = await orders(anna)
    await cancels(anna, order)
    await pays(anna, order)
    assert await anna.rows(ORDERS) == [("paid", True, True)]
    assert await anna.books() == (1, 1, 0)
    assert "payment_succeeded" in await anna.told()
    assert await buying.check(anna.tools, anna.customer_id, order.order_ref) == "paid"


async def test_it_goes_to_the_balance_when_something_else_was_bought_since(anna: Subscriber) -> None:
    order = await orders(anna)
    await cancels(anna, order)
    await anna.buys(keep=False)
    await pays(anna, order)
    assert await anna.rows(ORDERS) == [("cancelled", True, False), ("paid", False, True)]
    assert await anna.books() == (1, 1, 0)
    assert await anna.value(BALANCE) == -19900
    assert (await anna.told()).count("cancelled_order_credited") == 1
    assert await anna.value("SELECT count(*) FROM money_without_key WHERE why = 'not granted'") == 0


async def test_what_was_bought_before_the_cancelling_does_not_count_as_something_else(anna: Subscriber) -> None:
    await anna.buys(keep=False)
    anna.tools.clock.advance(seconds=1)  # type: ignore[attr-defined]
    order = await orders(anna)
    await cancels(anna, order)
    await pays(anna, order)
    assert await anna.books() == (2, 2, 0)


async def test_paid_by_the_time_of_the_press_it_is_paid(anna: Subscriber) -> None:
    order = await orders(anna)
    anna.bank.pay(await anna.value("SELECT ref FROM payments"))
    assert await cancels(anna, order) == "paid"
    assert await anna.books() == (1, 1, 0)
    assert await cancels(anna, order) == "paid"


async def test_paid_and_cancelled_at_the_same_moment_it_is_granted_once(anna: Subscriber) -> None:
    order = await orders(anna)
    number = await anna.value("SELECT id FROM payments")
    anna.bank.pay(await anna.value("SELECT ref FROM payments"))
    await asyncio.gather(*(cancels(anna, order) for _ in range(3)), settling.settle_payment(anna.tools, number))
    await anna.later(minutes=1)
    assert (await anna.rows("SELECT state FROM orders"), await anna.books()) == ([("paid",)], (1, 1, 0))


async def test_nobody_cancels_somebody_elses_nor_a_renewal(anna: Subscriber) -> None:
    order = await orders(anna)
    with pytest.raises(NotFound):
        await cancelling.cancel(anna.tools, anna.customer_id + 1, order.order_ref)
    await anna.buys()
    anna.bank.verdicts = [None]
    await anna.reaches_the_charge()
    renewal = await anna.value("SELECT ref FROM orders WHERE kind = 'renewal'")
    with pytest.raises(NotFound):
        await cancelling.cancel(anna.tools, anna.customer_id, renewal)
    assert await anna.value("SELECT count(*) FROM orders WHERE state = 'cancelled'") == 0


async def test_a_provider_that_is_silent_keeps_nobody_from_cancelling(anna: Subscriber) -> None:
    order = await orders(anna)
    anna.bank.failures = [(Unreachable("No answer."), "look")]
    assert await cancels(anna, order) == "cancelled"


async def test_while_a_person_looks_at_its_money_it_is_not_cancelled(anna: Subscriber) -> None:
    order = await orders(anna)
    await anna.do("UPDATE payments SET state = 'review', ask_at = NULL")
    assert await cancels(anna, order) == "review"
    assert await anna.rows(ORDERS) == [("open", False, False)]


async def test_its_code_is_free_at_once(anna: Subscriber) -> None:
    await discounting.promo(anna.tools, "SUMMER", Terms("50%"), Limits(most=1), "operator:tests")
    order = await orders(anna, promo="SUMMER")
    await cancels(anna, order)
    assert await anna.rows("SELECT state FROM discount_uses") == [("released",)]
    await pricing.enter(anna.tools, anna.customer_id, "SUMMER")
    await pays(anna, order)
    assert await anna.rows("SELECT state FROM discount_uses") == [("consumed",)], "at the price of its order"


async def test_a_payment_whose_answer_was_lost_is_looked_for_and_not_made_anew(anna: Subscriber) -> None:
    order = await orders(anna)
    await anna.do("UPDATE payments SET state = 'creating', external_id = NULL, pay_url = NULL")
    made = dict(anna.bank.payments)
    anna.bank.payments.clear()
    anna.bank.keys.clear()
    await cancels(anna, order)
    await anna.later(minutes=5)
    assert anna.bank.payments == {}, "nothing was opened for what nobody wants"
    assert await anna.told() == [], "and no link was sent"
    anna.bank.payments.update(made)
    await pays(anna, order)
    number = await anna.value("SELECT id FROM payments")
    await settling.settle_payment(anna.tools, number)
    assert await anna.books() == (1, 1, 0)


async def test_what_a_provider_can_call_off_is_called_off_and_a_late_success_still_counts(anna: Subscriber) -> None:
    called: list[str] = []

    async def withdraw(_: object, external_id: str) -> Fact:
        called.append(external_id)
        return anna.bank.say(external_id, state=PaymentState.CANCELLED, reason="expired")

    anna.tools.providers["cards"].withdraw = withdraw  # type: ignore[attr-defined]
    order = await orders(anna)
    await cancels(anna, order)
    assert called == ["bank-0"]
    assert await anna.rows("SELECT state, ask_at FROM payments") == [("cancelled", None)]
    assert await anna.told() == [], "no word of a payment that did not go through"
    late = anna.bank.say("bank-0", state=PaymentState.SUCCEEDED, reason=None)
    async with anna.tools.db.unit() as session:
        provider = await opening.collecting(anna.tools, session, "cards")
    assert await applying.apply_fact(anna.tools, provider, late) == "paid"
    assert await anna.books() == (1, 1, 0)


async def test_called_off_too_late_it_is_paid(anna: Subscriber) -> None:
    async def withdraw(_: object, external_id: str) -> Fact:
        return anna.bank.say(external_id, state=PaymentState.SUCCEEDED)

    anna.tools.providers["cards"].withdraw = withdraw  # type: ignore[attr-defined]
    assert await cancels(anna, await orders(anna)) == "paid"
    assert await anna.books() == (1, 1, 0)


async def test_a_link_that_expires_is_no_news_to_who_has_cancelled(anna: Subscriber) -> None:
    order = await orders(anna)
    await cancels(anna, order)
    anna.bank.say("bank-0", state=PaymentState.CANCELLED, reason="expired_on_confirmation")
    await anna.later(minutes=2)
    assert await anna.rows("SELECT state FROM payments") == [("cancelled",)]
    assert await anna.told() == []


async def test_telegram_is_told_that_a_cancelled_invoice_may_not_be_paid(anna: Subscriber) -> None:
    order = await orders(anna)
    await anna.do("UPDATE payments SET provider = 'stars'")
    await cancels(anna, order)
    ref, minor = await anna.row("SELECT ref, minor FROM payments")
    with pytest.raises(MayNotPay) as refused:
        await may_pay(anna.tools, Question(TELEGRAM_ID, f"{ref}.{TELEGRAM_ID}", minor, "RUB"))
    assert refused.value.reason == "cancelled"


async def test_cash_for_a_cancelled_order_is_taken_by_a_persons_word(anna: Subscriber) -> None:
    order = await orders(anna)
    await cancels(anna, order)
    await anna.do(
        "INSERT INTO payment_methods (name, enabled, position, sealed_config) VALUES ('manual', true, 9, :sealed)",
        sealed=anna.tools.vault.seal({}),
    )
    await marking.mark_paid(anna.tools, order.order_ref, Cause("operator:cli", "cash after all"))
    assert await anna.books() == (1, 1, 0)


async def test_cancelling_is_no_way_around_the_most_orders_of_an_hour(
    anna: Subscriber, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is a call to a provider."""
    monkeypatch.setattr(buying, "MOST_UNPAID", 1)
    await cancels(anna, await orders(anna))
    with pytest.raises(Refused):
        await orders(anna)

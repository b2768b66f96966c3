"""A chargeback that is won: money, books and access as before it, once, whatever is told how often in which order."""

import asyncio
import secrets
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from ferryman.billing.provider import Fact, PaymentState
from ferryman.flows.orders import worth
from ferryman.flows.payments import applying, banking, bookkeeping, buying
from ferryman.flows.refunds import weighing
from ferryman.flows.refunds.winning_back import Gone
from ferryman.kit.errors import Busy
from ferryman.kit.money import Money
from ferryman.subscriptions.subscription import Subscription
from tests.flows.card_case import DAY, Case
from tests.flows.provider_till import MINOR
from tests.flows.refund_shop import accounts, balances, refunds


async def test_won_back_the_books_and_the_access_are_as_before_and_both_sides_hear_of_it(case: Case) -> None:
    session = await case.buys()
    await case.later(days=10)
    dispute = await case.disputes(session)
    assert await case.left() == timedelta(0)
    assert await accounts(case.shop) == {"sales": -MINOR, "refunds": MINOR}
    await case.later(days=40)
    await case.decides(dispute, "win")
    assert await case.left() == 20 * DAY, "what was unused then, from now on"
    assert await accounts(case.shop) == {"provider": MINOR, "sales": -MINOR}
    assert await case.shop.rows("SELECT charged_back, refunded FROM payments") == [(0, 0)]
    assert len(case.shop.clients("de-1")) == 1
    assert (await case.kinds())[-2:] == ["charged_back", "payment_stands"]
    assert await case.kinds(99) == ["chargeback_came", "chargeback_won"]
    assert await case.shop.rows("SELECT ref FROM key_without_money") == []
    assert await case.shop.rows("SELECT ref FROM money_without_key") == []
    assert "chargeback_won" in [what for (what,) in await case.shop.rows("SELECT what FROM key_events")]


async def test_a_dispute_that_is_lost_changes_nothing_more(case: Case) -> None:
    await case.decides(await case.disputes(await case.buys()), "lose")
    assert await case.left() == timedelta(0)
    assert await accounts(case.shop) == {"sales": -MINOR, "refunds": MINOR}
    assert "payment_stands" not in await case.kinds()


async def test_what_a_dispute_costs_is_booked_once_and_comes_back_only_with_the_money(case: Case) -> None:
    session = await case.buys()
    provider, stale = await case.provider(), await case.fact()
    fee = await fees(case)
    dispute = await case.disputes(session)
    assert await fees(case) == fee + 1500
    for _ in range(2):
        await applying.apply_fact(case.shop.tools, provider, await case.fact())
        await applying.apply_fact(case.shop.tools, provider, stale)
    assert await fees(case) == fee + 1500
    booked = "SELECT count(*) FROM ledger_transactions WHERE source LIKE 'disputes:%'"
    assert await case.shop.value(booked) == 1
    await case.decides(dispute, "win")
    assert await fees(case) == fee
    assert await case.shop.value("SELECT fee FROM payments") == fee
    assert await case.shop.value(booked) == 2
    assert await balances(case.shop) == 0


async def test_what_a_dispute_cost_may_come_back_later_than_the_money(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    dispute = await case.disputes(await case.buys())
    fee = await fees(case)
    await case.till.control.post(f"disputes/{dispute}/win")
    provider, won = await case.provider(), await case.fact()
    kept = replace(won, dispute_fee=Money(1500, won.amount.currency))
    monkeypatch.setattr(type(provider), "look_up", _answering(kept))
    await applying.apply_fact(case.shop.tools, provider, kept)
    assert (await accounts(case.shop), await fees(case)) == ({"provider": MINOR, "sales": -MINOR}, fee)
    await applying.apply_fact(case.shop.tools, provider, won)
    assert await fees(case) == fee - 1500
    assert await balances(case.shop) == 0


async def fees(case: Case) -> int:
    query = "SELECT coalesce(sum(minor), 0)::bigint FROM ledger_entries WHERE account = 'fees:stripe'"
    return int(await case.shop.value(query))


async def test_told_many_times_and_all_at_once_it_is_given_once(case: Case) -> None:
    dispute = await case.disputes(await case.buys())
    await case.decides(dispute, "win")
    await case.till.hear(*await case.till.told(case.heard))
    provider, won = await case.provider(), await case.fact()
    await asyncio.gather(*(applying.apply_fact(case.shop.tools, provider, won) for _ in range(5)))
    assert await case.left() == 30 * DAY
    assert await accounts(case.shop) == {"provider": MINOR, "sales": -MINOR}
    assert await case.shop.value("SELECT count(*) FROM adjustments WHERE kind = 'chargeback_won'") == 1


async def test_an_answer_from_before_the_chargeback_gives_nothing_back(case: Case) -> None:
    session = await case.buys()
    provider, stale = await case.provider(), await case.fact()
    await case.disputes(session)
    assert await applying.apply_fact(case.shop.tools, provider, stale) == "already_settled"
    assert await case.left() == timedelta(0)
    assert await accounts(case.shop) == {"sales": -MINOR, "refunds": MINOR}


async def test_what_changes_while_it_is_asked_about_is_asked_about_again(case: Case) -> None:
    session = await case.buys()
    provider, stale = await case.provider(), await case.fact()
    await case.disputes(session)
    with pytest.raises(Busy):
        await applying.apply_fact(case.shop.tools, provider, stale, knew=Gone(charged_back=5))
    assert await case.left() == timedelta(0)


async def test_every_webhook_about_it_lost_the_daily_comparison_finds_it(case: Case) -> None:
    dispute = await case.disputes(await case.buys())
    await case.till.control.post(f"disputes/{dispute}/win")
    found = await banking.compare(case.shop.tools, "stripe")
    assert (found.recovered, found.differences) == (1, [])
    assert await case.left() == 30 * DAY
    report = await bookkeeping.settlement(case.shop.tools, "stripe", case.shop.tools.clock.now().date())
    assert report.differences == []
    assert report.ours["EUR"].chargebacks == 0


async def test_disputed_again_after_it_was_won_it_is_taken_again_and_won_again(case: Case) -> None:
    session = await case.buys()
    for _ in range(2):
        await case.decides(await case.disputes(session), "win")
        assert await case.left() == 30 * DAY
    await case.decides(await case.disputes(session), "lose")
    assert await case.left() == timedelta(0)
    assert await accounts(case.shop) == {"sales": -MINOR, "refunds": MINOR}
    assert [minor for *_, minor in await refunds(case.shop)] == [MINOR] * 3


async def test_what_was_bought_meanwhile_is_kept_and_the_rest_comes_on_top(case: Case) -> None:
    session = await case.buys()
    dispute = await case.disputes(session)
    await case.buys()
    await case.later(days=5)
    await case.decides(dispute, "win")
    assert await case.left() == 55 * DAY
    assert await accounts(case.shop) == {"provider": 2 * MINOR, "sales": -2 * MINOR}


async def test_after_it_was_won_the_payment_can_be_given_back_like_any_other(case: Case) -> None:
    session = await case.buys()
    await case.later(days=10)
    await case.decides(await case.disputes(session), "win")
    tools = case.shop.tools
    async with tools.db.unit() as unit:
        ref = await case.shop.value("SELECT ref FROM payments")
        payment = await weighing.locked(unit, await weighing.payment_named(unit, ref))
        found = await weighing.case(tools, unit, payment)
        assert found.left == MINOR
        assert weighing.propose(found, weighing.UNUSED, None).amount.minor == pytest.approx(MINOR * 2 / 3, abs=5)
        one = (await unit.get_one(Subscription, found.subscription.id)) if found.subscription else None
        assert one is not None
        assert (await worth.left_of(unit, one, tools.clock.now()))["EUR"] == pytest.approx(MINOR * 2 / 3, abs=5)


async def test_a_part_of_a_chargeback_that_comes_back_gives_its_share_and_the_rest_the_rest(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    await case.disputes(await case.buys())
    provider, fact = await case.provider(), await case.fact()
    for still, left in ((MINOR // 2, 15 * DAY), (0, 30 * DAY)):
        less = replace(fact, charged_back=Money(still, fact.amount.currency))
        monkeypatch.setattr(type(provider), "look_up", _answering(less))
        assert await applying.apply_fact(case.shop.tools, provider, less) == "chargeback_won_back"
        assert await case.left() == pytest.approx(left, abs=timedelta(minutes=1))
    assert await accounts(case.shop) == {"provider": MINOR, "sales": -MINOR}
    assert await case.shop.rows("SELECT won_back, taken_seconds, taken_bytes FROM refunds") == [(MINOR, 0, 0)]


async def test_what_had_gone_to_the_balance_is_on_the_balance_again(case: Case) -> None:
    anna = case.customer
    checkout = await case.till.press(anna, "first")
    await case.shop.rows("UPDATE customers SET banned = true WHERE id = :id RETURNING id", id=anna.id)
    session = await case.till.pay(checkout)
    await case.hears(1)
    before = await accounts(case.shop)
    assert before == {"provider": MINOR, "customer": -MINOR}
    dispute = await case.disputes(session)
    assert await accounts(case.shop) == {}
    await case.decides(dispute, "win")
    assert await accounts(case.shop) == before
    assert await balances(case.shop) == 0


def _answering(fact: Fact) -> Any:
    async def look_up(self: Any, external_id: str) -> Fact:
        assert fact.state is PaymentState.SUCCEEDED
        assert external_id == fact.external_id
        return fact

    return look_up


async def test_disputed_anew_after_a_change_of_plan_what_the_win_had_added_goes_again(case: Case) -> None:
    """However often: a bank may lose and dispute once more, and nobody keeps a month for it."""
    first = await _buys(case, "standard")
    await _buys(case, "standard")
    await case.later(days=1)
    dispute = await case.disputes(first)
    await case.shop.rows(
        """UPDATE prices SET minor = 3 * minor FROM terms t JOIN plans p ON p.id = t.plan_id
           WHERE t.id = prices.term_id AND p.code = 'unlimited' RETURNING prices.minor"""
    )
    await _buys(case, "unlimited", upgrade_of=await case.shop.value("SELECT ref FROM subscriptions"))
    bought = await case.left()
    for _ in range(2):
        await case.decides(dispute, "win")
        assert await case.left() == bought + 29 * DAY
        dispute = await case.disputes(first)
        assert await case.left() == bought
    assert await balances(case.shop) == 0


async def _buys(case: Case, plan: str, **more: Any) -> str:
    till = case.till
    wish = buying.Wish(case.customer.id, await case.shop.term(plan), till.name, secrets.token_hex(8), **more)
    session = await till.pay(await buying.begin(case.shop.tools, wish))
    await case.hears(1)
    return session

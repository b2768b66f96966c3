"""A refund at Stripe that waits for a bank, and one that the bank sends back when it counted as done."""

import asyncio

import pytest

from ferryman.billing.refund import Through
from ferryman.flows.payments import applying, banking, looking_again
from ferryman.flows.refunds import refunding
from tests.flows.card_case import DAY, Case
from tests.flows.provider_till import MINOR
from tests.flows.refund_shop import STAFF, accounts, balances, refunds, sweep
from tests.support.shop import Town


async def asked_for(case: Case, days: int = 10) -> str:
    """A refund of all by the staff, so long after the purchase; answers its id at Stripe."""
    await case.later(days=days)
    await refunding.make(case.shop.tools, await case.shop.value("SELECT ref FROM payments"), "all", STAFF)
    return str(await case.shop.value("SELECT external_id FROM refunds"))


async def waits_for_its_bank(case: Case) -> str:
    await case.buys()
    await case.till.control.post("refunds", {"slow": True})
    refund = await asked_for(case)
    await case.hears(1)
    return refund


async def round_comes(shop: Town) -> None:
    await looking_again.sweep(shop.tools)
    await shop.work()


async def arrived(case: Case) -> str:
    """A refund that is booked, and long so."""
    await case.buys()
    refund = await asked_for(case)
    await case.hears(1)
    assert await case.left() == 0 * DAY
    assert await accounts(case.shop) == {"sales": -MINOR, "refunds": MINOR}
    await case.later(days=5)
    return refund


async def test_while_the_bank_thinks_nothing_is_taken_and_nothing_when_it_says_no(case: Case) -> None:
    refund = await waits_for_its_bank(case)
    assert await refunds(case.shop) == [("sent", "operator", MINOR)]
    assert await case.left() == 20 * DAY
    await case.till.control.post(f"refunds/{refund}/fail")
    await case.hears(1)
    await sweep(case.shop, minutes=10)
    assert await refunds(case.shop) == [("failed", "operator", MINOR)]
    assert await accounts(case.shop) == {"provider": MINOR, "sales": -MINOR}
    assert await case.kinds(99) == ["refund_failed"]
    assert "money_back" not in await case.kinds()


async def test_when_the_bank_says_yes_it_is_taken_then_and_once(case: Case) -> None:
    refund = await waits_for_its_bank(case)
    await case.till.control.post(f"refunds/{refund}/succeed")
    await case.hears(1)
    await sweep(case.shop, minutes=10)
    assert await refunds(case.shop) == [("succeeded", "operator", MINOR)]
    assert await case.left() <= 0 * DAY
    assert (await case.kinds()).count("money_back") == 1
    assert await case.kinds(99) == []


async def test_one_of_the_dashboard_is_booked_when_it_has_gone_and_not_before(case: Case) -> None:
    session = await case.buys()
    await case.till.control.post("refunds", {"slow": True})
    waits = await case.till.control.post("refund", {"payment_id": session, "amount": 900})
    await case.hears(1)
    assert (await banking.compare(case.shop.tools, "stripe")).recovered == 0
    assert await refunds(case.shop) == []
    await case.till.control.post(f"refunds/{waits['id']}/succeed")
    await case.hears(1)
    assert await refunds(case.shop) == [("succeeded", "provider", 900)]


async def test_one_that_comes_back_gives_all_of_it_again_and_both_sides_hear_of_it(case: Case) -> None:
    refund = await arrived(case)
    await case.till.control.post(f"refunds/{refund}/fail")
    await case.hears(1)
    assert await case.left() == 20 * DAY, "what was unused then, from now on"
    assert await accounts(case.shop) == {"provider": MINOR, "sales": -MINOR}
    assert await case.shop.rows("SELECT refunded, charged_back FROM payments") == [(0, 0)]
    assert await case.shop.rows("SELECT won_back, taken_seconds FROM refunds") == [(MINOR, 0)]
    assert len(case.shop.clients("de-1")) == 1
    assert (await case.kinds())[-2:] == ["money_back", "refund_returned"]
    assert await case.kinds(99) == ["refund_bounced"]
    assert "refund_returned" in [what for (what,) in await case.shop.rows("SELECT what FROM key_events")]
    for twin in ("key_without_money", "money_without_key"):
        assert await case.shop.rows(f"SELECT ref FROM {twin}") == []


async def test_its_webhook_lost_the_comparison_finds_what_came_back(case: Case) -> None:
    await case.buys()
    refund = await asked_for(case, days=1)
    await case.hears(1)
    await case.later(hours=12)
    await case.till.control.post(f"refunds/{refund}/fail")
    found = await banking.compare(case.shop.tools, "stripe")
    assert (found.recovered, found.differences) == (1, [])
    assert await case.left() == 29 * DAY
    assert (await banking.compare(case.shop.tools, "stripe")).recovered == 0


async def test_told_at_once_and_often_it_comes_back_once(case: Case) -> None:
    refund = await arrived(case)
    await case.till.control.post(f"refunds/{refund}/fail")
    provider, fact = await case.provider(), await case.fact()
    await asyncio.gather(*(applying.apply_fact(case.shop.tools, provider, fact) for _ in range(5)))
    assert await case.left() == 20 * DAY
    assert await balances(case.shop) == 0
    assert (await case.kinds()).count("refund_returned") == 1


async def test_an_answer_from_before_the_refund_gives_nothing_again(case: Case) -> None:
    await case.buys()
    provider, stale = await case.provider(), await case.fact()
    await asked_for(case)
    await case.hears(1)
    for hours in (0, 48):
        await case.later(hours=hours)
        assert await applying.apply_fact(case.shop.tools, provider, stale) == "already_settled"
    assert await case.left() < 0 * DAY
    assert await accounts(case.shop) == {"sales": -MINOR, "refunds": MINOR}


async def test_what_came_back_can_be_given_back_by_another_way(case: Case) -> None:
    refund = await arrived(case)
    await case.till.control.post(f"refunds/{refund}/fail")
    await case.hears(1)
    await case.till.control.post("refunds", {"slow": False})
    ref = await case.shop.value("SELECT ref FROM payments")
    again = await refunding.make(case.shop.tools, ref, "all", STAFF, Through.HAND)
    assert (again.state, again.minor) == ("succeeded", MINOR)
    assert await case.left() == 0 * DAY
    assert await accounts(case.shop) == {"sales": -MINOR, "refunds": MINOR}
    # By hand it went past the provider, whose word of it is no news.
    await case.later(days=1)
    provider, fact = await case.provider(), await case.fact()
    assert await applying.apply_fact(case.shop.tools, provider, fact) == "already_settled"
    assert await case.left() == -1 * DAY
    assert await case.shop.value("SELECT refunded FROM payments") == MINOR


@pytest.mark.parametrize("heard", [True, False])
async def test_of_a_payment_that_nobody_asks_about_any_more_it_is_found_as_well(case: Case, heard: bool) -> None:
    await case.buys()
    await case.later(days=181)
    await round_comes(case.shop)
    assert await case.shop.value("SELECT look_at FROM payments") is None
    refund = await asked_for(case, days=0)
    await case.hears(1)
    assert await accounts(case.shop) == {"sales": -MINOR, "refunds": MINOR}
    # Within the first hour its word is not believed; three weeks later it is never heard.
    await case.later(**({"minutes": 30} if heard else {"days": 1.1}))
    if not heard:
        await round_comes(case.shop)
        await case.later(days=20)
    await case.till.control.post(f"refunds/{refund}/fail")
    if heard:
        await case.hears(1)
        assert await case.shop.value("SELECT won_back FROM refunds") == 0
    await case.later(days=1.1)
    await round_comes(case.shop)
    assert await accounts(case.shop) == {"provider": MINOR, "sales": -MINOR}
    assert await case.shop.value("SELECT won_back FROM refunds") == MINOR
    await case.later(days=181)
    await round_comes(case.shop)
    assert await case.shop.value("SELECT look_at FROM payments") is None


async def test_money_that_went_past_the_provider_asks_for_no_look(case: Case) -> None:
    await case.buys()
    await case.later(days=181)
    await round_comes(case.shop)
    ref = await case.shop.value("SELECT ref FROM payments")
    await refunding.make(case.shop.tools, ref, "all", STAFF, Through.HAND)
    assert await case.shop.value("SELECT look_at FROM payments") is None

"""One story for every provider that can be asked: from the button to the key, and what befalls it on the way."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from ferryman.billing.provider import Listing
from ferryman.flows.payments import banking, buying, eventbook, settling
from tests.billing.providers.worlds import PLACES
from tests.flows.provider_till import Till, at_the_till
from tests.support.shop import Town

# Stars come through the bot; their stories are told there.
PROVIDERS = sorted(set(PLACES) - {"stars"})


@pytest.fixture(params=PROVIDERS)
async def till(request: pytest.FixtureRequest, shop: Town) -> AsyncIterator[Till]:
    async with at_the_till(shop, request.param) as found:
        yield found


async def test_paid_told_five_times_it_is_granted_once(till: Till) -> None:
    await till.pay(await till.press())
    said = await till.told()
    answers = await till.hear(*said, *said, *said, *said, *said)
    assert {status for status, _ in answers} == {200}
    assert await till.granted() == 1
    assert await till.balanced()
    assert len(till.shop.clients("de-1")) == 1
    assert await till.shop.value("SELECT count(*) FROM money_without_key") == 0
    assert await till.shop.value("SELECT count(*) FROM payments WHERE state = 'review'") == 0


async def test_paid_and_every_webhook_lost_it_is_found_by_asking(till: Till) -> None:
    await till.pay(await till.press())
    for _ in range(4):
        await till.shop.later(minutes=3)
    assert await till.granted() == 1
    assert await till.shop.value("SELECT count(*) FROM webhook_events") == 0


async def test_what_nobody_paid_grants_nothing_however_loudly_it_is_claimed(till: Till) -> None:
    other = await till.press(await till.shop.customer(8), "other")
    await till.pay(other)
    said = (await till.told())[-1]
    mine = await till.press(tap="mine")
    ref = await till.shop.value("SELECT ref FROM payments ORDER BY id DESC LIMIT 1")
    theirs = await till.shop.value("SELECT ref FROM payments ORDER BY id LIMIT 1")
    forged = replace(
        said,
        body=said.body.replace(theirs.encode(), ref.encode()),
        query=said.query.replace(theirs, ref),
    )
    await till.hear(forged)
    await till.shop.later(minutes=1)
    orders = "SELECT state FROM orders WHERE ref = :ref"
    assert await till.shop.value(orders, ref=mine.order_ref) == "open"
    assert await till.granted() <= 1


async def test_a_webhook_with_one_byte_changed_never_grants_what_was_not_paid(till: Till) -> None:
    await till.press()
    await till.pay(await till.press(await till.shop.customer(8), "other"))
    said = (await till.told())[-1]
    at = len(said.body) // 2
    for body in (said.body[:at] + bytes([said.body[at] ^ 1]) + said.body[at + 1 :], said.body[:at], b"", b"\x00" * 9):
        status, _ = await settling.webhook_came(till.shop.tools, till.name, replace(said, body=body, query=""))
        assert status in (200, 400)
    await till.shop.work()
    assert await till.granted() <= 1
    assert await till.balanced()


async def test_told_before_our_own_call_has_its_answer_it_is_granted_once_after_both(till: Till) -> None:
    checkout = await till.press()
    await till.pay(checkout)
    said = await till.told()
    query = "UPDATE payments SET external_id = NULL, state = 'creating', pay_url = NULL RETURNING id"
    await till.shop.rows(query)
    await till.hear(*said)
    for _ in range(3):
        await till.shop.later(minutes=2)
    assert await till.granted() == 1
    assert await till.shop.value("SELECT count(*) FROM payments WHERE state = 'succeeded'") == 1


async def test_declined_or_run_out_the_customer_can_try_again(till: Till) -> None:
    if till.world.declined is None:
        pytest.skip("nobody declines there")
    anna = await till.shop.customer()
    checkout = await till.press(anna)
    await till.control.decline(await till.external_id(checkout))
    for _ in range(3):
        await till.shop.later(minutes=2)
    assert await till.granted() == 0
    await till.pay(await till.press(anna, "again"))
    for _ in range(3):
        await till.shop.later(minutes=2)
    assert await till.granted() == 1


async def test_switched_off_it_takes_no_new_payments_and_settles_what_is_open(till: Till) -> None:
    await till.pay(await till.press())
    await till.shop.rows("UPDATE payment_methods SET enabled = false RETURNING name")
    with pytest.raises(buying.NotForSale):
        await till.press(await till.shop.customer(8), "other")
    await till.hear(*await till.told())
    assert await till.granted() == 1


async def test_replaying_its_events_any_time_changes_nothing(till: Till) -> None:
    await till.pay(await till.press())
    await till.hear(*await till.told())
    till.shop.tools.clock.advance(days=30)  # type: ignore[attr-defined]
    for event in await eventbook.listed(till.shop.tools, eventbook.Filter()):
        await eventbook.replay(till.shop.tools, event.id, "operator:cli")
    assert await till.granted() == 1
    assert await till.balanced()


async def test_the_comparison_with_its_list_finds_what_was_missed(till: Till) -> None:
    if not isinstance(till.world.provider, Listing):
        pytest.skip("it has no list")
    await till.pay(await till.press())
    found = await banking.compare(till.shop.tools, till.name)
    assert (found.recovered, found.differences) == (1, [])
    assert await till.granted() == 1


@pytest.mark.weather
async def test_the_answer_to_our_call_is_lost_and_one_payment_is_made_all_the_same(till: Till) -> None:
    if not till.world.calls_to_open:
        pytest.skip("it is not asked")
    await till.control.fault(mode="drop_after", method="POST", route=till.world.creation, times=1)
    checkout = await till.press()
    assert checkout.pay_url is None
    for _ in range(4):
        await till.shop.later(seconds=40)
    assert len(await till.control.payments()) == 1
    external_id = await till.shop.value("SELECT external_id FROM payments")
    await till.control.pay(str(external_id))
    for _ in range(3):
        await till.shop.later(minutes=3)
    assert await till.granted() == 1


@pytest.mark.weather
@pytest.mark.parametrize("mode", [{"mode": "status", "status": 500}, {"mode": "html"}, {"mode": "drop_before"}])
async def test_a_provider_in_trouble_is_asked_again_and_nothing_is_lost(till: Till, mode: dict[str, Any]) -> None:
    await till.pay(await till.press())
    await till.control.fault(times=3, **mode)
    for _ in range(12):
        await till.shop.later(seconds=40)
    assert await till.granted() == 1

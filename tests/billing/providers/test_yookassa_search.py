"""Finding a payment again whose creation was never answered: the API lists by time only."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from ferryman.billing.provider import PaymentState
from ferryman.billing.providers.yookassa import YooKassa
from ferryman.billing.providers.yookassa.api import PAGE
from ferryman.billing.providers.yookassa.provider import SEARCH_PAGES
from ferryman.kit.errors import Busy, Unreachable
from tests.billing.providers.recorder import Recorder, Scripted
from tests.billing.providers.worlds import Control, World, a_request, days_from_now
from tests.billing.providers.yookassa_wire import at, payment


async def test_an_old_payment_is_found_behind_a_page_of_newer_ones(world: World) -> None:
    request = world.request()
    opened = await world.provider.open(request)
    for _ in range(PAGE + 1):
        await world.provider.open(world.request())
    found = await world.provider.find(request)
    assert found is not None
    assert found.external_id == opened.external_id


async def test_of_two_payments_under_one_ref_the_paid_one_is_found(world: World, control: Control) -> None:
    request = world.request()
    paid = await world.id_of(await world.provider.open(request), request)
    await world.provider.open(replace(request, idempotency_key=f"{request.ref}-2"))
    await control.pay(paid)
    found = await world.provider.find(request)
    assert found is not None
    assert (found.external_id, found.state) == (paid, PaymentState.SUCCEEDED)


async def test_of_a_dead_and_a_waiting_payment_the_waiting_one_is_found(world: World, control: Control) -> None:
    request = world.request()
    waiting = await world.provider.open(request)
    dead = await world.opened(ref=request.ref, idempotency_key=f"{request.ref}-2")
    await control.decline(dead)
    found = await world.provider.find(request)
    assert found is not None
    assert found.external_id == waiting.external_id


async def test_a_payment_is_found_however_long_ago_it_was_asked_for(world: World, control: Control) -> None:
    request = world.request()
    await world.provider.open(request)
    assert await at(control, days_from_now(40)).find(request) is not None


async def test_the_search_begins_when_the_payment_was_asked_for(shop: YooKassa, api: Recorder) -> None:
    api.say(Scripted(200, {"type": "list", "items": []}))
    request = a_request()
    assert await shop.find(request) is None
    since = datetime.fromisoformat(api.received[0].query["created_at.gte"])
    assert timedelta(0) < request.placed_at - since <= timedelta(hours=2)


async def test_a_search_without_end_is_not_called_certain(shop: YooKassa, api: Recorder) -> None:
    api.say(Scripted(200, {"type": "list", "items": [payment(), "garbage"], "next_cursor": "more"}))
    with pytest.raises(Busy):
        await shop.find(a_request())
    assert len(api.received) == SEARCH_PAGES
    assert api.received[0].query["limit"] == str(PAGE)
    assert api.received[0].query["created_at.gte"].endswith("Z")
    assert [sent.query.get("cursor") for sent in api.received[:2]] == [None, "more"]


async def test_a_list_that_is_none_is_no_answer(shop: YooKassa, api: Recorder) -> None:
    api.say(Scripted(200, {"type": "list"}))
    with pytest.raises(Unreachable):
        await shop.find(a_request())

"""CoinGate's callbacks: one token per order, two formats, and a rumour whichever it is."""

import json
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ferryman.billing.provider import PaymentState, ProviderTools, RawWebhook
from ferryman.billing.providers.coingate import CoinGate
from ferryman.billing.providers.coingate.provider import LARGEST_WEBHOOK, ApiAppConfig, _order_token
from ferryman.kit.clock import SystemClock
from ferryman.kit.errors import Refused
from ferryman.kit.http import Http
from tests.billing.providers.coingate_wire import account, as_form, as_json, at
from tests.billing.providers.worlds import EMULATED_KEY, Control, World

# Never opened: reading a webhook calls nobody.
SHOP = CoinGate(
    ApiAppConfig.model_validate({"api_token": "the-token-now", "previous_token": "the-token-before"}),
    ProviderTools(Http(), SystemClock(), sandbox=True),
)
OURS = _order_token("the-token-now", "ours")


@pytest.fixture
async def there() -> AsyncIterator[tuple[World, Control]]:
    async with account() as pair:
        yield pair


def said(**changes: Any) -> dict[str, Any]:
    return {"id": 538, "order_id": "ours", "status": "paid", "price_amount": "10.0", "token": OURS} | changes


@pytest.mark.parametrize("wrap", [as_json, as_form])
def test_both_formats_say_the_same(wrap: Any) -> None:
    claim = SHOP.read_webhook(wrap(**said()))
    assert (claim.event, claim.external_id, claim.ref, claim.fact) == ("paid", "538", "ours", None)
    assert claim.dedup_key == "538:paid"


@pytest.mark.parametrize("format_", ["json", "form"])
async def test_a_real_callback_is_read_in_either_format(there: tuple[World, Control], format_: str) -> None:
    world, control = there
    await control.post("app", {"callback_format": format_})
    request, fact = await world.paid()
    raw = (await control.webhooks(1))[0]
    claim = world.provider.read_webhook(raw)
    assert (claim.event, claim.external_id, claim.ref) == ("paid", fact.external_id, request.ref)
    assert raw.body.startswith(b"{") is (format_ == "json")


def test_the_token_before_a_rotation_still_verifies_and_any_other_does_not() -> None:
    assert SHOP.read_webhook(as_json(**said(token=_order_token("the-token-before", "ours")))).ref == "ours"
    for wrong in (
        _order_token("the-token-now", "another"),
        _order_token("guessed", "ours"),
        OURS[:-1],
        OURS + "A",
        "x",
    ):
        with pytest.raises(Refused, match="token"):
            SHOP.read_webhook(as_json(**said(token=wrong)))


async def test_a_rotation_keeps_open_orders_alive(there: tuple[World, Control]) -> None:
    world, control = there
    await world.paid()
    raw = (await control.webhooks(1))[0]
    rotated = at(control, SystemClock(), api_token="a-new-token", previous_token=EMULATED_KEY)
    assert rotated.read_webhook(raw).event == "paid"
    with pytest.raises(Refused):
        at(control, SystemClock(), api_token="a-new-token").read_webhook(raw)


async def test_a_forged_callback_is_answered_200_and_changes_nothing(there: tuple[World, Control]) -> None:
    world, control = there
    external_id = await world.opened()
    delivery = await control.post("forge", {"payment_id": external_id})
    assert delivery["status"] == 200
    with pytest.raises(Refused, match="token"):
        world.provider.read_webhook((await control.webhooks(1))[0])
    assert world.provider.answer(None) == (200, "")
    assert (await world.provider.look_up(external_id)).state is PaymentState.PENDING


def test_the_answer_never_ends_the_chain() -> None:
    for claim in (None, SHOP.read_webhook(as_json(**said()))):
        assert SHOP.answer(claim)[0] == 200


def test_a_repeat_has_the_same_key_and_other_news_another() -> None:
    keys = [
        SHOP.read_webhook(as_json(**said(**change))).dedup_key for change in ({}, {"status": "expired"}, {"id": 539})
    ]
    assert len(set(keys)) == 3
    assert SHOP.read_webhook(as_form(**said(later_field="x"))).dedup_key == keys[0]


def test_each_part_given_back_is_news() -> None:
    first, second = (as_json(**said(status="partially_refunded", at=at_)) for at_ in (1, 2))
    assert SHOP.read_webhook(first).dedup_key == SHOP.read_webhook(first).dedup_key
    assert SHOP.read_webhook(first).dedup_key != SHOP.read_webhook(second).dedup_key


@pytest.mark.parametrize(
    "changes",
    [
        {"id": None},
        {"id": "x"},
        {"id": "538/refunds"},
        {"id": True},
        {"id": [538]},
        {"order_id": None},
        {"order_id": "a b"},
        {"order_id": "\ud800"},
        {"order_id": ["ours"]},
        {"status": None},
        {"status": "PAID!"},
        {"status": {"paid": 1}},
        {"token": None},
        {"token": ""},
        {"token": "\ud800"},
        {"token": "é"},
        {"token": [OURS]},
        {"token": "x" * 300},
    ],
)
def test_what_is_not_shaped_like_a_callback_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(Refused):
        SHOP.read_webhook(as_json(**said(**changes)))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"\xff\xfe",
        b"id=538",
        b"id=538&order_id=ours&status=paid&token",
        b"id=538&id=539&order_id=ours&status=paid&token=" + OURS.encode(),
        b"&".join(b"a=b" for _ in range(2000)),
        b'{"a":' * 10_000,
        b" " * (LARGEST_WEBHOOK + 1),
    ],
    ids=lambda body: f"{body[:8]!r}x{len(body)}",
)
def test_hostile_bodies_are_refused(body: bytes) -> None:
    with pytest.raises(Refused):
        SHOP.read_webhook(RawWebhook(body))


def test_a_form_with_nested_fees_is_read_past_them() -> None:
    fees = "&fees[][type]=processing_fee&fees[][currency][symbol]=BTC&fees[][type]=network_fee"
    raw = as_form(**said())
    assert SHOP.read_webhook(replace(raw, body=raw.body + fees.encode())).external_id == "538"


ANY_JSON = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30) | st.lists(st.text(max_size=5))
)
NEARLY = st.fixed_dictionaries(
    {},
    optional={
        "id": st.just(538) | ANY_JSON,
        "order_id": st.just("ours") | ANY_JSON,
        "status": st.just("paid") | ANY_JSON,
        "token": st.just(OURS) | ANY_JSON,
    },
)


@settings(max_examples=500, deadline=None)
@given(document=NEARLY)
def test_a_forged_callback_is_a_well_shaped_claim_or_refused(document: Any) -> None:
    try:
        claim = SHOP.read_webhook(RawWebhook(json.dumps(document).encode()))
    except Refused:
        return
    assert claim.ref == "ours"
    assert document["token"] == OURS
    assert re.fullmatch(r"[0-9]{1,20}:[a-z_]{1,40}(:[0-9a-f]{16})?", claim.dedup_key)


@settings(max_examples=300, deadline=None)
@given(body=st.binary(max_size=300))
def test_random_bytes_are_refused(body: bytes) -> None:
    with pytest.raises(Refused):
        SHOP.read_webhook(RawWebhook(body))


async def test_an_order_that_was_expired_and_then_paid_is_paid(there: tuple[World, Control]) -> None:
    world, control = there
    external_id = await world.opened()
    await control.post(f"payments/{external_id}/expire")
    assert (await world.provider.look_up(external_id)).state is PaymentState.CANCELLED
    await control.post(f"payments/{external_id}/pay", {"how": "late"})
    assert (await world.provider.look_up(external_id)).state is PaymentState.SUCCEEDED
    events = [world.provider.read_webhook(raw).event for raw in await control.webhooks(2)]
    assert sorted(events) == ["expired", "paid"]


async def test_an_order_that_fails_after_confirming_is_never_paid(there: tuple[World, Control]) -> None:
    world, control = there
    external_id = await world.opened()
    await control.post(f"payments/{external_id}/confirm")
    assert (await world.provider.look_up(external_id)).state is PaymentState.PENDING
    await control.post(f"payments/{external_id}/invalidate")
    fact = await world.provider.look_up(external_id)
    assert (fact.state, fact.reason) == (PaymentState.CANCELLED, "invalid")


async def test_too_little_waits_for_the_rest_and_then_for_a_person(there: tuple[World, Control]) -> None:
    """Nobody is called back about it: only a look tells."""
    world, control = there
    external_id = await world.opened()
    await control.post(f"payments/{external_id}/pay", {"how": "less"})
    waiting = await world.provider.look_up(external_id)
    assert (waiting.state, waiting.details["shortfall"]) == (PaymentState.PENDING, "124.375")
    await control.post("clock", {"advance": 1201})
    short = await world.provider.look_up(external_id)
    assert (short.state, short.details["coin"]) == (PaymentState.SHORT, "USDT")


async def test_too_much_is_paid_and_the_surplus_is_told(there: tuple[World, Control]) -> None:
    world, control = there
    external_id = await world.opened()
    await control.post(f"payments/{external_id}/pay", {"how": "more"})
    fact = await world.provider.look_up(external_id)
    assert (fact.state, fact.details["surplus"]) == (PaymentState.SUCCEEDED, "124.375")


async def test_a_refund_made_in_the_dashboard_is_seen(there: tuple[World, Control]) -> None:
    world, control = there
    _, fact = await world.paid()
    await control.post("refund", {"payment_id": fact.external_id, "amount": "50"})
    assert (await world.provider.look_up(fact.external_id)).refunded == world.money(5000)
    await control.post("refund", {"payment_id": fact.external_id, "amount": "149"})
    assert (await world.provider.look_up(fact.external_id)).refunded == world.money(19900)
    events = [world.provider.read_webhook(raw).event for raw in await control.webhooks(3)]
    assert sorted(events) == ["paid", "partially_refunded", "refunded"]

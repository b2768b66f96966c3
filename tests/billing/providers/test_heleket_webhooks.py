"""Heleket's webhooks: signed over the raw text without the signature in it, and a rumour all the same."""

import hashlib
import json
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ferryman.billing.provider import PaymentState, ProviderTools, RawWebhook
from ferryman.billing.providers.heleket import LARGEST_WEBHOOK, Heleket, MerchantConfig, signature
from ferryman.kit.clock import SystemClock
from ferryman.kit.errors import Refused
from ferryman.kit.http import Http
from tests.billing.providers.worlds import Control, World, emulated_heleket

KEY = "testPaymentKey"
GOLDEN = rb'{"type":"payment","uuid":"u-1","order_id":"ord_1","amount":"3.00","status":"paid","txid":"a\/b"}'
GOLDEN_SIGN = "ae73f795b535fb93d897f94026e8299b"

# Never opened: reading a webhook calls nobody.
SHOP = Heleket(
    MerchantConfig.model_validate({"merchant": "m", "payment_key": KEY, "previous_key": "the-key-before"}),
    ProviderTools(Http(), SystemClock(), sandbox=True),
)


@pytest.fixture
async def there() -> AsyncIterator[tuple[World, Control]]:
    async with emulated_heleket() as world:
        assert world.control is not None
        yield world, world.control


def signed(text: bytes, key: str = KEY) -> RawWebhook:
    return RawWebhook(text[:-1] + b',"sign":"' + signature(text, key).encode() + b'"}')


def said(**changes: Any) -> bytes:
    document = {"type": "payment", "uuid": "u-1", "order_id": "ours", "amount": "3.00", "status": "paid"} | changes
    return json.dumps(document, separators=(",", ":")).encode()


def test_the_golden_vector() -> None:
    assert signature(GOLDEN, KEY) == GOLDEN_SIGN
    assert signature(b"", KEY) == hashlib.md5(KEY.encode(), usedforsecurity=False).hexdigest()


def test_a_raw_body_with_escaped_slashes_verifies() -> None:
    claim = SHOP.read_webhook(RawWebhook(GOLDEN[:-1] + b',"sign":"' + GOLDEN_SIGN.encode() + b'"}'))
    assert (claim.event, claim.external_id, claim.ref, claim.fact) == ("paid", "u-1", "ord_1", None)


def test_the_same_document_written_again_does_not_verify() -> None:
    again = json.dumps(json.loads(GOLDEN) | {"sign": GOLDEN_SIGN}, separators=(",", ":")).encode()
    with pytest.raises(Refused, match="signature"):
        SHOP.read_webhook(RawWebhook(again))


def test_the_signature_may_stand_anywhere() -> None:
    first = b'{"sign":"' + GOLDEN_SIGN.encode() + b'",' + GOLDEN[1:]
    middle = GOLDEN.replace(b',"amount"', b',"sign":"' + GOLDEN_SIGN.encode() + b'","amount"')
    for body in (first, middle):
        assert SHOP.read_webhook(RawWebhook(body)).external_id == "u-1"


def test_a_text_that_looks_like_a_hole_stays_whole() -> None:
    body = said(additional_data='{,"sign":"' + "0" * 32 + '"')
    assert SHOP.read_webhook(signed(body)).external_id == "u-1"


@pytest.mark.parametrize("place", range(0, len(GOLDEN), 7))
def test_one_changed_byte_fails(place: int) -> None:
    damaged = bytearray(GOLDEN)
    damaged[place] ^= 1
    with pytest.raises(Refused):
        SHOP.read_webhook(RawWebhook(bytes(damaged)[:-1] + b',"sign":"' + GOLDEN_SIGN.encode() + b'"}'))


def test_the_key_before_a_rotation_still_verifies_and_any_other_does_not() -> None:
    assert SHOP.read_webhook(signed(said(), "the-key-before")).ref == "ours"
    with pytest.raises(Refused, match="signature"):
        SHOP.read_webhook(signed(said(), "guessed"))


def test_a_repeat_has_the_same_key_and_other_news_another() -> None:
    news: list[dict[str, Any]] = [
        {},
        {"status": "cancel"},
        {"uuid": "u-2"},
        {"status": "wrong_amount_waiting", "payment_amount": "1"},
        {"status": "wrong_amount_waiting", "payment_amount": "2"},
    ]
    keys = [SHOP.read_webhook(signed(said(**one))).dedup_key for one in news]
    assert len(set(keys)) == len(news)
    assert keys == [SHOP.read_webhook(signed(said(**one, later="x"))).dedup_key for one in news]


@pytest.mark.parametrize(
    "changes",
    [
        {"type": None},
        {"type": "pay/out"},
        {"uuid": None},
        {"uuid": "a/b"},
        {"uuid": "é"},
        {"status": None},
        {"status": []},
    ],
)
def test_what_is_signed_and_makes_no_sense_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(Refused):
        SHOP.read_webhook(signed(said(**changes)))


@pytest.mark.parametrize("kind", ["wallet", "payout", "something new"])
def test_what_is_signed_and_about_something_else_names_no_payment(kind: str) -> None:
    claims = [SHOP.read_webhook(signed(said(type=kind, uuid=number))) for number in ("u-1", "u-1", "u-2")]
    assert {(claim.event, claim.external_id, claim.ref) for claim in claims} == {(kind, None, None)}
    assert len({claim.dedup_key for claim in claims}) == 2


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        GOLDEN,
        GOLDEN[:-1] + b',"sign":"' + GOLDEN_SIGN.encode() + b'","sign":"' + GOLDEN_SIGN.encode() + b'"}',
        GOLDEN[:-1] + b',"sign":"' + GOLDEN_SIGN.upper().encode() + b'"}',
        GOLDEN[:-1] + b',"sign":null}',
        b'{"sign":"' + b"0" * 32 + b'"}',
        b" " * (LARGEST_WEBHOOK + 1),
        b"\xff\xfe",
    ],
    ids=lambda body: f"{body[-8:]!r}x{len(body)}",
)
def test_hostile_bodies_are_refused(body: bytes) -> None:
    with pytest.raises(Refused):
        SHOP.read_webhook(RawWebhook(body))


@pytest.mark.parametrize("text", [b"[1]", b"not json", b'{"a":' * 3000 + b"}"])
def test_a_signed_text_that_is_no_document_is_refused(text: bytes) -> None:
    with pytest.raises(Refused):
        SHOP.read_webhook(signed(text))


@settings(max_examples=300, deadline=None)
@given(body=st.binary(max_size=300))
def test_random_bytes_are_refused(body: bytes) -> None:
    with pytest.raises(Refused):
        SHOP.read_webhook(RawWebhook(body))


ANY_JSON = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30) | st.lists(st.text(max_size=5))
)


@settings(max_examples=400, deadline=None)
@given(
    changes=st.fixed_dictionaries(
        {}, optional=dict.fromkeys(("uuid", "order_id", "status", "payment_amount", "type"), ANY_JSON)
    )
)
def test_anything_under_a_right_signature_is_a_well_shaped_claim_or_refused(changes: dict[str, Any]) -> None:
    try:
        claim = SHOP.read_webhook(signed(said(**changes)))
    except Refused:
        return
    wanted = r"[A-Za-z0-9-]{1,64}" if changes.get("type", "payment") == "payment" else ""
    assert re.fullmatch(wanted, claim.external_id or "")
    assert claim.ref is None or re.fullmatch(r"[!-~]{1,128}", claim.ref)


async def test_a_forged_webhook_is_answered_200_and_changes_nothing(there: tuple[World, Control]) -> None:
    world, control = there
    external_id = await world.opened()
    assert (await control.post("forge", {"payment_id": external_id}))["status"] == 200
    with pytest.raises(Refused, match="signature"):
        world.provider.read_webhook((await control.webhooks(1))[0])
    assert (await world.provider.look_up(external_id)).state is PaymentState.PENDING


async def test_too_little_to_the_end_is_for_a_person(there: tuple[World, Control]) -> None:
    world, control = there
    external_id = await world.opened()
    await control.post(f"payments/{external_id}/pay", {"how": "less", "coin": "LTC"})
    waiting = await world.provider.look_up(external_id)
    assert (waiting.state, waiting.reason) == (PaymentState.PENDING, "wrong_amount_waiting")
    await control.post("clock", {"advance": 3601})
    short = await world.provider.look_up(external_id)
    assert (short.state, short.reason) == (PaymentState.SHORT, "wrong_amount")
    assert (short.details["paid"], short.details["shortfall"]) == ("0.995", "0.995")
    events = [world.provider.read_webhook(raw).event for raw in await control.webhooks(2)]
    assert events == ["wrong_amount_waiting", "wrong_amount"]


async def test_the_rest_may_follow(there: tuple[World, Control]) -> None:
    world, control = there
    external_id = await world.opened()
    await control.post(f"payments/{external_id}/pay", {"how": "less"})
    await control.pay(external_id)
    fact = await world.provider.look_up(external_id)
    assert (fact.state, "shortfall" in fact.details) == (PaymentState.SUCCEEDED, False)


async def test_too_much_is_paid_and_the_surplus_is_told(there: tuple[World, Control]) -> None:
    world, control = there
    external_id = await world.opened()
    await control.post(f"payments/{external_id}/pay", {"how": "more", "coin": "LTC"})
    fact = await world.provider.look_up(external_id)
    assert (fact.state, fact.details["surplus"]) == (PaymentState.SUCCEEDED, "0.995")
    assert world.provider.read_webhook((await control.webhooks(1))[0]).event == "paid_over"


async def test_a_transfer_held_for_a_check_waits_and_says_so(there: tuple[World, Control]) -> None:
    world, control = there
    external_id = await world.opened()
    await control.post(f"payments/{external_id}/lock")
    fact = await world.provider.look_up(external_id)
    assert (fact.state, fact.reason) == (PaymentState.PENDING, "locked")


async def test_a_refund_made_in_the_dashboard_is_seen(there: tuple[World, Control]) -> None:
    world, control = there
    _, fact = await world.paid()
    await control.post(f"payments/{fact.external_id}/refund")
    assert (await world.provider.look_up(fact.external_id)).refunded == world.money()

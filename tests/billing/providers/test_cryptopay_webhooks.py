"""Crypto Pay's webhook: signed over the raw body, and even so only a reason to ask."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ferryman.billing.provider import Claim, PaymentState, ProviderTools, RawWebhook
from ferryman.billing.providers.cryptopay import LARGEST_WEBHOOK, AppConfig, CryptoPay, signature
from ferryman.kit.clock import SystemClock
from ferryman.kit.errors import Refused
from ferryman.kit.http import Http
from tests.billing.providers.worlds import World, emulated_cryptopay

TOKEN = "12345:AAtestTokenForVectors"
VECTOR = (
    b'{"update_id":1,"update_type":"invoice_paid","request_date":"2026-01-01T00:00:00.000Z",'
    b'"payload":{"invoice_id":777,"status":"paid","payload":"ord_1"}}'
)
VECTOR_SIGNATURE = "4f1bb346b8c74e19d1cb689db174b711be97195b06908a9ba49dff4293f92187"


def provider(**config: str) -> CryptoPay:
    """Never opened: reading a webhook calls nobody."""
    settings = AppConfig.model_validate({"token": TOKEN} | config)
    return CryptoPay(settings, ProviderTools(Http(), SystemClock(), sandbox=True))


APP = provider()


def signed(body: bytes, token: str = TOKEN) -> RawWebhook:
    return RawWebhook(body, {"crypto-pay-api-signature": signature(token, body)})


def read(document: Any) -> Claim:
    return APP.read_webhook(signed(json.dumps(document).encode()))


def update(**changes: Any) -> dict[str, Any]:
    return {"update_id": 1, "update_type": "invoice_paid", "payload": {"invoice_id": 777, "payload": "ours"}} | changes


def test_contract_33_the_golden_vector_is_believed() -> None:
    claim = APP.read_webhook(RawWebhook(VECTOR, {"crypto-pay-api-signature": VECTOR_SIGNATURE}))
    assert claim == Claim("invoice_paid", "invoice_paid:777", "777", "ord_1")
    assert signature(TOKEN, VECTOR) == VECTOR_SIGNATURE


@pytest.mark.parametrize("at", [0, 20, 60, len(VECTOR) - 1])
def test_contract_33_one_changed_byte_is_refused(at: int) -> None:
    body = bytearray(VECTOR)
    body[at] ^= 1
    with pytest.raises(Refused, match="not signed"):
        APP.read_webhook(RawWebhook(bytes(body), {"crypto-pay-api-signature": VECTOR_SIGNATURE}))


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"crypto-pay-api-signature": ""},
        {"crypto-pay-api-signature": VECTOR_SIGNATURE[:-1]},
        {"crypto-pay-api-signature": VECTOR_SIGNATURE + "0"},
        {"crypto-pay-api-signature": "0" * 64},
        {"crypto-pay-api-signature": "\ud800" * 64},
        {"x-crypto-pay-api-signature": VECTOR_SIGNATURE},
    ],
)
def test_contract_33_a_missing_or_wrong_signature_is_refused(headers: dict[str, str]) -> None:
    with pytest.raises(Refused, match="not signed") as refusal:
        APP.read_webhook(RawWebhook(VECTOR, headers))
    assert VECTOR_SIGNATURE not in str(refusal.value)
    assert TOKEN not in str(refusal.value)


def test_a_signature_in_capitals_is_the_same_one() -> None:
    raw = RawWebhook(VECTOR, {"crypto-pay-api-signature": VECTOR_SIGNATURE.upper()})
    assert APP.read_webhook(raw).external_id == "777"


def test_the_token_before_the_last_change_is_believed_while_it_is_named() -> None:
    raw = signed(VECTOR, "12345:AAold")
    with pytest.raises(Refused):
        APP.read_webhook(raw)
    renewed = provider(previous_token="12345:AAold")
    assert renewed.read_webhook(raw).external_id == "777"
    assert renewed.read_webhook(signed(VECTOR)).external_id == "777"


def test_contract_34_two_invoices_under_one_update_number_are_two_events() -> None:
    first, second = read(update()), read(update(payload={"invoice_id": 778}))
    assert (first.external_id, second.external_id) == ("777", "778")
    assert first.dedup_key != second.dedup_key


def test_the_same_invoice_under_another_update_number_is_a_repeat() -> None:
    assert read(update()).dedup_key == read(update(update_id=2, request_date="later")).dedup_key


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with emulated_cryptopay() as world:
        yield world


async def test_contract_34_both_are_paid_when_the_service_numbers_them_alike(world: World) -> None:
    assert world.control is not None
    await world.control.post("app", {"same_update_id": True})
    facts = [(await world.paid())[1] for _ in range(2)]
    raws = await world.control.webhooks(2)
    assert {json.loads(raw.body)["update_id"] for raw in raws} == {1}
    claims = [world.provider.read_webhook(raw) for raw in raws]
    assert len({claim.dedup_key for claim in claims}) == 2
    assert {claim.external_id for claim in claims} == {fact.external_id for fact in facts}
    assert {fact.state for fact in facts} == {PaymentState.SUCCEEDED}


async def test_a_forged_webhook_of_the_emulator_is_refused(world: World) -> None:
    assert world.control is not None
    await world.provider.open(world.request())
    await world.control.post("forge")
    with pytest.raises(Refused, match="not signed"):
        world.provider.read_webhook((await world.control.webhooks(1))[0])


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        {},
        update(update_type=None),
        update(update_type="Invoice paid"),
        update(payload=None),
        update(payload=[]),
        update(payload={}),
        update(payload={"invoice_id": None}),
        update(payload={"invoice_id": True}),
        update(payload={"invoice_id": 1.5}),
        update(payload={"invoice_id": -7}),
        update(payload={"invoice_id": "../getMe"}),
        update(payload={"invoice_id": "7" * 20}),
    ],
)
def test_what_is_signed_and_makes_no_sense_is_refused(document: Any) -> None:
    with pytest.raises(Refused):
        read(document)


def test_news_of_a_kind_that_is_not_known_yet_is_still_a_claim() -> None:
    assert read(update(update_type="invoice_refunded")).dedup_key == "invoice_refunded:777"


def test_news_of_something_else_than_an_invoice_names_none() -> None:
    first, again, other = (
        read(update(update_type="check_activated", payload={"check_id": number})) for number in (1, 1, 2)
    )
    assert (first.event, first.external_id, first.ref) == ("check_activated", None, None)
    assert first.dedup_key == again.dedup_key != other.dedup_key


@pytest.mark.parametrize("ref", ["\x00", "a\nb", "", "x" * 600, 7, None, {}, "с"])
def test_a_ref_that_no_row_of_ours_can_have_is_dropped(ref: Any) -> None:
    claim = read(update(payload={"invoice_id": 777, "payload": ref}))
    assert (claim.external_id, claim.ref) == ("777", None)


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"[" * 60_000, b'{"n":' + b"9" * 10_000 + b"}"])
def test_a_hostile_body_is_refused_even_when_it_is_signed(body: bytes) -> None:
    with pytest.raises(Refused):
        APP.read_webhook(signed(body))


def test_size_alone_is_a_reason_to_refuse() -> None:
    assert APP.read_webhook(signed(VECTOR.ljust(LARGEST_WEBHOOK))).external_id == "777"
    with pytest.raises(Refused, match="at most"):
        APP.read_webhook(signed(VECTOR.ljust(LARGEST_WEBHOOK + 1)))


@settings(max_examples=300, deadline=None)
@given(body=st.binary(max_size=300), header=st.text(max_size=80))
def test_nobody_without_the_token_is_believed(body: bytes, header: str) -> None:
    for raw in (RawWebhook(body, {"crypto-pay-api-signature": header}), RawWebhook(VECTOR, {"signature": header})):
        with pytest.raises(Refused):
            APP.read_webhook(raw)

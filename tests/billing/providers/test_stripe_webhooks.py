"""Stripe's webhook: signed with a moment, believed for five minutes, and even so only a reason to ask."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ferryman.billing.provider import Claim, RawWebhook
from ferryman.billing.providers.stripe import Stripe
from ferryman.billing.providers.stripe.webhook import LARGEST_WEBHOOK, signature
from ferryman.kit.errors import Refused
from ferryman.kit.http import Http
from tests.billing.providers.stripe_world import WEBHOOK_SECRET, emulated_stripe, stripe
from tests.billing.providers.world import FixedClock

T = 1_700_000_000
VECTOR = b'{"id":"evt_1"}'
VECTOR_SIGNATURE = "c89214b5b5da833daed6f0b8c5bb6bd58cea9022bd80ccc78230f3942d632925"


def shop(seconds_later: int = 0, **settings: str) -> Stripe:
    """Never opened: reading a webhook calls nobody."""
    clock = FixedClock(datetime.fromtimestamp(T + seconds_later, UTC))
    return stripe(Http(), "http://127.0.0.1:1/v1", clock, **settings)


SHOP = shop()


def signed(body: bytes, *secrets: str, moment: int = T) -> RawWebhook:
    parts = [f"v1={signature(secret, str(moment), body)}" for secret in secrets or (WEBHOOK_SECRET,)]
    return RawWebhook(body, {"stripe-signature": ",".join([f"t={moment}", *parts])})


def event(kind: str = "checkout.session.completed", **thing: Any) -> dict[str, Any]:
    shown = thing or {"object": "checkout.session", "id": "cs_test_1", "metadata": {"payment_id": "ours"}}
    return {"id": "evt_1", "type": kind, "data": {"object": shown}}


def read(document: Any) -> Claim:
    return SHOP.read_webhook(signed(json.dumps(document).encode()))


def test_the_golden_vector() -> None:
    assert signature("whsec_test", "1700000000", VECTOR) == VECTOR_SIGNATURE


def test_contract_43_five_minutes_are_believed_and_a_second_more_is_not() -> None:
    raw = signed(json.dumps(event()).encode())
    assert shop(300).read_webhook(raw).external_id == "cs_test_1"
    with pytest.raises(Refused, match="too long ago"):
        shop(301).read_webhook(raw)


def test_contract_43_any_of_several_signatures_may_fit() -> None:
    body = json.dumps(event()).encode()
    assert SHOP.read_webhook(signed(body, "whsec_of_another", WEBHOOK_SECRET)).external_id == "cs_test_1"
    assert SHOP.read_webhook(signed(body, WEBHOOK_SECRET, "whsec_of_another")).external_id == "cs_test_1"
    with pytest.raises(Refused, match="not signed"):
        SHOP.read_webhook(signed(body, "whsec_of_another", "whsec_of_a_third"))


def test_a_clock_of_theirs_that_is_ahead_is_no_reason_to_refuse() -> None:
    assert SHOP.read_webhook(signed(json.dumps(event()).encode(), moment=T + 400)).event


def test_the_secret_before_it_was_rolled_is_believed_while_it_is_named() -> None:
    raw = signed(json.dumps(event()).encode(), "whsec_of_before")
    with pytest.raises(Refused):
        SHOP.read_webhook(raw)
    assert shop(previous_webhook_secret="whsec_of_before").read_webhook(raw).external_id == "cs_test_1"


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "t=1700000000",
        "v1=" + "0" * 64,
        "t=1700000000,v0={good}",
        "t=1700000000,v1={good}0",
        "t=1700000001,v1={good}",
        "t=,v1={good}",
        "t=9" + "9" * 20 + ",v1={good}",
        "t=1700000000;v1={good}",
        "t=1700000000,v1=" + "\ud800" * 64,
    ],
)
def test_anything_but_a_good_signature_is_refused(header: str | None) -> None:
    body = json.dumps(event()).encode()
    good = signature(WEBHOOK_SECRET, str(T), body)
    headers = {} if header is None else {"stripe-signature": header.replace("{good}", good)}
    with pytest.raises(Refused, match="not signed") as refusal:
        SHOP.read_webhook(RawWebhook(body, headers))
    assert good not in str(refusal.value) and WEBHOOK_SECRET not in str(refusal.value)


@pytest.mark.parametrize("at", [0, 10, 60])
def test_one_changed_byte_is_refused(at: int) -> None:
    raw = signed(json.dumps(event()).encode())
    body = bytearray(raw.body)
    body[at] ^= 1
    with pytest.raises(Refused, match="not signed"):
        SHOP.read_webhook(RawWebhook(bytes(body), raw.headers))


def test_a_session_is_named_by_its_id_and_our_ref() -> None:
    assert read(event()) == Claim("checkout.session.completed", "evt_1", "cs_test_1", "ours")
    bare = read(event(object="checkout.session", id="cs_test_1", client_reference_id="ours"))
    assert (bare.external_id, bare.ref) == ("cs_test_1", "ours")


@pytest.mark.parametrize(
    ("document", "external_id", "ref"),
    [
        (
            event(
                "charge.refunded", object="charge", id="ch_1", payment_intent="pi_1", metadata={"payment_id": "ours"}
            ),
            "pi_1",
            "ours",
        ),
        (
            event("charge.dispute.created", object="dispute", id="du_1", payment_intent="pi_1", metadata={}),
            "pi_1",
            None,
        ),
        (event("payment_intent.succeeded", object="payment_intent", id="pi_2"), "pi_2", None),
        (event("refund.failed", object="refund", id="re_1", payment_intent="pi_3"), "pi_3", None),
        (event("customer.created", object="customer", id="cus_1"), None, None),
        ({"id": "evt_1", "type": "ping"}, None, None),
        ({"id": "evt_1", "type": "ping", "data": {"object": []}}, None, None),
        (event("charge.refunded", object="charge", payment_intent="../x"), None, None),
    ],
)
def test_every_other_event_names_its_payment_or_none(
    document: dict[str, Any], external_id: str | None, ref: str | None
) -> None:
    claim = read(document)
    assert (claim.external_id, claim.ref, claim.dedup_key) == (external_id, ref, "evt_1")


@pytest.mark.parametrize(
    "document",
    [None, [], {}, {"type": "ping"}, {"id": "evt_1"}, {"id": 7, "type": "ping"}, {"id": "evt_1", "type": "Ping\n"}],
)
def test_what_is_signed_and_is_no_event_is_refused(document: Any) -> None:
    with pytest.raises(Refused, match="not an event"):
        read(document)


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"[" * 60_000, b'{"n":' + b"9" * 10_000 + b"}"])
def test_a_hostile_body_is_refused_even_when_it_is_signed(body: bytes) -> None:
    with pytest.raises(Refused):
        SHOP.read_webhook(signed(body))


def test_size_alone_is_a_reason_to_refuse() -> None:
    whole = json.dumps(event()).encode()
    assert SHOP.read_webhook(signed(whole.ljust(LARGEST_WEBHOOK))).event
    with pytest.raises(Refused, match="at most"):
        SHOP.read_webhook(signed(whole.ljust(LARGEST_WEBHOOK + 1)))


async def test_the_emulators_forgery_is_refused_and_its_retry_is_the_same_event() -> None:
    async with emulated_stripe() as world:
        assert world.control is not None
        await world.paid()
        first = world.provider.read_webhook((await world.control.webhooks(1))[0])
        await world.control.post("deliveries/1/resend")
        assert world.provider.read_webhook((await world.control.webhooks(2))[1]) == first
        await world.control.post("forge")
        with pytest.raises(Refused, match="not signed"):
            world.provider.read_webhook((await world.control.webhooks(3))[2])


@settings(max_examples=300, deadline=None)
@given(body=st.binary(max_size=300), header=st.text(max_size=120))
def test_nobody_without_the_secret_is_believed(body: bytes, header: str) -> None:
    for raw in (
        RawWebhook(body, {"stripe-signature": header}),
        RawWebhook(VECTOR, {"stripe-signature": f"t={T},{header}"}),
    ):
        with pytest.raises(Refused):
            SHOP.read_webhook(raw)

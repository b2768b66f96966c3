"""YooKassa's notifications are unsigned rumours: whatever is posted, the answer is a well-shaped claim or Refused."""

import json
import re
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ferryman.billing.provider import Claim, ProviderTools, RawWebhook
from ferryman.billing.providers.yookassa import YooKassa
from ferryman.billing.providers.yookassa.settings import ShopConfig
from ferryman.billing.providers.yookassa.shapes import LARGEST_WEBHOOK
from ferryman.kit.clock import SystemClock
from ferryman.kit.errors import Refused
from ferryman.kit.http import Http

ID = "22e12f66-000f-5000-8000-18db351245c7"
REFUND = "216749f7-0016-50be-b000-078d43a63ae4"

# Never opened: reading a webhook calls nobody.
SHOP = YooKassa(
    ShopConfig.model_validate({"shop_id": "1", "secret_key": "test_x"}),
    ProviderTools(Http(), SystemClock(), sandbox=True),
)


def note(event: str = "payment.succeeded", **changes: Any) -> dict[str, Any]:
    thing = {"id": ID, "status": "succeeded", "paid": True, "metadata": {"payment_id": "ours", "order_id": "42"}}
    return {"type": "notification", "event": event, "object": thing | changes}


def read(document: Any) -> Claim:
    return SHOP.read_webhook(RawWebhook(json.dumps(document).encode()))


def test_a_payment_notification_names_the_payment_twice() -> None:
    claim = read(note())
    assert claim == Claim("payment.succeeded", f"payment.succeeded:{ID}:succeeded", ID, "ours")


def test_a_refund_notification_names_the_payment_it_was_for() -> None:
    claim = read(note("refund.succeeded", id=REFUND, payment_id=ID, metadata=None))
    assert claim == Claim("refund.succeeded", f"refund.succeeded:{REFUND}:succeeded", ID, None)


@pytest.mark.parametrize("event", ["payment.foo", "payment.waiting_for_capture", "payment.canceled", "refund.canceled"])
def test_an_event_nobody_has_heard_of_is_still_a_claim(event: str) -> None:
    """16, and what comes of it is in tests/flows."""
    assert read(note(event, payment_id=ID)).event == event


@pytest.mark.parametrize("event", ["payout.succeeded", "deal.closed", "payment_method.active", "what.ever"])
def test_an_event_about_something_else_than_a_payment_names_none(event: str) -> None:
    claims = [read(one) for one in (note(event), note(event), note(event, id=REFUND), note(event, id=None))]
    assert {(claim.event, claim.external_id, claim.ref) for claim in claims} == {(event, None, None)}
    assert len({claim.dedup_key for claim in claims}) == 3
    assert SHOP.answer(claims[0]) == (200, "")


def test_a_repeat_has_the_same_key_and_every_other_news_another() -> None:
    news = [
        note(),
        note("payment.canceled", status="canceled"),
        note(status="pending"),
        note(id=REFUND),
        note("refund.succeeded", id=REFUND, payment_id=ID),
    ]
    keys = [read(one).dedup_key for one in news]
    assert len(set(keys)) == len(news)
    assert keys == [read(one | {"extra": 1}).dedup_key for one in news]


def test_fields_that_the_service_may_add_later_are_no_trouble() -> None:
    assert read(note(new_field={"deep": [1, 2]}) | {"api_version": "4"}).external_id == ID


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        "notification",
        7,
        {},
        {"type": "notification"},
        {"type": "notification", "event": "payment.succeeded"},
        {"type": "notification", "event": "payment.succeeded", "object": []},
        note() | {"type": "Notification"},
        note() | {"type": ["notification"]},
        note("payment."),
        note("payout"),
        note(".closed"),
        note("deal.closed.twice"),
        note("payment.succeeded\n"),
        note("x" * 10_000),
        note() | {"event": {"payment.succeeded": 1}},
        note(id=None),
        note(id=5),
        note(id=""),
        note(id="../../refunds"),
        note(id="a" * 65),
        note(id=f"{ID}\n"),
        note(id=f"{ID}?limit=1"),
        note(id="ＡＢ"),
        note("refund.succeeded", id=REFUND),
        note("refund.succeeded", id=REFUND, payment_id=[ID]),
        note("refund.succeeded", id=None, payment_id=ID),
    ],
)
def test_what_is_not_shaped_like_a_notification_is_refused(document: Any) -> None:
    with pytest.raises(Refused):
        read(document)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff\xfe\x00",
        b"\x00" * 100,
        b"[" * LARGEST_WEBHOOK,
        b'{"a":' * (LARGEST_WEBHOOK // 5),
        b'{"n":' + b"9" * 10_000 + b"}",
        b" " * (LARGEST_WEBHOOK + 1),
        b"x" * (10 * 1024 * 1024),
        b"type=notification&event=payment.succeeded",
    ],
    ids=lambda body: f"{body[:6]!r}x{len(body)}",
)
def test_hostile_bodies_are_refused(body: bytes) -> None:
    with pytest.raises(Refused):
        SHOP.read_webhook(RawWebhook(body))


def test_size_alone_is_a_reason_to_refuse() -> None:
    whole = json.dumps(note()).encode()
    assert SHOP.read_webhook(RawWebhook(whole.ljust(LARGEST_WEBHOOK))).external_id == ID
    with pytest.raises(Refused, match="at most"):
        SHOP.read_webhook(RawWebhook(whole.ljust(LARGEST_WEBHOOK + 1)))


@pytest.mark.parametrize("ref", ["\x00", "a\nb", "\ud800", "", "x" * 600, 7, None, {}, "с"])
def test_a_ref_that_no_row_of_ours_can_have_is_dropped(ref: Any) -> None:
    claim = read(note(metadata={"payment_id": ref}))
    assert (claim.external_id, claim.ref) == (ID, None)


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=10,
)
NEARLY = st.fixed_dictionaries(
    {},
    optional={
        "type": st.just("notification") | ANY_JSON,
        "event": st.sampled_from(["payment.succeeded", "refund.succeeded", "payment.foo", "deal.closed"]) | ANY_JSON,
        "object": st.fixed_dictionaries(
            {},
            optional={
                "id": st.just(ID) | st.text(max_size=80) | ANY_JSON,
                "payment_id": st.just(ID) | ANY_JSON,
                "status": st.just("succeeded") | ANY_JSON,
                "metadata": st.fixed_dictionaries({"payment_id": st.just("ours") | ANY_JSON}) | ANY_JSON,
            },
        )
        | ANY_JSON,
    },
)


@settings(max_examples=600, deadline=None)
@given(document=NEARLY)
@example(document=note(status="\ud800", metadata={"payment_id": "\x00"}))
def test_a_forged_notification_is_a_well_shaped_claim_or_refused(document: Any) -> None:
    try:
        claim = read(document)
    except Refused:
        return
    if not claim.event.startswith(("payment.", "refund.")):
        assert claim == Claim.of_no_payment(claim.event, json.dumps(document).encode())
        return
    assert claim.external_id is not None
    assert re.fullmatch(r"[A-Za-z0-9-]{1,64}", claim.external_id)
    assert re.fullmatch(r"(payment|refund)\.[a-z_]{1,40}:[A-Za-z0-9-]{1,64}:[a-z_]{0,40}", claim.dedup_key)
    assert claim.ref is None or re.fullmatch(r"[!-~]{1,128}", claim.ref)


@settings(max_examples=300, deadline=None)
@given(body=st.binary(max_size=300))
def test_random_bytes_are_refused(body: bytes) -> None:
    with pytest.raises(Refused):
        SHOP.read_webhook(RawWebhook(body))


@settings(max_examples=300, deadline=None)
@given(cut=st.integers(0, 200), flip=st.integers(0, 200), to=st.integers(0, 255))
def test_a_real_notification_cut_or_damaged_is_a_claim_or_refused(cut: int, flip: int, to: int) -> None:
    body = bytearray(json.dumps(note()).encode())
    body[flip % len(body)] = to
    try:
        claim = SHOP.read_webhook(RawWebhook(bytes(body[: len(body) - cut])))
    except Refused:
        return
    assert claim.external_id is not None or not claim.event.startswith("payment.")


def test_the_sender_is_not_asked_for_a_header_or_an_address() -> None:
    raw = RawWebhook(json.dumps(note()).encode(), {"x-forwarded-for": "185.71.76.1"}, "203.0.113.9")
    assert SHOP.read_webhook(raw).external_id == ID

"""YooKassa's own wire: what is sent, byte by byte, and what each of its answers means to us."""

import base64
import json
from dataclasses import replace
from typing import Any

import pytest

from ferryman.billing.provider import PaymentProvider, PaymentState
from ferryman.billing.providers.yookassa import YooKassa
from ferryman.kit.clock import SystemClock
from ferryman.kit.errors import AccessDenied, Busy, Conflict, Misconfigured, NotFound, Refused, Unreachable
from ferryman.kit.money import Money
from tests.billing.providers.recorder import Recorder, Scripted
from tests.billing.providers.worlds import EMULATED_KEY, Control, World, a_request
from tests.billing.providers.yookassa_wire import ID, PAGE_URL, at, payment, refusal


def test_it_is_a_payment_provider(shop: YooKassa) -> None:
    provider: PaymentProvider = shop
    assert provider.title == {"ru": "Банковская карта, СБП", "en": "Card or SBP"}
    assert (provider.icon, provider.answer(None)) == ("💳", (400, ""))


async def test_a_creation_is_signed_keyed_captured_and_written_in_kopecks(shop: YooKassa, api: Recorder) -> None:
    """1: Basic credentials, JSON, the key, capture, "199.00" for 199."""
    request = a_request("199")
    opened = await shop.open(request)
    sent = api.received[0]
    body = json.loads(sent.body)
    assert (opened.external_id, opened.pay_url) == (ID, PAGE_URL)
    assert (sent.method, sent.path) == ("POST", "/v3/payments")
    assert sent.headers["authorization"] == "Basic " + base64.b64encode(f"100500:{EMULATED_KEY}".encode()).decode()
    assert sent.headers["content-type"] == "application/json"
    assert sent.headers["idempotence-key"] == request.idempotency_key
    assert body == {
        "amount": {"value": "199.00", "currency": "RUB"},
        "capture": True,
        "confirmation": {"type": "redirect", "return_url": "https://t.me/ferryman_bot", "locale": "en_US"},
        "description": "30 days, three locations",
        "metadata": {"payment_id": request.ref, "order_id": request.order_ref},
    }


async def test_a_repeat_is_the_same_bytes_under_the_same_key(shop: YooKassa, api: Recorder) -> None:
    """5: 500, 500, 200 under one key; how far apart is up to the caller."""
    request = a_request()
    api.say(Scripted(500, {"type": "error"}), Scripted(500), Scripted(200, payment()))
    for _ in range(2):
        with pytest.raises(Unreachable):
            await shop.open(request)
    opened = await shop.open(request)
    assert opened.external_id == ID
    assert len({(sent.headers["idempotence-key"], sent.body) for sent in api.received}) == 1
    assert len(api.received) == 3


async def test_a_description_is_cut_to_what_the_api_takes(world: World) -> None:
    """8."""
    opened = await world.provider.open(world.request(description="щ" * 129))
    assert world.control is not None
    shown = (await world.control.payments())[0]
    assert (shown["id"], shown["description"]) == (opened.external_id, "щ" * 128)


async def test_metadata_is_strings_and_the_amount_has_two_digits_whatever_is_bought(
    shop: YooKassa, api: Recorder
) -> None:
    """9."""
    for minor, written in ((1, "0.01"), (100, "1.00"), (35_000_000, "350000.00")):
        await shop.open(replace(a_request(), amount=Money(minor, "RUB")))
        body = json.loads(api.received[-1].body)
        assert body["amount"]["value"] == written
        assert all(isinstance(value, str) for value in body["metadata"].values())


@pytest.mark.parametrize("key", ["", "a" * 65, "with space", "line\r\nX-Injected: 1", "ключ"])
async def test_a_key_the_api_would_not_take_never_leaves(shop: YooKassa, api: Recorder, key: str) -> None:
    with pytest.raises(Refused, match="idempotency key"):
        await shop.open(replace(a_request(), idempotency_key=key))
    assert api.received == []


@pytest.mark.parametrize("amount", [Money(250, "XTR"), Money(0, "RUB"), Money(-100, "RUB")])
async def test_what_cannot_be_collected_never_leaves(shop: YooKassa, api: Recorder, amount: Money) -> None:
    with pytest.raises(Refused, match="cannot collect"):
        await shop.open(replace(a_request(), amount=amount))
    assert api.received == []


async def test_the_same_key_for_another_sum_is_a_conflict_and_makes_nothing(world: World, control: Control) -> None:
    """3."""
    request = world.request()
    await world.provider.open(request)
    with pytest.raises(Conflict):
        await world.provider.open(replace(request, amount=Money(29900, "RUB")))
    assert len(await control.payments()) == 1


async def test_five_hundred_twice_then_one_payment(world: World, control: Control) -> None:
    request = world.request()
    await control.fault(mode="status", status=500, method="POST", times=2, body={"type": "error"})
    for _ in range(2):
        with pytest.raises(Unreachable):
            await world.provider.open(request)
    await world.provider.open(request)
    assert len(await control.payments()) == 1


async def test_processing_says_when_to_ask_again_in_milliseconds(shop: YooKassa, api: Recorder) -> None:
    """6: 1800 is 1.8 s."""
    api.say(Scripted(202, {"type": "processing", "description": "Wait.", "retry_after": 1800}))
    with pytest.raises(Busy) as busy:
        await shop.open(a_request())
    assert busy.value.after == 1.8


@pytest.mark.parametrize(
    ("hint", "after"),
    [(1800, 1.8), (0, 0.0), (10**400, 3600.0), (None, None), (-5, None), ("soon", None), (True, None), ([], None)],
)
async def test_a_hint_that_makes_no_sense_is_none(
    shop: YooKassa, api: Recorder, hint: Any, after: float | None
) -> None:
    api.say(refusal(429, "too_many_requests", retry_after=hint))
    with pytest.raises(Busy) as busy:
        await shop.look_up(ID)
    assert busy.value.after == after


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (refusal(400, "invalid_request", parameter="amount"), Refused),
        (refusal(400, "invalid_request", description="Idempotence key duplicated"), Conflict),
        (refusal(401, "invalid_credentials"), AccessDenied),
        (refusal(403, "forbidden"), AccessDenied),
        (refusal(404, "not_found"), NotFound),
        (refusal(405, "invalid_request"), Refused),
        (refusal(410, "gone"), Refused),
        (refusal(429, "too_many_requests"), Busy),
        (refusal(500, "internal_server_error"), Unreachable),
        (Scripted(502, raw=b"<html>502 Bad Gateway</html>"), Unreachable),
        (Scripted(504, raw=b""), Unreachable),
        (Scripted(200, raw=b"<html>hello</html>"), Unreachable),
        (Scripted(200, raw=b""), Unreachable),
        (Scripted(200, raw=b"[" * 100_000), Unreachable),
        (Scripted(200, raw=b"\xff\xfe{}"), Unreachable),
        (Scripted(200, []), Unreachable),
        (Scripted(200, {}), Unreachable),
        (Scripted(200, payment(id=7)), Unreachable),
        (Scripted(200, payment(id="../refunds")), Unreachable),
        (Scripted(302, raw=b""), Refused),
    ],
)
async def test_each_answer_to_a_creation_says_what_to_do_next(
    shop: YooKassa, api: Recorder, answer: Scripted, error: type[Exception]
) -> None:
    api.say(answer)
    with pytest.raises(error) as raised:
        await shop.open(a_request())
    assert type(raised.value) is error
    assert EMULATED_KEY not in str(raised.value)


async def test_an_error_of_a_read_is_busy_because_nothing_can_have_happened(shop: YooKassa, api: Recorder) -> None:
    for answer in (refusal(500, "internal_server_error"), Scripted(502, raw=b"<html>"), Scripted(200, raw=b"")):
        api.say(answer)
        with pytest.raises(Busy):
            await shop.look_up(ID)


async def test_a_payment_that_needs_no_payer_any_more_has_no_page(shop: YooKassa, api: Recorder) -> None:
    settled = payment(status="succeeded", paid=True)
    del settled["confirmation"]
    for answer in (
        settled,
        payment(confirmation={"confirmation_url": "javascript:alert(1)"}),
        payment(confirmation=[]),
    ):
        api.say(Scripted(200, answer))
        assert (await shop.open(a_request())).pay_url == ""


@pytest.mark.parametrize(
    ("changes", "state", "reason"),
    [
        ({}, PaymentState.PENDING, None),
        ({"status": "waiting_for_capture", "paid": True}, PaymentState.HELD, None),
        ({"status": "waiting_for_capture", "paid": False}, PaymentState.PENDING, "waiting_for_capture but not paid"),
        ({"status": "succeeded", "paid": True}, PaymentState.SUCCEEDED, None),
        ({"status": "succeeded", "paid": False}, PaymentState.PENDING, "succeeded but not paid"),
        ({"status": "succeeded", "paid": "true"}, PaymentState.PENDING, "succeeded but not paid"),
        (
            {"status": "canceled", "cancellation_details": {"reason": "expired_on_confirmation"}},
            PaymentState.CANCELLED,
            "expired_on_confirmation",
        ),
        ({"status": "canceled"}, PaymentState.CANCELLED, "unknown"),
        ({"status": "canceled", "cancellation_details": {"reason": 5}}, PaymentState.CANCELLED, "unknown"),
        ({"status": "teleported", "paid": True}, PaymentState.PENDING, "unknown status teleported"),
    ],
)
async def test_only_succeeded_and_paid_is_success(
    shop: YooKassa, api: Recorder, changes: dict[str, Any], state: PaymentState, reason: str | None
) -> None:
    api.say(Scripted(200, payment(**changes)))
    fact = await shop.look_up(ID)
    assert (fact.state, fact.reason, fact.ref) == (state, reason, "ours")


@pytest.mark.parametrize(
    ("income", "fee"),
    [
        ({"value": "191.04", "currency": "RUB"}, Money(796, "RUB")),
        ({"value": "199.00", "currency": "RUB"}, Money(0, "RUB")),
        ({"value": "500.00", "currency": "RUB"}, None),
        ({"value": "1.00", "currency": "USD"}, None),
        ({"value": 191.04, "currency": "RUB"}, Money(796, "RUB")),
        ({"value": True, "currency": "RUB"}, None),
        ("191.04", None),
    ],
)
async def test_the_fee_is_what_does_not_reach_us(shop: YooKassa, api: Recorder, income: Any, fee: Money | None) -> None:
    api.say(Scripted(200, payment(status="succeeded", paid=True, income_amount=income)))
    assert (await shop.look_up(ID)).fee == fee


@pytest.mark.parametrize("value", ["199.00", "199.0", "199"])
async def test_amounts_are_compared_as_numbers(shop: YooKassa, api: Recorder, value: str) -> None:
    api.say(Scripted(200, payment(amount={"value": value, "currency": "RUB"})))
    assert (await shop.look_up(ID)).amount == Money(19900, "RUB")


@pytest.mark.parametrize(
    "changes",
    [
        {"amount": None},
        {"amount": {"value": "1e9", "currency": "RUB"}},
        {"amount": {"value": "199.001", "currency": "RUB"}},
        {"amount": {"value": "199.00", "currency": "rub"}},
        {"test": None},
        {"test": "false"},
        {"status": None},
        {"id": "33e12f66-000f-5000-8000-18db351245c7"},
    ],
)
async def test_an_answer_without_the_facts_is_no_answer(shop: YooKassa, api: Recorder, changes: dict[str, Any]) -> None:
    api.say(Scripted(200, payment(**changes)))
    with pytest.raises(Unreachable):
        await shop.look_up(ID)


@pytest.mark.parametrize("metadata", [None, [], "ours", {}, {"payment_id": 7}, {"payment_id": ["ours"]}])
async def test_a_payment_that_is_not_ours_has_no_ref(shop: YooKassa, api: Recorder, metadata: Any) -> None:
    api.say(Scripted(200, payment(metadata=metadata)))
    assert (await shop.look_up(ID)).ref is None


async def test_a_test_payment_in_a_live_shop_is_reported_as_one(world: World, control: Control) -> None:
    """18."""
    live = at(control, SystemClock(), test=False)
    opened = await live.open(world.request())
    assert opened.external_id is not None
    await control.pay(opened.external_id)
    fact = await live.look_up(opened.external_id)
    assert (fact.test, live.test_mode) == (True, False)
    with pytest.raises(Misconfigured, match="Set `test` to true"):
        await live.check()


async def test_the_fee_of_a_paid_payment_comes_with_it(world: World, control: Control) -> None:
    _, fact = await world.paid()
    fee = fact.fee
    assert fee is not None
    assert 0 < fee.minor < 19900


async def test_a_held_payment_is_not_yet_success(world: World, control: Control) -> None:
    """21."""
    external_id = await world.opened()
    await control.post(f"payments/{external_id}/wait")
    fact = await world.provider.look_up(external_id)
    assert (fact.state, fact.reason) == (PaymentState.HELD, None)


async def test_nobody_pays_for_an_hour_and_the_payment_is_over(world: World, control: Control) -> None:
    """19."""
    external_id = await world.opened()
    await control.post("clock", {"advance": 3601})
    fact = await world.provider.look_up(external_id)
    assert (fact.state, fact.reason) == (PaymentState.CANCELLED, "expired_on_confirmation")


@pytest.mark.parametrize("external_id", ["", "../refunds", "x?limit=1", "%2e%2e", "a" * 65, "a\n"])
async def test_an_id_of_another_shape_never_reaches_an_address(shop: YooKassa, api: Recorder, external_id: str) -> None:
    with pytest.raises(NotFound):
        await shop.look_up(external_id)
    assert api.received == []

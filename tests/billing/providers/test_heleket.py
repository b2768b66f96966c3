"""Heleket's own wire: the exact bytes that are signed and sent, and what each of its answers means to us."""

import base64
import hashlib
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from ferryman.billing.provider import Listing, PaymentProvider, PaymentRequest, PaymentState, ProviderTools, Refunding
from ferryman.billing.providers.heleket import SEARCH_PAGES, Heleket, MerchantConfig
from ferryman.kit.clock import SystemClock
from ferryman.kit.errors import (
    AccessDenied,
    Busy,
    Conflict,
    FerrymanError,
    Misconfigured,
    NotFound,
    Refused,
    Unreachable,
)
from ferryman.kit.http import Http
from ferryman.kit.money import Money
from tests.billing.providers.recorder import Recorder, Scripted
from tests.billing.providers.worlds import (
    EMULATED_KEY,
    EMULATED_MERCHANT,
    Control,
    World,
    a_request,
    emulated_heleket,
    heleket,
)

UUID = "26109ba0-b05b-4ee0-93d1-fd62c822ce95"
PAGE_URL = "https://pay.heleket.example/pay/26109ba0"


def invoice(**changes: Any) -> dict[str, Any]:
    return {
        "uuid": UUID,
        "order_id": "ours",
        "amount": "199.00",
        "payment_amount": None,
        "payer_amount": None,
        "payer_currency": None,
        "currency": "USD",
        "network": None,
        "txid": None,
        "payment_status": "check",
        "url": PAGE_URL,
        "expired_at": 1_790_000_000,
        "is_final": False,
    } | changes


def good(result: Any) -> Scripted:
    return Scripted(200, {"state": 0, "result": result})


def dollars(**changes: Any) -> PaymentRequest:
    hook_url = {"hook_url": "https://bot.example/hooks/heleket/x"}
    return replace(a_request(currency="USD"), **(hook_url | changes))


@pytest.fixture
def shop(http: Http, api: Recorder) -> Heleket:
    return heleket(http, f"{api.url}/v1")


@pytest.fixture
async def there() -> AsyncIterator[tuple[World, Control]]:
    async with emulated_heleket() as world:
        assert world.control is not None
        yield world, world.control


async def test_it_lists_and_does_not_refund(shop: Heleket) -> None:
    """A refund needs the payer's wallet, which the port does not carry: it is a task for a person."""
    provider: PaymentProvider = shop
    assert isinstance(provider, Listing)
    assert not isinstance(provider, Refunding)
    assert (provider.answer(None), provider.needs_contact) == ((200, ""), False)


async def test_the_bytes_that_are_sent_are_the_bytes_that_are_signed(shop: Heleket, api: Recorder) -> None:
    request = dollars(order_ref="заказ/1")
    api.say(good(invoice(order_id=request.ref)))
    opened = await shop.open(request)
    sent = api.received[0]
    assert (opened.external_id, opened.pay_url) == (UUID, PAGE_URL)
    assert (sent.method, sent.path) == ("POST", "/v1/payment")
    assert sent.headers["merchant"] == EMULATED_MERCHANT
    assert sent.headers["content-type"] == "application/json"
    signed = hashlib.md5(base64.b64encode(sent.body) + EMULATED_KEY.encode(), usedforsecurity=False)
    assert sent.headers["sign"] == signed.hexdigest()
    assert json.loads(sent.body) == {
        "amount": "199.00",
        "currency": "USD",
        "order_id": request.ref,
        "url_callback": "https://bot.example/hooks/heleket/x",
        "url_return": "https://t.me/ferryman_bot",
        "url_success": "https://t.me/ferryman_bot",
        "lifetime": 3600,
        "is_payment_multiple": True,
        "accuracy_payment_percent": 0,
        "additional_data": "заказ/1",
    }


async def test_settings_of_an_invoice_are_sent(http: Http, api: Recorder) -> None:
    request = dollars(hook_url="")
    api.say(good(invoice(order_id=request.ref)))
    await heleket(http, f"{api.url}/v1", lifetime=600, accuracy_percent=2).open(request)
    body = json.loads(api.received[0].body)
    assert (body["lifetime"], body["accuracy_payment_percent"]) == (600, 2)
    assert "url_callback" not in body


@pytest.mark.parametrize("amount", [Money(250, "XTR"), Money(0, "USD"), Money(-100, "USD")])
async def test_what_cannot_be_collected_never_leaves(shop: Heleket, api: Recorder, amount: Money) -> None:
    with pytest.raises(Refused, match="cannot collect"):
        await shop.open(dollars(amount=amount))
    assert api.received == []


@pytest.mark.parametrize("changes", [{"order_id": "another"}, {"amount": "299.00"}, {"currency": "EUR"}])
async def test_an_invoice_that_is_not_the_one_asked_for_is_a_conflict(
    shop: Heleket, api: Recorder, changes: dict[str, Any]
) -> None:
    request = dollars()
    api.say(good(invoice(order_id=request.ref) | changes))
    with pytest.raises(Conflict):
        await shop.open(request)


@pytest.mark.parametrize(
    ("status", "state", "reason"),
    [
        ("check", PaymentState.PENDING, "check"),
        ("process", PaymentState.PENDING, "process"),
        ("confirm_check", PaymentState.PENDING, "confirm_check"),
        ("wrong_amount_waiting", PaymentState.PENDING, "wrong_amount_waiting"),
        ("locked", PaymentState.PENDING, "locked"),
        ("paid", PaymentState.SUCCEEDED, None),
        ("paid_over", PaymentState.SUCCEEDED, None),
        ("wrong_amount", PaymentState.SHORT, "wrong_amount"),
        ("fail", PaymentState.CANCELLED, "fail"),
        ("cancel", PaymentState.CANCELLED, "cancel"),
        ("system_fail", PaymentState.CANCELLED, "system_fail"),
        ("refund_process", PaymentState.SUCCEEDED, "refund_process"),
        ("refund_fail", PaymentState.SUCCEEDED, "refund_fail"),
        ("refund_paid", PaymentState.SUCCEEDED, "refund_paid"),
        ("on_the_moon", PaymentState.PENDING, "unknown status on_the_moon"),
    ],
)
async def test_every_status_means_something(
    shop: Heleket, api: Recorder, status: str, state: PaymentState, reason: str | None
) -> None:
    api.say(good(invoice(payment_status=status)))
    fact = await shop.look_up(UUID)
    assert (fact.state, fact.reason, fact.test) == (state, reason, True)
    assert (fact.ref, fact.amount) == ("ours", Money(19900, "USD"))


@pytest.mark.parametrize(
    ("status", "refunded"),
    [
        ("paid", Money(0, "USD")),
        ("refund_process", Money(0, "USD")),
        ("refund_paid", Money(19900, "USD")),
        ("check", None),
        ("wrong_amount", None),
    ],
)
async def test_what_was_given_back_is_told(shop: Heleket, api: Recorder, status: str, refunded: Money | None) -> None:
    api.say(good(invoice(payment_status=status)))
    assert (await shop.look_up(UUID)).refunded == refunded


@pytest.mark.parametrize(
    ("said", "came"),
    [
        ({}, None),
        ({"merchant_amount": "3.92"}, Money(7960, "USD")),
        ({"merchant_amount": "0"}, None),
        ({"merchant_amount": "3.92", "payer_amount": None}, Money(0, "USD")),
        ({"merchant_amount": "9.9", "payment_amount": "12"}, Money(19900, "USD")),
        ({"payment_status": "refund_paid", "merchant_amount": "3.92"}, Money(0, "USD")),
        ({"payment_status": "paid", "merchant_amount": "3.92"}, None),
    ],
)
async def test_too_little_is_ours_as_far_as_the_merchant_was_credited(
    shop: Heleket, api: Recorder, said: dict[str, Any], came: Money | None
) -> None:
    short = {"payment_status": "wrong_amount", "payer_amount": "10", "payment_amount": "4"}
    api.say(good(invoice(**(short | said))))
    assert (await shop.look_up(UUID)).came == came


async def test_giving_back_what_was_too_little_is_no_success(shop: Heleket, api: Recorder) -> None:
    api.say(good(invoice(payment_status="refund_paid", payer_amount="10", payment_amount="4")))
    fact = await shop.look_up(UUID)
    assert (fact.state, fact.refunded) == (PaymentState.SHORT, None)


@pytest.mark.parametrize(
    ("came", "told"), [("12.5", {"surplus": "2.5"}), ("10", {}), ("10.00000000", {}), ("4", {"shortfall": "6"})]
)
async def test_the_coins_are_kept_for_the_books(shop: Heleket, api: Recorder, came: str, told: dict[str, str]) -> None:
    coins = {"payer_amount": "10", "payment_amount": came, "payer_currency": "LTC", "network": "litecoin"}
    api.say(good(invoice(payment_status="paid", txid="ab12", merchant_amount="9.8", **coins)))
    details = dict((await shop.look_up(UUID)).details)
    assert details.pop("rate") == "19.90000000"
    expected = {"coin": "LTC", "network": "litecoin", "txid": "ab12", "paid": came, "received": "9.8"}
    assert details == expected | told


@pytest.mark.parametrize(
    "changes",
    [
        {"uuid": None},
        {"uuid": "../x"},
        {"amount": None},
        {"amount": "1.005"},
        {"currency": 7},
        {"payment_status": None},
    ],
)
async def test_an_answer_that_lacks_the_essentials_is_none(
    shop: Heleket, api: Recorder, changes: dict[str, Any]
) -> None:
    api.say(good(invoice(**changes)))
    with pytest.raises(Unreachable):
        await shop.look_up(UUID)


async def test_an_answer_about_another_invoice_is_none(shop: Heleket, api: Recorder) -> None:
    api.say(good(invoice(uuid="26109ba0-b05b-4ee0-93d1-000000000000")))
    with pytest.raises(Unreachable, match="another invoice"):
        await shop.look_up(UUID)
    with pytest.raises(Unreachable, match="another invoice"):
        await shop.find(dollars())


def bad(status: int, **body: Any) -> Scripted:
    return Scripted(status, {"state": 1} | body)


@pytest.mark.parametrize(
    ("answer", "opening", "asking"),
    [
        (bad(401, message="Invalid Sign."), AccessDenied, AccessDenied),
        (bad(200, message="Invalid Sign."), AccessDenied, AccessDenied),
        (bad(403, message="You are forbidden"), AccessDenied, AccessDenied),
        (bad(404, message="Not found"), NotFound, NotFound),
        (bad(200, message="Payment not found"), NotFound, NotFound),
        (bad(422, errors={"amount": ["Too small"]}), Refused, Refused),
        (bad(200, message="The currency is not supported"), Refused, Refused),
        (bad(429, message="Slow down"), Busy, Busy),
        (bad(500, message="Server error"), Unreachable, Busy),
        (Scripted(200, {"state": 0, "result": []}), Unreachable, Busy),
        (Scripted(200, raw=b""), Unreachable, Busy),
    ],
)
async def test_every_refusal_is_sorted_by_what_to_do_next(
    shop: Heleket, api: Recorder, answer: Scripted, opening: type[FerrymanError], asking: type[FerrymanError]
) -> None:
    api.say(answer)
    with pytest.raises(opening) as refused:
        await shop.open(dollars())
    assert type(refused.value) is opening
    with pytest.raises(asking) as refused:
        await shop.look_up(UUID)
    assert type(refused.value) is asking
    assert EMULATED_KEY not in str(refused.value)


async def test_a_refusal_says_what_is_wrong(shop: Heleket, api: Recorder) -> None:
    api.say(bad(422, errors={"amount": ["The amount is too small"], "currency": "No such"}))
    with pytest.raises(Refused, match=r"The amount is too small, No such"):
        await shop.open(dollars())


async def test_a_repeat_by_anybody_answers_the_invoice_that_exists(there: tuple[World, Control]) -> None:
    world, control = there
    request = world.request()
    first = await world.provider.open(request)
    again = await heleket(control.http, f"{control.url}/v1").open(request)
    assert first == again
    assert len(await control.payments()) == 1


async def test_an_invoice_found_again_after_its_end_cannot_be_paid(there: tuple[World, Control]) -> None:
    world, control = there
    request = world.request()
    first = await world.provider.open(request)
    await control.post("clock", {"advance": 3601})
    second = await world.provider.open(request)
    assert (second.external_id, second.pay_url) == (first.external_id, "")


async def test_the_list_is_read_page_by_page_with_a_day_to_spare(shop: Heleket, api: Recorder) -> None:
    api.say(
        good({"items": [invoice(), invoice(currency="BTC", amount="0.00012345")], "paginate": {"nextCursor": "abc"}}),
        good({"items": [invoice(uuid="x2")], "paginate": {"nextCursor": None}}),
    )
    since = datetime(2026, 1, 18, 14, tzinfo=UTC)
    found = [fact.external_id async for fact in shop.listed(since, since + timedelta(hours=1))]
    assert found == [UUID, "x2"]
    assert json.loads(api.received[0].body) == {"date_from": "2026-01-17 14:00:00", "date_to": "2026-01-19 15:00:00"}
    assert [sent.query for sent in api.received] == [{}, {"cursor": "abc"}]


async def test_a_list_without_end_is_not_called_whole(shop: Heleket, api: Recorder) -> None:
    api.say(good({"items": [], "paginate": {"nextCursor": "more"}}))
    now = datetime.now(UTC)
    with pytest.raises(Busy):
        [fact async for fact in shop.listed(now, now)]
    assert len(api.received) == SEARCH_PAGES


async def test_what_is_in_the_account_is_in_the_list(there: tuple[World, Control]) -> None:
    world, control = there
    opened = {await world.opened() for _ in range(17)}
    shop, now = heleket(control.http, f"{control.url}/v1"), datetime.now(UTC)
    assert {fact.external_id async for fact in shop.listed(now - timedelta(hours=1), now)} == opened


def test_an_emulator_is_refused_outside_the_sandbox(http: Http) -> None:
    config = {"merchant": "m", "payment_key": "k", "api_base": "http://127.0.0.1:9/v1"}
    with pytest.raises(Misconfigured, match="Heleket's api_base"):
        Heleket(MerchantConfig.model_validate(config), ProviderTools(http, SystemClock(), sandbox=False))
    live = MerchantConfig.model_validate({"merchant": "m", "payment_key": "k"})
    assert Heleket(live, ProviderTools(http, SystemClock(), sandbox=False)).test_mode is False


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"merchant": "a b"}, "merchant"),
        ({"payment_key": ""}, "payment_key"),
        ({"payment_key": "canary\n"}, "payment_key"),
        ({"lifetime": 299}, "lifetime"),
        ({"lifetime": 43_201}, "lifetime"),
        ({"accuracy_percent": 6}, "accuracy_percent"),
        ({"api_base": "http://api.example/v1"}, "https://"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_a_wrong_setting_names_itself_and_shows_no_secret(changes: dict[str, Any], names: str) -> None:
    right = {"merchant": EMULATED_MERCHANT, "payment_key": "canary-of-the-merchant"}
    with pytest.raises(ValidationError) as wrong:
        MerchantConfig.model_validate(right | changes)
    assert names in str(wrong.value)
    assert "canary" not in str(wrong.value) + repr(MerchantConfig.model_validate(right))

"""Crypto Pay's own wire: what is sent, what each answer means, and how an invoice lives and ends."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from ferryman.billing.provider import Listing, PaymentProvider, PaymentState, ProviderTools, Refunding
from ferryman.billing.providers.cryptopay import PAGE, AppConfig, CryptoPay
from ferryman.kit.clock import SystemClock
from ferryman.kit.errors import AccessDenied, Busy, Misconfigured, NotFound, Refused, Unreachable
from ferryman.kit.http import Http
from ferryman.kit.money import Money
from ferryman.kit.remote import Tries
from tests.billing.providers.recorder import Recorder, Scripted
from tests.billing.providers.worlds import (
    EMULATED_TOKEN,
    World,
    a_request,
    cryptopay,
    days_from_now,
    emulated_cryptopay,
)

PAGE_URL = "https://t.me/CryptoBot?start=IVabc"


def invoice(**changes: Any) -> dict[str, Any]:
    """An invoice as the API shows it while it waits for its payer."""
    return {
        "invoice_id": 777,
        "hash": "IVabc",
        "currency_type": "fiat",
        "fiat": "RUB",
        "amount": "199",
        "status": "active",
        "bot_invoice_url": PAGE_URL,
        "created_at": "2026-01-18T10:00:00.000Z",
        "payload": "ours",
    } | changes


def ok(result: Any) -> Scripted:
    return Scripted(200, {"ok": True, "result": result})


def refusal(status: int, name: str) -> Scripted:
    return Scripted(status, {"ok": False, "error": {"code": status, "name": name}})


@pytest.fixture
def app(http: Http, api: Recorder) -> CryptoPay:
    api.say(ok(invoice()))
    return cryptopay(http, f"{api.url}/api")


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with emulated_cryptopay() as world:
        yield world


def old(world: World, **changes: Any) -> Any:
    """A request whose first try may have been another process's."""
    return world.request(placed_at=datetime.now(UTC) - timedelta(seconds=30), **changes)


def test_it_is_a_provider_that_lists_and_cannot_refund(app: CryptoPay) -> None:
    provider: PaymentProvider = app
    assert isinstance(provider, Listing)
    assert not isinstance(provider, Refunding)
    assert (provider.needs_contact, provider.answer(None)) == (False, (200, ""))


async def test_a_creation_asks_for_ordinary_money_under_our_ref(app: CryptoPay, api: Recorder) -> None:
    request = a_request("199.50")
    opened = await app.open(request)
    sent = api.received[0]
    assert (opened.external_id, opened.pay_url) == ("777", PAGE_URL)
    assert (sent.method, sent.path) == ("POST", "/api/createInvoice")
    assert sent.headers["crypto-pay-api-token"] == EMULATED_TOKEN
    assert json.loads(sent.body) == {
        "currency_type": "fiat",
        "fiat": "RUB",
        "amount": "199.50",
        "description": "30 days, three locations",
        "payload": request.ref,
        "expires_in": 3600,
        "allow_comments": False,
        "paid_btn_name": "callback",
        "paid_btn_url": "https://t.me/ferryman_bot",
    }


async def test_the_operator_may_choose_coins_and_time(http: Http, api: Recorder) -> None:
    api.say(ok(invoice()))
    app = cryptopay(http, f"{api.url}/api", assets=["USDT", "TON"], minutes_to_pay=15)
    await app.open(replace(a_request(), return_url="", description="щ" * 2000))
    body = json.loads(api.received[0].body)
    assert (body["accepted_assets"], body["expires_in"], len(body["description"])) == ("USDT,TON", 900, 1024)
    assert "paid_btn_url" not in body


@pytest.mark.parametrize("amount", [Money(250, "XTR"), Money(0, "RUB"), Money(-100, "RUB"), Money(100, "JPY")])
async def test_what_cannot_be_collected_never_leaves(app: CryptoPay, api: Recorder, amount: Money) -> None:
    with pytest.raises(Refused, match="cannot collect"):
        await app.open(replace(a_request(), amount=amount))
    assert api.received == []


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (refusal(400, "AMOUNT_INVALID"), Refused),
        (refusal(200, "AMOUNT_INVALID"), Refused),
        (refusal(401, "UNAUTHORIZED"), AccessDenied),
        (refusal(423, "APP_SUSPENDED"), AccessDenied),
        (Scripted(423, raw=b"locked"), AccessDenied),
        (refusal(404, "METHOD_NOT_FOUND"), NotFound),
        (refusal(429, "TOO_MANY"), Busy),
        (Scripted(500, raw=b""), Unreachable),
        (Scripted(502, raw=b"<html>502</html>"), Unreachable),
        (Scripted(200, raw=b""), Unreachable),
        (Scripted(200, raw=b"[" * 100_000), Unreachable),
        (Scripted(200, []), Unreachable),
        (Scripted(200, {"ok": True}), Unreachable),
        (Scripted(200, {"ok": "true", "result": invoice()}), Unreachable),
        (ok(invoice(invoice_id=None)), Unreachable),
        (ok(invoice(invoice_id="../getMe")), Unreachable),
    ],
)
async def test_each_answer_to_a_creation_says_what_to_do_next(
    app: CryptoPay, api: Recorder, answer: Scripted, error: type[Exception]
) -> None:
    api.say(answer)
    with pytest.raises(error) as raised:
        await app.open(a_request())
    assert type(raised.value) is error
    assert EMULATED_TOKEN not in str(raised.value)


async def test_an_error_of_a_read_is_busy_because_nothing_can_have_happened(app: CryptoPay, api: Recorder) -> None:
    for answer in (Scripted(500), Scripted(502, raw=b"<html>"), Scripted(200, raw=b"")):
        api.say(answer)
        with pytest.raises(Busy):
            await app.look_up("777")


@pytest.mark.parametrize(
    ("changes", "state", "reason"),
    [
        ({}, PaymentState.PENDING, None),
        ({"status": "paid"}, PaymentState.SUCCEEDED, None),
        ({"status": "expired"}, PaymentState.CANCELLED, "expired"),
        ({"status": "teleported"}, PaymentState.PENDING, "unknown status teleported"),
    ],
)
async def test_only_paid_is_success(
    app: CryptoPay, api: Recorder, changes: dict[str, Any], state: PaymentState, reason: str | None
) -> None:
    api.say(ok({"items": [invoice(**changes)]}))
    fact = await app.look_up("777")
    assert (fact.state, fact.reason, fact.ref, fact.amount) == (state, reason, "ours", Money(19900, "RUB"))


@pytest.mark.parametrize(
    ("items", "error"),
    [
        ([], NotFound),
        ([invoice(invoice_id=778)], Unreachable),
        ([invoice(amount=199)], None),
        ([invoice(amount="199.001")], Unreachable),
        ([invoice(amount=None)], Unreachable),
        ([invoice(fiat=None)], Unreachable),
        ([invoice(status=None)], Unreachable),
        ([invoice(currency_type="crypto", asset="TON", amount="0.123456")], NotFound),
        (None, Unreachable),
    ],
)
async def test_an_answer_without_the_facts_is_no_answer(
    app: CryptoPay, api: Recorder, items: Any, error: type[Exception] | None
) -> None:
    api.say(ok({"items": items}))
    if error is None:
        assert (await app.look_up("777")).amount == Money(19900, "RUB")
        return
    with pytest.raises(error):
        await app.look_up("777")


async def test_what_came_in_which_coin_at_which_rate_is_kept_for_the_books(app: CryptoPay, api: Recorder) -> None:
    paid = invoice(status="paid", paid_asset="TON", paid_amount="0.796", paid_fiat_rate="250.0", fee_asset="TON")
    api.say(ok({"items": [paid | {"fee_amount": 0.02388}]}))
    fact = await app.look_up("777")
    assert fact.fee == Money(597, "RUB")
    assert fact.details == {
        "paid_asset": "TON",
        "paid_amount": "0.796",
        "paid_fiat_rate": "250.0",
        "fee_asset": "TON",
        "fee_amount": "0.02388",
    }


@pytest.mark.parametrize(
    "changes",
    [
        {"fee_asset": "USDT"},
        {"fee_amount": None},
        {"fee_amount": "much"},
        {"fee_amount": "1e999999"},
        {"fee_amount": "-1"},
        {"paid_fiat_rate": "NaN"},
    ],
)
async def test_a_fee_that_makes_no_sense_is_none(app: CryptoPay, api: Recorder, changes: dict[str, Any]) -> None:
    paid = {"status": "paid", "paid_asset": "TON", "fee_asset": "TON", "fee_amount": "0.02", "paid_fiat_rate": "250"}
    api.say(ok({"items": [invoice(**(paid | changes))]}))
    assert (await app.look_up("777")).fee is None


async def test_a_paid_invoice_of_the_emulator_has_a_fee_and_a_coin(world: World) -> None:
    _, fact = await world.paid()
    assert fact.fee is not None and 0 < fee_share(fact.fee, fact.amount) <= 0.04
    assert fact.details["paid_asset"] == "USDT"


def fee_share(fee: Money, amount: Money) -> float:
    return fee.minor / amount.minor


async def test_contract_35_an_invoice_expires_without_a_word_and_asking_tells(world: World) -> None:
    assert world.control is not None
    opened = await world.provider.open(world.request())
    assert opened.external_id is not None
    await world.control.post("clock", {"advance": 3601})
    fact = await world.provider.look_up(opened.external_id)
    assert (fact.state, fact.reason) == (PaymentState.CANCELLED, "expired")
    assert world.control.hook.received == []


async def test_a_repeat_by_another_process_looks_first_and_finds(world: World) -> None:
    assert world.control is not None
    request = old(world)
    await world.control.fault(mode="drop_after", route="createInvoice")
    with pytest.raises(Unreachable):
        await world.provider.open(request)
    other = cryptopay(world.control.http, f"{world.control.url}/api")
    again = await other.open(request)
    assert [str(one["invoice_id"]) for one in await world.control.payments()] == [again.external_id]
    assert again.pay_url.startswith("http")


async def test_a_first_try_that_is_fresh_asks_for_no_list(app: CryptoPay, api: Recorder) -> None:
    await app.open(a_request())
    assert [sent.path for sent in api.received] == ["/api/createInvoice"]


async def test_what_is_found_again_and_over_has_no_page(world: World) -> None:
    assert world.control is not None
    request = world.request()
    opened = await world.provider.open(request)
    assert opened.external_id is not None
    await world.control.pay(opened.external_id)
    again = await world.provider.open(request)
    assert (again.external_id, again.pay_url) == (opened.external_id, "")


async def test_a_paid_invoice_is_found_before_one_that_waits(
    world: World, http: Http, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert world.control is not None
    request = world.request()
    first = await world.provider.open(request)
    # Another process, in the same moment: it cannot know of the first try.
    monkeypatch.setattr(CryptoPay, "_tries", Tries())
    second = await cryptopay(http, f"{world.control.url}/api").open(request)
    assert first.external_id is not None and first.external_id != second.external_id
    await world.control.pay(first.external_id)
    fact = await world.provider.find(request)
    assert fact is not None
    assert (fact.external_id, fact.state) == (first.external_id, PaymentState.SUCCEEDED)


async def test_the_search_reads_on_while_pages_are_full_and_stops_at_the_past(app: CryptoPay, api: Recorder) -> None:
    page = [invoice(invoice_id=number, payload="another", created_at=now(0)) for number in range(PAGE)]
    api.say(ok({"items": page}), ok({"items": [invoice(payload="mine", created_at=now(0))]}))
    found = await app.find(replace(a_request(), ref="mine"))
    assert found is not None and found.external_id == "777"
    asked = [json.loads(sent.body) for sent in api.received]
    assert asked == [{"fiat": "RUB", "offset": n * PAGE, "count": PAGE} for n in range(2)]
    api.received.clear()
    past = now(-2)
    api.say(ok({"items": [one | {"created_at": past} for one in page]}))
    assert await app.find(replace(a_request(), ref="mine")) is None
    assert len(api.received) == 1


async def test_a_list_that_came_oldest_first_is_read_to_its_end(app: CryptoPay, api: Recorder) -> None:
    past = [invoice(invoice_id=n, payload="another", created_at=now(-90 + n / 1000)) for n in range(PAGE)]
    api.say(ok({"items": past}), ok({"items": [invoice(payload="mine")]}))
    found = await app.find(replace(a_request(), ref="mine"))
    assert found is not None and found.external_id == "777"


async def test_more_than_it_will_read_is_busy_and_not_a_no(app: CryptoPay, api: Recorder) -> None:
    page = [{"invoice_id": n, "created_at": now(0)} for n in range(PAGE)]
    api.say(ok({"items": page}))
    with pytest.raises(Busy, match="more than"):
        await app.find(a_request())


def now(days: float) -> str:
    return days_from_now(days).now().isoformat()


async def test_the_list_is_what_was_paid_in_the_time(world: World) -> None:
    assert world.control is not None
    moment = datetime.now(UTC)
    _, paid = await world.paid()
    await world.provider.open(world.request())
    provider = world.provider
    assert isinstance(provider, Listing)
    hour = timedelta(hours=1)
    assert [fact async for fact in provider.listed(moment - hour, moment + hour)] == [paid]
    assert [fact async for fact in provider.listed(moment - 2 * hour, moment - hour)] == []


async def test_a_suspended_app_is_told_to_the_operator(world: World) -> None:
    assert world.control is not None
    await world.control.post("app", {"suspended": True})
    with pytest.raises(AccessDenied, match="suspended"):
        await world.provider.check()


async def test_the_check_names_the_app_and_whose_money_it_takes(world: World) -> None:
    assert await world.provider.check() == "Crypto Pay app Ferryman's till (12345) accepts the token (test money)."


@pytest.mark.parametrize(
    ("base", "test"),
    [
        ("https://pay.crypt.bot/api", False),
        ("https://testnet-pay.crypt.bot/api", True),
        ("http://127.0.0.1:1/api", True),
    ],
)
def test_the_network_says_whether_its_money_is_real(http: Http, base: str, test: bool) -> None:
    assert cryptopay(http, base).test_mode is test
    config = AppConfig.model_validate({"token": EMULATED_TOKEN, "api_base": base})
    if not test:
        CryptoPay(config, ProviderTools(http, SystemClock(), sandbox=False))
        return
    with pytest.raises(Misconfigured, match="FERRYMAN_ENV=sandbox"):
        CryptoPay(config, ProviderTools(http, SystemClock(), sandbox=False))


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"token": "canary"}, "token"),
        ({"token": "12345:canary\r\nX-Injected: 1"}, "token"),
        ({"previous_token": "canary"}, "previous_token"),
        ({"api_base": "http://pay.crypt.bot/api"}, "https://"),
        ({"assets": ["usdt"]}, "assets"),
        ({"minutes_to_pay": 0}, "minutes_to_pay"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_a_wrong_setting_names_itself_and_shows_no_secret(changes: dict[str, Any], names: str) -> None:
    good = {"token": "12345:AAcanary"}
    assert AppConfig.model_validate(good).api_base == "https://pay.crypt.bot/api"
    with pytest.raises(ValidationError) as wrong:
        AppConfig.model_validate(good | changes)
    assert names in str(wrong.value)
    assert "canary" not in str(wrong.value) + repr(AppConfig.model_validate(good))

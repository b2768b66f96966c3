"""Somebody means harm: signatures that say another thing, answers meant to hurt, addresses that lead astray."""

import hashlib
import io
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from pydantic import SecretStr, ValidationError

from ferryman.billing.methods import checked_config
from ferryman.billing.provider import PaymentState, ProviderTools, RawWebhook
from ferryman.billing.providers.coingate import CoinGate
from ferryman.billing.providers.coingate.provider import ApiAppConfig
from ferryman.billing.providers.heleket import signature as heleket_signature
from ferryman.billing.providers.stars.api import BotApi
from ferryman.billing.providers.stripe.webhook import signature as stripe_signature
from ferryman.billing.providers.yookassa import YooKassa
from ferryman.kit import log, remote
from ferryman.kit.clock import SystemClock
from ferryman.kit.errors import Busy, FerrymanError, Misconfigured, Refused, Retry
from ferryman.kit.http import Http
from ferryman.kit.money import Money
from tests.billing.providers.coingate_wire import order as coingate_order
from tests.billing.providers.coingate_wire import page as coingate_page
from tests.billing.providers.kassas import a_freekassa, a_robokassa
from tests.billing.providers.recorder import Recorder, Scripted
from tests.billing.providers.stars_world import TOKEN, stars
from tests.billing.providers.stripe_world import stripe
from tests.billing.providers.world import FixedClock, a_request
from tests.billing.providers.worlds import coingate, cryptopay, heleket, yookassa

NOWHERE = "http://127.0.0.1:9"
SINCE, UNTIL = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 3, tzinfo=UTC)
SAME_WORD = "one-word-for-everything"


def md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def form(fields: Any) -> RawWebhook:
    return RawWebhook(urlencode(fields).encode())


def freekassa_note(ref: str, word: str, **more: str) -> dict[str, str]:
    proof = md5(f"777:199.00:{word}:{ref}")
    return {"MERCHANT_ID": "777", "AMOUNT": "199.00", "MERCHANT_ORDER_ID": ref, "SIGN": proof} | more


# Signatures.


async def test_what_a_payer_sees_in_a_robokassa_link_makes_no_fact_even_where_both_passwords_are_the_same() -> None:
    shop = a_robokassa(Http(), NOWHERE, password_1=SAME_WORD, password_2=SAME_WORD)
    request = a_request()
    link = dict(parse_qsl(urlsplit((await shop.open(request)).pay_url).query))
    told = {
        "OutSum": f"{link['MerchantLogin']}:{link['OutSum']}",
        "InvId": link["InvId"],
        "Shp_ref": link["Shp_ref"],
        "SignatureValue": link["SignatureValue"],
    }
    claim = shop.read_webhook(form(told))
    assert claim.fact is None, "a rumour, which the service is asked about"


async def test_the_question_about_a_robokassa_payment_is_signed_so_that_it_makes_no_fact(
    http: Http, api: Recorder
) -> None:
    shop = a_robokassa(http, api.url)
    with pytest.raises(FerrymanError):
        await shop.look_up("5")
    asked = api.received[0].query
    told = {"OutSum": asked["MerchantLogin"], "InvId": "5", "SignatureValue": asked["Signature"]}
    assert shop.read_webhook(form(told)).fact is None


@pytest.mark.parametrize(
    "changes",
    [
        {"SignatureValue": ""},
        {"SignatureValue": "\0"},
        {"InvId": "٥"},
        {"InvId": "5\n"},
        {"InvId": "05"},
        {"InvId": "99999999999999999999"},
        {"Shp_ref": "another"},
        {"Shp_more": "1"},
        {"OutSum": "100.000001"},
    ],
)
def test_a_robokassa_notification_with_one_thing_changed_is_refused(changes: dict[str, str]) -> None:
    shop = a_robokassa(Http(), NOWHERE, password_2="pass2", algorithm="md5")
    good = {"OutSum": "100.00", "InvId": "5", "Shp_ref": "ours", "SignatureValue": md5("100.00:5:pass2:Shp_ref=ours")}
    assert shop.read_webhook(form(good)).external_id == "5"
    with pytest.raises(Refused):
        shop.read_webhook(form(good | changes))


async def test_what_a_payer_sees_in_a_freekassa_link_is_no_notification(http: Http) -> None:
    shop = a_freekassa(http, NOWHERE, secret_word_1=SAME_WORD, secret_word_2=SAME_WORD)
    request = a_request()
    link = dict(parse_qsl(urlsplit((await shop.open(request)).pay_url).query))
    told = {"MERCHANT_ID": "777", "AMOUNT": "199.00", "MERCHANT_ORDER_ID": f"RUB:{request.ref}", "SIGN": link["s"]}
    assert shop.read_webhook(form(told)).ref != request.ref
    with pytest.raises(Refused):
        shop.read_webhook(form(told | {"MERCHANT_ORDER_ID": request.ref}))


@pytest.mark.parametrize("number", ["1\0", "\ud800", "x" * 10_000, "1:2", "٤٢", "-1", "0", ""])
def test_what_is_no_number_in_the_unsigned_part_of_a_freekassa_notification_is_kept_nowhere(number: str) -> None:
    shop = a_freekassa(Http(), NOWHERE, secret_word_2="word")
    fields = freekassa_note("ours", "word", intid=number.encode("utf-8", "replace").decode())
    assert shop.read_webhook(form(fields)).dedup_key == "paid:ours"


@pytest.mark.parametrize("where", ["before", "after", "inside"])
def test_a_second_heleket_signature_hidden_in_the_text_is_refused(where: str) -> None:
    shop = heleket(Http(), NOWHERE, payment_key="key")
    plain = b'{"type":"payment","uuid":"u-1","order_id":"ours","status":"paid"}'
    sign = b'"sign":"' + heleket_signature(plain, "key").encode() + b'"'
    other = b'"sign":"' + b"0" * 32 + b'"'
    bodies = {
        "before": b"{" + other + b"," + plain[1:-1] + b"," + sign + b"}",
        "after": plain[:-1] + b"," + sign + b"," + other + b"}",
        "inside": plain[:-1] + b',"additional_data":{' + other + b"}," + sign + b"}",
    }
    with pytest.raises(Refused, match="one signature"):
        shop.read_webhook(RawWebhook(bodies[where]))


async def test_a_signature_of_our_own_question_to_heleket_is_no_webhook(http: Http, api: Recorder) -> None:
    shop = heleket(http, api.url)
    with pytest.raises(FerrymanError):
        await shop.look_up("u-1")
    sent = api.received[0]
    with pytest.raises(Refused):
        shop.read_webhook(RawWebhook(sent.body[:-1] + b',"sign":"' + sent.headers["sign"].encode() + b'"}'))


@pytest.mark.parametrize("age", [301, 86_400, 3 * 86_400])
def test_a_stripe_event_that_was_copied_days_ago_is_refused(age: int) -> None:
    clock = FixedClock(datetime.now(UTC))
    shop = stripe(Http(), NOWHERE, clock, webhook_secret="whsec_test")
    moment, body = str(int(clock.moment.timestamp()) - age), b'{"id":"evt_1","type":"charge.refunded"}'
    header = f"t={moment},v1={stripe_signature('whsec_test', moment, body)}"
    with pytest.raises(Refused, match="too long ago"):
        shop.read_webhook(RawWebhook(body, {"stripe-signature": header}))
    # Its moment is a part of what is signed.
    newer = header.replace(moment, str(int(moment) + age))
    with pytest.raises(Refused, match="not signed"):
        shop.read_webhook(RawWebhook(body, {"stripe-signature": newer}))


def test_stars_that_are_told_over_http_are_refused_whatever_they_say() -> None:
    said = {"payer": 7, "date": 1, "successful_payment": {"telegram_payment_charge_id": "x", "currency": "XTR"}}
    with pytest.raises(Refused):
        stars(Http(), NOWHERE).read_webhook(RawWebhook(json.dumps(said).encode()))


@pytest.mark.parametrize("changes", [{"date": 10**12}, {"date": 10**30}, {"date": -(10**30)}, {"date": 1.5}])
def test_a_message_of_stars_from_another_age_is_refused_and_nothing_breaks(changes: dict[str, Any]) -> None:
    paid = {"telegram_payment_charge_id": "x", "currency": "XTR", "total_amount": 1, "invoice_payload": "ours.7"}
    said = {"payer": 7, "date": 1_700_000_000, "successful_payment": paid}
    shop = stars(Http(), NOWHERE)
    assert shop.read_message(RawWebhook(json.dumps(said).encode())).ref == "ours"
    with pytest.raises(Refused):
        shop.read_message(RawWebhook(json.dumps(said | changes).encode()))


def test_a_forwarded_invoice_of_stars_pays_for_nobody() -> None:
    paid = {"telegram_payment_charge_id": "x", "currency": "XTR", "total_amount": 1, "invoice_payload": "ours.7"}
    said = {"payer": 8, "date": 1_700_000_000, "successful_payment": paid}
    claim = stars(Http(), NOWHERE).read_message(RawWebhook(json.dumps(said).encode()))
    assert claim.fact is not None
    assert (claim.ref, claim.fact.ref) == (None, None)


@pytest.mark.parametrize("currency", ["RUB", "USD", "xtr", "XTR\n", None, ["XTR"]])
def test_as_many_roubles_are_no_stars(currency: Any) -> None:
    paid = {"telegram_payment_charge_id": "x", "currency": currency, "total_amount": 150, "invoice_payload": "ours.7"}
    said = {"payer": 7, "date": 1_700_000_000, "successful_payment": paid}
    with pytest.raises(Refused):
        stars(Http(), NOWHERE).read_message(RawWebhook(json.dumps(said).encode()))


# Numbers and texts.


@pytest.mark.parametrize("amount", ["10.00\n", "１０", "1e2", "+1", " 1", "1_0", "0x1", "1,0", "NaN", "", "1" * 16])
def test_what_only_looks_like_an_amount_is_none(amount: str) -> None:
    with pytest.raises(ValueError, match="not an amount"):
        Money.parse(amount, "RUB")


@pytest.mark.parametrize("currency", ["RUB\n", "rub", "РУБ", "RU", "RUB ", "RUB\0"])
def test_what_only_looks_like_a_currency_is_none(currency: str) -> None:
    with pytest.raises(ValueError, match="not a currency"):
        Money(1, currency)


@pytest.mark.parametrize("nasty", ["a\\u0000b", "a\\ud800b", "\\udfff", "a\\\\\\u0000"])
def test_a_document_holds_no_text_that_the_database_would_choke_on(nasty: str) -> None:
    found = remote.document(f'{{"ref": "{nasty}", "list": [{{"{nasty}": "{nasty}"}}]}}')
    written = json.dumps(found, ensure_ascii=False)
    assert "\0" not in written
    assert "\\u0000" not in written
    written.encode()
    assert remote.document('{"a": "\\ud83d\\ude00 \\\\u0000"}') == {"a": "\U0001f600 \\u0000"}


@pytest.mark.parametrize("body", [b'{"a":' + b"9" * 5000 + b"}", b'{"a":' * 30_000, b'{"a":NaN}', b"\xff\xfe{\x00"])
def test_a_document_that_costs_too_much_is_none(body: bytes) -> None:
    with pytest.raises(ValueError):
        remote.document(body)


@pytest.mark.parametrize(
    "body",
    [
        b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>',
        b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY l "ll"><!ENTITY m "&l;&l;">]><a>&m;</a>',
        '<?xml version="1.0" encoding="utf-16"?><!DOCTYPE a [<!ENTITY l "l">]><a>&l;</a>'.encode("utf-16"),
        b"<a>&undeclared;</a>",
        b"<a>" * 20_000,
        b"<a>" * 9_000 + b"</a>" * 9_000,
        b"<a>" + b" " * 70_000 + b"</a>",
        b"<a\0/>",
        b"",
    ],
    ids=["file", "growing", "utf-16", "undeclared", "deep", "deep and closed", "large", "nul", "empty"],
)
async def test_xml_that_means_harm_is_no_answer(http: Http, api: Recorder, body: bytes) -> None:
    api.say(Scripted(200, raw=body))
    with pytest.raises(Busy):
        await a_robokassa(http, api.url).look_up("5")


async def test_a_pause_beyond_all_numbers_is_an_hour(http: Http, api: Recorder) -> None:
    api.say(Scripted(429, {"ok": False, "parameters": {"retry_after": 10**400}}))
    with pytest.raises(Busy) as found:
        await BotApi(http, api.url, SecretStr(TOKEN)).call("getMe", {}, changes=False)
    assert found.value.after == remote.LONGEST_WAIT


async def test_an_exchange_rate_beyond_all_numbers_hides_no_payment(http: Http, api: Recorder) -> None:
    invoice = {"uuid": "u-1", "order_id": "ours", "amount": "199.00", "currency": "USD", "status": "paid"}
    api.say(Scripted(200, {"state": 0, "result": invoice | {"payment_amount": "1", "payer_amount": f"0.{'0' * 19}1"}}))
    fact = await heleket(http, api.url).look_up("u-1")
    assert fact.state is PaymentState.SUCCEEDED


# One bad line on a bank's list must not hide the others.

HELEKET = {"uuid": "u-1", "order_id": "ours", "amount": "1.00", "currency": "USD", "payment_status": "paid"}
CRYPTO = {"invoice_id": 1, "payload": "ours", "amount": "1.00", "fiat": "USD", "currency_type": "fiat"}
CRYPTO |= {"status": "paid", "created_at": "2026-01-02T00:00:00.000Z", "paid_at": "2026-01-02T00:00:00.000Z"}
FREE = {"merchant_order_id": "ours", "fk_order_id": 42, "amount": "1.00", "currency": "RUB", "status": 1}
YOO = {"id": "y-1", "status": "succeeded", "paid": True, "test": True, "metadata": {"payment_id": "ours"}}
YOO |= {"amount": {"value": "1.00", "currency": "RUB"}}
LISTS: dict[str, tuple[Callable[[Http, str], Any], Callable[..., Scripted], dict[str, Any], dict[str, Any]]] = {
    "coingate": (
        coingate,
        coingate_page,
        coingate_order(status="paid"),
        coingate_order(id=539, price_amount="0.001"),
    ),
    "heleket": (
        heleket,
        lambda *found: Scripted(200, {"state": 0, "result": {"items": list(found), "paginate": {}}}),
        HELEKET,
        HELEKET | {"uuid": "u-2", "amount": "0.001"},
    ),
    "cryptopay": (
        cryptopay,
        lambda *found: Scripted(200, {"ok": True, "result": {"items": list(found)}}),
        CRYPTO,
        CRYPTO | {"invoice_id": 2, "amount": "0.001"},
    ),
    "freekassa": (
        a_freekassa,
        lambda *found: Scripted(200, {"type": "success", "pages": 1, "orders": list(found)}),
        FREE,
        FREE | {"fk_order_id": 43, "amount": "0.001", "merchant_order_id": None},
    ),
    "yookassa": (
        yookassa,
        lambda *found: Scripted(200, {"type": "list", "items": list(found)}),
        YOO,
        YOO | {"id": "y-2", "amount": {"value": "0.001", "currency": "RUB"}},
    ),
}


@pytest.mark.parametrize("name", LISTS)
async def test_one_line_that_cannot_be_read_hides_no_other_from_the_comparison(
    http: Http, api: Recorder, name: str
) -> None:
    make, listed, good, bad = LISTS[name]
    pages = [listed(bad, good), listed()] if name == "yookassa" else [listed(bad, good)]
    api.say(*pages)
    found = [fact async for fact in make(http, api.url).listed(SINCE, UNTIL)]
    assert {fact.ref for fact in found} == {"ours"}


# Addresses.

ASTRAY = (
    "javascript:alert(1)",
    "data:text/html,x",
    "tg://resolve?domain=evil",
    "file:///etc/passwd",
    "//evil.example/x",
    "https://",
    "https:///x",
    "https://good.example@",
    "https://user:secret@evil.example/",
    "https://evil.example/\n<b>",
    "https://evil.example/\u202egnp",
    "https://еvil.example/",
    "https://[evil",
    "https://evil.example:port/",
    " https://evil.example/",
    "https://evil.example/" + "x" * 4000,
    ["https://evil.example/"],
    {"url": "https://evil.example/"},
    7,
    None,
)


@pytest.mark.parametrize("given", ASTRAY, ids=[str(one)[:30] for one in ASTRAY])
async def test_an_address_that_leads_astray_is_shown_to_no_payer(http: Http, api: Recorder, given: Any) -> None:
    assert remote.page_address(given) == ""
    request = a_request(currency="EUR")
    session = {"id": "cs_1", "object": "checkout.session", "status": "open", "url": given}
    answers: list[tuple[Any, dict[str, Any]]] = [
        (coingate(http, api.url), coingate_order(payment_url=given)),
        (cryptopay(http, api.url), {"ok": True, "result": CRYPTO | {"status": "active", "bot_invoice_url": given}}),
        (yookassa(http, api.url), YOO | {"status": "pending", "confirmation": {"confirmation_url": given}}),
        (stripe(http, api.url), session),
    ]
    for shop, answer in answers:
        api.say(Scripted(200, answer))
        assert (await shop.open(request)).pay_url == ""


@pytest.mark.parametrize("given", [one for one in ASTRAY if isinstance(one, str)])
async def test_a_link_of_stars_that_leads_astray_is_no_link(http: Http, api: Recorder, given: str) -> None:
    api.say(Scripted(200, {"ok": True, "result": given}))
    with pytest.raises(Retry):
        await stars(http, api.url).open(a_request("150", "XTR"))


@pytest.mark.parametrize("name", LISTS)
async def test_nobody_is_followed_elsewhere_with_our_credentials(http: Http, api: Recorder, name: str) -> None:
    moved = 0

    async def asked() -> None:
        nonlocal moved
        with pytest.raises(FerrymanError):
            await LISTS[name][0](http, api.url).look_up("42")
        moved += 1

    for status in (301, 302, 303, 307, 308):
        api.say(Scripted(status, {"Location": "https://evil.example"}))
        await asked()
    assert len(api.received) == moved == 5


@pytest.mark.parametrize(
    "external_id", ["../refunds/1", "1/../../2", "1?x=1", "1#", "%2e%2e", "1\n", "", "x" * 200, "١"]
)
@pytest.mark.parametrize("name", ["coingate", "yookassa", "cryptopay", "heleket", "freekassa"])
async def test_an_id_that_would_lead_the_call_elsewhere_calls_nobody(
    http: Http, api: Recorder, name: str, external_id: str
) -> None:
    if name == "heleket" and external_id == "":
        external_id = "/"
    with pytest.raises(Refused):
        await LISTS[name][0](http, api.url).look_up(external_id)
    assert api.received == []


# Secrets.


@pytest.mark.parametrize(
    "base", ["https://shop:Hunter2Hunter2", "https://api.example.com:Hunter2Hunter2/v3", "https://a:Hunter2Hunter2@b"]
)
def test_what_was_typed_into_the_wrong_place_is_not_read_out(base: str) -> None:
    with pytest.raises(Misconfigured) as found:
        checked_config(CoinGate, {"api_token": "Hunter2Hunter2", "api_base": base})
    assert "Hunter2Hunter2" not in str(found.value)
    chained = found.value.__cause__
    assert isinstance(chained, ValidationError)
    assert "Hunter2Hunter2" not in str(chained)


def test_the_sandbox_under_its_name_with_a_full_stop_is_the_sandbox() -> None:
    tools = ProviderTools(Http(), SystemClock(), sandbox=False)
    config = {"api_token": "t", "api_base": "https://API-sandbox.coingate.com./v2"}
    with pytest.raises(Misconfigured, match="play money"):
        CoinGate(ApiAppConfig.model_validate(config), tools)


def test_a_key_that_a_service_repeats_is_hidden_in_the_log() -> None:
    heard = io.StringIO()
    checked_config(YooKassa, {"shop_id": "1", "secret_key": "live_RepeatedByTheService"})
    log.configure("json", "info", heard)
    try:
        log.get("x").warning("event_waits", why="the key live_RepeatedByTheService is wrong")
    finally:
        log.configure("console", "warning")
    assert "live_RepeatedByTheService" not in heard.getvalue()
    assert "event_waits" in heard.getvalue()

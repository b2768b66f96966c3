"""Robokassa's wire: signatures, links, notifications as they were written, states of a payment."""

import hashlib
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from ferryman.billing.provider import PaymentState, ProviderTools, RawWebhook
from ferryman.billing.providers.robokassa import LARGEST_MESSAGE, LARGEST_NUMBER, Robokassa, ShopConfig
from ferryman.kit.clock import SystemClock
from ferryman.kit.errors import AccessDenied, Busy, Conflict, Misconfigured, NotFound, Refused
from ferryman.kit.http import Http
from ferryman.kit.money import Money
from tests.billing.providers.kassas import a_robokassa, emulated_robokassa
from tests.billing.providers.recorder import Recorder, Scripted
from tests.billing.providers.world import a_request

KEYS = {"login": "demo", "password_1": "pass1", "password_2": "pass2", "algorithm": "md5"}
SHOP = a_robokassa(Http(), "http://127.0.0.1:9", **KEYS)
# Computed once with a tool of the operating system, not with this code.
RESULT = "28C50719882A9A09E2898494ACF9DE1A"
START = "4e7b8852ce689dfb845d2f9201d2a69a"


def md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def note(total: str = "100.00", number: str = "5", password: str = "pass2", **more: str) -> dict[str, str]:
    extra = ":".join(f"{name}={value}" for name, value in sorted(more.items()))
    proof = md5(":".join([total, number, password, *([extra] if extra else [])]))
    return {"OutSum": total, "InvId": number, "SignatureValue": proof, **more}


def form(fields: Any) -> RawWebhook:
    return RawWebhook(urlencode(fields).encode())


def state(code: str = "100", result: str = "0", total: str = "199.000000", ref: str = "ours") -> Scripted:
    text = f"""<?xml version="1.0" encoding="utf-8"?>
<OperationStateResponse xmlns="http://merchant.roboxchange.com/WebService/">
  <Result><Code>{result}</Code></Result>
  <State><Code>{code}</Code></State>
  <Info><IncCurrLabel>SBPPSR</IncCurrLabel><OutSum>{total}</OutSum><OpKey>op-1</OpKey></Info>
  <UserField><Field><Name>shp_ref</Name><Value>{ref}</Value></Field></UserField>
</OperationStateResponse>"""
    return Scripted(raw=text.encode())


@pytest.fixture
def shop(http: Http, api: Recorder) -> Robokassa:
    return a_robokassa(http, api.url)


def test_a_known_notification_is_read() -> None:
    """The golden vector, in capitals as the service writes it."""
    fields = {"OutSum": "100.00", "InvId": "5", "Shp_order": "ord_1", "SignatureValue": RESULT}
    claim = SHOP.read_webhook(form(fields))
    assert (claim.external_id, claim.ref, claim.event, claim.dedup_key) == ("5", None, "paid", "paid:5")


def test_a_known_link_is_signed_alike() -> None:
    extra = {"Shp_order": "ord_1"}
    assert SHOP._signature(["demo", "100.00", "5"], ShopConfig.model_validate(KEYS).password_1, extra) == START


async def test_the_link_carries_sum_number_ref_and_signature() -> None:
    request = replace(a_request("100"), number=5, ref="REF", description="a  b" + "x" * 200, language="ru")
    opened = await SHOP.open(request)
    where = urlsplit(opened.pay_url)
    fields = dict(parse_qsl(where.query, strict_parsing=True))
    assert opened.external_id is None
    assert where.path == "/Merchant/Index.aspx"
    assert fields == {
        "MerchantLogin": "demo",
        "OutSum": "100.00",
        "InvId": "5",
        "Description": ("a b" + "x" * 200)[:100],
        "SignatureValue": md5("demo:100.00:5:pass1:Shp_ref=REF"),
        "Culture": "ru",
        "Encoding": "utf-8",
        "Shp_ref": "REF",
        "IsTest": "1",
    }
    assert "pass" not in opened.pay_url


async def test_a_live_link_is_no_test_and_sha256_is_what_it_is_signed_with_by_default() -> None:
    shop = a_robokassa(Http(), "https://auth.example", test=False)
    fields = dict(parse_qsl(urlsplit((await shop.open(replace(a_request(), number=7, ref="R"))).pay_url).query))
    assert "IsTest" not in fields
    assert fields["SignatureValue"] == hashlib.sha256(b"demo:199.00:7:emulated_password_1:Shp_ref=R").hexdigest()


async def test_a_shop_that_sold_before_counts_on_from_there() -> None:
    shop = a_robokassa(Http(), "https://auth.example", first_number=100_000)
    assert "InvId=100007&" in (await shop.open(replace(a_request(), number=7))).pay_url


@pytest.mark.parametrize(
    "changes",
    [{"number": 0}, {"number": LARGEST_NUMBER + 1}, {"amount": Money(100, "USD")}, {"amount": Money(0, "RUB")}],
)
async def test_what_cannot_be_collected_has_no_link(changes: dict[str, Any]) -> None:
    with pytest.raises(Refused):
        await SHOP.open(replace(a_request(), **changes))


def test_the_sum_is_verified_as_it_was_written_and_the_answer_is_ok_and_the_number() -> None:
    """44: six digits behind the point; exactly OK5, and nothing else around it."""
    claim = SHOP.read_webhook(form(note("100.000000", Shp_ref="ours")))
    assert (claim.external_id, claim.ref) == ("5", "ours")
    assert SHOP.answer(claim) == (200, "OK5")
    assert SHOP.answer(None)[0] == 400


def test_it_may_come_behind_the_question_mark() -> None:
    raw = RawWebhook(b"", query=urlencode(note(Shp_ref="ours", Shp_a="б в")))
    assert SHOP.read_webhook(raw).ref == "ours"


@pytest.mark.parametrize(
    "fields",
    [
        {},
        note() | {"OutSum": "100.0"},
        note() | {"InvId": "6"},
        note() | {"SignatureValue": ""},
        note() | {"SignatureValue": "ф" * 32},
        note() | {"Shp_ref": "smuggled"},
        note(password="pass1"),
        note(number="0"),
        note(number="-5"),
        note(number="05"),
        note(number="5\n"),
        note(number="99999999999"),
        note(Shp_ref="ours") | {"Shp_ref": "another"},
        [*note().items(), ("OutSum", "1.00")],
        [*note(Shp_ref="ours").items(), ("Shp_ref", "ours")],
    ],
)
def test_a_forgery_is_refused(fields: Any) -> None:
    with pytest.raises(Refused):
        SHOP.read_webhook(form(fields))


async def test_password_2_before_the_last_change_is_believed_while_it_is_named(http: Http, api: Recorder) -> None:
    old, changed = form(note(Shp_ref="ours")), KEYS | {"password_2": "changed"}
    with pytest.raises(Refused):
        a_robokassa(http, api.url, **changed).read_webhook(old)
    both = a_robokassa(http, api.url, **changed, previous_password_2="pass2")
    assert both.read_webhook(old) == both.read_webhook(form(note(password="changed", Shp_ref="ours")))
    with pytest.raises(Refused):
        both.read_webhook(form(note(password="pass1", Shp_ref="ours")))
    api.say(state())
    await both.look_up("5")
    assert api.received[0].query["Signature"] == md5("demo:5:changed"), "we sign with the newest alone"


@pytest.mark.parametrize(
    "body", [b"\xff\xfe", b"&" * 500, b"a=b&" * 40_000, b"[]", b"=" * 10, b"x" * LARGEST_MESSAGE * 2]
)
def test_hostile_bodies_are_refused(body: bytes) -> None:
    with pytest.raises(Refused):
        SHOP.read_webhook(RawWebhook(body))


@settings(max_examples=300, deadline=None)
@given(cut=st.integers(0, 120), flip=st.integers(0, 120), to=st.integers(0, 255))
def test_a_damaged_notification_never_names_another_payment(cut: int, flip: int, to: int) -> None:
    body = bytearray(urlencode(note(Shp_ref="ours")).encode())
    body[flip % len(body)] = to
    try:
        claim = SHOP.read_webhook(RawWebhook(bytes(body[: len(body) - cut])))
    except Refused:
        return
    assert (claim.external_id, claim.ref) == ("5", "ours")


@pytest.mark.parametrize(
    ("code", "shown", "reason"),
    [
        ("5", PaymentState.PENDING, None),
        ("10", PaymentState.CANCELLED, "expired"),
        ("20", PaymentState.PENDING, "held"),
        ("50", PaymentState.PENDING, "received, not yet credited"),
        ("60", PaymentState.CANCELLED, "returned to the payer"),
        ("80", PaymentState.PENDING, "suspended for a check"),
        ("100", PaymentState.SUCCEEDED, None),
        ("777", PaymentState.PENDING, "unknown status 777"),
        ("", PaymentState.PENDING, "unknown status "),
    ],
)
async def test_only_a_hundred_is_paid(
    shop: Robokassa, api: Recorder, code: str, shown: PaymentState, reason: str | None
) -> None:
    api.say(state(code))
    fact = await shop.look_up("5")
    assert (fact.state, fact.reason, fact.ref, fact.amount) == (shown, reason, "ours", Money(19900, "RUB"))
    assert fact.details == {"method": "SBPPSR", "operation": "op-1"}


async def test_the_question_is_signed_by_the_second_password(shop: Robokassa, api: Recorder) -> None:
    api.say(state())
    await shop.look_up("5")
    asked = api.received[0]
    assert (asked.method, asked.path) == ("GET", "/Merchant/WebService/Service.asmx/OpStateExt")
    proof = hashlib.sha256(b"demo:5:emulated_password_2").hexdigest()
    assert asked.query == {"MerchantLogin": "demo", "InvoiceID": "5", "Signature": proof}


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (state(result="1"), AccessDenied),
        (state(result="2"), AccessDenied),
        (state(result="3"), NotFound),
        (state(result="4"), Conflict),
        (state(result="1000"), Busy),
        (state(total="1e9"), Busy),
        (state(total="199.001"), Busy),
        (Scripted(502, raw=b"<html>"), Busy),
        (Scripted(429, raw=b""), Busy),
        (Scripted(raw=b""), Busy),
        (Scripted(raw=b"<html><body>hello"), Busy),
        (Scripted(raw=b"<a/>"), Busy),
        (Scripted(raw=b"\xff\xfe<\x00a\x00/\x00>\x00"), Busy),
        (Scripted(raw=b"<a>" * 30_000), Busy),
        (Scripted(raw=b'<!DOCTYPE a [<!ENTITY b "cc"><!ENTITY d "&b;&b;">]><a>&d;</a>'), Busy),
        (Scripted(raw=b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>'), Busy),
        (Scripted(raw=b"<a>" + b" " * LARGEST_MESSAGE + b"</a>"), Busy),
    ],
)
async def test_each_answer_to_a_question_says_what_to_do_next(
    shop: Robokassa, api: Recorder, answer: Scripted, error: type[Exception]
) -> None:
    api.say(answer)
    with pytest.raises(error) as raised:
        await shop.look_up("5")
    assert type(raised.value) is error
    assert "emulated_password" not in str(raised.value)


async def test_a_number_that_was_somebody_elses_before_is_said_aloud(shop: Robokassa, api: Recorder) -> None:
    api.say(state(ref="another shop's"))
    with pytest.raises(Misconfigured, match="first_number"):
        await shop.find(replace(a_request(), number=5))


async def test_a_number_that_was_somebody_elses_is_past_once_the_numbers_were_raised(http: Http, api: Recorder) -> None:
    request = replace(a_request("199"), number=7)
    old = (await a_robokassa(http, api.url).open(request)).pay_url
    api.say(state(ref="someone"))
    raised = a_robokassa(http, api.url, first_number=1000)
    assert await raised.find(replace(request, pay_url=old)) is None
    assert api.received[-1].query["InvoiceID"] == "7"


async def test_before_the_payer_comes_nobody_over_there_knows_of_it() -> None:
    async with emulated_robokassa() as world:
        request = world.request()
        opened = await world.provider.open(request)
        assert await world.provider.find(request) is None
        assert await world.id_of(opened, request) == str(request.number)


def test_the_settings_name_what_is_wrong_and_show_no_password() -> None:
    for changes, names in (
        ({"login": "a:b"}, "login"),
        ({"password_1": ""}, "password_1"),
        ({"previous_password_2": ""}, "previous_password_2"),
        ({"algorithm": "ripemd160"}, "algorithm"),
        ({"first_number": -1}, "first_number"),
        ({"api_base": "http://auth.example"}, "https://"),
    ):
        with pytest.raises(ValidationError) as wrong:
            ShopConfig.model_validate(KEYS | changes)
        assert names in str(wrong.value)
        assert "pass2" not in str(wrong.value) + repr(ShopConfig.model_validate(KEYS))


@pytest.mark.parametrize("changes", [{"api_base": "http://127.0.0.1:9"}, {"test": True}])
def test_play_money_is_refused_in_production(http: Http, changes: dict[str, Any]) -> None:
    config = ShopConfig.model_validate(KEYS | changes)
    with pytest.raises(Misconfigured, match="FERRYMAN_ENV=sandbox"):
        Robokassa(config, ProviderTools(http, SystemClock(), sandbox=False))

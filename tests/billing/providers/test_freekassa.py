"""Freekassa's wire: signatures, links, notifications as they were written, the list of orders."""

import hashlib
import hmac
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from ferryman.billing.provider import PaymentState, ProviderTools, RawWebhook
from ferryman.billing.providers.freekassa import LISTED_PAGES, Freekassa, ShopConfig
from ferryman.kit.clock import SystemClock
from ferryman.kit.errors import AccessDenied, Busy, Misconfigured, NotFound, Refused, Unreachable
from ferryman.kit.http import Http
from ferryman.kit.money import Money
from tests.billing.providers.kassas import a_freekassa, emulated_freekassa
from tests.billing.providers.recorder import Recorder, Scripted
from tests.billing.providers.world import FixedClock, a_request

KEYS = {"shop_id": 777, "api_key": "key", "secret_word_1": "secret1", "secret_word_2": "secret2"}
SHOP = a_freekassa(Http(), "http://127.0.0.1:9", **KEYS)
# Computed once with a tool of the operating system, not with this code.
NOTIFY = "2e5d4cabe778a4de9f7e3b2a9c05dce8"


def md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def note(total: str = "100", ref: str = "ord_1", word: str = "secret2", shop: str = "777") -> dict[str, str]:
    proof = md5(f"{shop}:{total}:{word}:{ref}")
    return {"MERCHANT_ID": shop, "AMOUNT": total, "intid": "42", "MERCHANT_ORDER_ID": ref, "SIGN": proof}


def form(fields: Any) -> RawWebhook:
    return RawWebhook(urlencode(fields).encode())


def order(**changes: Any) -> dict[str, Any]:
    plain = {"merchant_order_id": "ours", "fk_order_id": 42, "amount": 199.5, "currency": "RUB", "status": 1}
    return plain | changes


def orders(*listed: Any, pages: Any = 1) -> Scripted:
    return Scripted(200, {"type": "success", "pages": pages, "orders": list(listed)})


def error(message: str, status: int = 400) -> Scripted:
    return Scripted(status, {"type": "error", "message": message})


@pytest.fixture
def shop(http: Http, api: Recorder) -> Freekassa:
    return a_freekassa(http, api.url)


def test_a_known_notification_is_read_and_the_answer_is_yes() -> None:
    """The golden vector."""
    claim = SHOP.read_webhook(form(note() | {"SIGN": NOTIFY}))
    assert (claim.external_id, claim.ref, claim.dedup_key) == (None, "ord_1", "paid:ord_1:42")
    assert SHOP.answer(claim) == (200, "YES")
    assert SHOP.answer(None)[0] == 400


@pytest.mark.parametrize("total", ["100", "100.00", "100.0", "99.5"])
def test_the_sum_is_verified_as_it_was_written(total: str) -> None:
    assert SHOP.read_webhook(form(note(total))).ref == "ord_1"
    with pytest.raises(Refused):
        SHOP.read_webhook(form(note(total) | {"AMOUNT": f"{total}0" if "." in total else f"{total}.0"}))


@pytest.mark.parametrize(
    "fields",
    [
        {},
        note() | {"MERCHANT_ORDER_ID": "ord_2"},
        note() | {"MERCHANT_ID": "778"},
        note() | {"SIGN": ""},
        note() | {"SIGN": "ф" * 32},
        note(word="secret1"),
        note(shop="778"),
        note(ref=""),
        note(ref="a\nb"),
        note(ref="x" * 200),
        [*note().items(), ("AMOUNT", "1")],
    ],
)
def test_a_forgery_is_refused(fields: Any) -> None:
    with pytest.raises(Refused):
        SHOP.read_webhook(form(fields))


def test_secret_word_2_before_the_last_change_is_believed_while_it_is_named(http: Http, api: Recorder) -> None:
    changed = KEYS | {"secret_word_2": "changed"}
    with pytest.raises(Refused):
        a_freekassa(http, api.url, **changed).read_webhook(form(note()))
    both = a_freekassa(http, api.url, **changed, previous_secret_word_2="secret2")
    assert both.read_webhook(form(note())) == both.read_webhook(form(note(word="changed")))
    for wrong in (note(word="secret1"), note() | {"AMOUNT": "1"}, note(shop="778")):
        with pytest.raises(Refused):
            both.read_webhook(form(wrong))


@settings(max_examples=300, deadline=None)
@given(cut=st.integers(0, 120), flip=st.integers(0, 120), to=st.integers(0, 255))
def test_a_damaged_notification_never_names_another_payment(cut: int, flip: int, to: int) -> None:
    body = bytearray(urlencode(note()).encode())
    body[flip % len(body)] = to
    try:
        claim = SHOP.read_webhook(RawWebhook(bytes(body[: len(body) - cut])))
    except Refused:
        return
    assert claim.ref == "ord_1"


async def test_the_link_carries_sum_ref_and_signature_and_nothing_made_up() -> None:
    opened = await SHOP.open(replace(a_request("100"), ref="ord_1", payer=7, contact="anna@example.org"))
    fields = dict(parse_qsl(urlsplit(opened.pay_url).query))
    proof = md5("777:100.00:secret1:RUB:ord_1")
    assert opened.external_id is None
    assert fields == {"m": "777", "oa": "100.00", "currency": "RUB", "o": "ord_1", "s": proof, "lang": "en"}
    assert not SHOP.needs_contact


@pytest.mark.parametrize("amount", [Money(100, "XTR"), Money(0, "RUB"), Money(-1, "RUB")])
async def test_what_cannot_be_collected_has_no_link(amount: Money) -> None:
    with pytest.raises(Refused):
        await SHOP.open(replace(a_request(), amount=amount))


async def test_a_question_is_signed_over_its_values_in_the_order_of_their_names(http: Http, api: Recorder) -> None:
    moment = datetime(2026, 1, 2, tzinfo=UTC)
    config = ShopConfig.model_validate(KEYS | {"api_base": f"{api.url}/v1"})
    shop = Freekassa(config, ProviderTools(http, FixedClock(moment), sandbox=True))
    api.say(orders(order()))
    await shop.find(replace(a_request(), ref="ours"))
    sent = json.loads(api.received[0].body)
    proof = hmac.new(b"key", f"{sent['nonce']}|ours|777".encode(), hashlib.sha256).hexdigest()
    assert (sent["shopId"], sent["paymentId"], sent["signature"]) == (777, "ours", proof)
    assert (api.received[0].method, api.received[0].path) == ("POST", "/v1/orders")


async def test_every_question_has_a_larger_number_than_the_last(shop: Freekassa, api: Recorder) -> None:
    api.say(orders())
    for _ in range(20):
        await shop.check()
    nonces = [json.loads(sent.body)["nonce"] for sent in api.received]
    assert nonces == sorted(set(nonces))


async def test_a_number_that_another_process_overtook_is_replaced(shop: Freekassa, api: Recorder) -> None:
    api.say(error("Nonce must be greater"), error("Nonce must be greater"), orders(order()))
    assert (await shop.look_up("42")).ref == "ours"
    assert len(api.received) == 3


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (error("Nonce must be greater"), Busy),
        (error("Invalid signature"), AccessDenied),
        (error("Wrong API key", 401), AccessDenied),
        (error("Merchant not found"), Refused),
        (error("Something", 200), Refused),
        (error("Something", 500), Busy),
        (Scripted(502, raw=b"<html>"), Busy),
        (Scripted(200, raw=b"<html>"), Busy),
        (Scripted(200, {"type": "success"}), Busy),
        (orders(order(amount="1e9")), Busy),
        (orders(order(currency=None)), Busy),
        (orders(order(merchant_order_id=5)), Busy),
        (orders(order(fk_order_id=43)), NotFound),
        (orders("garbage"), NotFound),
        (orders(), NotFound),
    ],
)
async def test_each_answer_to_a_question_says_what_to_do_next(
    shop: Freekassa, api: Recorder, answer: Scripted, problem: type[Exception]
) -> None:
    api.say(answer)
    with pytest.raises(problem) as raised:
        await shop.look_up("42")
    assert type(raised.value) is problem
    assert "emulated" not in str(raised.value)


@pytest.mark.parametrize(
    ("status", "state", "reason", "refunded"),
    [
        (0, PaymentState.PENDING, None, None),
        (1, PaymentState.SUCCEEDED, None, None),
        (6, PaymentState.SUCCEEDED, "refunded", Money(19950, "RUB")),
        (8, PaymentState.CANCELLED, "general_decline", None),
        (9, PaymentState.CANCELLED, "expired", None),
        (7, PaymentState.PENDING, "unknown status 7", None),
        ("1", PaymentState.PENDING, "unknown status 1", None),
        (True, PaymentState.PENDING, "unknown status True", None),
        (None, PaymentState.PENDING, "unknown status None", None),
    ],
)
async def test_each_status_in_our_words(
    shop: Freekassa, api: Recorder, status: Any, state: PaymentState, reason: str | None, refunded: Money | None
) -> None:
    api.say(orders(order(status=status)))
    fact = await shop.look_up("42")
    assert (fact.state, fact.reason, fact.refunded) == (state, reason, refunded)
    assert (fact.external_id, fact.amount, fact.test) == ("42", Money(19950, "RUB"), False)


async def test_of_several_visits_the_paid_one_is_found(shop: Freekassa, api: Recorder) -> None:
    listed = [order(fk_order_id=45, status=9), order(fk_order_id=44, status=0), order(fk_order_id=43)]
    api.say(orders(*listed, order(merchant_order_id="another's", fk_order_id=46)))
    found = await shop.find(replace(a_request(), ref="ours"))
    assert found is not None
    assert (found.external_id, found.state) == ("43", PaymentState.SUCCEEDED)


@pytest.mark.parametrize("status", [0, 8, 9])
async def test_of_a_visit_that_is_not_paid_the_one_that_was_is_found_by_the_same_link(
    shop: Freekassa, api: Recorder, status: int
) -> None:
    asked_about, paid = order(status=status), order(fk_order_id=43)
    api.say(orders(asked_about), orders(asked_about, paid))
    fact = await shop.look_up("42")
    assert (fact.external_id, fact.state is PaymentState.SUCCEEDED) == ("42", False), "each visit speaks for itself"
    beside = await shop.paid_beside(fact)
    assert beside is not None
    assert (beside.external_id, beside.state) == ("43", PaymentState.SUCCEEDED)
    assert json.loads(api.received[-1].body)["paymentId"] == fact.ref
    api.say(orders(asked_about, order(fk_order_id=43, status=0)))
    assert await shop.paid_beside(fact) is None


async def test_of_a_visit_that_is_paid_nobody_asks_for_others(shop: Freekassa, api: Recorder) -> None:
    api.say(orders(order()))
    assert await shop.paid_beside(await shop.look_up("42")) is None
    assert len(api.received) == 1


async def test_the_list_is_read_to_its_end_and_not_for_ever(shop: Freekassa, api: Recorder) -> None:
    api.say(orders(order(), pages=2), orders(order(fk_order_id=43), pages=2))
    now = datetime.now(UTC)
    assert [fact.external_id async for fact in shop.listed(now - timedelta(days=1), now)] == ["42", "43"]
    assert [json.loads(sent.body)["page"] for sent in api.received] == [1, 2]
    api.say(orders(pages=10**9))
    with pytest.raises(Busy):
        await anext(shop.listed(now - timedelta(days=1), now))
    assert len(api.received) == 2 + LISTED_PAGES


async def test_a_question_that_nobody_answers_is_told_as_such(http: Http) -> None:
    with pytest.raises(Unreachable):
        await a_freekassa(http, "http://127.0.0.1:9").check()


async def test_a_refund_in_the_cabinet_is_seen_when_it_is_asked_about() -> None:
    async with emulated_freekassa() as world:
        _, fact = await world.paid()
        assert world.control is not None
        await world.control.post(f"payments/{fact.external_id}/refund")
        after = await world.provider.look_up(fact.external_id)
        assert (after.state, after.refunded) == (PaymentState.SUCCEEDED, fact.amount)


def test_the_settings_name_what_is_wrong_and_show_no_secret() -> None:
    for changes, names in (
        ({"shop_id": 0}, "shop_id"),
        ({"api_key": ""}, "api_key"),
        ({"secret_word_2": None}, "secret_word_2"),
        ({"previous_secret_word_2": ""}, "previous_secret_word_2"),
        ({"page": "http://pay.example"}, "https://"),
    ):
        with pytest.raises(ValidationError) as wrong:
            ShopConfig.model_validate(KEYS | changes)
        assert names in str(wrong.value)
        assert "secret1" not in str(wrong.value) + repr(ShopConfig.model_validate(KEYS))


@pytest.mark.parametrize("changes", [{"api_base": "http://127.0.0.1:9"}, {"page": "http://127.0.0.1:9"}])
def test_an_emulator_is_refused_in_production(http: Http, changes: dict[str, Any]) -> None:
    config = ShopConfig.model_validate(KEYS | changes)
    with pytest.raises(Misconfigured, match="FERRYMAN_ENV=sandbox"):
        Freekassa(config, ProviderTools(http, SystemClock(), sandbox=False))

"""The ways to pay, receipts, kept cards and holds of YooKassa: what is sent for each, and what its answers tell."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ferryman.billing.provider import Kept, PaymentState, RawWebhook
from ferryman.billing.providers.yookassa import YooKassa
from ferryman.kit.clock import SystemClock
from ferryman.kit.errors import AccessDenied, NotFound, Refused
from ferryman.kit.http import Http
from ferryman.kit.money import Money
from tests.billing.providers.recorder import Recorder, Scripted
from tests.billing.providers.worlds import Control, World, a_request, days_from_now, yookassa
from tests.billing.providers.yookassa_wire import ID, at, payment, refusal

CARD = {"type": "bank_card", "id": ID, "saved": True, "status": "active", "title": "Bank card *4477"}
NUMBERS = {"first6": "555555", "last4": "4477", "card_type": "MasterCard"}


def test_every_way_has_a_button_of_its_own_and_says_what_it_takes() -> None:
    ways = {way.code: way for way in YooKassa.ways}
    assert list(ways) == ["bank_card", "sbp", "sberbank", "tinkoff_bank", "yoo_money"]
    assert len({way.icon for way in ways.values()}) == len(ways)
    assert (ways["bank_card"].least, ways["bank_card"].most) == ({"RUB": 100}, {"RUB": 35_000_000})
    assert ways["sbp"].most == ways["tinkoff_bank"].most == {"RUB": 70_000_000}
    assert [code for code, way in ways.items() if way.currencies == ()] == ["bank_card"]
    assert [code for code, way in ways.items() if not way.keeps] == ["sbp"]


@pytest.mark.parametrize("code", [way.code for way in YooKassa.ways])
async def test_the_chosen_way_is_asked_for_on_a_page_to_go_to(shop: YooKassa, api: Recorder, code: str) -> None:
    await shop.open(replace(a_request(), way=code))
    body = json.loads(api.received[0].body)
    assert body["payment_method_data"] == {"type": code}
    assert body["confirmation"]["type"] == "redirect"
    assert "save_payment_method" not in body


@pytest.mark.parametrize("code", [way.code for way in YooKassa.ways])
async def test_each_way_can_be_paid_and_the_books_hear_how(world: World, control: Control, code: str) -> None:
    await control.post("settings", {"test": False})
    shop = at(control, SystemClock(), test=False)
    opened = await shop.open(world.request(way=code))
    assert opened.external_id is not None
    await control.pay(opened.external_id)
    fact = await shop.look_up(opened.external_id)
    assert (fact.state, fact.details["method"]) == (PaymentState.SUCCEEDED, code)
    assert fact.details["title"]


async def test_there_is_no_sbp_in_a_test_shop(world: World) -> None:
    with pytest.raises(Refused, match="test shop"):
        await world.provider.open(world.request(way="sbp"))


@pytest.mark.parametrize(
    ("way", "currency"), [("crypto", "RUB"), ("BANK_CARD", "RUB"), ("sbp", "USD"), ("yoo_money", "EUR")]
)
async def test_a_way_that_there_is_not_for_this_money_never_leaves(
    shop: YooKassa, api: Recorder, way: str, currency: str
) -> None:
    with pytest.raises(Refused):
        await shop.open(replace(a_request(currency=currency), way=way))
    assert api.received == []


async def test_a_payment_begun_before_there_were_ways_is_repeated_to_the_byte(shop: YooKassa, api: Recorder) -> None:
    request = replace(a_request(), ref="REF", order_ref="ORDER", idempotency_key="KEY")
    await shop.open(request)
    assert api.received[0].body.decode() == (
        '{"amount": {"value": "199.00", "currency": "RUB"}, "capture": true, "confirmation": {"type": "redirect",'
        ' "return_url": "https://t.me/ferryman_bot", "locale": "en_US"}, "description": "30 days, three locations",'
        ' "metadata": {"payment_id": "REF", "order_id": "ORDER"}}'
    )


@pytest.mark.parametrize(
    ("contact", "customer"),
    [("anna@example.org", {"email": "anna@example.org"}), ("+79001234567", {"phone": "79001234567"})],
)
async def test_a_receipt_goes_to_the_one_who_pays(
    http: Http, api: Recorder, contact: str, customer: dict[str, str]
) -> None:
    shop = yookassa(http, f"{api.url}/v3", receipt={"vat_code": 1, "tax_system_code": 2})
    assert shop.needs_contact
    await shop.open(replace(a_request(), contact=contact))
    receipt = json.loads(api.received[0].body)["receipt"]
    assert (receipt["customer"], receipt["tax_system_code"]) == (customer, 2)
    assert receipt["items"][0] == {
        "description": "30 days, three locations",
        "quantity": 1,
        "amount": {"value": "199.00", "currency": "RUB"},
        "vat_code": 1,
        "payment_subject": "service",
        "payment_mode": "full_payment",
        "measure": "piece",
    }


@pytest.mark.parametrize("contact", ["", "79001234567", "+7 900", "anna"])
async def test_a_receipt_for_nobody_never_leaves(http: Http, api: Recorder, contact: str) -> None:
    shop = yookassa(http, f"{api.url}/v3", receipt={"vat_code": 1})
    with pytest.raises(Refused, match="e-mail address or phone number"):
        await shop.open(replace(a_request(), contact=contact))
    assert api.received == []


async def test_the_shops_own_address_takes_all_receipts_and_nobody_is_asked(http: Http, api: Recorder) -> None:
    shop = yookassa(http, f"{api.url}/v3", receipt={"vat_code": 1, "email": "receipts@shop.example"})
    assert not shop.needs_contact
    await shop.open(replace(a_request(), contact="anna@example.org"))
    assert json.loads(api.received[0].body)["receipt"]["customer"] == {"email": "receipts@shop.example"}


def test_without_receipts_nobody_is_asked_for_an_address(shop: YooKassa) -> None:
    assert not shop.needs_contact


async def test_what_became_of_the_receipt_is_told_and_holds_nothing_up(shop: YooKassa, api: Recorder) -> None:
    api.say(Scripted(200, payment(status="succeeded", paid=True, receipt_registration="canceled")))
    fact = await shop.look_up(ID)
    assert (fact.state, fact.details["receipt"]) == (PaymentState.SUCCEEDED, "canceled")


@pytest.mark.parametrize("way", ["bank_card", "sbp"])
async def test_keeping_is_asked_for_where_it_can_be(shop: YooKassa, api: Recorder, way: str) -> None:
    await shop.open(replace(a_request(), way=way, keep=True))
    assert json.loads(api.received[0].body).get("save_payment_method", False) is (way != "sbp")


@pytest.mark.parametrize(
    ("changes", "kept"),
    [
        ({}, Kept(ID, "Bank card *4477")),
        ({"card": NUMBERS}, Kept(ID, "MasterCard •4477")),
        ({"card": {"last4": "447"}}, Kept(ID, "Bank card *4477")),
        ({"title": None}, Kept(ID, "bank_card")),
        ({"title": "YooMoney wallet 410011758831136"}, Kept(ID, "YooMoney wallet •1136")),
        ({"saved": False}, None),
        ({"saved": "true"}, None),
        ({"status": "inactive"}, None),
        ({"id": "../refunds"}, None),
        ({"id": 7}, None),
    ],
)
async def test_an_instrument_is_kept_only_if_it_was_saved(
    shop: YooKassa, api: Recorder, changes: dict[str, Any], kept: Kept | None
) -> None:
    """24, the first half."""
    api.say(Scripted(200, payment(status="succeeded", paid=True, payment_method=CARD | changes)))
    assert (await shop.look_up(ID)).kept == kept
    api.say(Scripted(200, payment(status="pending", payment_method=CARD | changes)))
    assert (await shop.look_up(ID)).kept is None


@pytest.mark.parametrize("method", [None, [], "card", {"card": []}, {"type": 5, "title": {}, "card": {"last4": 4477}}])
async def test_an_instrument_that_makes_no_sense_costs_no_sale(shop: YooKassa, api: Recorder, method: Any) -> None:
    api.say(Scripted(200, payment(status="succeeded", paid=True, payment_method=method)))
    fact = await shop.look_up(ID)
    assert (fact.state, fact.kept, fact.details) == (PaymentState.SUCCEEDED, None, {})


async def test_a_shop_that_may_not_keep_cards_sells_all_the_same(world: World, control: Control) -> None:
    await control.post("settings", {"keeping": False})
    request, fact = await world.paid(keep=True)
    assert (fact.state, fact.kept) == (PaymentState.SUCCEEDED, None)
    assert (await world.provider.open(world.request(ref=request.ref, keep=True))).external_id is not None
    assert len(await control.payments()) == 2


async def test_a_shop_that_may_do_nothing_is_told_so_once(shop: YooKassa, api: Recorder) -> None:
    api.say(refusal(403, "forbidden"))
    with pytest.raises(AccessDenied):
        await shop.open(replace(a_request(), way="bank_card"))
    assert len(api.received) == 1


async def test_a_charge_names_the_instrument_and_asks_nobody(shop: YooKassa, api: Recorder) -> None:
    api.say(Scripted(200, payment(status="succeeded", paid=True)))
    await shop.charge(a_request(), "the-token")
    body = json.loads(api.received[0].body)
    assert (body["payment_method_id"], body["capture"]) == ("the-token", True)
    assert not {"confirmation", "payment_method_data", "save_payment_method"} & set(body)


async def test_a_charge_that_is_not_final_at_once_is_asked_about(world: World, control: Control) -> None:
    shop, kept = at(control, SystemClock()), (await world.paid(keep=True))[1].kept
    assert kept is not None
    await control.post("settings", {"charges": "pending"})
    request = world.request()
    waiting = await shop.charge(request, kept.token)
    assert waiting.state is PaymentState.PENDING
    await control.pay(waiting.external_id)
    # Under its key the service answers what was true the first time.
    again = await shop.charge(request, kept.token)
    assert (again.external_id, again.state) == (waiting.external_id, PaymentState.SUCCEEDED)


@pytest.mark.parametrize("reason", ["insufficient_funds", "card_expired"])
async def test_a_declined_charge_says_why(world: World, control: Control, reason: str) -> None:
    shop, kept = at(control, SystemClock()), (await world.paid(keep=True))[1].kept
    assert kept is not None
    await control.post("settings", {"charges": reason})
    fact = await shop.charge(world.request(), kept.token)
    assert (fact.state, fact.reason) == (PaymentState.CANCELLED, reason)


async def test_a_withdrawn_permission_is_told_by_its_reason(world: World, control: Control) -> None:
    """24, the second half."""
    shop, kept = at(control, SystemClock()), (await world.paid(keep=True))[1].kept
    assert kept is not None
    await control.post(f"methods/{kept.token}/revoke")
    fact = await shop.charge(world.request(), kept.token)
    assert (fact.state, fact.reason, fact.kept) == (PaymentState.CANCELLED, "permission_revoked", None)


async def test_a_charge_repeated_after_its_key_was_forgotten_charges_no_second_time(
    world: World, control: Control
) -> None:
    kept = (await world.paid(keep=True))[1].kept
    assert kept is not None
    request = world.request()
    first = await at(control, SystemClock()).charge(request, kept.token)
    await control.post("clock", {"advance": 25 * 3600})
    again = await at(control, days_from_now(25 / 24)).charge(request, kept.token)
    assert again.external_id == first.external_id
    assert len(await control.payments()) == 2


async def test_a_hold_that_nobody_took_is_over_after_a_week_and_says_whose_fault_it_was(
    world: World, control: Control
) -> None:
    """21, at its worst."""
    external_id = await world.opened()
    await control.hold(external_id)
    await control.post("clock", {"advance": 7 * 86400 + 1})
    fact = await world.provider.look_up(external_id)
    assert (fact.state, fact.reason) == (PaymentState.CANCELLED, "expired_on_capture")
    with pytest.raises(Refused):
        await at(control, SystemClock()).capture(external_id, fact.amount, "late")


async def test_a_capture_names_the_sum_and_goes_nowhere_else(shop: YooKassa, api: Recorder) -> None:
    api.say(Scripted(200, payment(status="succeeded", paid=True)))
    await shop.capture(ID, Money(19900, "RUB"), "k")
    sent = api.received[0]
    assert (sent.path, json.loads(sent.body)) == (
        f"/v3/payments/{ID}/capture",
        {"amount": {"value": "199.00", "currency": "RUB"}},
    )
    with pytest.raises(NotFound):
        await shop.capture("../refunds", Money(1, "RUB"), "k")
    assert len(api.received) == 1


NOTE = json.dumps(
    {"type": "notification", "event": "payment.succeeded", "object": {"id": ID, "status": "succeeded"}}
).encode()


@pytest.mark.parametrize(
    ("sender", "known"),
    [
        ("185.71.76.5", True),
        ("::ffff:185.71.76.5", True),
        ("2a02:5180:0:1509::7", True),
        ("185.71.76.32", False),
        ("203.0.113.9", False),
        ("2a02:5181::1", False),
        ("", False),
        ("185.71.76.5, 203.0.113.9", False),
    ],
)
def test_only_networks_that_the_settings_name_are_listened_to(http: Http, sender: str, known: bool) -> None:
    """11, 12: a forger's address is refused, and a header that he wrote is no address.

    `remote_ip` is the connection's or the trusted hop's, which the web face sees to.
    """
    shop = yookassa(http, "https://api.example/v3", senders=["185.71.76.0/27", "2a02:5180::/32"])
    spoofed = {"x-forwarded-for": "185.71.76.5"}
    if known:
        assert shop.read_webhook(RawWebhook(NOTE, spoofed, sender)).external_id == ID
    else:
        with pytest.raises(Refused, match="network"):
            shop.read_webhook(RawWebhook(NOTE, spoofed, sender))


async def test_what_was_created_earlier_and_paid_today_is_listed_today(world: World, control: Control) -> None:
    external_id = await world.opened()
    await control.post("clock", {"advance": 1800})
    await control.pay(external_id)
    paid_at = datetime.now(UTC) + timedelta(seconds=1800)
    shop = at(control, SystemClock())
    listed = [fact async for fact in shop.listed(paid_at - timedelta(minutes=5), paid_at + timedelta(minutes=5))]
    assert [(fact.external_id, fact.state) for fact in listed] == [(external_id, PaymentState.SUCCEEDED)]


async def test_what_was_paid_long_ago_and_refunded_today_is_listed_today(world: World, control: Control) -> None:
    _, fact = await world.paid()
    await control.post("clock", {"advance": 40 * 86400})
    await control.post("refund", {"payment_id": fact.external_id, "amount": "50.00"})
    today = datetime.now(UTC) + timedelta(days=40)
    listed = at(control, SystemClock()).listed(today - timedelta(hours=1), today + timedelta(hours=1))
    assert [(one.external_id, one.refunded) async for one in listed] == [(fact.external_id, Money(5000, "RUB"))]

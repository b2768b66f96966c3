"""YooKassa gives money back: what is sent, how a refund that waits is heard of, refunds made in the cabinet."""

import json
from dataclasses import replace
from typing import Any

import pytest

from ferryman.billing.provider import PaymentState, RefundRequest, RefundState
from ferryman.billing.providers.yookassa import YooKassa
from ferryman.kit.clock import SystemClock
from ferryman.kit.errors import AccessDenied, Busy, NotFound, Refused, Unreachable
from ferryman.kit.http import Http
from ferryman.kit.money import Money
from tests.billing.providers.recorder import Recorder, Scripted
from tests.billing.providers.worlds import Control, World, yookassa
from tests.billing.providers.yookassa_wire import ID, at, payment, refusal

REFUND = "216749f7-0016-50be-b000-078d43a63ae4"
NONE_YET = Scripted(200, {"type": "list", "items": []})


def refund(**changes: Any) -> dict[str, Any]:
    return {
        "id": REFUND,
        "payment_id": ID,
        "status": "succeeded",
        "amount": {"value": "50.00", "currency": "RUB"},
        "created_at": "2026-01-20T09:00:00.000Z",
        "metadata": {"refund_id": "our-refund", "payment_id": "ours"},
    } | changes


def wish(**changes: Any) -> RefundRequest:
    plain = RefundRequest("our-refund", ID, "ours", Money(5000, "RUB"), False, "key-1", 7, "We are sorry")
    return replace(plain, **changes)


async def test_a_refund_names_payment_sum_and_our_ref_under_its_key(shop: YooKassa, api: Recorder) -> None:
    api.say(NONE_YET, Scripted(200, refund()))
    fact = await shop.refund(wish())
    looked, sent = api.received
    assert (looked.method, looked.path, looked.query["payment_id"]) == ("GET", "/v3/refunds", ID)
    assert (sent.method, sent.path, sent.headers["idempotence-key"]) == ("POST", "/v3/refunds", "key-1")
    assert json.loads(sent.body) == {
        "payment_id": ID,
        "amount": {"value": "50.00", "currency": "RUB"},
        "description": "We are sorry",
        "metadata": {"refund_id": "our-refund", "payment_id": "ours"},
    }
    assert (fact.external_id, fact.payment_external_id, fact.ref) == (REFUND, ID, "our-refund")
    assert (fact.state, fact.amount) == (RefundState.SUCCEEDED, Money(5000, "RUB"))


async def test_a_refund_that_was_made_days_ago_is_found_and_not_made_again(shop: YooKassa, api: Recorder) -> None:
    others = [refund(id="r-2", metadata={"refund_id": "another"}), refund(id="r-3", metadata=None)]
    api.say(Scripted(200, {"type": "list", "items": [*others, refund()]}))
    assert (await shop.refund(wish())).external_id == REFUND
    assert [sent.method for sent in api.received] == ["GET"]


@pytest.mark.parametrize(
    ("changes", "state", "reason"),
    [
        ({"status": "pending"}, RefundState.PENDING, None),
        ({"status": "succeeded"}, RefundState.SUCCEEDED, None),
        (
            {"status": "canceled", "cancellation_details": {"reason": "rejected_by_payee"}},
            RefundState.FAILED,
            "rejected_by_payee",
        ),
        ({"status": "canceled"}, RefundState.FAILED, "unknown"),
        ({"status": "teleported"}, RefundState.PENDING, "unknown status teleported"),
    ],
)
async def test_each_status_of_a_refund_in_our_words(
    shop: YooKassa, api: Recorder, changes: dict[str, Any], state: RefundState, reason: str | None
) -> None:
    api.say(Scripted(200, refund(**changes)))
    fact = await shop.look_up_refund(wish(), REFUND)
    assert fact is not None
    assert (fact.state, fact.reason) == (state, reason)


@pytest.mark.parametrize("changes", [{"amount": None}, {"payment_id": "../x"}, {"status": 5}, {"id": None}])
async def test_a_refund_without_its_facts_is_no_answer(shop: YooKassa, api: Recorder, changes: dict[str, Any]) -> None:
    api.say(Scripted(200, refund(**changes)))
    with pytest.raises(Unreachable):
        await shop.look_up_refund(wish(), REFUND)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (refusal(400, "invalid_request"), Refused),
        (refusal(401, "invalid_credentials"), AccessDenied),
        (refusal(404, "not_found"), NotFound),
        (refusal(429, "too_many_requests"), Busy),
        (refusal(500, "internal_server_error"), Unreachable),
        (Scripted(200, raw=b"<html>"), Unreachable),
    ],
)
async def test_each_answer_to_a_refund_says_what_to_do_next(
    shop: YooKassa, api: Recorder, answer: Scripted, error: type[Exception]
) -> None:
    api.say(NONE_YET, answer)
    with pytest.raises(error) as raised:
        await shop.refund(wish())
    assert type(raised.value) is error


async def test_an_id_of_another_shape_never_reaches_an_address(shop: YooKassa, api: Recorder) -> None:
    with pytest.raises(NotFound):
        await shop.look_up_refund(wish(), "../payments")
    assert api.received == []


async def test_a_partial_refund_sends_a_receipt_of_the_part_to_the_one_who_paid(http: Http, api: Recorder) -> None:
    shop = yookassa(http, f"{api.url}/v3", receipt={"vat_code": 1})
    api.say(NONE_YET, Scripted(200, refund()))
    await shop.refund(wish(contact="anna@example.org"))
    receipt = json.loads(api.received[-1].body)["receipt"]
    assert receipt["customer"] == {"email": "anna@example.org"}
    assert receipt["items"][0]["amount"] == {"value": "50.00", "currency": "RUB"}


async def test_a_whole_refund_needs_no_address_and_a_part_does(http: Http, api: Recorder) -> None:
    shop = yookassa(http, f"{api.url}/v3", receipt={"vat_code": 1})
    api.say(NONE_YET, Scripted(200, refund()))
    await shop.refund(wish(whole=True))
    assert "receipt" not in json.loads(api.received[-1].body)
    api.say(NONE_YET)
    with pytest.raises(Refused, match="e-mail address or phone number"):
        await shop.refund(wish(whole=False))


async def test_a_refund_that_waits_is_asked_about_until_it_failed_for_nobody_tells(
    world: World, control: Control
) -> None:
    """22: pending, then canceled without a push; meanwhile and afterwards nothing counts as given back."""
    await control.post("settings", {"refunds": "pending"})
    request, fact = await world.paid()
    shop, asked = at(control, SystemClock()), world.refund(request, fact)
    waiting = await shop.refund(asked)
    assert waiting.state is RefundState.PENDING
    assert (await shop.look_up(fact.external_id)).refunded == Money(0, "RUB")
    await control.post(f"refunds/{waiting.external_id}/cancel", {"reason": "insufficient_funds"})
    failed = await shop.look_up_refund(asked, waiting.external_id)
    assert failed is not None
    assert (failed.state, failed.reason) == (RefundState.FAILED, "insufficient_funds")
    after = await shop.look_up(fact.external_id)
    assert (after.state, after.refunded) == (PaymentState.SUCCEEDED, Money(0, "RUB"))


async def test_a_refund_that_waits_and_then_succeeds_is_counted_when_it_does(world: World, control: Control) -> None:
    await control.post("settings", {"refunds": "pending"})
    request, fact = await world.paid()
    shop = at(control, SystemClock())
    waiting = await shop.refund(world.refund(request, fact, 5000))
    await control.post(f"refunds/{waiting.external_id}/succeed")
    assert (await shop.look_up(fact.external_id)).refunded == Money(5000, "RUB")


async def test_a_refund_made_in_the_cabinet_is_claimed_on_its_payment_and_counted(
    world: World, control: Control
) -> None:
    """23: nobody asked us; the notification leads to the payment, and the payment says how much is left of it."""
    _, fact = await world.paid()
    await control.post("refund", {"payment_id": fact.external_id, "amount": "50.00"})
    claims = [world.provider.read_webhook(raw) for raw in await control.webhooks(2)]
    assert [claim.event for claim in claims] == ["payment.succeeded", "refund.succeeded"]
    assert {claim.external_id for claim in claims} == {fact.external_id}
    assert (await world.provider.look_up(fact.external_id)).refunded == Money(5000, "RUB")


async def test_refunds_in_another_currency_or_without_shape_are_not_counted_as_ours(
    shop: YooKassa, api: Recorder
) -> None:
    paid = payment(status="succeeded", paid=True, refunded_amount={"value": "60.00", "currency": "RUB"})
    dollars = refund(id="r-2", amount={"value": "50.00", "currency": "USD"})
    api.say(Scripted(200, paid), Scripted(200, {"type": "list", "items": [refund(), dollars, "garbage"]}))
    assert (await shop.look_up(ID)).refunded == Money(5000, "RUB")

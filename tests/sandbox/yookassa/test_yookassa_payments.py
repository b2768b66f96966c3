"""Payments through the API: creation, idempotence, bad input, reading, listing, the two stages, expiry."""

import asyncio
import re
import uuid
from typing import Any

import aiohttp
import pytest

from tests.sandbox.yookassa.till import Till, basic, order


async def test_a_created_payment_is_pending_and_links_to_a_page_on_the_emulator(till: Till) -> None:
    payment = await till.create()
    assert payment["status"] == "pending"
    assert payment["paid"] is False
    assert payment["test"] is False
    assert payment["refundable"] is False
    assert payment["amount"] == {"value": "199.00", "currency": "RUB"}
    assert payment["metadata"] == {"payment_id": "8f2a"}
    assert payment["recipient"] == {"account_id": "100500", "gateway_id": "100700"}
    assert payment["confirmation"]["confirmation_url"] == f"{till.url}/pay/{payment['id']}"
    assert len(payment["id"]) == 36
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", payment["created_at"])


async def test_every_answer_says_it_comes_from_an_emulator(till: Till) -> None:
    async with till.http.get(f"{till.url}/v3/payments", headers=till.auth) as response:
        assert response.headers["X-Emulator"] == "1"


async def test_the_same_key_and_body_answer_the_first_payment_again(till: Till) -> None:
    first = await till.post("/payments", order(), key="one")
    await till.emu(f"payments/{first[1]['id']}/pay")
    assert await till.post("/payments", order(), key="one") == first
    assert len((await till.get("/payments"))[1]["items"]) == 1


async def test_the_same_key_with_another_body_is_refused(till: Till) -> None:
    await till.post("/payments", order(), key="one")
    status, error = await till.post("/payments", order(description="another"), key="one")
    assert status == 400
    assert error["code"] == "invalid_request"
    assert error["description"] == "Idempotence key duplicated"
    assert error["parameter"] == "Idempotence-Key"


async def test_another_key_with_the_same_body_is_a_second_payment(till: Till) -> None:
    assert (await till.create())["id"] != (await till.create())["id"]


async def test_ten_calls_at_once_with_one_key_make_one_payment(till: Till) -> None:
    answers = await asyncio.gather(*(till.post("/payments", order(), key="one") for _ in range(10)))
    assert len({answer["id"] for _, answer in answers}) == 1


async def test_after_24_hours_a_key_counts_as_new(till: Till) -> None:
    _, first = await till.post("/payments", order(), key="one")
    await till.emu("clock", {"advance": 24 * 3600})
    status, second = await till.post("/payments", order(description="another"), key="one")
    assert status == 200
    assert second["id"] != first["id"]


async def test_a_refused_call_does_not_use_up_its_key(till: Till) -> None:
    assert (await till.post("/payments", order(capture="yes"), key="one"))[0] == 400
    assert (await till.post("/payments", order(), key="one"))[0] == 200


@pytest.mark.parametrize("key", [None, "x" * 65, "with space", "ключ".encode().decode("latin-1")])
async def test_a_missing_or_malformed_key_is_refused(till: Till, key: str | None) -> None:
    status, error = await till.post("/payments", order(), key=key)
    assert (status, error["parameter"]) == (400, "Idempotence-Key")


BAD_BODIES: dict[str, list[Any]] = {
    "amount": [{"amount": None}, {"amount": "199.00"}],
    "amount.value": [
        {"amount": {"value": value, "currency": "RUB"}}
        for value in ("199", "199.0", "199.000", "-1.00", "1e2", " 1.00", "0.00", "0.99", "700000.01", 199, "١.00")
    ],
    "amount.currency": [{"amount": {"value": "1.00", "currency": currency}} for currency in ("XXX", "USD", None)],
    "description": [{"description": "x" * 129}, {"description": 5}],
    "capture": [{"capture": "true"}],
    "metadata": [{"metadata": {str(n): "v" for n in range(17)}}, {"metadata": {"k" * 33: "v"}}, {"metadata": []}],
    "metadata.n": [{"metadata": {"n": 42}}, {"metadata": {"n": "v" * 513}}],
    "confirmation.type": [{"confirmation": None}, {"confirmation": {"type": "carrier_pigeon"}}],
    "confirmation.return_url": [
        {"confirmation": {"type": "redirect"}},
        {"confirmation": {"type": "redirect", "return_url": "u" * 2049}},
    ],
    "payment_method_data.type": [{"payment_method_data": {"type": "barter"}}],
    "payment_method_id": [{"confirmation": None, "payment_method_id": "nobody's"}],
    "confirmation": [{"payment_method_id": "with a confirmation"}],
    "receipt.customer": [{"receipt": {"customer": {}, "items": [{}]}}],
    "receipt.items": [{"receipt": {"customer": {"email": "u@example.org"}, "items": []}}],
}


@pytest.mark.parametrize(
    ("parameter", "changes"), [(parameter, change) for parameter, changes in BAD_BODIES.items() for change in changes]
)
async def test_a_bad_body_is_refused_by_the_name_of_its_field(till: Till, parameter: str, changes: Any) -> None:
    status, error = await till.post("/payments", order(**changes))
    assert (status, error.get("parameter")) == (400, parameter)
    assert error["type"] == "error"
    assert str(uuid.UUID(error["id"])) == error["id"]
    assert (await till.get("/payments"))[1]["items"] == []


async def test_a_card_takes_at_most_350_000(till: Till) -> None:
    card = {"type": "bank_card"}
    amount = {"value": "350000.01", "currency": "RUB"}
    assert (await till.post("/payments", order(payment_method_data=card, amount=amount)))[0] == 400
    assert (await till.post("/payments", order(payment_method_data={"type": "sbp"}, amount=amount)))[0] == 200


async def test_a_good_receipt_is_registered_with_the_money(till: Till) -> None:
    item = {"description": "30 days", "quantity": 1, "amount": {"value": "199.00", "currency": "RUB"}, "vat_code": 1}
    receipt = {"customer": {"email": "u@example.org"}, "items": [item]}
    payment = await till.create(receipt=receipt)
    assert payment["receipt_registration"] == "pending"
    paid = (await till.emu(f"payments/{payment['id']}/pay"))[1]
    assert paid["receipt_registration"] == "succeeded"


async def test_a_body_that_is_not_a_json_object_is_refused(till: Till) -> None:
    assert (await till.post("/payments", [1]))[0] == 400
    headers = till.auth | {"Idempotence-Key": "one", "Content-Type": "application/json"}
    async with till.http.post(f"{till.url}/v3/payments", data="{", headers=headers) as response:
        assert response.status == 400


async def test_a_form_is_the_wrong_content_type_and_put_the_wrong_verb(till: Till) -> None:
    async with till.http.post(f"{till.url}/v3/payments", data={"a": "b"}, headers=till.auth) as response:
        assert response.status == 415
    async with till.http.put(f"{till.url}/v3/payments", json={}, headers=till.auth) as response:
        assert response.status == 405
        assert (await response.json())["type"] == "error"


@pytest.mark.parametrize("auth", [{}, basic("100500", "wrong"), basic("1", "test_till")])
async def test_wrong_credentials_get_401_and_nothing_else(till: Till, auth: dict[str, str]) -> None:
    for path in ("/v3/payments", "/v3/payments/nobody", "/v3/nowhere"):
        async with till.http.get(till.url + path, headers=auth) as response:
            assert response.status == 401
            assert (await response.json())["code"] == "invalid_credentials"


async def test_an_authorization_header_of_another_kind_is_refused(till: Till) -> None:
    for header in ("Bearer abc", "Basic !!!", "Basic"):
        async with till.http.get(f"{till.url}/v3/payments", headers={"Authorization": header}) as response:
            assert response.status == 401


async def test_an_unknown_payment_is_not_found(till: Till) -> None:
    status, error = await till.get("/payments/22e12f66-000f-5000-8000-18db351245c7")
    assert (status, error["code"]) == (404, "not_found")


async def test_a_paid_payment_shows_who_paid_and_what_reaches_the_shop(till: Till) -> None:
    payment = await till.read((await till.paid())["id"])
    assert payment["status"] == "succeeded"
    assert payment["paid"] is True
    assert payment["refundable"] is True
    assert payment["income_amount"]["value"] == "191.04"
    assert payment["refunded_amount"]["value"] == "0.00"
    assert payment["payment_method"]["card"]["last4"] == "4477"
    assert payment["payment_method"]["saved"] is False
    assert "confirmation" not in payment
    assert "captured_at" in payment


@pytest.mark.parametrize("kind", ["yoo_money", "sbp", "tinkoff_bank", "sberbank"])
async def test_the_method_chosen_by_the_shop_is_the_one_that_paid(till: Till, kind: str) -> None:
    payment = await till.paid(payment_method_data={"type": kind})
    assert payment["payment_method"]["type"] == kind


@pytest.mark.parametrize(
    ("kind", "field"), [("qr", "confirmation_data"), ("embedded", "confirmation_token"), ("external", "type")]
)
async def test_each_way_of_confirming_gets_what_it_needs(till: Till, kind: str, field: str) -> None:
    assert (await till.create(confirmation={"type": kind}))["confirmation"][field]


async def test_capture_is_off_unless_asked_for(till: Till) -> None:
    payment = await till.paid(capture=None)
    assert payment["status"] == "waiting_for_capture"
    assert payment["paid"] is True
    status, captured = await till.post(f"/payments/{payment['id']}/capture")
    assert (status, captured["status"]) == (200, "succeeded")
    assert "expires_at" not in captured


async def test_a_part_of_a_held_amount_can_be_captured(till: Till) -> None:
    payment = await till.paid(capture=False)
    part = {"amount": {"value": "99.00", "currency": "RUB"}}
    assert (await till.post(f"/payments/{payment['id']}/capture", part))[1]["amount"]["value"] == "99.00"


async def test_more_than_held_cannot_be_captured(till: Till) -> None:
    payment = await till.paid(capture=False)
    more = {"amount": {"value": "199.01", "currency": "RUB"}}
    assert (await till.post(f"/payments/{payment['id']}/capture", more))[0] == 400


async def test_only_a_held_payment_can_be_captured_or_canceled(till: Till) -> None:
    pending, paid = await till.create(), await till.paid()
    for payment in (pending, paid):
        for verb in ("capture", "cancel"):
            status, error = await till.post(f"/payments/{payment['id']}/{verb}")
            assert (status, error["code"]) == (400, "invalid_request")


async def test_a_held_payment_can_be_canceled_by_the_shop(till: Till) -> None:
    payment = await till.paid(capture=False)
    status, canceled = await till.post(f"/payments/{payment['id']}/cancel", key="c")
    assert (status, canceled["status"]) == (200, "canceled")
    assert canceled["cancellation_details"] == {"party": "merchant", "reason": "canceled_by_merchant"}
    assert (await till.post(f"/payments/{payment['id']}/cancel", key="c"))[0] == 200, "the same key repeats the answer"


async def test_a_payment_nobody_paid_expires_after_an_hour(till: Till) -> None:
    payment = await till.create()
    await till.emu("clock", {"advance": 3590})
    assert (await till.read(payment["id"]))["status"] == "pending"
    await till.emu("clock", {"advance": 20})
    expired = await till.read(payment["id"])
    assert expired["status"] == "canceled"
    assert expired["cancellation_details"]["reason"] == "expired_on_confirmation"


async def test_a_hold_nobody_captured_expires_after_a_week(till: Till) -> None:
    payment = await till.paid(capture=False)
    await till.emu("clock", {"advance": 7 * 24 * 3600 + 1})
    assert (await till.read(payment["id"]))["cancellation_details"]["reason"] == "expired_on_capture"


async def test_the_list_is_newest_first_and_pages_by_cursor(till: Till) -> None:
    made = [(await till.create())["id"] for _ in range(5)]
    _, first = await till.get("/payments", limit="2")
    _, second = await till.get("/payments", limit="2", cursor=first["next_cursor"])
    _, third = await till.get("/payments", limit="2", cursor=second["next_cursor"])
    listed = [item["id"] for page in (first, second, third) for item in page["items"]]
    assert listed == made[::-1]
    assert "next_cursor" not in third


async def test_a_page_holds_ten_unless_told(till: Till) -> None:
    for _ in range(11):
        await till.create()
    assert len((await till.get("/payments"))[1]["items"]) == 10


async def test_the_list_filters_by_time_status_and_method(till: Till) -> None:
    early = await till.paid(payment_method_data={"type": "sbp"})
    await till.emu("clock", {"advance": 60})
    late = await till.create()

    async def listed(**query: str) -> list[str]:
        return [item["id"] for item in (await till.get("/payments", **query))[1]["items"]]

    assert await listed(**{"created_at.gte": late["created_at"]}) == [late["id"]]
    assert await listed(**{"created_at.gt": late["created_at"]}) == []
    assert await listed(**{"created_at.lt": late["created_at"]}) == [early["id"]]
    assert await listed(**{"created_at.lte": late["created_at"]}) == [late["id"], early["id"]]
    assert await listed(**{"captured_at.lte": late["created_at"]}) == [early["id"]]
    assert await listed(status="succeeded") == [early["id"]]
    assert await listed(payment_method="sbp") == [early["id"]]


@pytest.mark.parametrize(
    "query", [{"limit": "0"}, {"limit": "101"}, {"limit": "x"}, {"cursor": "?"}, {"created_at.gte": "now"}, {"a": "b"}]
)
async def test_a_bad_filter_is_refused(till: Till, query: dict[str, str]) -> None:
    await till.create()
    status, error = await till.get("/payments", **query)
    assert (status, error["parameter"]) == (400, next(iter(query)))


async def test_a_saved_card_is_charged_without_the_payer(till: Till) -> None:
    first = await till.paid(save_payment_method=True)
    assert first["payment_method"]["saved"] is True
    charge = {"confirmation": None, "payment_method_id": first["payment_method"]["id"]}
    assert (await till.create(**charge))["status"] == "succeeded"


async def test_a_withdrawn_permission_cancels_the_charge(till: Till) -> None:
    method = (await till.paid(save_payment_method=True))["payment_method"]
    await till.emu(f"methods/{method['id']}/revoke")
    charged = await till.create(confirmation=None, payment_method_id=method["id"])
    assert charged["status"] == "canceled"
    assert charged["cancellation_details"]["reason"] == "permission_revoked"


@pytest.mark.parametrize(
    ("verdict", "status", "reason"),
    [("succeeded", "succeeded", None), ("pending", "pending", None), ("card_expired", "canceled", "card_expired")],
)
async def test_what_becomes_of_a_charge_can_be_ordered(
    till: Till, verdict: str, status: str, reason: str | None
) -> None:
    method = (await till.paid(save_payment_method=True))["payment_method"]
    await till.emu("settings", {"charges": verdict})
    charged = await till.create(confirmation=None, payment_method_id=method["id"])
    assert charged["status"] == status
    assert charged.get("cancellation_details", {}).get("reason") == reason
    assert (await till.read(charged["id"]))["status"] == status


async def test_a_shop_that_may_not_keep_methods_is_told_so(till: Till) -> None:
    await till.emu("settings", {"keeping": False})
    status, error = await till.post("/payments", order(save_payment_method=True))
    assert (status, error["code"]) == (403, "forbidden")
    assert (await till.create())["status"] == "pending"


async def test_sbp_cannot_be_held(till: Till) -> None:
    status, error = await till.post("/payments", order(payment_method_data={"type": "sbp"}, capture=None))
    assert (status, error["parameter"]) == (400, "capture")


async def test_the_answer_lost_after_creation_is_found_again_by_its_key(till: Till) -> None:
    await till.emu("faults", {"mode": "drop_after", "route": "/v3/payments"})
    with pytest.raises(aiohttp.ClientError):
        await till.post("/payments", order(), key="one")
    assert (await till.post("/payments", order(), key="one"))[0] == 200
    assert len((await till.get("/payments"))[1]["items"]) == 1


async def test_a_processing_answer_and_a_rate_limit_can_be_ordered(till: Till) -> None:
    processing = {"type": "processing", "retry_after": 1800}
    await till.emu("faults", [{"mode": "status", "status": 202, "body": processing}, {"mode": "status", "status": 429}])
    assert await till.post("/payments", order(), key="one") == (202, processing)
    assert (await till.post("/payments", order(), key="one"))[0] == 429
    assert (await till.post("/payments", order(), key="one"))[0] == 200

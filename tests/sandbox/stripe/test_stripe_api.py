"""The emulated API: keys, forms, idempotency, lists and expansion, and what becomes of the money."""

from typing import Any

import pytest

from tests.sandbox.stripe.merchant import Merchant, order

KEEP = {"customer_creation": "always", "payment_intent_data[setup_future_usage]": "off_session"}
BOOKS = "payment_intent.latest_charge.balance_transaction"


async def test_a_session_waits_for_its_payer(merchant: Merchant) -> None:
    session = await merchant.session()
    assert session["id"].startswith("cs_test_")
    assert (session["status"], session["payment_status"], session["livemode"]) == ("open", "unpaid", False)
    assert (session["amount_total"], session["currency"], session["payment_intent"]) == (19900, "eur", None)
    assert session["url"].endswith(f"/pay/{session['id']}")
    assert await merchant.get(f"/checkout/sessions/{session['id']}") == (200, session)


async def test_nobody_without_the_key_is_answered(merchant: Merchant) -> None:
    for key in ("", "sk_test_wrong"):
        status, body = await merchant.post("/checkout/sessions", order(), key=key)
        assert (status, body["error"]["type"]) == (401, "invalid_request_error")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"mode": "subscription"}, "parameter_invalid"),
        ({"success_url": "javascript:alert(1)"}, "url_invalid"),
        ({"line_items[0][price_data][unit_amount]": "49"}, "amount_too_small"),
        ({"line_items[0][price_data][unit_amount]": "199.00"}, "parameter_invalid_integer"),
        ({"line_items[0][price_data][unit_amount]": "100000000"}, "parameter_invalid_integer"),
        ({"line_items[0][quantity]": ""}, "parameter_invalid_integer"),
        ({"line_items[0][price_data][currency]": ""}, "parameter_invalid"),
        ({"metadata[x]": "y" * 501}, "parameter_invalid"),
        ({"metadata": "text"}, "parameter_invalid"),
        ({"Line Items": "1"}, "parameter_unknown"),
    ],
)
async def test_what_the_service_would_refuse_is_refused(merchant: Merchant, changes: dict[str, str], code: str) -> None:
    status, body = await merchant.post("/checkout/sessions", order(**changes))
    assert (status, body["error"]["code"]) == (400, code)


async def test_one_key_is_one_session_for_a_day(merchant: Merchant) -> None:
    first = await merchant.post("/checkout/sessions", order(), "key")
    assert await merchant.post("/checkout/sessions", order(), "key") == first
    status, body = await merchant.post("/checkout/sessions", order(client_reference_id="x"), "key")
    assert (status, body["error"]["type"]) == (400, "idempotency_error")
    await merchant.emu("clock", {"advance": 24 * 3600})
    assert (await merchant.post("/checkout/sessions", order(), "key"))[1]["id"] != first[1]["id"]
    assert (await merchant.post("/checkout/sessions", order(), "k" * 256))[0] == 400


async def test_a_refusal_of_the_form_is_not_remembered_under_the_key(merchant: Merchant) -> None:
    assert (await merchant.post("/checkout/sessions", order(mode="setup"), "key"))[0] == 400
    assert (await merchant.post("/checkout/sessions", order(), "key"))[0] == 200


async def test_ids_are_shown_as_what_they_stand_for_when_asked(merchant: Merchant) -> None:
    paid = await merchant.paid()
    path = f"/checkout/sessions/{paid['id']}"
    assert isinstance((await merchant.get(path))[1]["payment_intent"], str)
    session = (await merchant.get(path, **{"expand[]": BOOKS}))[1]
    charge = session["payment_intent"]["latest_charge"]
    assert charge["balance_transaction"]["fee"] == 607
    assert charge["metadata"] == {"payment_id": "8f2a"}
    for wrong in ("a.b.c.d.e", "secret"):
        assert (await merchant.get(path, **{"expand[]": wrong}))[0] == 400
    listed = (await merchant.get("/checkout/sessions", **{"expand[]": f"data.{BOOKS}"}))[1]
    assert listed["data"] == [session]


async def test_lists_are_paged_newest_first_and_filtered(merchant: Merchant) -> None:
    sessions = [await merchant.paid() for _ in range(3)]
    ids = [one["id"] for one in sessions]
    page = (await merchant.get("/checkout/sessions", limit="2"))[1]
    assert ([one["id"] for one in page["data"]], page["has_more"]) == (ids[:0:-1], True)
    rest = (await merchant.get("/checkout/sessions", limit="2", starting_after=ids[1]))[1]
    assert ([one["id"] for one in rest["data"]], rest["has_more"]) == (ids[:1], False)
    found = (await merchant.get("/checkout/sessions", payment_intent=sessions[1]["payment_intent"]))[1]
    assert [one["id"] for one in found["data"]] == [ids[1]]
    assert (await merchant.get("/checkout/sessions", **{"created[lte]": "1000"}))[1]["data"] == []
    for wrong in ({"limit": "101"}, {"limit": "x"}, {"created[gte]": "soon"}):
        assert (await merchant.get("/checkout/sessions", **wrong))[0] == 400
    assert (await merchant.get("/checkout/sessions", starting_after="cs_test_x"))[0] == 404


async def test_what_is_not_there_is_missing_in_the_apis_own_shape(merchant: Merchant) -> None:
    for path in ("/checkout/sessions/cs_test_x", "/payment_intents/pi_x", "/refunds/re_x"):
        status, body = await merchant.get(path)
        assert (status, body["error"]["code"]) == (404, "resource_missing")
    assert (await merchant.get("/prices"))[1]["error"]["type"] == "invalid_request_error"


async def test_a_refund_takes_no_more_than_is_left(merchant: Merchant) -> None:
    paid = await merchant.paid()
    intent = {"payment_intent": paid["payment_intent"]}
    assert (await merchant.post("/refunds", intent | {"amount": "5000"}))[1]["status"] == "succeeded"
    status, body = await merchant.post("/refunds", intent | {"amount": "15000"})
    assert (status, body["error"]["code"]) == (400, "amount_too_large")
    assert (await merchant.post("/refunds", intent))[1]["amount"] == 14900
    status, body = await merchant.post("/refunds", intent)
    assert (status, body["error"]["code"]) == (400, "charge_already_refunded")
    assert [one["amount"] for one in (await merchant.get("/refunds", **intent))[1]["data"]] == [14900, 5000]


async def test_what_was_not_paid_or_was_charged_back_is_not_refunded(merchant: Merchant) -> None:
    waiting = await merchant.session()
    await merchant.emu(f"payments/{waiting['id']}/wait")
    session = (await merchant.get(f"/checkout/sessions/{waiting['id']}"))[1]
    assert (await merchant.post("/refunds", {"payment_intent": session["payment_intent"]}))[0] == 400
    assert (await merchant.emu(f"payments/{waiting['id']}/dispute"))[0] == 400
    paid = await merchant.paid()
    await merchant.emu(f"payments/{paid['id']}/dispute")
    status, body = await merchant.post("/refunds", {"payment_intent": paid["payment_intent"]})
    assert (status, body["error"]["code"]) == (400, "charge_disputed")
    disputes = (await merchant.get("/disputes", payment_intent=paid["payment_intent"]))[1]["data"]
    assert [(one["amount"], one["status"]) for one in disputes] == [(19900, "needs_response")]


async def test_what_a_bank_gave_up_again_can_be_refunded_and_disputed_again(merchant: Merchant) -> None:
    paid = await merchant.paid()
    dispute = (await merchant.emu(f"payments/{paid['id']}/dispute"))[1]
    assert (await merchant.emu(f"payments/{paid['id']}/dispute"))[0] == 400
    await merchant.emu(f"disputes/{dispute['id']}/win")
    half = {"payment_intent": paid["payment_intent"], "amount": "900"}
    assert (await merchant.post("/refunds", half))[0] == 200
    assert (await merchant.emu(f"payments/{paid['id']}/dispute"))[0] == 200


async def kept(merchant: Merchant) -> dict[str, str]:
    paid = await merchant.paid(**KEEP)
    intent = (await merchant.get(f"/payment_intents/{paid['payment_intent']}"))[1]
    card = {"customer": paid["customer"], "payment_method": intent["payment_method"]}
    return card | {"amount": "500", "currency": "eur", "confirm": "true", "off_session": "true"}


async def test_a_kept_card_is_charged_without_its_owner(merchant: Merchant) -> None:
    form = await kept(merchant)
    status, intent = await merchant.post("/payment_intents", form)
    assert (status, intent["status"], intent["amount_received"]) == (200, "succeeded", 500)
    assert (await merchant.post("/payment_intents", form | {"customer": "cus_of_another"}))[0] == 400
    assert (await merchant.post("/payment_intents", form | {"payment_method": "pm_x"}))[0] == 404
    assert (await merchant.post("/payment_intents", form | {"confirm": "false"}))[0] == 400


async def test_a_card_that_was_not_kept_has_no_customer(merchant: Merchant) -> None:
    paid = await merchant.paid()
    intent = (await merchant.get(f"/payment_intents/{paid['payment_intent']}"))[1]
    form = {"customer": "cus_x", "payment_method": intent["payment_method"], "amount": "500", "currency": "eur"}
    assert (await merchant.post("/payment_intents", form | {"confirm": "true", "off_session": "true"}))[0] == 400


async def test_a_doomed_card_declines_the_same_way_under_the_same_key(merchant: Merchant) -> None:
    form = await kept(merchant)
    path = f"cards/{form['payment_method']}"
    assert (await merchant.emu(path, {"declines": "insufficient_funds"}))[0] == 200
    status, body = await merchant.post("/payment_intents", form, "key")
    error = body["error"]
    assert (status, error["type"], error["decline_code"]) == (402, "card_error", "insufficient_funds")
    assert error["payment_intent"]["status"] == "requires_payment_method"
    assert await merchant.post("/payment_intents", form, "key") == (status, body)
    await merchant.emu(path, {"declines": ""})
    assert (await merchant.post("/payment_intents", form))[0] == 200


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("payments/{id}/teleport", {}),
        ("payments/{id}/decline", {"reason": "bad_weather"}),
        ("payments/cs_test_x/pay", {}),
        ("cards/pm_x", {"declines": "insufficient_funds"}),
        ("cards/pm_x", {"declines": "bad_weather"}),
        ("refunds/re_x/fail", {}),
        ("refunds/re_x/bless", {}),
        ("disputes/du_x/draw", {}),
    ],
)
async def test_a_wish_that_makes_no_sense_is_told_so(merchant: Merchant, path: str, body: Any) -> None:
    session = await merchant.session()
    status, answer = await merchant.emu(path.replace("{id}", session["id"]), body)
    assert status in (400, 404)
    assert "error" in answer


async def test_a_session_that_is_over_cannot_be_paid(merchant: Merchant) -> None:
    session = await merchant.session()
    assert (await merchant.post(f"/checkout/sessions/{session['id']}/expire", {}))[1]["status"] == "expired"
    assert (await merchant.emu(f"payments/{session['id']}/pay"))[0] == 400
    paid = await merchant.paid()
    assert (await merchant.emu(f"payments/{paid['id']}/pay"))[0] == 400

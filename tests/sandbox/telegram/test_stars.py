"""Stars in the emulator: what may be asked for, who may pay it, and what comes of it."""

import json
from typing import Any

import pytest

from tests.sandbox.telegram.phone import OTHER_TOKEN, Phone

INVOICE: dict[str, Any] = {
    "title": "30 days",
    "description": "30 days of three locations",
    "payload": "pay_1",
    "currency": "XTR",
    "prices": [{"label": "30 days", "amount": 250}],
}


async def link(phone: Phone, **changes: Any) -> str:
    made: str = await phone.ok("createInvoiceLink", **{**INVOICE, **changes})
    return made


async def press_pay(phone: Phone, user: int, slug: str, **more: Any) -> dict[str, Any]:
    """The person presses Pay; answers the question that the bot is asked."""
    await phone.emu(f"users/{user}/pay", {"slug": slug, **more})
    asked: dict[str, Any] = (await phone.updates())[-1]["pre_checkout_query"]
    return asked


async def pay(phone: Phone, user: int, slug: str) -> dict[str, Any]:
    """The person pays and the bot approves; answers the message that the bot gets."""
    query = await press_pay(phone, user, slug)
    await phone.ok("answerPreCheckoutQuery", pre_checkout_query_id=query["id"], ok=True)
    message: dict[str, Any] = (await phone.updates())[-1]["message"]
    return message


async def last_checkout(phone: Phone, user: int) -> dict[str, Any]:
    checkout: dict[str, Any] = (await phone.emu(f"users/{user}/stars"))["checkouts"][-1]
    return checkout


async def test_a_link_is_paid_after_the_bot_has_said_yes(phone: Phone) -> None:
    user = await phone.started()
    slug = await link(phone)
    assert slug.startswith("https://t.me/$")
    query = await press_pay(phone, user, slug)
    assert {name: query[name] for name in ("currency", "total_amount", "invoice_payload")} == {
        "currency": "XTR",
        "total_amount": 250,
        "invoice_payload": "pay_1",
    }
    assert query["from"]["id"] == user
    assert (await phone.ok("getMyStarBalance"))["amount"] == 0, "approving reserves nothing"
    await phone.ok("answerPreCheckoutQuery", pre_checkout_query_id=query["id"], ok=True)
    message = (await phone.updates())[-1]["message"]
    paid = message["successful_payment"]
    assert message["from"]["id"] == message["chat"]["id"] == user
    assert (paid["total_amount"], paid["invoice_payload"]) == (250, "pay_1")
    assert "is_recurring" not in paid
    assert (await phone.ok("getMyStarBalance"))["amount"] == 250
    assert (await phone.emu(f"users/{user}/stars"))["amount"] == 10_000 - 250
    (transaction,) = (await phone.ok("getStarTransactions"))["transactions"]
    assert transaction["id"] == paid["telegram_payment_charge_id"]
    assert transaction["source"]["invoice_payload"] == "pay_1"
    assert "receiver" not in transaction


async def test_an_answer_comes_once_and_within_ten_seconds(phone: Phone) -> None:
    user = await phone.started()
    slug = await link(phone)
    query = await press_pay(phone, user, slug)
    await phone.push_clock(10)
    late = await phone.api("answerPreCheckoutQuery", pre_checkout_query_id=query["id"], ok=True)
    assert "query is too old" in late["description"]
    assert (await last_checkout(phone, user))["state"] == "expired"
    await pay(phone, user, slug)
    again = await last_checkout(phone, user)
    twice = await phone.api("answerPreCheckoutQuery", pre_checkout_query_id=again["id"], ok=True)
    assert "query is too old" in twice["description"]
    strange = await phone.api("answerPreCheckoutQuery", token=OTHER_TOKEN, pre_checkout_query_id=query["id"], ok=True)
    assert "query is too old" in strange["description"]
    assert (await phone.ok("getMyStarBalance"))["amount"] == 250


async def test_a_question_waits_150_seconds_for_its_bot_and_a_payment_a_day(phone: Phone) -> None:
    user = await phone.started()
    slug = await link(phone)
    await pay(phone, user, slug)
    query = await press_pay(phone, user, slug)
    await phone.ok("answerPreCheckoutQuery", pre_checkout_query_id=query["id"], ok=True)
    await phone.emu(f"users/{user}/pay", {"slug": slug})
    await phone.push_clock(149)
    assert [kinds(update) for update in (await phone.ok("getUpdates"))] == [["message"], ["pre_checkout_query"]]
    await phone.push_clock(2)
    assert [kinds(update) for update in (await phone.ok("getUpdates"))] == [["message"]]


def kinds(update: dict[str, Any]) -> list[str]:
    return [name for name in update if name != "update_id"]


async def test_the_bots_refusal_is_read_by_the_payer(phone: Phone) -> None:
    user = await phone.started()
    query = await press_pay(phone, user, await link(phone))
    silent = await phone.api("answerPreCheckoutQuery", pre_checkout_query_id=query["id"], ok=False)
    assert silent["description"] == 'Bad Request: parameter "error_message" is required'
    await phone.ok("answerPreCheckoutQuery", pre_checkout_query_id=query["id"], ok=False, error_message="Sold out")
    checkout = await last_checkout(phone, user)
    assert (checkout["state"], checkout["error"]) == ("refused", "Sold out")
    assert await phone.updates() == []


async def test_a_link_is_paid_twice_and_by_somebody_else_too(phone: Phone) -> None:
    first, second = await phone.started(), await phone.started(first_name="Bob", username="bob")
    slug = await link(phone)
    messages = [await pay(phone, user, slug) for user in (first, first, second)]
    charges = {message["successful_payment"]["telegram_payment_charge_id"] for message in messages}
    assert len(charges) == 3
    assert {message["successful_payment"]["invoice_payload"] for message in messages} == {"pay_1"}
    assert messages[-1]["chat"]["id"] == second
    assert (await phone.ok("getMyStarBalance"))["amount"] == 750


async def test_an_invoice_in_a_message_has_a_pay_button_and_forwarded_it_still_works(phone: Phone) -> None:
    ann, bob = await phone.started(), await phone.started(first_name="Bob", username="bob")
    message = await phone.ok("sendInvoice", chat_id=ann, **INVOICE)
    assert message["invoice"]["total_amount"] == 250
    assert message["reply_markup"]["inline_keyboard"][0][0]["pay"] is True
    bound = await phone.ok("sendInvoice", chat_id=ann, start_parameter="buy", **INVOICE)
    by_bob = {"of": ann, "message_id": message["message_id"]}
    await phone.emu(f"users/{bob}/pay", by_bob)
    assert (await phone.updates())[-1]["pre_checkout_query"]["from"]["id"] == bob
    assert "forwarded" in await phone.refused(f"users/{bob}/pay", by_bob | {"message_id": bound["message_id"]})
    await phone.emu(f"users/{ann}/pay", {"message_id": bound["message_id"]})
    copied = await phone.api("copyMessage", chat_id=bob, from_chat_id=ann, message_id=message["message_id"])
    assert "can't be copied" in copied["description"]


@pytest.mark.parametrize(
    ("rows", "refusal"),
    [
        ([[{"text": "Site", "url": "https://a.example/"}]], "REPLY_MARKUP_BUY_EMPTY"),
        ([[{"text": "Menu", "callback_data": "x"}, {"text": "Pay", "pay": True}]], "REPLY_MARKUP_BUY_EMPTY"),
        ([[{"text": "Pay", "pay": True}, {"text": "Pay", "pay": True}]], "BUTTON_TYPE_INVALID"),
        ([[{"text": "Pay ⭐", "pay": True}], [{"text": "Menu", "callback_data": "x"}]], None),
    ],
)
async def test_the_first_button_under_an_invoice_pays(phone: Phone, rows: Any, refusal: str | None) -> None:
    user = await phone.started()
    answer = await phone.api("sendInvoice", chat_id=user, reply_markup={"inline_keyboard": rows}, **INVOICE)
    if refusal is None:
        assert answer["result"]["reply_markup"]["inline_keyboard"] == rows
    else:
        assert answer["description"] == f"Bad Request: {refusal}"


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"title": ""}, 'parameter "title" is required'),
        ({"payload": ""}, 'parameter "payload" is required'),
        ({"title": "x" * 33}, "INVOICE_TITLE_INVALID"),
        ({"description": "x" * 256}, "INVOICE_DESCRIPTION_INVALID"),
        ({"payload": "ж" * 65}, "INVOICE_PAYLOAD_INVALID"),
        ({"currency": "RUB"}, "PAYMENT_PROVIDER_INVALID"),
        ({"currency": "stars"}, "CURRENCY_INVALID"),
        ({"provider_token": "1:TEST:x"}, "PAYMENT_PROVIDER_INVALID"),
        ({"prices": []}, "there must be at least one price"),
        ({"prices": [{"label": "a", "amount": 1}, {"label": "b", "amount": 2}]}, "STARS_INVOICE_INVALID"),
        ({"need_email": True}, "STARS_INVOICE_INVALID"),
        ({"prices": [{"label": "a", "amount": 0}]}, "CURRENCY_TOTAL_AMOUNT_INVALID"),
        ({"prices": [{"label": "a", "amount": 150_000}]}, "CURRENCY_TOTAL_AMOUNT_INVALID"),
        ({"subscription_period": 86_400}, "SUBSCRIPTION_PERIOD_INVALID"),
        (
            {"subscription_period": 2_592_000, "prices": [{"label": "a", "amount": 10_001}]},
            "SUBSCRIPTION_AMOUNT_INVALID",
        ),
    ],
)
async def test_an_invoice_has_its_limits(phone: Phone, changes: dict[str, Any], refusal: str) -> None:
    answer = await phone.api("createInvoiceLink", **{**INVOICE, **changes})
    assert answer["description"] == f"Bad Request: {refusal}"


@pytest.mark.parametrize("prices", ['[{"label":"a","amount":1.5}]', '[{"amount":1}]', '{"label":"a"}', "nothing"])
async def test_prices_that_cannot_be_read_are_refused(phone: Phone, prices: str) -> None:
    answer = await phone.api("createInvoiceLink", **{**INVOICE, "prices": prices})
    assert answer["error_code"] == 400


async def test_prices_come_as_json_in_a_form_too(phone: Phone) -> None:
    form = {**INVOICE, "prices": json.dumps(INVOICE["prices"]), "payload": "ж" * 64}
    assert (await phone.api("createInvoiceLink", **form))["ok"]
    highest = {**INVOICE, "prices": [{"label": "a", "amount": 100_000}]}
    assert (await phone.api("createInvoiceLink", **highest))["ok"]


async def test_without_enough_stars_nothing_begins(phone: Phone) -> None:
    user = await phone.started()
    await phone.emu(f"users/{user}/stars", {"amount": 249})
    slug = await link(phone)
    assert "not enough" in await phone.refused(f"users/{user}/pay", {"slug": slug})
    await phone.emu(f"users/{user}/stars", {"amount": 250})
    query = await press_pay(phone, user, slug)
    await phone.emu(f"users/{user}/stars", {"amount": 0})
    await phone.ok("answerPreCheckoutQuery", pre_checkout_query_id=query["id"], ok=True)
    assert (await last_checkout(phone, user))["state"] == "failed"


async def test_a_bot_that_did_not_ask_for_the_question_never_hears_it(phone: Phone) -> None:
    user = await phone.started()
    await phone.ok("getUpdates", allowed_updates=["message"])
    await phone.emu(f"users/{user}/pay", {"slug": await link(phone)})
    assert await phone.updates() == []
    await phone.push_clock(11)
    assert (await last_checkout(phone, user))["state"] == "expired"


async def test_a_refund_is_whole_and_happens_once(phone: Phone) -> None:
    user, other = await phone.started(), await phone.new_person()
    charge = (await pay(phone, user, await link(phone)))["successful_payment"]["telegram_payment_charge_id"]
    wrong = await phone.api("refundStarPayment", user_id=other, telegram_payment_charge_id=charge)
    assert wrong["description"] == "Bad Request: CHARGE_ID_INVALID"
    nobody = await phone.api("refundStarPayment", user_id=5, telegram_payment_charge_id=charge)
    assert nobody["description"] == "Bad Request: user not found"
    await phone.ok("refundStarPayment", user_id=user, telegram_payment_charge_id=charge)
    told = (await phone.updates())[-1]["message"]["refunded_payment"]
    assert (told["telegram_payment_charge_id"], told["total_amount"]) == (charge, 250)
    again = await phone.api("refundStarPayment", user_id=user, telegram_payment_charge_id=charge)
    assert again["description"] == "Bad Request: CHARGE_ALREADY_REFUNDED"
    assert (await phone.ok("getMyStarBalance"))["amount"] == 0
    assert (await phone.emu(f"users/{user}/stars"))["amount"] == 10_000
    paid, back = (await phone.ok("getStarTransactions"))["transactions"]
    assert paid["id"] == back["id"] == charge
    assert "source" in paid
    assert "receiver" in back


async def test_a_bot_cannot_give_back_what_it_has_not(phone: Phone) -> None:
    user = await phone.started()
    charge = (await pay(phone, user, await link(phone)))["successful_payment"]["telegram_payment_charge_id"]
    await phone.emu("stars", {"bot_amount": 10})
    short = await phone.api("refundStarPayment", user_id=user, telegram_payment_charge_id=charge)
    assert short["description"] == "Bad Request: BALANCE_TOO_LOW"


@pytest.mark.parametrize("look", ["user", "other"])
async def test_stars_can_be_clawed_back_without_a_word(phone: Phone, look: str) -> None:
    user = await phone.started()
    charge = (await pay(phone, user, await link(phone)))["successful_payment"]["telegram_payment_charge_id"]
    await phone.emu("stars", {"bot_amount": 0})
    await phone.emu("stars/take-back", {"charge": charge, "look": look})
    assert await phone.updates() == []
    assert (await phone.ok("getMyStarBalance"))["amount"] == -250
    assert (await phone.ok("getStarTransactions"))["transactions"][-1]["receiver"]["type"] == look
    assert "already" in await phone.refused("stars/take-back", {"charge": charge})


async def test_transactions_come_in_pages_and_in_either_order(phone: Phone) -> None:
    user = await phone.started()
    slug = await link(phone, prices=[{"label": "a", "amount": 1}])
    charges = [(await pay(phone, user, slug))["successful_payment"]["telegram_payment_charge_id"] for _ in range(3)]
    await phone.emu("stars/transactions", {"id": "gift", "amount": 5, "receiver": {"type": "fragment"}})
    everything = [*charges, "gift"]
    pages = [await phone.ok("getStarTransactions", offset=offset, limit=2) for offset in (0, 2, 4)]
    assert [entry["id"] for page in pages for entry in page["transactions"]] == everything
    await phone.emu("stars", {"order": "newest"})
    found = (await phone.ok("getStarTransactions"))["transactions"]
    assert [entry["id"] for entry in found] == everything[::-1]
    assert "one of" in await phone.refused("stars", {"order": "random"})

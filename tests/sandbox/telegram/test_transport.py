"""URLs, encodings, the envelope and the answers to a wrong token or method."""

import json

import aiohttp
import pytest

from ferryman_sandbox.store import Store
from ferryman_sandbox.telegram import TelegramEmulator
from tests.sandbox.telegram.phone import OTHER_TOKEN, TOKEN, Phone

KEYBOARD = {"inline_keyboard": [[{"text": "Buy", "callback_data": "v1:buy"}]]}


async def test_the_four_encodings_and_get_give_the_same_message(phone: Phone) -> None:
    user = await phone.started()
    fields = {"chat_id": str(user), "text": "<b>Hi</b> & bye 🙂", "parse_mode": "HTML"}
    fields["reply_markup"] = json.dumps(KEYBOARD)
    url = f"{phone.server.url}/bot{TOKEN}/sendMessage"
    multipart = aiohttp.FormData(default_to_multipart=True)
    for name, value in fields.items():
        multipart.add_field(name, value)
    sent = [
        await phone.http.post(url, params=fields),
        await phone.http.get(url, params=fields),
        await phone.http.post(url, data=fields),
        await phone.http.post(url, data=multipart),
        await phone.http.post(url, json={**fields, "chat_id": user, "reply_markup": KEYBOARD}),
    ]
    messages = [(await answer.json())["result"] for answer in sent]
    numbers = [message.pop("message_id") for message in messages]
    for message in messages:
        message.pop("date")
    assert numbers == sorted(set(numbers))
    assert all(message == messages[0] for message in messages)
    assert messages[0]["text"] == "Hi & bye 🙂"
    assert messages[0]["entities"] == [{"offset": 0, "length": 2, "type": "bold"}]
    assert messages[0]["reply_markup"] == KEYBOARD


@pytest.mark.parametrize("name", ["getMe", "getme", "GETME"])
async def test_a_method_answers_to_its_name_in_any_letter_case(phone: Phone, name: str) -> None:
    assert (await phone.ok(name))["id"] == 123456


async def test_an_unknown_method_is_refused_and_noted_loudly(phone: Phone, caplog: pytest.LogCaptureFixture) -> None:
    assert await phone.api("sendDice", chat_id=1) == {
        "ok": False,
        "error_code": 404,
        "description": "Not Found: method not found",
    }
    noted = await phone.emu("unknown-methods")
    assert [(entry["method"], entry["fields"]) for entry in noted] == [("sendDice", ["chat_id"])]
    assert "sendDice" in caplog.text
    assert TOKEN not in caplog.text


async def test_a_wrong_token_is_unauthorized_everywhere(phone: Phone) -> None:
    wrong = TOKEN[:-1] + "X"
    unauthorized = {"ok": False, "error_code": 401, "description": "Unauthorized"}
    assert await phone.api("getMe", token=wrong) == unauthorized
    assert await phone.api("noSuchMethod", token=wrong) == unauthorized
    assert await phone.api("getMe", token="999:" + TOKEN.split(":")[1]) == unauthorized
    async with phone.http.get(f"{phone.server.url}/file/bot{wrong}/photos/file_1.png") as answer:
        assert (answer.status, await answer.json()) == (401, unauthorized)


async def test_a_malformed_token_is_not_found(phone: Phone) -> None:
    assert await phone.api("getMe", token="hello") == {"ok": False, "error_code": 404, "description": "Not Found"}


async def test_the_test_data_centre_path_works(phone: Phone) -> None:
    assert (await phone.api("test/getMe"))["ok"]


async def test_each_token_is_its_own_bot_with_its_own_chats(phone: Phone) -> None:
    user = await phone.started()
    refused = await phone.api("sendMessage", token=OTHER_TOKEN, chat_id=user, text="hello")
    assert refused["description"] == "Forbidden: bot can't initiate conversation with a user"


@pytest.mark.parametrize("body", ["{", "[1]", '"text"'])
async def test_a_body_that_is_no_json_object_is_a_bad_request(phone: Phone, body: str) -> None:
    headers = {"Content-Type": "application/json"}
    async with phone.http.post(f"{phone.server.url}/bot{TOKEN}/getMe", data=body, headers=headers) as answer:
        assert answer.status == 400
        assert (await answer.json())["description"].startswith("Bad Request: ")


async def test_a_number_that_is_none_is_named(phone: Phone) -> None:
    assert (await phone.api("getUpdates", offset="soon"))["description"] == "Bad Request: invalid offset specified"


async def test_a_bot_can_be_added_and_named_while_running(phone: Phone) -> None:
    token = "777777:AAF-late"
    await phone.emu("bots", {"token": token, "first_name": "Late", "username": "late_bot"})
    assert (await phone.ok("getMe", token=token))["username"] == "late_bot"
    assert [one["id"] for one in await phone.emu("bots")] == [123456, 654321, 777777]
    assert "123456:letters-digits" in await phone.refused("bots", {"token": "nonsense"})


def test_a_token_of_the_wrong_shape_is_refused_at_the_start(store: Store) -> None:
    with pytest.raises(ValueError, match="looks like 123456"):
        TelegramEmulator(store, tokens=["not a token"])


async def test_reset_forgets_people_but_keeps_the_bots(phone: Phone) -> None:
    await phone.started()
    await phone.emu("reset", {})
    assert await phone.emu("users") == []
    assert (await phone.api("getMe"))["ok"]


async def test_bad_weather_can_lose_the_answer_after_the_effect(phone: Phone) -> None:
    user = await phone.started()
    await phone.emu("faults", {"mode": "drop_after", "route": "sendMessage"})
    with pytest.raises(aiohttp.ClientError):
        await phone.api("sendMessage", chat_id=user, text="was it sent?")
    assert (await phone.chat(user))["messages"][-1]["text"] == "was it sent?"

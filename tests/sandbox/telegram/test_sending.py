"""Messages from the bot: the order of the checks, lengths, replies, copies, the sign of typing."""

from typing import Any

import pytest

from tests.sandbox.telegram.phone import Phone


async def refusal(phone: Phone, method: str = "sendMessage", **fields: Any) -> str:
    answer = await phone.api(method, **fields)
    assert not answer["ok"]
    return str(answer["description"])


async def test_a_message_has_the_shape_of_the_real_one(phone: Phone) -> None:
    user = await phone.started()
    message = await phone.ok("sendMessage", chat_id=user, text="Your key is ready")
    assert message.pop("date") > 1_700_000_000
    assert message == {
        "message_id": 2,
        "from": {"id": 123456, "is_bot": True, "first_name": "Test shop", "username": "test_shop_123456_bot"},
        "chat": {"id": user, "first_name": "Ann", "username": "ann", "type": "private"},
        "text": "Your key is ready",
    }


async def test_message_ids_count_in_each_chat(phone: Phone) -> None:
    first, second = await phone.started(), await phone.started(first_name="Bob")
    ids = [(await phone.ok("sendMessage", chat_id=user, text="x"))["message_id"] for user in (first, second)]
    assert ids == [2, 2]


async def test_the_checks_come_in_the_servers_order(phone: Phone) -> None:
    wrong: dict[str, Any] = {"reply_markup": {"inline_keyboard": [[{"text": "nothing"}]]}}
    assert await refusal(phone, **wrong) == "Bad Request: message text is empty"
    wrong["text"] = "<b>"
    wrong["parse_mode"] = "HTML"
    assert await refusal(phone, **wrong) == "Bad Request: chat_id is empty"
    assert await refusal(phone, chat_id=404, **wrong) == "Bad Request: chat not found"
    assert await refusal(phone, chat_id="@nobody", **wrong) == "Bad Request: chat not found"
    user = await phone.new_person()
    wrong["chat_id"] = user
    assert await refusal(phone, **wrong) == "Forbidden: bot can't initiate conversation with a user"
    await phone.emu(f"users/{user}/start", {})
    await phone.emu(f"users/{user}/block", {})
    assert await refusal(phone, **wrong) == "Forbidden: bot was blocked by the user"
    await phone.emu(f"users/{user}/unblock", {})
    assert "can't parse entities" in await refusal(phone, **wrong)
    wrong["text"] = "fine"
    assert "Text buttons are unallowed" in await refusal(phone, **wrong)
    assert [message["from_bot"] for message in (await phone.chat(user))["messages"]] == [False]


async def test_a_deactivated_person_is_gone(phone: Phone) -> None:
    user = await phone.started()
    await phone.emu(f"users/{user}/deactivate", {})
    assert await refusal(phone, chat_id=user, text="x") == "Forbidden: user is deactivated"


@pytest.mark.parametrize("text", ["   ", "\n", "<b> </b>"])
async def test_a_text_of_nothing_but_space_is_empty(phone: Phone, text: str) -> None:
    user = await phone.started()
    assert await refusal(phone, chat_id=user, text=text, parse_mode="HTML") == "Bad Request: message text is empty"


async def test_lengths_count_after_parsing(phone: Phone) -> None:
    user = await phone.started()
    longest = "<b>" + "я" * 4096 + "</b>"
    assert (await phone.api("sendMessage", chat_id=user, text=longest, parse_mode="HTML"))["ok"]
    assert await refusal(phone, chat_id=user, text="я" * 4097) == "Bad Request: message is too long"


async def test_an_answer_to_a_message_carries_it(phone: Phone) -> None:
    user = await phone.started()
    message = await phone.ok("sendMessage", chat_id=user, text="yes?", reply_parameters={"message_id": 1})
    assert message["reply_to_message"]["text"] == "/start"


async def test_an_answer_to_nothing_is_refused_unless_allowed(phone: Phone) -> None:
    user = await phone.started()
    to = {"message_id": 77}
    assert await refusal(phone, chat_id=user, text="x", reply_parameters=to) == (
        "Bad Request: message to be replied not found"
    )
    to["allow_sending_without_reply"] = True
    message = await phone.ok("sendMessage", chat_id=user, text="x", reply_parameters=to)
    assert "reply_to_message" not in message
    assert "expected an Object" in await refusal(phone, chat_id=user, text="x", reply_parameters=[1])


async def test_shared_options_are_kept(phone: Phone) -> None:
    user = await phone.started()
    options = {"protect_content": True, "message_effect_id": "5104841", "link_preview_options": {"is_disabled": True}}
    message = await phone.ok("sendMessage", chat_id=user, text="x", **options)
    assert message["has_protected_content"] is True
    assert message["effect_id"] == "5104841"
    assert message["link_preview_options"] == {"is_disabled": True}


async def test_a_reply_keyboard_stays_with_the_chat_until_it_is_removed(phone: Phone) -> None:
    user = await phone.started()
    keyboard = {"keyboard": [["Yes", {"text": "No"}]], "one_time_keyboard": False}
    message = await phone.ok("sendMessage", chat_id=user, text="?", reply_markup=keyboard)
    assert "reply_markup" not in message
    assert (await phone.chat(user))["reply_keyboard"]["keyboard"] == [[{"text": "Yes"}, {"text": "No"}]]
    await phone.api("sendMessage", chat_id=user, text="!", reply_markup={"remove_keyboard": True})
    assert (await phone.chat(user))["reply_keyboard"] == {}


async def test_a_one_time_keyboard_goes_after_its_use(phone: Phone) -> None:
    user = await phone.started()
    keyboard = {"keyboard": [["Yes"]], "one_time_keyboard": True}
    await phone.api("sendMessage", chat_id=user, text="?", reply_markup=keyboard)
    await phone.emu(f"users/{user}/text", {"text": "Yes"})
    assert (await phone.chat(user))["reply_keyboard"] == {}


async def test_a_copy_has_the_words_and_not_the_keyboard(phone: Phone) -> None:
    user = await phone.started()
    keyboard = {"inline_keyboard": [[{"text": "x", "callback_data": "x"}]]}
    words = {"text": "<i>copy</i>", "parse_mode": "HTML"}
    source = await phone.ok("sendMessage", chat_id=user, **words, reply_markup=keyboard)
    fields = {"chat_id": user, "from_chat_id": user, "message_id": source["message_id"]}
    number = await phone.ok("copyMessage", **fields)
    assert number == {"message_id": source["message_id"] + 1}
    copy = (await phone.chat(user))["messages"][-1]
    assert (copy["text"], copy["entities"]) == ("copy", source["entities"])
    assert "reply_markup" not in copy
    fields["message_id"] = 99
    assert await refusal(phone, "copyMessage", **fields) == "Bad Request: message to copy not found"


async def test_typing_shows_for_five_seconds_or_until_the_message(phone: Phone) -> None:
    user = await phone.started()
    assert (await phone.ok("sendChatAction", chat_id=user, action="typing")) is True
    assert (await phone.chat(user))["typing"]
    await phone.push_clock(5)
    assert not (await phone.chat(user))["typing"]
    await phone.api("sendChatAction", chat_id=user, action="typing")
    await phone.api("sendMessage", chat_id=user, text="done")
    assert not (await phone.chat(user))["typing"]
    assert await refusal(phone, "sendChatAction", chat_id=user, action="dance") == (
        "Bad Request: wrong parameter action in request"
    )

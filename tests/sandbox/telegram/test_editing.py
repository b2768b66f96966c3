"""Edits, deletions, and pressed buttons with their answers."""

from typing import Any

import pytest

from tests.sandbox.telegram.phone import Phone

KEYBOARD = {"inline_keyboard": [[{"text": "Buy", "callback_data": "v1:buy"}]]}
NOT_MODIFIED = (
    "Bad Request: message is not modified: specified new message content and reply markup are exactly the same"
    " as a current content and reply markup of the message"
)
TOO_OLD = "Bad Request: query is too old and response timeout expired or query ID is invalid"


async def said(phone: Phone, user: int, **fields: Any) -> dict[str, Any]:
    """A message from the bot; answers what an edit of it needs."""
    sent = await phone.ok("sendMessage", chat_id=user, **{"text": "Choose", **fields})
    return {"chat_id": user, "message_id": sent["message_id"]}


async def refusal(phone: Phone, method: str, **fields: Any) -> str:
    answer = await phone.api(method, **fields)
    assert not answer["ok"]
    return str(answer["description"])


async def pressed(phone: Phone, user: int, target: dict[str, Any], data: str = "v1:buy", **more: Any) -> str:
    press = await phone.emu(f"users/{user}/press", {"message_id": target["message_id"], "data": data, **more})
    return str(press["callback_id"])


async def test_an_edit_changes_text_and_marks_the_message(phone: Phone) -> None:
    user = await phone.started()
    target = await said(phone, user, reply_markup=KEYBOARD)
    change = {"text": "<b>Paid</b>", "parse_mode": "HTML", "reply_markup": KEYBOARD}
    edited = await phone.ok("editMessageText", **target, **change)
    assert edited["text"] == "Paid"
    assert edited["edit_date"] >= edited["date"]
    shown = (await phone.chat(user))["messages"][-1]
    assert (shown["text"], shown["edited"], shown["reply_markup"]) == ("Paid", True, KEYBOARD)


async def test_an_edit_without_a_keyboard_takes_it_away(phone: Phone) -> None:
    user = await phone.started()
    target = await said(phone, user, reply_markup=KEYBOARD)
    edited = await phone.ok("editMessageText", **target, text="Paid")
    assert "reply_markup" not in edited


async def test_the_keyboard_alone_can_change(phone: Phone) -> None:
    user = await phone.started()
    target = await said(phone, user)
    changed = await phone.ok("editMessageReplyMarkup", **target, reply_markup=KEYBOARD)
    assert changed["reply_markup"] == KEYBOARD
    assert "reply_markup" not in await phone.ok("editMessageReplyMarkup", **target)
    assert "inline keyboard expected" in await refusal(
        phone, "editMessageReplyMarkup", **target, reply_markup={"keyboard": [["x"]]}
    )


async def test_an_edit_to_the_same_is_refused_and_changes_nothing(phone: Phone) -> None:
    user = await phone.started()
    target = await said(phone, user, text="<b>Choose</b>", parse_mode="HTML", reply_markup=KEYBOARD)
    before = await phone.chat(user)
    same: dict[str, Any] = {"text": "<strong>Choose</strong>", "parse_mode": "HTML", "reply_markup": KEYBOARD}
    assert await refusal(phone, "editMessageText", **target, **same) == NOT_MODIFIED
    assert await refusal(phone, "editMessageReplyMarkup", **target, reply_markup=KEYBOARD) == NOT_MODIFIED
    after = await phone.chat(user)
    assert (after["messages"], after["revision"]) == (before["messages"], before["revision"])
    await phone.api("editMessageText", **target, text="Choose", reply_markup=KEYBOARD)
    assert await refusal(phone, "editMessageText", **target, text="Choose", reply_markup=KEYBOARD) == NOT_MODIFIED


async def test_a_missing_message_cannot_be_edited_or_deleted(phone: Phone) -> None:
    user = await phone.started()
    target = await said(phone, user)
    assert (await phone.ok("deleteMessage", **target)) is True
    assert await refusal(phone, "editMessageText", **target, text="x") == "Bad Request: message to edit not found"
    assert await refusal(phone, "deleteMessage", **target) == "Bad Request: message to delete not found"
    assert [message["message_id"] for message in (await phone.chat(user))["messages"]] == [1]


async def test_a_persons_message_cannot_be_edited(phone: Phone) -> None:
    user = await phone.started()
    assert await refusal(phone, "editMessageText", chat_id=user, message_id=1, text="x") == (
        "Bad Request: message can't be edited"
    )


async def test_after_48_hours_a_message_can_be_edited_but_not_deleted(phone: Phone) -> None:
    user = await phone.started()
    target = await said(phone, user)
    await phone.push_clock(48 * 3600 + 60)
    assert await refusal(phone, "deleteMessage", **target) == "Bad Request: message can't be deleted for everyone"
    assert (await phone.api("editMessageText", **target, text="stub"))["ok"]


async def test_a_text_has_no_caption_to_edit(phone: Phone) -> None:
    user = await phone.started()
    target = await said(phone, user)
    assert await refusal(phone, "editMessageCaption", **target, caption="x") == (
        "Bad Request: there is no caption in the message to edit"
    )


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"inline_message_id": "AbC", "text": "x"}, "MESSAGE_ID_INVALID"),
        ({"message_id": 2, "text": "x"}, "chat_id is empty"),
        ({"chat_id": 1001, "text": "x"}, "message identifier is not specified"),
        ({"chat_id": 1001, "message_id": 2}, "message text is empty"),
    ],
)
async def test_an_edit_names_the_field_it_misses(phone: Phone, fields: dict[str, Any], complaint: str) -> None:
    await phone.started()
    assert await refusal(phone, "editMessageText", **fields) == f"Bad Request: {complaint}"


async def test_a_press_reaches_the_bot_with_its_message(phone: Phone) -> None:
    user = await phone.started()
    target = await said(phone, user, reply_markup=KEYBOARD)
    callback_id = await pressed(phone, user, target)
    query = (await phone.updates())[0]["callback_query"]
    assert query["id"] == callback_id
    assert query["from"] == {
        "id": user,
        "is_bot": False,
        "first_name": "Ann",
        "username": "ann",
        "language_code": "ru",
    }
    assert (query["data"], query["message"]["text"], query["message"]["reply_markup"]) == ("v1:buy", "Choose", KEYBOARD)
    assert query["chat_instance"]
    waiting = (await phone.chat(user))["pending"]
    assert [(one["callback_id"], one["message_id"]) for one in waiting] == [(callback_id, target["message_id"])]


async def test_an_answer_ends_the_spinner_and_can_be_given_once(phone: Phone) -> None:
    user = await phone.started()
    callback_id = await pressed(phone, user, await said(phone, user, reply_markup=KEYBOARD))
    answer: dict[str, Any] = {"callback_query_id": callback_id, "text": "Wait a second"}
    assert (await phone.ok("answerCallbackQuery", **answer)) is True
    view = await phone.chat(user)
    assert view["pending"] == []
    assert [(toast["text"], toast["alert"]) for toast in view["toasts"]] == [("Wait a second", False)]
    assert await refusal(phone, "answerCallbackQuery", **answer) == TOO_OLD


async def test_a_silent_answer_shows_no_toast_and_an_alert_is_marked(phone: Phone) -> None:
    user = await phone.started()
    target = await said(phone, user, reply_markup=KEYBOARD)
    await phone.api("answerCallbackQuery", callback_query_id=await pressed(phone, user, target))
    assert (await phone.chat(user))["toasts"] == []
    callback_id = await pressed(phone, user, target)
    await phone.ok("answerCallbackQuery", callback_query_id=callback_id, text="No money", show_alert=True)
    assert [toast["alert"] for toast in (await phone.chat(user))["toasts"]] == [True]


async def test_a_late_answer_is_too_old(phone: Phone) -> None:
    user = await phone.started()
    callback_id = await pressed(phone, user, await said(phone, user, reply_markup=KEYBOARD))
    await phone.push_clock(61)
    assert (await phone.chat(user))["pending"] == []
    assert await refusal(phone, "answerCallbackQuery", callback_query_id=callback_id) == TOO_OLD


@pytest.mark.parametrize("callback_id", ["", "nonsense", "77", "-1"])
async def test_an_answer_to_nothing_is_too_old(phone: Phone, callback_id: str) -> None:
    assert await refusal(phone, "answerCallbackQuery", callback_query_id=callback_id) == TOO_OLD


async def test_a_wrong_answer_leaves_the_spinner_for_a_right_one(phone: Phone) -> None:
    user = await phone.started()
    callback_id = await pressed(phone, user, await said(phone, user, reply_markup=KEYBOARD))
    long = {"callback_query_id": callback_id, "text": "x" * 201}
    assert await refusal(phone, "answerCallbackQuery", **long) == "Bad Request: MESSAGE_TOO_LONG"
    link = {"callback_query_id": callback_id, "url": "https://shop.example/"}
    assert await refusal(phone, "answerCallbackQuery", **link) == "Bad Request: URL_INVALID"
    assert (await phone.api("answerCallbackQuery", callback_query_id=callback_id))["ok"]


async def test_only_a_forged_press_may_carry_data_no_button_has(phone: Phone) -> None:
    user = await phone.started()
    target = await said(phone, user, reply_markup=KEYBOARD)
    press = {"message_id": target["message_id"], "data": "v1:pay:-1"}
    assert "forged" in await phone.refused(f"users/{user}/press", press)
    await pressed(phone, user, target, "v1:pay:-1", forged=True)
    assert (await phone.updates())[0]["callback_query"]["data"] == "v1:pay:-1"
    assert "no message 99" in await phone.refused(f"users/{user}/press", {"message_id": 99, "data": "x"})
    assert "message_id and data" in await phone.refused(f"users/{user}/press", {"data": "x"})


async def test_a_press_may_hide_its_message_from_the_bot(phone: Phone) -> None:
    user = await phone.started()
    target = await said(phone, user, reply_markup=KEYBOARD)
    await pressed(phone, user, target, inaccessible=True)
    message = (await phone.updates())[0]["callback_query"]["message"]
    assert (message["date"], set(message)) == (0, {"message_id", "chat", "date"})


async def test_an_old_button_still_works_after_a_year(phone: Phone) -> None:
    user = await phone.started()
    target = await said(phone, user, reply_markup=KEYBOARD)
    await phone.push_clock(365 * 86_400)
    await pressed(phone, user, target)
    assert (await phone.updates())[0]["callback_query"]["data"] == "v1:buy"


async def test_two_quick_presses_are_two_queries_each_with_its_own_answer(phone: Phone) -> None:
    user = await phone.started()
    target = await said(phone, user, reply_markup=KEYBOARD)
    first, second = await pressed(phone, user, target), await pressed(phone, user, target)
    assert first != second
    assert [update["callback_query"]["id"] for update in await phone.updates()] == [first, second]
    for callback_id in (second, first):
        assert (await phone.api("answerCallbackQuery", callback_query_id=callback_id))["ok"]

"""The answer to a pressed button: once, and in time."""

from typing import Any

from ferryman_sandbox.telegram.answers import QUERY_TOO_OLD, bad
from ferryman_sandbox.telegram.call import Call
from ferryman_sandbox.telegram.cloud import Cloud
from ferryman_sandbox.telegram.world import Unknown

TOAST_LIMIT = 200


async def answer_callback_query(cloud: Cloud, call: Call) -> bool:
    callback_id = call.text("callback_query_id")
    text = call.text("text")
    if len(text) > TOAST_LIMIT:
        raise bad("MESSAGE_TOO_LONG")
    if call.text("url") and not call.text("url").startswith(("https://t.me/", "tg://")):
        raise bad("URL_INVALID")
    try:
        press, chat = cloud.world.take_press(call.bot_id, callback_id)
    except Unknown:
        raise bad(QUERY_TOO_OLD) from None
    if cloud.world.now() - press["at"] > cloud.answer_seconds:
        raise bad(QUERY_TOO_OLD)
    if text:
        toast = {"text": text, "alert": call.flag("show_alert"), "callback_id": callback_id}
        cloud.world.add_toast(cloud.world.chat(chat["bot"], chat["user"]), toast)
    return True


METHODS: dict[str, Any] = {"answerCallbackQuery": answer_callback_query}

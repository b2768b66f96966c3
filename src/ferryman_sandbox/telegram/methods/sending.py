"""Messages from the bot: text, photo, document, copies, and the sign that it is typing."""

from typing import Any

from ferryman_sandbox.store import Document
from ferryman_sandbox.telegram.answers import bad
from ferryman_sandbox.telegram.call import Call
from ferryman_sandbox.telegram.cloud import Cloud, caption_fields, caption_of, text_of
from ferryman_sandbox.telegram.world import Unknown

TYPING_SECONDS = 5.0
ACTIONS = (
    "typing",
    "upload_photo",
    "record_video",
    "upload_video",
    "record_voice",
    "upload_voice",
    "upload_document",
    "choose_sticker",
    "find_location",
    "record_video_note",
    "upload_video_note",
)
COPIED = ("text", "entities", "photo", "document", "caption", "caption_entities", "link_preview_options")


async def send_message(cloud: Cloud, call: Call) -> Document:
    call.need("text", "message text is empty")
    chat = cloud.open_chat(call)
    content = text_of(call)
    return cloud.say(call, chat, content, cloud.markup(call))


async def send_photo(cloud: Cloud, call: Call) -> Document:
    chat = cloud.open_chat(call)
    source = cloud.files.incoming(call, "photo")
    caption = caption_of(caption_fields(call))
    markup = cloud.markup(call)
    return cloud.say(call, chat, {"photo": cloud.files.photo(call.bot_id, source), **caption}, markup)


async def send_document(cloud: Cloud, call: Call) -> Document:
    chat = cloud.open_chat(call)
    source = cloud.files.incoming(call, "document")
    caption = caption_of(caption_fields(call))
    markup = cloud.markup(call)
    return cloud.say(call, chat, {"document": cloud.files.document(call.bot_id, source), **caption}, markup)


async def copy_message(cloud: Cloud, call: Call) -> dict[str, int]:
    chat = cloud.open_chat(call)
    source_chat = cloud.chat_of(call, "from_chat_id")
    try:
        source = cloud.world.message(source_chat, call.integer("message_id", 0))
    except Unknown:
        raise bad("message to copy not found") from None
    content = {name: source[name] for name in COPIED if name in source}
    if not content:
        raise bad("the message can't be copied")
    if "caption" in call.fields and "text" not in content:
        content.pop("caption", None)
        content.pop("caption_entities", None)
        content.update(caption_of(caption_fields(call)))
    message = cloud.say(call, chat, content, cloud.markup(call))
    return {"message_id": message["message_id"]}


async def send_chat_action(cloud: Cloud, call: Call) -> bool:
    action = call.need("action", "wrong parameter action in request")
    if action not in ACTIONS:
        raise bad("wrong parameter action in request")
    chat = cloud.open_chat(call)
    chat["typing_until"] = cloud.world.now() + TYPING_SECONDS
    cloud.world.touch(chat)
    return True


METHODS: dict[str, Any] = {
    "sendMessage": send_message,
    "sendPhoto": send_photo,
    "sendDocument": send_document,
    "copyMessage": copy_message,
    "sendChatAction": send_chat_action,
}

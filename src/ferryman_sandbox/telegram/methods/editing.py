"""Changes to what the bot has sent: text, caption, media, keyboard, and taking a message back.

An edit without `reply_markup` takes the keyboard away, as on the real server. Editing to what is already there is an
error. Messages sent through inline mode are not modelled.
"""

from typing import Any

from ferryman_sandbox.store import Document
from ferryman_sandbox.telegram.answers import NOT_MODIFIED, bad
from ferryman_sandbox.telegram.call import Call
from ferryman_sandbox.telegram.cloud import Cloud, caption_fields, caption_of, text_of
from ferryman_sandbox.telegram.keyboards import Markup
from ferryman_sandbox.telegram.world import Unknown

DELETABLE_SECONDS = 48 * 3600
MEDIA = ("photo", "document")
BODY = ("text", "entities", *MEDIA, "caption", "caption_entities", "link_preview_options")
TEXT = ("text", "entities", "link_preview_options")
CAPTION = ("caption", "caption_entities")


async def edit_text(cloud: Cloud, call: Call) -> Document:
    call.need("text", "message text is empty")
    chat, message = _own_message(cloud, call)
    if "text" not in message:
        raise bad("there is no text in the message to edit")
    content = text_of(call)
    options = call.object("link_preview_options")
    return _replace(cloud, chat, message, TEXT, content | ({"link_preview_options": options} if options else {}), call)


async def edit_caption(cloud: Cloud, call: Call) -> Document:
    chat, message = _own_message(cloud, call)
    if not any(kind in message for kind in MEDIA):
        raise bad("there is no caption in the message to edit")
    return _replace(cloud, chat, message, CAPTION, caption_of(caption_fields(call)), call)


async def edit_keyboard(cloud: Cloud, call: Call) -> Document:
    chat, message = _own_message(cloud, call)
    return _replace(cloud, chat, message, (), {}, call)


async def edit_media(cloud: Cloud, call: Call) -> Document:
    media = call.object("media")
    if "media" not in media:
        raise bad("can't parse input media: expected a JSON object with type and media")
    chat, message = _own_message(cloud, call)
    source = cloud.files.incoming(call, "media", str(media["media"]))
    content: dict[str, Any] = caption_of(media)
    match media.get("type"):
        case "photo":
            content["photo"] = cloud.files.photo(call.bot_id, source)
        case "document":
            content["document"] = cloud.files.document(call.bot_id, source)
        case other:
            raise bad(f"can't parse input media: this emulator takes photo and document, not {other}")
    return _replace(cloud, chat, message, BODY, content, call)


async def delete_message(cloud: Cloud, call: Call) -> bool:
    chat = cloud.chat_of(call)
    try:
        message = cloud.world.message(chat, _message_id(call))
    except Unknown:
        raise bad("message to delete not found") from None
    if cloud.world.now() - message["date"] > DELETABLE_SECONDS:
        raise bad("message can't be deleted for everyone")
    cloud.world.drop_message(chat, message["message_id"])
    return True


def _own_message(cloud: Cloud, call: Call) -> tuple[Document, Document]:
    if call.text("inline_message_id"):
        raise bad("MESSAGE_ID_INVALID")
    call.need("chat_id", "chat_id is empty")
    number = _message_id(call)
    chat = cloud.open_chat(call)
    try:
        message = cloud.world.message(chat, number)
    except Unknown:
        raise bad("message to edit not found") from None
    if not message["from"]["is_bot"]:
        raise bad("message can't be edited")
    return chat, message


def _message_id(call: Call) -> int:
    call.need("message_id", "message identifier is not specified")
    return call.integer("message_id", 0)


def _replace(
    cloud: Cloud, chat: Document, message: Document, old: tuple[str, ...], content: dict[str, Any], call: Call
) -> Document:
    markup: Markup = cloud.markup(call)
    if markup and "inline_keyboard" not in markup:
        raise bad("message can't be edited: inline keyboard expected")
    body = {name: value for name, value in message.items() if name not in (*old, "reply_markup", "edit_date")}
    body |= content
    if markup:
        body["reply_markup"] = markup
    if body == {name: value for name, value in message.items() if name != "edit_date"}:
        raise bad(NOT_MODIFIED)
    cloud.limits.send(call.bot_id, chat["user"], cloud.world.now())
    body["edit_date"] = int(cloud.world.now())
    cloud.world.put_message(chat, body)
    return body


METHODS: dict[str, Any] = {
    "editMessageText": edit_text,
    "editMessageCaption": edit_caption,
    "editMessageReplyMarkup": edit_keyboard,
    "editMessageMedia": edit_media,
    "deleteMessage": delete_message,
}

"""What a person can do: come, write, press, block. Each deed becomes the update the real server would send."""

import re
from typing import Any

from ferryman_sandbox.store import Document
from ferryman_sandbox.telegram.cloud import Cloud
from ferryman_sandbox.telegram.entities import formatted
from ferryman_sandbox.telegram.methods.chats import member_json
from ferryman_sandbox.telegram.world import as_user, bot_user

PAYLOAD = re.compile(r"[A-Za-z0-9_-]{0,64}")
PEOPLE = (
    ("Анна", "Anna"),
    ("Борис", "Boris"),
    ("Вера", "Vera"),
    ("Глеб", "Gleb"),
    ("Дарья", "Daria"),
    ("Егор", "Egor"),
    ("Жанна", "Janna"),
    ("Захар", "Zahar"),
)
LANGUAGES = ("ru", "en")


class Impossible(ValueError):
    """A real client would not let the person do this; the text says what to do instead."""


def new_person(cloud: Cloud, wish: Document) -> Document:
    """Create a person; without a first name one of the house names, in their language."""
    language = str(wish.get("language_code") or "ru")
    person: Document = {"language_code": language}
    if wish.get("first_name"):
        person["first_name"] = str(wish["first_name"])
    else:
        names = dict(zip(LANGUAGES, PEOPLE[cloud.world.store.count("person") % len(PEOPLE)], strict=True))
        person |= {"first_name": names.get(language, names["en"]), "names": names}
    for name in ("id", "last_name", "username"):
        if wish.get(name):
            person[name] = wish[name]
    return cloud.world.add_person(person)


def start(cloud: Cloud, chat: Document, payload: str) -> Document:
    """Press Start, or follow a link with a payload; also brings a blocked bot back."""
    if not PAYLOAD.fullmatch(payload):
        raise Impossible("a start payload has 1 to 64 characters of A-Z a-z 0-9 _ -; send other text with /text")
    if chat["blocked"]:
        unblock(cloud, chat)
    return write(cloud, cloud.world.chat(chat["bot"], chat["user"]), f"/start {payload}".strip())


def write(cloud: Cloud, chat: Document, text: str) -> Document:
    """Send a text message to the bot."""
    if chat["blocked"]:
        raise Impossible("this person has blocked the bot; unblock first")
    body = formatted(text, "")
    if not 1 <= len(body.text) <= 4096:
        raise Impossible("a message has 1 to 4096 characters")
    chat["started"] = True
    if chat["reply_keyboard"].get("one_time_keyboard"):
        chat["reply_keyboard"] = {}
    content: dict[str, Any] = {"text": body.text}
    if body.entities:
        content["entities"] = body.entities
    message = cloud.world.add_message(chat, content, by_bot=False)
    cloud.updates.push(chat["bot"], "message", message, chat["user"])
    return message


def press(cloud: Cloud, chat: Document, message: Document, data: str, *, forged: bool, inaccessible: bool) -> Document:
    """Press a callback button. `forged` sends data no button has, `inaccessible` hides the message from the bot."""
    if chat["blocked"]:
        raise Impossible("this person has blocked the bot; unblock first")
    if not forged and data not in callback_data(message):
        raise Impossible('this message has no button with this data; give "forged": true to send it all the same')
    pressed = cloud.world.add_press(chat, message["message_id"], data)
    shown = {"message_id": message["message_id"], "chat": message["chat"], "date": 0} if inaccessible else message
    query = {
        "id": pressed["callback_id"],
        "from": as_user(cloud.world.person(chat["user"])),
        "message": shown,
        "chat_instance": str(-(chat["bot"] * 1_000_003 + chat["user"])),
        "data": data,
    }
    cloud.updates.push(chat["bot"], "callback_query", query, chat["user"])
    return pressed


def callback_data(message: Document) -> list[str]:
    rows = message.get("reply_markup", {}).get("inline_keyboard", [])
    return [button["callback_data"] for row in rows for button in row if "callback_data" in button]


def block(cloud: Cloud, chat: Document) -> None:
    _move(cloud, chat, blocked=True)


def unblock(cloud: Cloud, chat: Document) -> None:
    _move(cloud, chat, blocked=False)


def _move(cloud: Cloud, chat: Document, *, blocked: bool) -> None:
    if chat["blocked"] == blocked:
        return
    chat["blocked"] = blocked
    cloud.world.touch(chat)
    bot = bot_user(cloud.world.bot(chat["bot"]))
    was, now = ("member", "kicked") if blocked else ("kicked", "member")
    change = {
        "chat": cloud.world.chat_json(chat),
        "from": as_user(cloud.world.person(chat["user"])),
        "date": int(cloud.world.now()),
        "old_chat_member": member_json(bot, {"status": was}),
        "new_chat_member": member_json(bot, {"status": now}),
    }
    cloud.updates.push(chat["bot"], "my_chat_member", change, chat["user"])


def speak(cloud: Cloud, person: Document, language: str) -> Document:
    """Change the language of the person's client; a house name is spelled in it."""
    person["language_code"] = language
    person["first_name"] = person.get("names", {}).get(language, person["first_name"])
    cloud.world.add_person(person)
    for bot in cloud.world.bots():
        cloud.world.touch(cloud.world.chat(bot["id"], person["id"]))
    return person

"""What the emulated messenger remembers: bots, people, their chats and messages. All of it lives in the store.

Only private chats carry messages. A chat belongs to one bot and one person; its `revision` grows with every change a
person could see, and whoever waits for the chat is woken.
"""

import asyncio
import contextlib
import hmac
import re
from collections.abc import Callable, Iterator
from typing import Any

from ferryman_sandbox.store import Document, Store

TOKEN = re.compile(r"[1-9]\d{0,18}:[A-Za-z0-9_-]{1,60}")
FIRST_PERSON = 1001
FIRST_UPDATE = 100_001


class Unknown(LookupError):
    """Nobody and nothing of that name is known here."""


class Bell:
    """Wakes everybody who waits, once for each ring."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def ring(self) -> None:
        rung, self._rung = self._rung, asyncio.Event()
        rung.set()

    async def wait(self, seconds: float) -> None:
        """Returns at the next ring, or after that many real seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._rung.wait()


class World:
    """`now` answers unix seconds on the emulator's clock. Raises Unknown for what was never created."""

    def __init__(self, store: Store, now: Callable[[], float], seed: int = 0) -> None:
        self.store = store
        self.now = now
        self.seed = seed
        self.closing = False
        self._bells: dict[str, Bell] = {}

    def bell(self, name: str) -> Bell:
        return self._bells.setdefault(name, Bell())

    def ring_all(self) -> None:
        for bell in list(self._bells.values()):
            bell.ring()

    def ensure_bot(self, token: str) -> Document:
        """The bot of this token, created on first sight. Raises ValueError for a token of the wrong shape."""
        if not TOKEN.fullmatch(token):
            raise ValueError("a bot token looks like 123456:letters-digits")
        bot_id = int(token.partition(":")[0])
        known = self.store.get("bot", bot_id) or {
            "id": bot_id,
            "first_name": "Test shop",
            "username": f"test_shop_{bot_id}_bot",
            "webhook": {},
            "texts": {},
            "commands": {},
            "menus": {},
            "allowed_updates": [],
        }
        known["token"] = token
        self.save_bot(known)
        return known

    def save_bot(self, bot: Document) -> None:
        self.store.put("bot", bot["id"], bot)

    def bot(self, bot_id: int) -> Document:
        bot = self.store.get("bot", bot_id)
        if bot is None:
            raise Unknown(f"no bot {bot_id}")
        return bot

    def bot_by_token(self, token: str) -> Document:
        bot = self.bot(int(token.partition(":")[0]))
        if not hmac.compare_digest(bot["token"], token):
            raise Unknown("another token belongs to this bot")
        return bot

    def bots(self) -> list[Document]:
        return [bot for _, bot in self.store.all("bot")]

    def first_bot(self) -> Document:
        for bot in self.bots():
            return bot
        raise Unknown("there is no bot: give the emulator a token")

    def add_person(self, person: Document) -> Document:
        while "id" not in person:
            number = self.store.next_number("person", FIRST_PERSON)
            if self.store.get("person", number) is None:
                person["id"] = number
        self.store.put("person", person["id"], person)
        return person

    def person(self, user_id: int) -> Document:
        person = self.store.get("person", user_id)
        if person is None:
            raise Unknown(f"no person {user_id}")
        return person

    def people(self) -> list[Document]:
        return [person for _, person in self.store.all("person")]

    def chat(self, bot_id: int, user_id: int) -> Document:
        """The chat of these two, as it is before its first message when nothing has happened in it yet."""
        return self.store.get("chat", f"{bot_id}:{user_id}") or {
            "bot": bot_id,
            "user": user_id,
            "started": False,
            "blocked": False,
            "revision": 0,
            "typing_until": 0.0,
            "reply_keyboard": {},
        }

    def touch(self, chat: Document) -> None:
        """Keep the chat and wake whoever looks at it."""
        chat["revision"] += 1
        self.store.put("chat", f"{chat['bot']}:{chat['user']}", chat)
        self.bell(chat_bell(chat)).ring()

    def add_message(self, chat: Document, content: Document, *, by_bot: bool) -> Document:
        number = self.store.next_number(f"message:{chat['bot']}:{chat['user']}")
        sender = bot_user(self.bot(chat["bot"])) if by_bot else as_user(self.person(chat["user"]))
        head = {"message_id": number, "from": sender, "chat": self.chat_json(chat), "date": int(self.now())}
        message = {**head, **content}
        self.put_message(chat, message)
        return message

    def put_message(self, chat: Document, message: Document) -> None:
        self.store.put(_messages(chat), message["message_id"], message)
        self.touch(chat)

    def message(self, chat: Document, message_id: int) -> Document:
        message = self.store.get(_messages(chat), message_id)
        if message is None:
            raise Unknown(f"no message {message_id} in this chat")
        return message

    def messages(self, chat: Document) -> list[Document]:
        return [message for _, message in self.store.all(_messages(chat))]

    def drop_message(self, chat: Document, message_id: int) -> None:
        self.store.drop(_messages(chat), message_id)
        self.touch(chat)

    def chat_json(self, chat: Document) -> dict[str, Any]:
        person = self.person(chat["user"])
        named = {name: person[name] for name in ("first_name", "last_name", "username") if person.get(name)}
        return {"id": person["id"], **named, "type": "private"}

    def add_press(self, chat: Document, message_id: int, data: str) -> Document:
        # The id carries the person, so that an answer finds its press without a search.
        number = (chat["user"] << 32) + self.store.next_number(f"press:{chat['bot']}")
        press = {"callback_id": str(number), "message_id": message_id, "data": data, "at": self.now()}
        self.store.put(_presses(chat), number, press)
        self.touch(chat)
        return press

    def presses(self, chat: Document) -> Iterator[Document]:
        for _, press in self.store.all(_presses(chat)):
            yield press

    def take_press(self, bot_id: int, callback_id: str) -> tuple[Document, Document]:
        """The press and its chat; a press can be taken once. Raises Unknown."""
        if not callback_id.isdigit():
            raise Unknown("no such press")
        chat = self.chat(bot_id, int(callback_id) >> 32)
        press = self.store.get(_presses(chat), callback_id)
        if press is None:
            raise Unknown("no such press")
        self.store.drop(_presses(chat), callback_id)
        self.touch(chat)
        return press, chat

    def add_toast(self, chat: Document, toast: Document) -> None:
        number = self.store.next_number(f"toast:{chat['bot']}:{chat['user']}")
        self.store.put(_toasts(chat), number, {"id": number, "at": self.now(), **toast})
        self.touch(chat)

    def toasts(self, chat: Document) -> list[Document]:
        return [toast for _, toast in self.store.all(_toasts(chat))]


def chat_bell(chat: Document) -> str:
    return f"chat:{chat['bot']}:{chat['user']}"


def bot_user(bot: Document) -> dict[str, Any]:
    return {"id": bot["id"], "is_bot": True, "first_name": bot["first_name"], "username": bot["username"]}


def as_user(person: Document) -> dict[str, Any]:
    named = {name: person[name] for name in ("last_name", "username", "language_code") if person.get(name)}
    return {"id": person["id"], "is_bot": False, "first_name": person["first_name"], **named}


def _messages(chat: Document) -> str:
    return f"message:{chat['bot']}:{chat['user']}"


def _presses(chat: Document) -> str:
    return f"press:{chat['bot']}:{chat['user']}"


def _toasts(chat: Document) -> str:
    return f"toast:{chat['bot']}:{chat['user']}"

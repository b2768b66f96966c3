"""A person in the emulated messenger: presses buttons, reads what is shown, waits until it is."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from ferryman_sandbox.emulator import Server, serve
from ferryman_sandbox.store import Store
from ferryman_sandbox.telegram import TelegramEmulator, deeds
from ferryman_sandbox.weather import Fault

TOKEN = "123456:AAF-token-of-the-tests-0000000000000"
BOT_ID = 123456
PATIENCE = 30.0

Message = dict[str, Any]


async def until(holds: Callable[[], Awaitable[bool] | bool], what: str, patience: float = PATIENCE) -> None:
    """Wait until it holds; fails with `what` after `patience` seconds."""
    deadline = time.monotonic() + patience
    while True:
        now = holds()
        if now if isinstance(now, bool) else await now:
            return
        assert time.monotonic() < deadline, f"still waiting for {what}"
        await asyncio.sleep(0.02)


@dataclass
class Messenger:
    """The emulated Bot API on a port of its own."""

    emulator: TelegramEmulator
    server: Server

    @property
    def url(self) -> str:
        return self.server.url

    def fault(self, **spec: Any) -> None:
        self.emulator.weather.add(Fault.from_json(spec))

    def called(self, method: str) -> int:
        """How often a method of the Bot API was called."""
        return sum(call["path"].endswith(f"/{method}") for call in self.emulator.calls)

    def person(self, **wish: Any) -> "Person":
        wish = {"first_name": "Anna", "language_code": "ru", **wish}
        return Person(self, int(deeds.new_person(self.emulator.cloud, wish)["id"]))


async def messenger(path: str = ":memory:") -> Messenger:
    emulator = TelegramEmulator(Store(path), tokens=[TOKEN])
    return Messenger(emulator, await serve(emulator.app))


@dataclass
class Person:
    messenger: Messenger
    id: int

    @property
    def cloud(self) -> Any:
        return self.messenger.emulator.cloud

    @property
    def chat(self) -> dict[str, Any]:
        chat: dict[str, Any] = self.cloud.world.chat(BOT_ID, self.id)
        return chat

    def start(self, payload: str = "") -> None:
        deeds.start(self.cloud, self.chat, payload)

    async def starts(self, sees: str) -> Message:
        """Begin anew, and wait for what that shows: what was there before may say the same."""
        before = {message["message_id"] for message in self.shown()}
        self.start()
        await until(lambda: bool(self.shown()) and self.last()["message_id"] not in before, "a new message")
        return await self.sees(sees)

    def write(self, text: str) -> None:
        deeds.write(self.cloud, self.chat, text)

    def block(self) -> None:
        deeds.block(self.cloud, self.chat)

    def unblock(self) -> None:
        deeds.unblock(self.cloud, self.chat)

    def shown(self) -> list[Message]:
        """What the bot has in the chat now, oldest first."""
        return [message for message in self.cloud.world.messages(self.chat) if message["from"]["is_bot"]]

    def last(self) -> Message:
        return self.shown()[-1]

    def words(self) -> str:
        """The text or caption of the newest message."""
        shown = self.shown()
        return str(shown[-1].get("text") or shown[-1].get("caption")) if shown else ""

    def unanswered(self) -> int:
        return len(list(self.cloud.world.presses(self.chat)))

    def send_press(
        self, data: str, message: Message | None = None, *, forged: bool = False, gone: bool = False
    ) -> None:
        """`forged`: the message has no such button. `gone`: Telegram does not show the message to the bot."""
        on = message or self.last()
        deeds.press(self.cloud, self.chat, on, data, forged=forged, inaccessible=gone)

    def button(self, start: str, message: Message | None = None) -> str:
        """The data of the first button that begins so."""
        found = [data for data in deeds.callback_data(message or self.last()) if data.startswith(start)]
        assert found, f"no button {start}… under {self.words()!r}"
        return found[0]

    def link(self) -> str | None:
        """Where the first url button of the newest message leads."""
        rows = self.last().get("reply_markup", {}).get("inline_keyboard", [])
        return next((button["url"] for row in rows for button in row if "url" in button), None)

    async def press(self, start: str, sees: str) -> Message:
        """Press the newest message's button that begins with `start`, and wait until `sees` is read."""
        self.send_press(self.button(start))
        return await self.sees(sees)

    async def sees(self, text: str) -> Message:
        await until(lambda: text in self.words(), f"{text!r}; shown is {self.words()!r}")
        return self.last()

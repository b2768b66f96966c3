"""Persons with a phone, over HTTP alone: they press, wait, press again when nothing happens, and pay at the bank."""

import asyncio
import json
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

import aiohttp

Json = dict[str, Any]
T = TypeVar("T")

PATIENCE = 75.0
# A person who sees nothing happen for this long presses once more.
IMPATIENCE = 7


@dataclass
class Person:
    """`site` are the world's addresses. `paid` are the bank's ids of what this person has paid."""

    site: Json
    http: aiohttp.ClientSession
    name: str
    id: int = 0
    paid: list[str] = field(default_factory=list)
    presses: int = 0
    _since: int = 0

    async def come(self) -> None:
        """Create the account and press Start."""
        born = await self._tell("users", {"language_code": "en", "first_name": self.name})
        self.id = int(born["id"])
        await self._tell(f"users/{self.id}/start", {})
        await self._see(lambda chat: self._button(chat, "v1:buy"), "the menu")

    async def choose(self) -> None:
        """From the menu, or anew by command, up to the choice of how to pay."""
        if self.paid:
            self._since = int((await self._tell(f"users/{self.id}/text", {"text": "/buy"}))["message_id"])
        else:
            await self._press("v1:buy", lambda chat: self._button(chat, "v1:plan"))
        await self._press("v1:plan", lambda chat: self._button(chat, "v1:term"))
        await self._press("v1:term", lambda chat: self._button(chat, "v1:pay:yookassa"))

    async def order(self) -> str:
        """Choose how to pay; answers the address of the bank's page."""
        return await self._press("v1:pay:yookassa", self._way_to_the_bank)

    async def press_pay(self) -> None:
        """Press once and look away."""
        await self._press_once(await self.chat(), "v1:pay:yookassa")

    async def see_the_way_to_the_bank(self) -> str:
        return await self._see(self._way_to_the_bank, "a way to the bank")

    async def pay(self, page: str) -> None:
        """Open the bank's page and press Pay, as its form would."""
        async with self.http.get(page) as answer:
            assert 'data-testid="pay"' in await answer.text()
        async with self.http.post(page, data={"action": "pay"}, allow_redirects=False) as answer:
            assert answer.status == 303, await answer.text()
        self.paid.append(_payment_of(page))

    async def buy(self) -> None:
        await self.choose()
        await self.pay(await self.order())

    async def key_messages(self) -> list[str]:
        """The subscription link in each message that has one, oldest first."""
        link = re.compile(re.escape(self.site["product"]) + r"/s/[A-Za-z0-9_-]+")
        found = (link.search(json.dumps(message)) for message in (await self.chat())["messages"])
        return [match.group() for match in found if match]

    async def chat(self) -> Json:
        async with self.http.get(f"{self.site['telegram']}/__emu/users/{self.id}/chat") as answer:
            return dict(await answer.json())

    async def _press(self, prefix: str, then: Callable[[Json], T | None]) -> T:
        """Press the button, again and again, until `then` sees what it looks for."""
        deadline = time.monotonic() + PATIENCE
        await self._see(lambda chat: self._button(chat, prefix), f"a button {prefix}")
        while time.monotonic() < deadline:
            chat = await self.chat()
            await self._press_once(chat, prefix)
            found = await self._watch(then, time.monotonic() + IMPATIENCE)
            if found is not None:
                return found
        raise AssertionError(f"{self.name} pressed {prefix} and saw nothing: {await self._last_seen()}")

    async def _press_once(self, chat: Json, prefix: str) -> None:
        button = self._button(chat, prefix)
        if button is not None:
            self.presses += 1
            body = {"message_id": button[0], "data": button[1]}
            async with self.http.post(f"{self.site['telegram']}/__emu/users/{self.id}/press", json=body) as answer:
                # 400: the screen has changed under the finger.
                assert answer.status in (200, 400), await answer.text()

    async def _see(self, what: Callable[[Json], T | None], called: str) -> T:
        found = await self._watch(what, time.monotonic() + PATIENCE)
        assert found is not None, f"{self.name} waited in vain for {called}: {await self._last_seen()}"
        return found

    async def _watch(self, what: Callable[[Json], T | None], deadline: float) -> T | None:
        after = 0
        while time.monotonic() < deadline:
            url = f"{self.site['telegram']}/__emu/users/{self.id}/wait?after={after}&timeout=1"
            async with self.http.get(url) as answer:
                chat = await answer.json()
            found = what(chat)
            if found is not None:
                return found
            after = chat["revision"]
        return None

    def _button(self, chat: Json, prefix: str) -> tuple[int, str] | None:
        """Message id and data of the newest button that begins so, below what this person has written last."""
        for message, button in self._buttons(chat):
            if button.get("callback_data", "").startswith(prefix):
                return message, button["callback_data"]
        return None

    def _way_to_the_bank(self, chat: Json) -> str | None:
        pages = (button.get("url", "") for _, button in self._buttons(chat))
        ours = (page for page in pages if page.startswith(f"{self.site['yookassa']}/pay/"))
        return next((page for page in ours if _payment_of(page) not in self.paid), None)

    def _buttons(self, chat: Json) -> Iterator[tuple[int, Json]]:
        for message in reversed(chat["messages"]):
            if message["message_id"] > self._since:
                for row in message.get("reply_markup", {}).get("inline_keyboard", []):
                    yield from ((message["message_id"], button) for button in row)

    async def _tell(self, path: str, body: Json) -> Json:
        async with self.http.post(f"{self.site['telegram']}/__emu/{path}", json=body) as answer:
            assert answer.status == 200, await answer.text()
            return dict(await answer.json())

    async def _last_seen(self) -> list[str]:
        messages = (await self.chat())["messages"][-3:]
        return [str(message.get("text") or message.get("caption")) for message in messages]


async def crowd(people: list[Person], purchases: list[int], at_once: int) -> None:
    """Everybody comes and buys as often as `purchases` says, at most `at_once` of them at a time."""
    room = asyncio.Semaphore(at_once)

    async def live(person: Person, times: int) -> None:
        async with room:
            await person.come()
            for _ in range(times):
                await person.buy()

    async with asyncio.TaskGroup() as together:
        for person, times in zip(people, purchases, strict=True):
            together.create_task(live(person, times))


def _payment_of(page: str) -> str:
    return page.rsplit("/", 1)[1].partition("?")[0]

"""Persons with a phone, over HTTP alone: they press, wait, press again when nothing happens, and pay."""

import asyncio
import json
import re
import time
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol, TypeVar

import aiohttp

import ferryman_sandbox.chaos.said as said
from ferryman_sandbox.chaos.script import Errand
from ferryman_sandbox.chaos.ways import Way
from ferryman_sandbox.world.wreck import WorldError

Json = dict[str, Any]
T = TypeVar("T")

PATIENCE = 400.0
# A person who sees nothing happen for this long presses once more.
IMPATIENCE = 7.0
# Somebody else's server in trouble: look again soon, and not for ever.
PAGE_PAUSE, PAGE_TRIES = 1.0, 30


@dataclass(frozen=True)
class Paid:
    """What a person has paid: by which way, the id over there, the order as the shop's screen named it, when."""

    way: str
    id: str
    order: str
    at: float


class Counter(Protocol):
    """Where one buys without a pay page."""

    async def buy(self, person: "Person", errand: Errand) -> Paid: ...


@dataclass
class Person:
    """`site` are the world's addresses, `ways` and `counters` how one can pay there, by the provider's name. `refused`
    are orders the bank did not pay, `codes` how many gift codes were accepted."""

    site: Json
    http: aiohttp.ClientSession
    ways: Mapping[str, Way]
    name: str
    id: int = 0
    counters: Mapping[str, Counter] = field(default_factory=dict)
    paid: list[Paid] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    presses: int = 0
    codes: int = 0
    _since: int = 0
    _pages: set[str] = field(default_factory=set)

    async def come(self) -> None:
        """Create the account and press Start."""
        born = await self._tell("users", {"language_code": "en", "first_name": self.name})
        self.id = int(born["id"])
        await self._tell(f"users/{self.id}/start", {})
        await self._see(lambda chat: self._button(chat, "v1:buy"), "the menu")

    async def live(self, errands: Sequence[Errand]) -> None:
        await self.come()
        for errand in errands:
            await self.run(errand)

    async def run(self, errand: Errand) -> None:
        """One purchase, in the manner that the errand says."""
        if errand.way in self.counters:
            self.paid.append(await self.counters[errand.way].buy(self, errand))
            return
        way = self.ways[errand.way]
        if errand.manner in ("forgets", "cancels"):
            _, unwanted = await self.order(way, hasty=False)
            if errand.manner == "cancels":
                await self._press_once(await self.chat(), f"v1:cancel:{unwanted}")
        if errand.manner == "declined":
            page, order = await self.order(way, hasty=False)
            await self._at_the_page(partial(way.decline, page), page)
            self.refused.append(order)
        page, order = await self.order(way, hasty=errand.manner == "hasty")
        began = time.time()
        payment = await self._at_the_page(partial(way.pay, page, self.id), page)
        self.paid.append(Paid(way.name, payment, order, began))
        if errand.manner == "asks":
            await self._ask(order)

    async def key_messages(self) -> list[str]:
        """The subscription link in each message that has one, oldest first."""
        link = re.compile(re.escape(self.site["product"]) + r"/s/[A-Za-z0-9_-]+")
        found = (link.search(json.dumps(message)) for message in (await self.chat())["messages"])
        return [match.group() for match in found if match]

    async def chat(self) -> Json:
        async with self.http.get(f"{self.site['telegram']}/__emu/users/{self.id}/chat") as answer:
            return dict(await answer.json())

    async def order(self, way: Way, *, hasty: bool) -> tuple[str, str]:
        """From the command to the way of paying; answers the address of the pay page, and the order's name."""
        choice = f"v1:pay:{way.name}"
        await self._choose(choice, hasty=hasty)
        # Where the screen says that the link comes later, the only button left asks about it.
        page, order = await self._press(choice, lambda chat: self._way_to_pay(chat, way), instead="v1:check")
        self._pages.add(page)
        return page, order

    async def pay_at_once(self, choice: str, known: Collection[str], *, hasty: bool) -> str:
        """From the command to a receipt: for ways whose money is in the shop's own books. Answers the order's name,
        which is none of those that are `known`."""
        await self._choose(choice, hasty=hasty)
        return await self._press(choice, lambda chat: said.receipt(chat, known))

    async def redeem(self, code: str) -> None:
        """Write a gift code in, again and again until the shop says that it is ours."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            await self.write_in(code)
            if await self._watch(self._hears(said.SAYS_GIFT_IS_YOURS), time.monotonic() + IMPATIENCE):
                return
        raise WorldError(f"{self.name} wrote a gift code in, and nothing came of it: {await self._last_seen()}")

    async def write_in(self, code: str) -> None:
        """Ask for the question about gift codes, and answer it."""
        await self._say("/buy")
        await self._press("v1:gift", self._hears(said.SAYS_WRITE_THE_CODE))
        await self._tell(f"users/{self.id}/text", {"text": code})

    async def _choose(self, choice: str, *, hasty: bool) -> None:
        """From the command to the ways of paying; in haste, that way's button is pressed twice at once."""
        await self._say("/buy")
        await self._press("v1:plan", lambda chat: self._button(chat, "v1:term"))
        await self._press("v1:term", lambda chat: self._button(chat, choice))
        if hasty:
            chat = await self.chat()
            await asyncio.gather(self._press_once(chat, choice), self._press_once(chat, choice))

    async def _say(self, text: str) -> None:
        """From here on, only what comes below this counts."""
        self._since = int((await self._tell(f"users/{self.id}/text", {"text": text}))["message_id"])

    def _hears(self, sentence: str) -> Callable[[Json], bool | None]:
        return lambda chat: said.says(chat, sentence, self._since) or None

    async def _at_the_page(self, act: Callable[[], Awaitable[T]], page: str) -> T:
        for _ in range(PAGE_TRIES):
            try:
                return await act()
            except aiohttp.ClientError:
                await asyncio.sleep(PAGE_PAUSE)
        raise WorldError(f"{self.name}: the page {page} did not answer")

    async def _ask(self, order: str) -> None:
        """Press "I have paid" once; whatever comes of it."""
        await self._press_once(await self.chat(), f"v1:check:{order}")

    async def _press(self, prefix: str, then: Callable[[Json], T | None], instead: str = "") -> T:
        """Press the button, or the other one when it is gone, again and again until `then` sees what it looks for."""
        deadline = time.monotonic() + PATIENCE
        await self._see(lambda chat: self._button(chat, prefix) or then(chat), f"a button {prefix}")
        while time.monotonic() < deadline:
            chat = await self.chat()
            found = then(chat)
            if found is None:
                await self._press_once(chat, prefix if self._button(chat, prefix) or not instead else instead)
                found = await self._watch(then, time.monotonic() + IMPATIENCE)
            if found is not None:
                return found
        raise WorldError(f"{self.name} pressed {prefix} and saw nothing: {await self._last_seen()}")

    async def _press_once(self, chat: Json, prefix: str) -> None:
        button = self._button(chat, prefix)
        if button is not None:
            self.presses += 1
            body = {"message_id": button[0], "data": button[1]}
            async with self.http.post(f"{self.site['telegram']}/__emu/users/{self.id}/press", json=body) as answer:
                # 400: the screen has changed under the finger.
                if answer.status not in (200, 400):
                    raise WorldError(f"the chat answered {answer.status} to a press: {await answer.text()}")

    async def _see(self, what: Callable[[Json], T | None], called: str) -> T:
        found = await self._watch(what, time.monotonic() + PATIENCE)
        if found is None:
            raise WorldError(f"{self.name} waited in vain for {called}: {await self._last_seen()}")
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
                return message["message_id"], button["callback_data"]
        return None

    def _way_to_pay(self, chat: Json, way: Way) -> tuple[str, str] | None:
        """The pay page of a new order, and the order's name."""
        for message, button in self._buttons(chat):
            page, order = button.get("url", ""), said.ORDER.search(str(message.get("text", "")))
            if page and order and way.is_page(page) and page not in self._pages:
                return page, order[1]
        return None

    def _buttons(self, chat: Json) -> Iterator[tuple[Json, Json]]:
        for message in reversed(chat["messages"]):
            if message["message_id"] > self._since:
                for row in message.get("reply_markup", {}).get("inline_keyboard", []):
                    yield from ((message, button) for button in row)

    async def _tell(self, path: str, body: Json) -> Json:
        async with self.http.post(f"{self.site['telegram']}/__emu/{path}", json=body) as answer:
            if answer.status != 200:
                raise WorldError(f"the chat answered {answer.status} to {path}: {await answer.text()}")
            return dict(await answer.json())

    async def _last_seen(self) -> list[str]:
        messages = (await self.chat())["messages"][-3:]
        return [str(message.get("text") or message.get("caption")) for message in messages]

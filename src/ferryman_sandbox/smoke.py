"""Buys as a person would, over HTTP alone, and then counts in every world what became of the money.

A person comes to the chat, presses buttons, pays at the bank's page, waits for the message with the key and fetches the
link. Afterwards the bank's succeeded payments, the product's own numbers, the clients on the panels and the messages in
the chats must tell the same story.
"""

import argparse
import asyncio
import base64
import binascii
import json
import re
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import aiohttp

from ferryman_sandbox.world import World, WorldError
from ferryman_sandbox.world.kept import running
from ferryman_sandbox.world.patience import until


@dataclass(frozen=True)
class Button:
    """How to tell a button: by the start of its callback data or, failing that, by an icon in its text.

    `wish` is preferred in the text when several fit: a month, not a year.
    """

    prefix: str
    icons: str
    wish: str = ""


BUTTONS = {
    "🛒 buy": Button("v1:buy", "🛒"),
    "⛵ first plan": Button("v1:plan:", "⛵"),
    "📅 30 days": Button("v1:term:", "📅🗓", wish="30"),
    "💳 YooKassa": Button("v1:pay:yookassa", "💳"),
}
PATIENCE = 60.0
CALM_SECONDS = 10.0
DAY_MS = 24 * 3600 * 1000
TERM_DAYS = 30
CLIENT_AGENT = {"User-Agent": "v2rayNG/1.10.0"}
SHARE_LINK = re.compile(r"(?:vless|trojan)://\S+")

Json = dict[str, Any]


class StepFailed(WorldError):
    """A step of a purchase did not go as a person would expect; the text says which and what was seen instead."""


@dataclass
class Purchase:
    """What one person did and saw. `answered` is when the bank's page had taken the money (Unix seconds); `identities`
    are the UUIDs and passwords inside the fetched link: by these the panels know whose key it is.
    """

    number: int
    user: int = 0
    payment: str = ""
    answered: float = 0.0
    link: str = ""
    identities: set[str] = field(default_factory=set)
    steps: dict[str, float] = field(default_factory=dict)


async def run(options: argparse.Namespace) -> int:
    """Exit code 0 when every step went well and every number is right. The last line printed is the JSON."""
    purchases: list[Purchase] = []
    failure = ""
    async with _site(options.data) as (site, http):
        before = await _numbers(http, site)
        try:
            for number in range(1, options.purchases + 1):
                print(f"🧍 purchase {number} of {options.purchases}")
                purchases.append(Purchase(number))
                await Shopper(site, http, purchases[-1]).buy()
        except (WorldError, aiohttp.ClientError, TimeoutError) as error:
            failure = f"{type(error).__name__}: {error}"
        result = await Count(site, http, purchases, before).tell()
    if failure:
        print(f"❌ {failure}", file=sys.stderr)
    print(json.dumps(result))
    wrong = [name for name in ("lost", "double", "money_without_key", "ledger_balance") if result[name] != 0]
    return 1 if failure or wrong or result["purchases"] != options.purchases else 0


@asynccontextmanager
async def _site(folder: Path | None) -> AsyncIterator[tuple[Json, aiohttp.ClientSession]]:
    """The addresses of a running world, or of a new one that lasts as long as this."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=PATIENCE)) as http:
        site = running(folder) if folder is not None else None
        if site is not None:
            print(f"🌍 joining the world in {folder}")
            yield site, http
            return
        with tempfile.TemporaryDirectory(prefix="ferryman-smoke-", ignore_cleanup_errors=True) as temporary:
            async with World(folder or Path(temporary)) as world:
                yield world.announced, http


class Shopper:
    """One person with a phone. Every method is one step; a step prints itself with its time."""

    def __init__(self, site: Json, http: aiohttp.ClientSession, purchase: Purchase) -> None:
        self._site = site
        self._http = http
        self._purchase = purchase
        self._started = 0.0

    async def buy(self) -> None:
        purchase = self._purchase
        self._begin()
        person = await self._telegram(
            "/__emu/users", {"language_code": "en", "first_name": f"Shopper {purchase.number}"}
        )
        purchase.user = person["id"]
        await self._telegram(f"/__emu/users/{purchase.user}/start", {})
        for meaning, button in BUTTONS.items():
            message, data = await self._find(meaning, button)
            self._done("👀 sees " + meaning)
            await self._telegram(f"/__emu/users/{purchase.user}/press", {"message_id": message, "data": data})
        page = await self._pay_page()
        self._done("🔗 sees the way to the bank")
        await self._pay(page)
        self._done("🏦 paid")
        await self._key_on_first_panel()
        self._done("🔑 key on the first panel")
        purchase.link = await self._key_message()
        self._done("💬 message with the key")
        links = await self._fetch(purchase.link)
        purchase.identities = {identity(link) for link in links}
        self._done(f"📥 link fetched, {len(links)} keys inside")

    async def _find(self, meaning: str, button: Button) -> tuple[int, str]:
        """Message id and callback data of the newest button that fits."""

        def fitting(chat: Json) -> tuple[int, str] | None:
            for message in reversed(chat["messages"]):
                buttons = [one for one in _buttons(message) if "callback_data" in one]
                fit = [one for one in buttons if one["callback_data"].startswith(button.prefix)]
                fit = fit or [one for one in buttons if any(icon in one["text"] for icon in button.icons)]
                if fit:
                    chosen = next((one for one in fit if button.wish and button.wish in one["text"]), fit[0])
                    return message["message_id"], chosen["callback_data"]
            return None

        found: tuple[int, str] = await self._see(fitting, f"no button for {meaning!r}")
        return found

    async def _pay_page(self) -> str:
        bank = self._site["yookassa"]

        def way(chat: Json) -> str | None:
            addresses = (one.get("url", "") for message in reversed(chat["messages"]) for one in _buttons(message))
            return next((address for address in addresses if address.startswith(f"{bank}/pay/")), None)

        return str(await self._see(way, "no button leads to the bank"))

    async def _pay(self, page: str) -> None:
        """Open the page, press Pay as the form would, follow to the page that says it is paid."""
        self._purchase.payment = page.rsplit("/", 1)[1].partition("?")[0]
        async with self._http.get(page) as response:
            if 'data-testid="pay"' not in await response.text():
                raise StepFailed(f"the bank's page has no button to pay ({response.status})")
        async with self._http.post(page, data={"action": "pay"}, allow_redirects=False) as response:
            self._purchase.answered = time.time()
            if response.status != 303:
                raise StepFailed(f"the bank answered {response.status} to the payment")
            after = response.headers["Location"]
        async with self._http.get(f"{self._site['yookassa']}{after}") as response:
            if 'data-testid="verdict-paid"' not in await response.text():
                raise StepFailed("the bank does not say that it is paid")

    async def _key_on_first_panel(self) -> None:
        """Any client younger than the payment: whose it is, the count at the end will tell."""
        first = next(iter(self._site["panels"].values()))

        async def there() -> bool:
            state = await _json(self._http, f"{first}/__emu/state?limit=1")
            return bool(state["clients"]) and state["clients"][0]["createdAt"] / 1000 >= self._purchase.answered - 1

        await until(there, PATIENCE, "no new key on the first panel")

    async def _key_message(self) -> str:
        link = re.compile(re.escape(self._site["product"]) + r"/s/[A-Za-z0-9_~.-]+")

        def told(chat: Json) -> str | None:
            found = (link.search(json.dumps(message)) for message in reversed(chat["messages"]))
            return next((match.group() for match in found if match), None)

        return str(await self._see(told, "no message with the subscription link"))

    async def _fetch(self, link: str) -> list[str]:
        """The share links inside, once every node is in; panels are filled one after the other."""
        links: list[str] = []

        async def complete() -> bool:
            async with self._http.get(link, headers=CLIENT_AGENT) as response:
                links[:] = share_links(await response.read()) if response.status == 200 else []
            return len(links) >= len(self._site["panels"])

        await until(complete, PATIENCE, f"the link does not hold a key for each of {len(self._site['panels'])} nodes")
        return links

    async def _see(self, what: Any, otherwise: str) -> Any:
        """Wait for the chat to show something; fails with the last messages."""
        deadline = time.monotonic() + PATIENCE
        after = 0
        while True:
            left = max(0, int(deadline - time.monotonic()))
            chat = await self._telegram(f"/__emu/users/{self._purchase.user}/wait?after={after}&timeout={left}")
            found = what(chat)
            if found is not None:
                return found
            if time.monotonic() >= deadline or left == 0:
                seen = [message.get("text") or message.get("caption") or "…" for message in chat["messages"][-3:]]
                raise StepFailed(f"{otherwise}; the chat ends with {seen}")
            after = chat["revision"]

    async def _telegram(self, path: str, body: Json | None = None) -> Json:
        return dict(await _json(self._http, self._site["telegram"] + path, body))

    def _begin(self) -> None:
        self._started = time.perf_counter()

    def _done(self, what: str) -> None:
        ms = (time.perf_counter() - self._started) * 1000
        self._purchase.steps[what] = ms
        print(f"   {what:<38} {ms:8.1f} ms", flush=True)
        self._begin()


class Count:
    """Compares bank, product, panels and chats for these purchases; `before` are the product's earlier numbers."""

    def __init__(self, site: Json, http: aiohttp.ClientSession, purchases: list[Purchase], before: Json) -> None:
        self._site = site
        self._http = http
        self._purchases = [purchase for purchase in purchases if purchase.payment]
        self._before = before

    async def tell(self) -> Json:
        at_bank = await _json(self._http, f"{self._site['yookassa']}/__emu/payments")
        succeeded = {payment["id"] for payment in at_bank if payment["status"] == "succeeded"}
        paid = [one for one in self._purchases if one.payment in succeeded]
        panels = [await self._clients(panel) for panel in self._site["panels"].values()]
        keys = [[[c for c in clients if one.identities & secrets_of(c)] for clients in panels] for one in paid]
        numbers = await self._calm_numbers()
        granted = numbers["granted"] - self._before["granted"]
        first = [(one.answered * 1000, here[0][0]) for one, here in zip(paid, keys, strict=True) if here[0]]
        times = sorted(max(0.0, client["createdAt"] - answered) for answered, client in first)
        return {
            "purchases": sum(1 for one in paid if one.link),
            "lost": max(numbers["lost"], len(paid) - granted, sum(1 for one in paid if not one.link)),
            "double": max(numbers["double"], granted - len(paid), sum(map(_is_doubled, keys)), 0),
            "money_without_key": max(numbers["money_without_key"], sum(1 for here in keys if not all(here))),
            "ledger_balance": numbers["ledger_balance"],
            "paid_to_key_ms": {"p50": percentile(times, 50), "p99": percentile(times, 99)},
        }

    async def _calm_numbers(self) -> Json:
        """The product's numbers once it has noted down what it has just done; as they are when it never does."""
        deadline = time.monotonic() + CALM_SECONDS
        while True:
            numbers = await _numbers(self._http, self._site)
            if numbers["money_without_key"] == 0 or time.monotonic() >= deadline:
                return numbers
            await asyncio.sleep(0.1)

    async def _clients(self, panel: str) -> list[Json]:
        """The clients that the panel's core really serves."""
        clients = (await _json(self._http, f"{panel}/__emu/state"))["clients"]
        return [one for one in clients if one["loaded"] and one["enable"] and not one["depleted"]]


def _is_doubled(here: list[list[Json]]) -> bool:
    """Two clients of one identity on a panel, or an end more than a day beyond what was bought."""
    latest = time.time() * 1000 + (TERM_DAYS + 1) * DAY_MS
    return any(len(clients) > 1 or client["expiryTime"] > latest for clients in here for client in clients)


def share_links(body: bytes) -> list[str]:
    """The links in a base64 subscription. Raises StepFailed for anything else."""
    try:
        text = base64.b64decode(body, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise StepFailed(f"the subscription is not base64: {body[:60]!r}") from error
    return [match.group() for match in SHARE_LINK.finditer(text)]


def identity(link: str) -> str:
    """The UUID or password before the @."""
    return unquote(urlsplit(link).username or "")


def secrets_of(client: Json) -> set[str]:
    return {client[name] for name in ("uuid", "password") if client[name]}


def _buttons(message: Json) -> list[Json]:
    return [button for row in message.get("reply_markup", {}).get("inline_keyboard", []) for button in row]


def percentile(ordered: list[float], percent: int) -> float | None:
    """Nearest rank; None without any value."""
    if not ordered:
        return None
    return round(ordered[max(0, -(-len(ordered) * percent // 100) - 1)], 1)


def _operator(site: Json) -> dict[str, str]:
    return {"Authorization": f"Bearer {site['operator_token']}"}


async def _numbers(http: aiohttp.ClientSession, site: Json) -> Json:
    known = await _json(http, f"{site['product']}/api/overview", headers=_operator(site))
    return dict(known["numbers"])


async def _json(
    http: aiohttp.ClientSession, url: str, body: Json | None = None, headers: dict[str, str] | None = None
) -> Any:
    async with http.request("GET" if body is None else "POST", url, json=body, headers=headers) as response:
        if response.status != 200:
            raise StepFailed(f"{url.partition('?')[0]} answered {response.status}: {(await response.text())[:200]}")
        return await response.json()

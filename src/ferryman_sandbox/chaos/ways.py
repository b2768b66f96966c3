"""How a person pays here, and what the other side took: one small class for each provider of the world."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlsplit

import aiohttp

import ferryman_sandbox.world.tills as tills
from ferryman_sandbox.world.wreck import WorldError

Json = dict[str, Any]

PRESSES = 20
LOOK_SECONDS = 0.1


@dataclass(frozen=True)
class Taken:
    """Money that the other side has taken: its own id of it, and how much, in minor units of the order's currency."""

    id: str
    minor: int
    currency: str


class Way:
    """One way to pay. `site` is where its emulator listens.

    `name` is the provider's, as the bot's buttons have it; `route` the part of the emulator's paths that is its API;
    `webhooks` says whether it sends any; `has_weather` whether it is a service of its own that weather can come over.
    """

    name: ClassVar[str]
    route: ClassVar[str]
    webhooks: ClassVar[bool] = True
    has_weather: ClassVar[bool] = True

    def __init__(self, http: aiohttp.ClientSession, site: str) -> None:
        self.http, self.site = http, site

    @property
    def codes_out(self) -> int:
        """Nobody pays a bank with our codes."""
        return 0

    def is_page(self, url: str) -> bool:
        """Whether a button with this address leads to our pay page."""
        return url.startswith(f"{self.site}/")

    def id_of(self, page: str) -> str:
        """The payment's id over there, told by the address of its page."""
        return urlsplit(page).path.rstrip("/").rsplit("/", 1)[1]

    async def pay(self, page: str, payer: int) -> str:
        """Look at the page, and pay as its form would; answers the payment's id over there. `payer` is the person's
        Telegram id. Raises WorldError when that cannot be."""
        del payer
        await self._form(page, action="pay")
        return self.id_of(page)

    async def decline(self, page: str) -> None:
        """Try to pay with a card that the bank refuses; where nobody is refused, leave."""
        raise NotImplementedError

    async def taken(self) -> list[Taken]:
        """Everything that was ever paid here."""
        raise NotImplementedError

    async def _form(self, page: str, **fields: str) -> None:
        """The buttons of the emulators' pay pages are named in `data-testid`, the answer to a deed is a redirect."""
        async with self.http.get(page) as answer:
            if f'data-testid="{fields["action"]}"' not in await answer.text():
                raise WorldError(f"{self.name}: the page has no button to {fields['action']} ({answer.status})")
            # A link may lead on to the page itself.
            form = answer.url
        async with self.http.post(form, data=fields, allow_redirects=False) as answer:
            if answer.status != 303:
                raise WorldError(f"{self.name}: the page answered {answer.status} to {fields['action']}")

    async def _listed(self, what: str = "payments") -> list[Json]:
        async with self.http.get(f"{self.site}/__emu/{what}") as answer:
            return list(await answer.json())


class YooKassa(Way):
    name = "yookassa"
    route = "/v3/"

    async def decline(self, page: str) -> None:
        await self._form(page, action="decline", reason="insufficient_funds")

    async def taken(self) -> list[Taken]:
        return [
            Taken(one["id"], *_minor(one["amount"]["value"], one["amount"]["currency"]))
            for one in await self._listed()
            if one["status"] == "succeeded"
        ]


class CoinGate(Way):
    """Coins are sent exactly, the network confirms them by and by."""

    name = "coingate"
    route = "/api/v2/"

    async def pay(self, page: str, payer: int) -> str:
        """Choose a coin first, if none is chosen, and send what is asked for."""
        del payer
        async with self.http.get(page) as answer:
            if 'data-testid="choose"' in await answer.text():
                await self._form(page, action="choose", coin="USDT")
        await self._form(page, action="exact")
        return self.id_of(page)

    async def decline(self, page: str) -> None:
        await self._form(page, action="cancel")

    async def taken(self) -> list[Taken]:
        return [
            Taken(self.id_of(one["payment_url"]), *_minor(one["price_amount"], one["price_currency"]))
            for one in await self._listed()
            if one["status"] == "paid"
        ]


class Heleket(CoinGate):
    name = "heleket"
    route = "/v1/"

    async def decline(self, page: str) -> None:
        del page

    async def taken(self) -> list[Taken]:
        return [
            Taken(one["uuid"], *_minor(one["amount"], one["currency"]))
            for one in await self._listed()
            if one["status"] in ("paid", "paid_over")
        ]


class CryptoPay(Way):
    name = "cryptopay"
    route = "/api/"

    async def decline(self, page: str) -> None:
        await self._form(page, action="leave")

    async def taken(self) -> list[Taken]:
        return [
            Taken(one["hash"], *_minor(one["amount"], one["fiat"]))
            for one in await self._listed()
            if one["status"] == "paid"
        ]


class Stripe(Way):
    name = "stripe"
    route = "/v1/"

    async def decline(self, page: str) -> None:
        await self._form(page, action="decline", reason="insufficient_funds")

    async def taken(self) -> list[Taken]:
        return [
            Taken(one["id"], int(one["amount_total"]), one["currency"].upper())
            for one in await self._listed()
            if one["payment_status"] == "paid"
        ]


class Robokassa(Way):
    """A signed link is all that the shop makes; there is nothing over there before somebody opens it."""

    name = "robokassa"
    route = "/Merchant/WebService/"
    number: ClassVar[str] = "InvId"
    key: ClassVar[str] = "id"

    def id_of(self, page: str) -> str:
        return dict(parse_qsl(urlsplit(page).query))[self.number]

    async def decline(self, page: str) -> None:
        await self._form(page, action="decline")

    async def taken(self) -> list[Taken]:
        return [
            Taken(one[self.key], *_minor(one["amount"], one["currency"]))
            for one in await self._listed()
            if one["status"] == "paid"
        ]


class Freekassa(Robokassa):
    """Its own number is not in the link; the shop's is."""

    name = "freekassa"
    route = "/v1/"
    number = "o"
    key = "ref"


class Stars(Way):
    """Paid inside the messenger: the bot is asked first, and has ten seconds to say yes. One that was killed meanwhile
    says nothing, and the person presses again."""

    name = "stars"
    route = ""
    webhooks = False
    has_weather = False

    def is_page(self, url: str) -> bool:
        return url.startswith("https://t.me/$")

    async def pay(self, page: str, payer: int) -> str:
        purse = f"{self.site}/__emu/users/{payer}/stars"
        await self._post(purse, {"amount": 100_000})
        for _ in range(PRESSES):
            begun = (await self._post(f"{self.site}/__emu/users/{payer}/pay", {"slug": page}))["id"]
            checkout = await self._ended(purse, begun)
            if checkout["state"] == "paid":
                return str(checkout["charge"])
        raise WorldError(f"{self.name}: nobody confirmed the payment, {PRESSES} times over")

    async def decline(self, page: str) -> None:
        del page

    async def taken(self) -> list[Taken]:
        async with self.http.get(f"{self.site}/__emu/stars") as answer:
            charges = (await answer.json())["charges"]
        return [Taken(one["id"], int(one["amount"]), "XTR") for one in charges]

    async def _ended(self, purse: str, number: str) -> Json:
        while True:
            async with self.http.get(purse) as answer:
                known = {one["id"]: one for one in (await answer.json())["checkouts"]}
            if known[number]["state"] != "waiting":
                return dict(known[number])
            await asyncio.sleep(LOOK_SECONDS)

    async def _post(self, url: str, body: Json) -> Json:
        async with self.http.post(url, json=body) as answer:
            if answer.status != 200:
                raise WorldError(f"{self.name}: {await answer.text()}")
            return dict(await answer.json())


WAYS: tuple[type[Way], ...] = (YooKassa, CoinGate, CryptoPay, Heleket, Stripe, Robokassa, Freekassa, Stars)


def ways_of(http: aiohttp.ClientSession, site: Mapping[str, Any]) -> dict[str, Way]:
    """The ways to pay of a running world, by provider."""
    sites = {"yookassa": site["yookassa"], **site["tills"]}
    if tills.knows("stars"):
        sites["stars"] = site["telegram"]
    return {kind.name: kind(http, str(sites[kind.name])) for kind in WAYS if kind.name in sites}


def _minor(value: str, currency: str) -> tuple[int, str]:
    """Stars have no hundredth part."""
    return int(Decimal(value) * (1 if currency == "XTR" else 100)), currency

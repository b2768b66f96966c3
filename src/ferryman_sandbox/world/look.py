"""One look at the whole world: asks every emulator and the product, and shapes the answers for the page."""

import asyncio
from collections.abc import Collection
from typing import Any

import aiohttp

from ferryman_sandbox.world.journey import at_the_bank, elsewhere, journeys, paid_to_key
from ferryman_sandbox.world.product import Product
from ferryman_sandbox.world.recipe import PLACES, Addresses, Place, Secrets

Json = dict[str, Any]

SHOWN = 12
CLIENTS_SHOWN = 6
CLIENTS_KNOWN = 100
PATIENCE = aiohttp.ClientTimeout(total=3)


class Look:
    def __init__(self, http: aiohttp.ClientSession, addresses: Addresses, secrets: Secrets) -> None:
        self._http = http
        self._addresses = addresses
        self._known: Json | None = None
        self._operator = {"Authorization": f"Bearer {secrets.operator}"}

    async def overview(self) -> Json | None:
        """What the product says of itself at this moment; None while it does not answer."""
        answer = await self._get(f"{self._addresses.product}/api/overview", self._operator)
        return answer if isinstance(answer, dict) else None

    async def everything(self, product: Product | None) -> Json:
        """`known` is the product's last overview; `fresh` says whether it is of this moment."""
        sites = self._addresses
        fresh, bank, deliveries, webhooks, faults, *states = await asyncio.gather(
            self.overview(),
            self._get(f"{sites.yookassa}/__emu/payments?limit={SHOWN}"),
            self._get(f"{sites.yookassa}/__emu/deliveries?limit={SHOWN * 3}"),
            self._get(f"{sites.yookassa}/__emu/webhooks"),
            self._get(f"{sites.telegram}/__emu/faults"),
            *(self._panel(place) for place in PLACES),
        )
        known = self._known = fresh or self._known
        panels = dict(zip((place.name for place in PLACES), states, strict=True))
        told = await self._told({payment["provider"] for payment in (known or {}).get("payments", ())})
        sales = [*at_the_bank(bank or [], deliveries or []), *elsewhere(told, known or {})]
        found = journeys(sales, {name: panel["seen"] for name, panel in panels.items()}, known or {})[:SHOWN]
        for panel in panels.values():
            del panel["seen"]
        return {
            "product": _product(product, fresh is not None),
            "fresh": fresh is not None,
            "known": known,
            "bank": bank or [],
            "deliveries": [_delivery(delivery) for delivery in (deliveries or [])[:SHOWN]],
            "journeys": found,
            "paid_to_key_ms": paid_to_key(found),
            "panels": list(panels.values()),
            "weather": {"webhooks": webhooks, "telegram": (faults or {}).get("waiting", [])},
        }

    async def _told(self, names: Collection[str]) -> dict[str, list[Json]]:
        """What these, the first bank aside, have told the shop, by provider; the messenger needs no webhooks."""
        tills = {name: site for name, site in self._addresses.tills.items() if name in names}
        said = await asyncio.gather(
            *(self._get(f"{site}/__emu/deliveries?limit={SHOWN * 3}") for site in tills.values())
        )
        return {"stars": []} | {name: deliveries or [] for name, deliveries in zip(tills, said, strict=True)}

    async def _panel(self, place: Place) -> Json:
        """The newest clients; `seen` has each by its email, for the journeys."""
        site = self._addresses.panels[place.name]
        state, faults = await asyncio.gather(
            self._get(f"{site}/__emu/state?limit={CLIENTS_KNOWN}"), self._get(f"{site}/__emu/faults")
        )
        clients = [_client(record) for record in (state or {}).get("clients", [])]
        waiting = (faults or {}).get("waiting", [])
        return {
            "name": place.name,
            "flag": place.flag,
            "title": place.title,
            "city": place.city,
            "url": site,
            "protocols": [_protocol(inbound) for inbound in place.inbounds],
            "up": not any(fault["times"] == -1 for fault in waiting),
            "answers_to_lose": (state or {}).get("switches", {}).get("drop_after_commit", 0),
            "count": (state or {}).get("counts", {}).get("clients", 0),
            "online": (state or {}).get("counts", {}).get("online", 0),
            "traffic": sum(client["used"] for client in clients),
            "clients": clients[:CLIENTS_SHOWN],
            "seen": {client["email"]: client for client in clients},
        }

    async def _get(self, url: str, headers: dict[str, str] | None = None) -> Any:
        try:
            async with self._http.get(url, headers=headers or {}, timeout=PATIENCE) as response:
                return await response.json() if response.status == 200 else None
        except (aiohttp.ClientError, TimeoutError, ValueError):
            return None


def _product(product: Product | None, answers: bool) -> Json:
    if product is None:
        return {"ours": False, "ready": answers, "pid": None, "restarts": 0}
    return {"ours": True, "ready": product.ready and answers, "pid": product.pid, "restarts": product.restarts}


def _delivery(delivery: Json) -> Json:
    body = delivery["body"] if isinstance(delivery["body"], dict) else {}
    thing = body.get("object") if isinstance(body.get("object"), dict) else {}
    return {
        "n": delivery["n"],
        "at": delivery["at"],
        "event": body.get("event", "?"),
        "payment": thing.get("payment_id") or thing.get("id") if thing else None,
        "forged": delivery["notification"] == 0,
        "status": delivery["status"],
        "ms": delivery["ms"],
    }


def _client(record: Json) -> Json:
    """Of a panel's client what the page needs; `created` and `updated` are Unix milliseconds."""
    return {
        "email": record["email"],
        "created": record["createdAt"],
        "updated": record["updatedAt"],
        "used": record["used"],
        "serving": record["loaded"] and not record["depleted"],
        "online": record["online"],
    }


def _protocol(inbound: Json) -> str:
    stream = inbound["streamSettings"]
    return f"{inbound['protocol']} {stream['network']} {stream['security']}".upper()

"""The weather a visitor can order with one press: each is a list of control calls to the emulators."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import aiohttp

from ferryman_sandbox.world.recipe import PLACES, Addresses

Json = dict[str, Any]

FIRST = PLACES[0].name
TRAFFIC = 90_000  # bytes per second and customer
TOO_MANY = {
    "ok": False,
    "error_code": 429,
    "description": "Too Many Requests: retry after 3",
    "parameters": {"retry_after": 3},
}


@dataclass(frozen=True)
class Order:
    """One control call: which emulator, how, with what."""

    method: str
    url: str
    body: Any = None

    async def give(self, http: aiohttp.ClientSession) -> Any:
        """Answers the emulator's JSON. Raises aiohttp.ClientResponseError when it refuses."""
        async with http.request(self.method, self.url, json=self.body) as response:
            response.raise_for_status()
            return await response.json()


def furnishing(addresses: Addresses, bot_token: str) -> list[Order]:
    """What makes a new world look lived in: a bot with a name, and customers who use what they bought."""
    bot = {"token": bot_token, "first_name": "Ferryman VPN", "username": "ferryman_demo_bot"}
    return [
        Order("POST", f"{addresses.telegram}/__emu/bots", bot),
        *(Order("POST", f"{site}/__emu/switches", {"simulate": TRAFFIC}) for site in addresses.panels.values()),
    ]


def orders(addresses: Addresses) -> dict[str, Callable[[], list[Order]]]:
    """Button name → its calls. Killing the product is not here: it is no emulator's business."""
    bank, telegram, panel = addresses.yookassa, addresses.telegram, addresses.panels[FIRST]

    def webhooks(mode: str) -> list[Order]:
        return [Order("POST", f"{bank}/__emu/webhooks", {"mode": mode, "times": 1})]

    def faults(site: str, *given: Json) -> list[Order]:
        return [Order("POST", f"{site}/__emu/faults", fault) for fault in given]

    return {
        "lose": lambda: webhooks("drop"),
        "twice": lambda: webhooks("duplicate"),
        "early": lambda: webhooks("before_answer"),
        "forge": lambda: [Order("POST", f"{bank}/__emu/forge", {})],
        "down": lambda: faults(panel, {"mode": "drop_before", "times": -1}),
        "back": lambda: [Order("DELETE", f"{panel}/__emu/faults")],
        "lost_answer": lambda: [Order("POST", f"{panel}/__emu/switches", {"drop_after_commit": 1})],
        "busy": lambda: faults(
            telegram, {"mode": "status", "route": "/send", "status": 429, "body": TOO_MANY, "times": 2}
        ),
        "clear": lambda: [
            Order("POST", f"{bank}/__emu/webhooks", {"mode": "normal"}),
            Order("POST", f"{panel}/__emu/switches", {"drop_after_commit": 0}),
            *(
                Order("DELETE", f"{site}/__emu/faults")
                for site in (bank, telegram, *addresses.tills.values(), *addresses.panels.values())
            ),
        ],
    }

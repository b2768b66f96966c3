"""The weather a visitor can order with one press: each is a list of control calls to the emulators."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ferryman_sandbox.world.recipe import PLACES, Addresses

Json = dict[str, Any]

FIRST = PLACES[0].name
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
            *(Order("DELETE", f"{site}/__emu/faults") for site in (bank, telegram, *addresses.panels.values())),
        ],
    }

"""CoinGate's answers and callbacks as they look on the wire."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode

from ferryman.billing.provider import ProviderTools, RawWebhook
from ferryman.billing.providers.coingate import CoinGate
from ferryman.billing.providers.coingate.provider import ApiAppConfig
from ferryman.kit.clock import Clock
from ferryman.kit.http import Http
from tests.billing.providers.recorder import Scripted
from tests.billing.providers.worlds import EMULATED_KEY, Control, World, emulated_coingate

PAGE_URL = "https://pay.coingate.example/invoice/a275c4a1"


def order(**changes: Any) -> dict[str, Any]:
    """An order as the API shows it while no coin is chosen."""
    return {
        "id": 538,
        "status": "new",
        "title": "VPN 30 days",
        "do_not_convert": False,
        "price_currency": "EUR",
        "price_amount": "199.0",
        "lightning_network": False,
        "receive_currency": "EUR",
        "receive_amount": "0",
        "created_at": "2026-01-18T14:02:41+00:00",
        "order_id": "ours",
        "payment_url": PAGE_URL,
        "underpaid_amount": "0",
        "overpaid_amount": "0",
        "is_refundable": False,
        "refunds": [],
        "voids": [],
        "fees": [],
    } | changes


def page(*orders: Any, pages: int | None = 1) -> Scripted:
    body: dict[str, Any] = {"current_page": 1, "per_page": 100, "total_orders": len(orders), "orders": list(orders)}
    return Scripted(200, body if pages is None else body | {"total_pages": pages})


def refusal(status: int, reason: str, *errors: str) -> Scripted:
    return Scripted(status, {"message": "No.", "reason": reason} | ({"errors": list(errors)} if errors else {}))


def as_json(**said: Any) -> RawWebhook:
    return RawWebhook(json.dumps(said).encode(), {"content-type": "application/json"})


def as_form(**said: Any) -> RawWebhook:
    return RawWebhook(urlencode(said).encode(), {"content-type": "application/x-www-form-urlencoded"})


def at(control: Control, clock: Clock, *, sandbox: bool = True, **settings: Any) -> CoinGate:
    """The emulated account, seen by somebody with another clock or other settings."""
    config = {"api_token": EMULATED_KEY, "api_base": f"{control.url}/v2"} | settings
    return CoinGate(ApiAppConfig.model_validate(config), ProviderTools(control.http, clock, sandbox=sandbox))


def live(http: Http, clock: Clock) -> CoinGate:
    """The real service, as production would call it; nothing here does."""
    return CoinGate(ApiAppConfig.model_validate({"api_token": EMULATED_KEY}), ProviderTools(http, clock, sandbox=False))


@asynccontextmanager
async def account() -> AsyncIterator[tuple[World, Control]]:
    async with emulated_coingate() as world:
        assert world.control is not None
        yield world, world.control

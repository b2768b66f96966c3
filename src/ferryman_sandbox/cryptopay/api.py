"""The routes under `/api`: one method a path, an app's token in a header, everything in an envelope."""

import hashlib
import hmac
from collections.abc import Callable
from typing import Any

from aiohttp import web

from ferryman_sandbox.cryptopay.checks import ASSETS, FIATS, ApiError
from ferryman_sandbox.cryptopay.till import DOLLARS, Json, Till
from ferryman_sandbox.payments import json_object, site


def sign(token: str, body: bytes) -> str:
    """What the header `crypto-pay-api-signature` carries: HMAC-SHA-256 keyed by the SHA-256 of the token, as hex."""
    return hmac.new(hashlib.sha256(token.encode()).digest(), body, hashlib.sha256).hexdigest()


class Api:
    def __init__(self, till: Till, token: str, public_url: str | None) -> None:
        self._till = till
        self._token = token
        self._public_url = public_url

    def add_routes(self, app: web.Application) -> None:
        app.router.add_route("*", "/api/{method}", self._call)

    async def _call(self, request: web.Request) -> web.Response:
        methods: dict[str, Callable[[Json], Any]] = {
            "getMe": lambda _: {
                "app_id": int(self._token.partition(":")[0]),
                "name": "Ferryman's till",
                "payment_processing_bot_username": "CryptoTestnetBot",
            },
            "createInvoice": lambda given: self._till.create(given, site(request, self._public_url)),
            "getInvoices": lambda given: {"items": self._till.listed(given)},
            "deleteInvoice": self._till.delete,
            "getBalance": lambda _: [{"currency_code": coin, "available": "0", "onhold": "0"} for coin in ASSETS],
            "getExchangeRates": lambda _: [
                {"is_valid": True, "source": coin, "target": "USD", "rate": DOLLARS[coin]} for coin in ASSETS
            ],
            "getCurrencies": lambda _: [{"code": code} for code in (*ASSETS, *sorted(FIATS))],
        }
        try:
            if not hmac.compare_digest(request.headers.get("Crypto-Pay-API-Token", "").encode(), self._token.encode()):
                raise ApiError(401, "UNAUTHORIZED")
            if self._till.switches["suspended"]:
                raise ApiError(423, "APP_SUSPENDED")
            method = methods.get(request.match_info["method"])
            if method is None or request.method not in ("GET", "POST"):
                raise ApiError(405, "METHOD_NOT_FOUND")
            return web.json_response({"ok": True, "result": method(await _parameters(request))})
        except ApiError as refusal:
            return refusal.response()


async def _parameters(request: web.Request) -> Json:
    """From the query, a form or a JSON object, as the caller likes."""
    if request.content_type != "application/json":
        return dict(request.query) | {name: str(value) for name, value in (await request.post()).items()}
    return json_object(await request.read(), lambda _: ApiError(400, "JSON_INVALID"))

"""The routes under `/v3`: who may call, what is remembered, how answers and refusals look."""

import base64
import binascii
import hmac
import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

from aiohttp import web

import ferryman_sandbox.yookassa.checks as checks
from ferryman_sandbox.payments import Keys, Pusher, gate, json_object, site
from ferryman_sandbox.yookassa.errors import ApiError, invalid
from ferryman_sandbox.yookassa.notifications import BEFORE_ANSWER
from ferryman_sandbox.yookassa.payment import Json
from ferryman_sandbox.yookassa.shop import Shop

COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "gte": lambda left, right: left >= right,
    "gt": lambda left, right: left > right,
    "lte": lambda left, right: left <= right,
    "lt": lambda left, right: left < right,
}


class Api:
    def __init__(self, shop: Shop, keys: Keys, pusher: Pusher, secret_key: str, public_url: str | None) -> None:
        self._shop = shop
        self._keys = keys
        self._pusher = pusher
        self._secret_key = secret_key
        self._public_url = public_url

    def add_routes(self, app: web.Application) -> None:
        app.middlewares.append(gate(("/v3/",), self._admit, _unrouted))
        app.router.add_post("/v3/payments", self._create)
        app.router.add_get("/v3/payments", self._list_payments)
        app.router.add_get("/v3/payments/{id}", self._get)
        app.router.add_post("/v3/payments/{id}/capture", self._capture)
        app.router.add_post("/v3/payments/{id}/cancel", self._cancel)
        app.router.add_post("/v3/refunds", self._refund)
        app.router.add_get("/v3/refunds", self._list_refunds)
        app.router.add_get("/v3/refunds/{id}", self._get_refund)
        app.router.add_get("/v3/me", self._me)

    async def _create(self, request: web.Request) -> web.Response:
        key, body = await self._key_and_body(request)
        first = self._keys.recall(key, request.path, body)
        if first is not None:
            return web.json_response(first)
        payment = self._shop.create(body, site(request, self._public_url))
        answer = json.loads(json.dumps(payment.object))
        self._keys.remember(key, request.path, body, answer)
        if self._pusher.disturbance.mode == BEFORE_ANSWER and payment.status == "pending":
            self._shop.pay(payment.id)
            await self._pusher.send_now()
        return web.json_response(answer)

    async def _get(self, request: web.Request) -> web.Response:
        return web.json_response(self._shop.get(request.match_info["id"]).object)

    async def _capture(self, request: web.Request) -> web.Response:
        return await self._once(request, lambda body: self._shop.capture(request.match_info["id"], body).object)

    async def _cancel(self, request: web.Request) -> web.Response:
        return await self._once(request, lambda _: self._shop.cancel(request.match_info["id"]).object)

    async def _refund(self, request: web.Request) -> web.Response:
        return await self._once(request, self._shop.refund)

    async def _get_refund(self, request: web.Request) -> web.Response:
        return web.json_response(self._shop.get_refund(request.match_info["id"]))

    async def _list_payments(self, request: web.Request) -> web.Response:
        self._shop.deadlines.let_time_pass()
        return _page(request, [payment.object for payment in self._shop.payments()])

    async def _list_refunds(self, request: web.Request) -> web.Response:
        return _page(request, self._shop.refunds())

    async def _me(self, _: web.Request) -> web.Response:
        """The shop's own settings, the cheapest call that proves the credentials."""
        return web.json_response(
            {"account_id": self._shop.shop_id, "status": "enabled", "test": self._shop.settings.test}
        )

    async def _once(self, request: web.Request, act: Callable[[Json], Json]) -> web.Response:
        key, body = await self._key_and_body(request)
        answer = self._keys.recall(key, request.path, body)
        if answer is None:
            answer = act(body)
            self._keys.remember(key, request.path, body, answer)
        return web.json_response(answer)

    async def _key_and_body(self, request: web.Request) -> tuple[str, Json]:
        raw = await request.read()
        if raw and request.content_type != "application/json":
            raise ApiError(415, "Content-Type must be application/json")
        key = checks.key(request.headers.get("Idempotence-Key"))
        return key, json_object(raw, lambda why: invalid("body", why))

    async def _admit(self, request: web.Request) -> None:
        scheme, _, encoded = request.headers.get("Authorization", "").partition(" ")
        try:
            given = base64.b64decode(encoded, validate=True)
        except binascii.Error:
            given = b""
        wanted = f"{self._shop.shop_id}:{self._secret_key}".encode()
        if scheme.lower() != "basic" or not hmac.compare_digest(given, wanted):
            raise ApiError(401, "Error in shopId or secret key. Check their validity.")


def duplicated() -> ApiError:
    return invalid("Idempotence-Key", "Idempotence key duplicated")


def _unrouted(request: web.Request, error: web.HTTPException) -> ApiError:
    return ApiError(error.status, f"{request.method} {request.path}: {error.reason}")


def _page(request: web.Request, newest_first: list[Json]) -> web.Response:
    """One page of a list: filters, then `limit` items after the one that `cursor` names."""
    items = [item for item in newest_first if all(_passes(item, name, value) for name, value in request.query.items())]
    try:
        limit = int(request.query.get("limit", "10"))
    except ValueError as error:
        raise invalid("limit", "limit must be a number") from error
    if not 1 <= limit <= 100:
        raise invalid("limit", "limit must be 1-100")
    start = 0
    if "cursor" in request.query:
        ids = [item["id"] for item in items]
        if request.query["cursor"] not in ids:
            raise invalid("cursor", "unknown cursor")
        start = ids.index(request.query["cursor"]) + 1
    shown = items[start : start + limit]
    answer: Json = {"type": "list", "items": shown}
    if start + limit < len(items):
        answer["next_cursor"] = shown[-1]["id"]
    return web.json_response(answer)


def _passes(item: Json, name: str, value: str) -> bool:
    moment, _, comparison = name.partition(".")
    if comparison in COMPARISONS and moment in ("created_at", "captured_at"):
        return moment in item and COMPARISONS[comparison](_seconds(moment, item[moment]), _seconds(name, value))
    match name:
        case "status" | "payment_id":
            return bool(item.get(name) == value)
        case "payment_method":
            return bool(item.get("payment_method", {}).get("type") == value)
        case "limit" | "cursor":
            return True
    raise invalid(name, f"unknown parameter {name}")


def _seconds(parameter: str, moment: Any) -> float:
    try:
        return datetime.fromisoformat(moment).timestamp()
    except ValueError as error:
        raise invalid(parameter, "a moment must be ISO 8601, such as 2026-01-18T10:51:18.139Z") from error

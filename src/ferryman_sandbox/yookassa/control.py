"""The control API under `/__emu/`: what payer, bank or merchant's cabinet could do, and bad luck."""

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from aiohttp import web

from ferryman_sandbox.emulator import bad_request, limit, read_json
from ferryman_sandbox.pushes import Pusher
from ferryman_sandbox.store import Store
from ferryman_sandbox.yookassa.errors import ApiError
from ferryman_sandbox.yookassa.payment import PAYER_REASONS, Json
from ferryman_sandbox.yookassa.shop import Shop


class Control:
    def __init__(self, store: Store, shop: Shop, pusher: Pusher) -> None:
        self._store = store
        self._shop = shop
        self._pusher = pusher

    def add_routes(self, app: web.Application) -> None:
        app.router.add_get("/__emu/payments", self._payments)
        app.router.add_post("/__emu/payments/{id}/{move}", self._move)
        app.router.add_post("/__emu/refund", self._refund)
        app.router.add_post("/__emu/refunds/{id}/{verdict}", self._settle_refund)
        app.router.add_post("/__emu/methods/{id}/revoke", self._revoke)
        app.router.add_post("/__emu/forge", self._forge)
        app.router.add_get("/__emu/settings", self._settings)
        app.router.add_post("/__emu/settings", self._change_settings)
        self._pusher.add_routes(app, settings=False)

    async def _payments(self, request: web.Request) -> web.Response:
        """Newest first, as the API shows them; `?limit=` cuts the list."""
        self._shop.let_time_pass()
        return web.json_response([payment.object for payment in self._shop.payments()[: limit(request)]])

    async def _move(self, request: web.Request) -> web.Response:
        """`pay`, `decline` ({"reason"}), `expire`, or `wait`: paid, yet only held, whatever the shop asked."""
        id_, body = request.match_info["id"], await read_json(request)
        reason = body.get("reason", "general_decline")
        if reason not in PAYER_REASONS:
            raise bad_request(f"reason must be one of {', '.join(PAYER_REASONS)}")
        moves: dict[str, Callable[[], Any]] = {
            "pay": lambda: self._shop.pay(id_, body.get("method", "")),
            "decline": lambda: self._shop.decline(id_, reason),
            "expire": lambda: self._shop.expire(id_),
            "wait": lambda: self._shop.pay(id_, body.get("method", ""), capture=False),
        }
        move = moves.get(request.match_info["move"])
        if move is None:
            raise bad_request(f"a payment can: {', '.join(moves)}")
        return _answer(lambda: move().object)

    async def _refund(self, request: web.Request) -> web.Response:
        """A refund made by hand in the cabinet: {"payment_id", "amount"?}; without an amount, all that is left."""
        body = await read_json(request)

        def refund() -> Json:
            payment = self._shop.get(str(body.get("payment_id", "")))
            value = body.get("amount", f"{payment.amount - payment.refunded:.2f}")
            amount = value if isinstance(value, dict) else {"value": value, "currency": self._shop.currency}
            return self._shop.refund({"payment_id": payment.id, "amount": amount})

        return _answer(refund)

    async def _settle_refund(self, request: web.Request) -> web.Response:
        """`succeed`, or `cancel` with {"reason"}."""
        verdict, body = request.match_info["verdict"], await read_json(request)
        if verdict not in ("succeed", "cancel"):
            raise bad_request("a pending refund can: succeed, cancel")
        reason = str(body.get("reason", "general_decline")) if verdict == "cancel" else ""
        return _answer(lambda: self._shop.settle_refund(request.match_info["id"], reason))

    async def _revoke(self, request: web.Request) -> web.Response:
        """The payer withdraws the permission to charge a saved method."""
        return _answer(lambda: self._shop.revoke_method(request.match_info["id"]))

    async def _forge(self, request: web.Request) -> web.Response:
        """{"body"?, "headers"?, "payment_id"?}: a notification nobody's bank sent, and how the shop answered.

        Without a body it claims that `payment_id` (default: the newest payment) was paid.
        """
        wish = await read_json(request)
        body = wish["body"] if "body" in wish else self._lie(wish.get("payment_id"))
        delivery = await self._pusher.send(json.dumps(body), headers=wish.get("headers") or {})
        return web.json_response(self._pusher.shown(delivery))

    def _lie(self, id_: str | None) -> Json:
        payments = self._shop.payments()
        chosen = next((payment.object for payment in payments if id_ in (None, payment.id)), {"id": id_ or "nobody"})
        return {
            "type": "notification",
            "event": "payment.succeeded",
            "object": chosen | {"status": "succeeded", "paid": True},
        }

    async def _settings(self, _: web.Request) -> web.Response:
        return web.json_response({"notify_url": self._pusher.notify_url} | asdict(self._shop.settings))

    async def _change_settings(self, request: web.Request) -> web.Response:
        try:
            given = dict(await read_json(request))
            url = str(given.pop("notify_url", self._pusher.notify_url))
            self._shop.settings.change(self._store, given)
        except (TypeError, ValueError) as error:
            raise bad_request(f"settings: {error}") from error
        self._pusher.point_at(url)
        return await self._settings(request)


def _answer(act: Callable[[], Json]) -> web.Response:
    try:
        return web.json_response(act())
    except ApiError as refusal:
        return refusal.response()

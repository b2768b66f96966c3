"""The control API under `/__emu/`: what a shopper, the network, time or the dashboard could do."""

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from ferryman_sandbox.coingate.checks import ApiError, Json
from ferryman_sandbox.coingate.desk import Desk
from ferryman_sandbox.emulator import bad_request, read_json
from ferryman_sandbox.pushes import Pusher


class Control:
    def __init__(self, desk: Desk, pusher: Pusher) -> None:
        self._desk = desk
        self._pusher = pusher

    def add_routes(self, app: web.Application) -> None:
        app.router.add_get("/__emu/payments", self._payments)
        app.router.add_post("/__emu/payments/{id}/{move}", self._move)
        app.router.add_post("/__emu/refund", self._refund)
        app.router.add_post("/__emu/refunds/{id}/{verdict}", self._mark)
        app.router.add_get("/__emu/app", self._app)
        app.router.add_post("/__emu/app", self._change_app)
        app.router.add_post("/__emu/forge", self._forge)
        self._pusher.add_routes(app)

    async def _payments(self, request: web.Request) -> web.Response:
        """Newest first, as the API shows them; `?limit=` cuts the list."""
        self._desk.let_time_pass()
        asked = request.query.get("limit", "")
        orders = self._desk.orders()[::-1][: int(asked) if asked.isdecimal() else None]
        return web.json_response([order.object for order in orders])

    async def _move(self, request: web.Request) -> web.Response:
        """`pay` ({"how": exact | less | more | late, "coin"?}), `confirm`, `expire`, `decline`, `invalidate`."""
        id_, body = request.match_info["id"], await read_json(request)
        moves: dict[str, Callable[[], Any]] = {
            "pay": lambda: self._desk.pay(id_, str(body.get("how", "exact")), str(body.get("coin", ""))),
            "confirm": lambda: self._desk.confirm(id_),
            "expire": lambda: self._desk.end(id_, "expired"),
            "decline": lambda: self._desk.end(id_, "canceled"),
            "invalidate": lambda: self._desk.end(id_, "invalid"),
        }
        move = moves.get(request.match_info["move"])
        if move is None:
            raise bad_request(f"an order can: {', '.join(moves)}")
        return _answer(lambda: dict(move().object))

    async def _refund(self, request: web.Request) -> web.Response:
        """Made in the dashboard and done at once: {"payment_id", "amount"?}; without an amount, all of it."""
        body = await read_json(request)

        def refund() -> Json:
            order = self._desk.get(str(body.get("payment_id", "")))
            wish = {"amount": body.get("amount", str(order.price)), "address": "emu", "email": "payer@shop.example"}
            made = self._desk.refund(
                order.id, wish | {"currency_id": 1, "platform_id": 1, "ledger_account_id": "1", "reason": "asked for"}
            )
            return self._desk.mark_refund(str(made["id"]), "completed")

        return _answer(refund)

    async def _mark(self, request: web.Request) -> web.Response:
        """`completed` or `rejected`."""
        verdict = request.match_info["verdict"]
        if verdict not in ("completed", "rejected"):
            raise bad_request("a pending refund can be: completed, rejected")
        return _answer(lambda: self._desk.mark_refund(request.match_info["id"], verdict))

    async def _app(self, _: web.Request) -> web.Response:
        return web.json_response(asdict(self._desk.settings))

    async def _change_app(self, request: web.Request) -> web.Response:
        """{"callback_format"?: json | form, "orders_per_hour"?, "calls_per_minute"?}; a limit of 0 is none."""
        try:
            return web.json_response(self._desk.set(await read_json(request)))
        except (TypeError, ValueError) as error:
            raise bad_request(f"app: {error}") from error

    async def _forge(self, request: web.Request) -> web.Response:
        """{"payment_id"?, "body"?, "form"?}: a callback that somebody else sent, and how the shop answered.

        Without a body it claims that the order (default: the newest) was paid, under a token that is not its own.
        """
        wish, orders = await read_json(request), self._desk.orders()
        chosen = next((one for one in orders[::-1] if str(wish.get("payment_id", one.id)) == str(one.id)), None)
        if chosen is None:
            raise bad_request("no such order")
        lie = {name: chosen.object[name] for name in ("id", "order_id", "price_amount", "price_currency")}
        body = wish.get("body", lie | {"status": "paid", "token": "forged-by-somebody-else"})
        text = body if isinstance(body, str) else urlencode(body) if wish.get("form") else json.dumps(body)
        return web.json_response(await self._pusher.send(text, url=chosen.callback_url))


def _answer(act: Callable[[], Json]) -> web.Response:
    try:
        return web.json_response(act())
    except ApiError as refusal:
        return refusal.response()

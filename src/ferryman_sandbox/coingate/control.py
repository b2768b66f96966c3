"""The control API under `/__emu/`: what a shopper, the network, time or the dashboard could do."""

import json
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from urllib.parse import urlencode

from aiohttp import web

from ferryman_sandbox.coingate.checks import Json
from ferryman_sandbox.coingate.desk import Desk
from ferryman_sandbox.coingate.order import Order
from ferryman_sandbox.emulator import bad_request, read_json
from ferryman_sandbox.payments import Control, Forgery, Pusher, add_document, answered


class AccountControl:
    """Moves: `pay` ({"how": exact | less | more | late, "coin"?}), `confirm`, `expire`, `decline`, `invalidate`.

    `app` is {"callback_format"?: json | form, "orders_per_hour"?, "calls_per_minute"?}; a limit of 0 is none.
    """

    def __init__(self, desk: Desk, pusher: Pusher) -> None:
        self._desk = desk
        self._pusher = pusher

    def add_routes(self, app: web.Application) -> None:
        moves: dict[str, Callable[[str, Json], Order]] = {
            "pay": lambda id_, body: self._desk.pay(id_, str(body.get("how", "exact")), str(body.get("coin", ""))),
            "confirm": lambda id_, _: self._desk.confirm(id_),
            "expire": lambda id_, _: self._desk.end(id_, "expired"),
            "decline": lambda id_, _: self._desk.end(id_, "canceled"),
            "invalidate": lambda id_, _: self._desk.end(id_, "invalid"),
        }
        shown = {name: partial(_shown, move) for name, move in moves.items()}
        Control(self._pusher, self._payments, shown, self._forgery).add_routes(app)
        add_document(app, "app", lambda: asdict(self._desk.settings), self._desk.set)
        app.router.add_post("/__emu/refund", self._refund)
        app.router.add_post("/__emu/refunds/{id}/{verdict}", self._mark)

    def _payments(self) -> list[Json]:
        self._desk.deadlines.let_time_pass()
        return [order.object for order in self._desk.orders()[::-1]]

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

        return answered(refund)

    async def _mark(self, request: web.Request) -> web.Response:
        """`completed` or `rejected`."""
        verdict = request.match_info["verdict"]
        if verdict not in ("completed", "rejected"):
            raise bad_request("a pending refund can be: completed, rejected")
        return answered(lambda: self._desk.mark_refund(request.match_info["id"], verdict))

    def _forgery(self, wish: Json) -> Forgery:
        """{"payment_id"?, "body"?, "form"?}.

        Without a body it claims that the order (default: the newest) was paid, under a token that is not its own.
        """
        orders = self._desk.orders()
        chosen = next((one for one in orders[::-1] if str(wish.get("payment_id", one.id)) == str(one.id)), None)
        if chosen is None:
            raise bad_request("no such order")
        lie = {name: chosen.object[name] for name in ("id", "order_id", "price_amount", "price_currency")}
        body = wish.get("body", lie | {"status": "paid", "token": "forged-by-somebody-else"})
        text = body if isinstance(body, str) else urlencode(body) if wish.get("form") else json.dumps(body)
        return Forgery(text, url=chosen.callback_url)


def _shown(move: Callable[[str, Json], Order], id_: str, body: Json) -> Json:
    return move(id_, body).object

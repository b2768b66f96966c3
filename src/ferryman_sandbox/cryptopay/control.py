"""The control API under `/__emu/`: what a payer, time or the service's own staff could do."""

import json
from collections.abc import Callable

from aiohttp import web

from ferryman_sandbox.cryptopay.checks import ApiError
from ferryman_sandbox.cryptopay.till import Json, Till
from ferryman_sandbox.emulator import bad_request, read_json
from ferryman_sandbox.pushes import Pusher


class Control:
    def __init__(self, till: Till, pusher: Pusher) -> None:
        self._till = till
        self._pusher = pusher

    def add_routes(self, app: web.Application) -> None:
        app.router.add_get("/__emu/payments", self._payments)
        app.router.add_post("/__emu/payments/{id}/{move}", self._move)
        app.router.add_get("/__emu/app", self._switches)
        app.router.add_post("/__emu/app", self._switch)
        app.router.add_post("/__emu/forge", self._forge)
        self._pusher.add_routes(app)

    async def _payments(self, request: web.Request) -> web.Response:
        """Newest first, as the API shows them; `?limit=` cuts the list."""
        self._till.let_time_pass()
        asked = request.query.get("limit", "")
        return web.json_response(self._till.invoices()[: int(asked) if asked.isdecimal() else None])

    async def _move(self, request: web.Request) -> web.Response:
        """`pay` ({"asset"?}), `expire`, or `delete`."""
        id_, body = request.match_info["id"], await read_json(request)
        moves: dict[str, Callable[[], Json]] = {
            "pay": lambda: self._till.pay(id_, str(body.get("asset", ""))),
            "expire": lambda: self._till.expire(id_),
            "delete": lambda: {"deleted": self._till.delete({"invoice_id": id_})},
        }
        move = moves.get(request.match_info["move"])
        if move is None:
            raise bad_request(f"an invoice can: {', '.join(moves)}")
        try:
            return web.json_response(move())
        except ApiError as refusal:
            return refusal.response()

    async def _switches(self, _: web.Request) -> web.Response:
        return web.json_response(self._till.switches)

    async def _switch(self, request: web.Request) -> web.Response:
        """{"suspended"?, "same_update_id"?}: true or false."""
        try:
            return web.json_response(self._till.switch(await read_json(request)))
        except (AttributeError, ValueError) as error:
            raise bad_request(f"app: {error}") from error

    async def _forge(self, request: web.Request) -> web.Response:
        """{"body"?, "headers"?, "payment_id"?}: a webhook that somebody else sent, and how the shop answered.

        Without a body it claims that `payment_id` (default: the newest invoice) was paid; without headers it carries a
        signature by the wrong key.
        """
        wish = await read_json(request)
        lie = wish["body"] if "body" in wish else self._lie(wish.get("payment_id"))
        text = lie if isinstance(lie, str) else json.dumps(lie)
        headers = wish.get("headers", {"crypto-pay-api-signature": "0" * 64})
        return web.json_response(await self._pusher.send(text, headers=headers))

    def _lie(self, id_: object) -> Json:
        invoices = self._till.invoices()
        chosen = next((one for one in invoices if id_ is None or str(id_) == str(one["invoice_id"])), {"invoice_id": 1})
        return {"update_id": 1, "update_type": "invoice_paid", "payload": chosen | {"status": "paid"}}

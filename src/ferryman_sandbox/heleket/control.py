"""The control API under `/__emu/`: what a payer, the network, time or the service's staff could do."""

from collections.abc import Callable
from dataclasses import asdict
from functools import partial

from aiohttp import web

from ferryman_sandbox.coins import plain
from ferryman_sandbox.emulator import bad_request, read_json
from ferryman_sandbox.heleket.desk import Desk
from ferryman_sandbox.heleket.invoice import ApiError, Invoice, written
from ferryman_sandbox.pushes import Pusher

ENDS = {
    "expire": "cancel",
    "decline": "fail",
    "break": "system_fail",
    "lock": "locked",
    "underpay": "wrong_amount",
    "refund": "refund_paid",
    "refunding": "refund_process",
}


class Control:
    def __init__(self, desk: Desk, pusher: Pusher) -> None:
        self._desk = desk
        self._pusher = pusher

    def add_routes(self, app: web.Application) -> None:
        app.router.add_get("/__emu/payments", self._payments)
        app.router.add_post("/__emu/payments/{id}/{move}", self._move)
        app.router.add_post("/__emu/forge", self._forge)
        self._pusher.add_routes(app)

    async def _payments(self, request: web.Request) -> web.Response:
        """Newest first, as the API shows them; `?limit=` cuts the list."""
        self._desk.let_time_pass()
        asked = request.query.get("limit", "")
        invoices = self._desk.invoices()[::-1][: int(asked) if asked.isdecimal() else None]
        return web.json_response([invoice.shown() for invoice in invoices])

    async def _move(self, request: web.Request) -> web.Response:
        """`pay` ({"how": exact | less | more, "coin"?}), or one of ENDS: an end that somebody else decides on."""
        id_, body = request.match_info["id"], await read_json(request)
        moves: dict[str, Callable[[], Invoice]] = {
            "pay": lambda: self._desk.pay(id_, str(body.get("how", "exact")), str(body.get("coin", ""))),
        }
        moves |= {name: partial(self._desk.end, id_, status) for name, status in ENDS.items()}
        move = moves.get(request.match_info["move"])
        if move is None:
            raise bad_request(f"an invoice can: {', '.join(moves)}")
        try:
            return web.json_response(move().shown())
        except ApiError as refusal:
            return refusal.response()

    async def _forge(self, request: web.Request) -> web.Response:
        """{"payment_id"?, "body"?}: a webhook that somebody else sent, and how the shop answered.

        Without a body it claims that the invoice (default: the newest) was paid, under a signature by another key.
        """
        wish, invoices = await read_json(request), self._desk.invoices()
        chosen = next((one for one in invoices[::-1] if wish.get("payment_id", one.uuid) == one.uuid), None)
        if chosen is None:
            raise bad_request("no such invoice")
        lie = Invoice(**(asdict(chosen) | {"status": "paid", "came": plain(chosen.needed)})).told("not-the-key")
        given = wish.get("body", lie)
        text = given if isinstance(given, str) else written(given)
        return web.json_response(await self._pusher.send(text, url=chosen.url_callback))

"""The control API under `/__emu/`: what a payer, the network, time or the service's staff could do."""

from dataclasses import asdict
from functools import partial

from aiohttp import web

from ferryman_sandbox.coins import plain
from ferryman_sandbox.emulator import bad_request
from ferryman_sandbox.heleket.desk import Desk
from ferryman_sandbox.heleket.invoice import Invoice, Json, written
from ferryman_sandbox.payments import Control, Forgery, Pusher

ENDS = {
    "expire": "cancel",
    "decline": "fail",
    "break": "system_fail",
    "lock": "locked",
    "underpay": "wrong_amount",
    "refund": "refund_paid",
    "refunding": "refund_process",
}


class MerchantControl:
    """Moves: `pay` ({"how": exact | less | more, "coin"?}), or one of ENDS: an end that somebody else decides on."""

    def __init__(self, desk: Desk, pusher: Pusher) -> None:
        self._desk = desk
        self._pusher = pusher

    def add_routes(self, app: web.Application) -> None:
        moves = {name: partial(self._end, status) for name, status in ENDS.items()} | {"pay": self._pay}
        Control(self._pusher, self._payments, moves, self._forgery).add_routes(app)

    def _payments(self) -> list[Json]:
        self._desk.deadlines.let_time_pass()
        return [invoice.shown() for invoice in self._desk.invoices()[::-1]]

    def _pay(self, id_: str, body: Json) -> Json:
        return self._desk.pay(id_, str(body.get("how", "exact")), str(body.get("coin", ""))).shown()

    def _end(self, status: str, id_: str, _: Json) -> Json:
        return self._desk.end(id_, status).shown()

    def _forgery(self, wish: Json) -> Forgery:
        """{"payment_id"?, "body"?}.

        Without a body it claims that the invoice (default: the newest) was paid, under a signature by another key.
        """
        invoices = self._desk.invoices()
        chosen = next((one for one in invoices[::-1] if wish.get("payment_id", one.uuid) == one.uuid), None)
        if chosen is None:
            raise bad_request("no such invoice")
        lie = Invoice(**(asdict(chosen) | {"status": "paid", "came": plain(chosen.needed)})).told("not-the-key")
        given = wish.get("body", lie)
        return Forgery(given if isinstance(given, str) else written(given), url=chosen.url_callback)

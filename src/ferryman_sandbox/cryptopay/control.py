"""The control API under `/__emu/`: what a payer, time or the service's own staff could do."""

import json

from aiohttp import web

from ferryman_sandbox.cryptopay.till import Json, Till
from ferryman_sandbox.payments import Control, Forgery, Pusher, add_document


class AppControl:
    """Moves: `pay` ({"asset"?}), `expire`, `delete`. `app` is {"suspended"?, "same_update_id"?}, true or false."""

    def __init__(self, till: Till, pusher: Pusher) -> None:
        self._till = till
        self._pusher = pusher

    def add_routes(self, app: web.Application) -> None:
        moves = {
            "pay": lambda id_, body: self._till.pay(id_, str(body.get("asset", ""))),
            "expire": lambda id_, _: self._till.expire(id_),
            "delete": lambda id_, _: {"deleted": self._till.delete({"invoice_id": id_})},
        }
        Control(self._pusher, self._till.invoices, moves, self._forgery).add_routes(app)
        add_document(app, "app", lambda: self._till.switches, self._till.switch)

    def _forgery(self, wish: Json) -> Forgery:
        """{"body"?, "headers"?, "payment_id"?}.

        Without a body it claims that `payment_id` (default: the newest invoice) was paid; without headers it carries a
        signature by the wrong key.
        """
        lie = wish["body"] if "body" in wish else self._lie(wish.get("payment_id"))
        text = lie if isinstance(lie, str) else json.dumps(lie)
        return Forgery(text, wish.get("headers", {"crypto-pay-api-signature": "0" * 64}))

    def _lie(self, id_: object) -> Json:
        invoices = self._till.invoices()
        chosen = next((one for one in invoices if id_ is None or str(id_) == str(one["invoice_id"])), {"invoice_id": 1})
        return {"update_id": 1, "update_type": "invoice_paid", "payload": chosen | {"status": "paid"}}

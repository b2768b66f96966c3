"""The control API under `/__emu/`: what payer, bank or merchant's cabinet could do, and bad luck."""

import json
from dataclasses import asdict
from typing import Any

from aiohttp import web

from ferryman_sandbox.emulator import bad_request, read_json
from ferryman_sandbox.payments import Control, Forgery, Pusher, answered
from ferryman_sandbox.store import Store
from ferryman_sandbox.yookassa.payment import PAYER_REASONS, Json
from ferryman_sandbox.yookassa.shop import Shop


class ShopControl:
    """Moves: `pay`, `decline` ({"reason"}), `expire`, or `wait`: paid, yet only held, whatever the shop asked."""

    def __init__(self, store: Store, shop: Shop, pusher: Pusher) -> None:
        self._store = store
        self._shop = shop
        self._pusher = pusher

    def add_routes(self, app: web.Application) -> None:
        moves = {
            "pay": lambda id_, body: self._shop.pay(id_, body.get("method", "")).object,
            "decline": lambda id_, body: self._shop.decline(id_, _reason(body)).object,
            "expire": lambda id_, _: self._shop.expire(id_).object,
            "wait": lambda id_, body: self._shop.pay(id_, body.get("method", ""), capture=False).object,
        }
        settings = (self._settings, self._change_settings)
        Control(self._pusher, self._payments, moves, self._forgery, settings).add_routes(app)
        app.router.add_post("/__emu/refund", self._refund)
        app.router.add_post("/__emu/refunds/{id}/{verdict}", self._settle_refund)
        app.router.add_post("/__emu/methods/{id}/revoke", self._revoke)

    def _payments(self) -> list[Json]:
        self._shop.deadlines.let_time_pass()
        return [payment.object for payment in self._shop.payments()]

    async def _refund(self, request: web.Request) -> web.Response:
        """A refund made by hand in the cabinet: {"payment_id", "amount"?}; without an amount, all that is left."""
        body = await read_json(request)

        def refund() -> Json:
            payment = self._shop.get(str(body.get("payment_id", "")))
            value = body.get("amount", f"{payment.amount - payment.refunded:.2f}")
            amount = value if isinstance(value, dict) else {"value": value, "currency": self._shop.currency}
            return self._shop.refund({"payment_id": payment.id, "amount": amount})

        return answered(refund)

    async def _settle_refund(self, request: web.Request) -> web.Response:
        """`succeed`, or `cancel` with {"reason"}."""
        verdict, body = request.match_info["verdict"], await read_json(request)
        if verdict not in ("succeed", "cancel"):
            raise bad_request("a pending refund can: succeed, cancel")
        reason = str(body.get("reason", "general_decline")) if verdict == "cancel" else ""
        return answered(lambda: self._shop.settle_refund(request.match_info["id"], reason))

    async def _revoke(self, request: web.Request) -> web.Response:
        """The payer withdraws the permission to charge a saved method."""
        return answered(lambda: self._shop.revoke_method(request.match_info["id"]))

    def _forgery(self, wish: Json) -> Forgery:
        """{"body"?, "headers"?, "payment_id"?}.

        Without a body it claims that `payment_id` (default: the newest payment) was paid.
        """
        body = wish["body"] if "body" in wish else self._lie(wish.get("payment_id"))
        return Forgery(json.dumps(body), wish.get("headers"))

    def _lie(self, id_: str | None) -> Json:
        payments = self._shop.payments()
        chosen = next((payment.object for payment in payments if id_ in (None, payment.id)), {"id": id_ or "nobody"})
        return {
            "type": "notification",
            "event": "payment.succeeded",
            "object": chosen | {"status": "succeeded", "paid": True},
        }

    def _settings(self) -> Json:
        return {"notify_url": self._pusher.notify_url} | asdict(self._shop.settings)

    def _change_settings(self, given: Any) -> None:
        changes = dict(given)
        url = str(changes.pop("notify_url", self._pusher.notify_url))
        self._shop.settings.change(self._store, changes)
        self._pusher.point_at(url)


def _reason(body: Json) -> str:
    reason = body.get("reason", "general_decline")
    if reason not in PAYER_REASONS:
        raise bad_request(f"reason must be one of {', '.join(PAYER_REASONS)}")
    return str(reason)

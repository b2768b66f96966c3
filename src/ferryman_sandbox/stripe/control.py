"""The control API under `/__emu/`: what payer, bank or the merchant's dashboard could do, and bad luck."""

import json
from collections.abc import Iterable

from aiohttp import web

from ferryman_sandbox.emulator import bad_request, read_json
from ferryman_sandbox.payments import Control, Forgery, Pusher, answered
from ferryman_sandbox.stripe.account import DECLINES, OFF_SESSION_DECLINES, Account
from ferryman_sandbox.stripe.records import Json


class AccountControl:
    """Moves: `pay`, `wait`, `refuse` and `decline` ({"reason"}), `expire`, `dispute`; Account says what they mean."""

    def __init__(self, account: Account, pusher: Pusher) -> None:
        self._account = account
        self._pusher = pusher

    def add_routes(self, app: web.Application) -> None:
        moves = {
            "pay": lambda id_, _: self._account.pay(id_),
            "wait": lambda id_, _: self._account.wait(id_),
            "refuse": lambda id_, body: self._account.refuse(id_, _reason(body)),
            "decline": lambda id_, body: self._account.decline(id_, _reason(body)),
            "expire": lambda id_, _: self._account.expire(id_),
            "dispute": lambda id_, _: self._account.dispute(id_),
        }
        Control(self._pusher, self._sessions, moves, self._forgery).add_routes(app)
        app.router.add_post("/__emu/cards/{id}", self._card)
        app.router.add_post("/__emu/refund", self._refund)
        app.router.add_post("/__emu/refunds", self._refunds)
        app.router.add_post("/__emu/refunds/{id}/{verdict}", self._settle_refund)
        app.router.add_post("/__emu/disputes/{id}/{verdict}", self._close_dispute)

    def _sessions(self) -> Iterable[Json]:
        self._account.deadlines.let_time_pass()
        return self._account.records.all("session")

    async def _card(self, request: web.Request) -> web.Response:
        """{"declines": reason}: from now on a kept card declines; "" = it pays again."""
        reason = (await read_json(request)).get("declines", "")
        if reason and reason not in OFF_SESSION_DECLINES:
            raise bad_request(f"declines must be one of {', '.join(OFF_SESSION_DECLINES)}")

        def doom() -> Json:
            self._account.doom(request.match_info["id"], reason)
            return {"declines": reason}

        return answered(doom)

    async def _refund(self, request: web.Request) -> web.Response:
        """A refund made by hand in the dashboard: {"payment_id", "amount"? in minor units}; without one, all of it."""
        body = await read_json(request)

        def refund() -> Json:
            session = self._account.session(str(body.get("payment_id", "")))
            given = {"payment_intent": session["payment_intent"]}
            return self._account.refund(given | ({"amount": str(body["amount"])} if "amount" in body else {}))

        return answered(refund)

    async def _refunds(self, request: web.Request) -> web.Response:
        """{"slow": true}: new refunds wait to be decided."""
        slow = bool((await read_json(request)).get("slow"))
        self._account.slow_refunds(slow)
        return web.json_response({"slow": slow})

    async def _settle_refund(self, request: web.Request) -> web.Response:
        """`succeed` or `fail`."""
        verdict = request.match_info["verdict"]
        if verdict not in ("succeed", "fail"):
            raise bad_request("a refund can: succeed, fail")
        return answered(lambda: self._account.settle_refund(request.match_info["id"], verdict == "fail"))

    async def _close_dispute(self, request: web.Request) -> web.Response:
        """`win` or `lose`."""
        verdict = request.match_info["verdict"]
        if verdict not in ("win", "lose"):
            raise bad_request("a dispute can: win, lose")
        return answered(lambda: self._account.close_dispute(request.match_info["id"], verdict == "win"))

    def _forgery(self, wish: Json) -> Forgery:
        """{"body"?, "headers"?, "payment_id"?}.

        Without a body it claims that `payment_id` (default: the newest session) was paid; without headers it carries a
        signature by the wrong secret.
        """
        text = json.dumps(wish["body"]) if "body" in wish else self._lie(wish.get("payment_id"))
        return Forgery(text, wish.get("headers", {"Stripe-Signature": f"t=1700000000,v1={'0' * 64}"}))

    def _lie(self, id_: object) -> str:
        sessions = self._account.records.all("session")
        chosen = next((one for one in sessions if id_ in (None, one["id"])), {"id": "cs_test_nobody"})
        paid = {"object": "checkout.session", "status": "complete", "payment_status": "paid"}
        return self._account.event("checkout.session.completed", chosen | paid)


def _reason(body: Json) -> str:
    reason = body.get("reason", "generic_decline")
    if reason not in DECLINES:
        raise bad_request(f"reason must be one of {', '.join(DECLINES)}")
    return str(reason)

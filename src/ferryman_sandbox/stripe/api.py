"""The routes under `/v1`: who may call, what is remembered under an Idempotency-Key, how answers look."""

import hmac
from collections.abc import Callable
from urllib.parse import parse_qsl

from aiohttp import web

from ferryman_sandbox.payments import Keys, gate, site
from ferryman_sandbox.stripe.account import Account
from ferryman_sandbox.stripe.errors import ApiError, invalid
from ferryman_sandbox.stripe.forms import nested
from ferryman_sandbox.stripe.records import Json
from ferryman_sandbox.weather import Handler

LONGEST_KEY = 255


class Api:
    def __init__(self, account: Account, keys: Keys, secret_key: str, public_url: str | None) -> None:
        self._account = account
        self._keys = keys
        self._secret_key = secret_key
        self._public_url = public_url

    def add_routes(self, app: web.Application) -> None:
        app.middlewares.append(gate(("/v1/",), self._admit, _unrouted))
        app.router.add_post("/v1/checkout/sessions", self._create_session)
        app.router.add_get("/v1/checkout/sessions", self._list("session", ("payment_intent", "customer", "status")))
        app.router.add_get("/v1/checkout/sessions/{id}", self._session)
        app.router.add_post("/v1/checkout/sessions/{id}/expire", self._expire)
        app.router.add_post("/v1/payment_intents", self._create_intent)
        app.router.add_get("/v1/payment_intents", self._list("payment_intent", ("customer",)))
        app.router.add_get("/v1/payment_intents/{id}", self._one("payment_intent"))
        app.router.add_post("/v1/refunds", self._refund)
        app.router.add_get("/v1/refunds", self._list("refund", ("payment_intent", "charge")))
        app.router.add_get("/v1/refunds/{id}", self._one("refund"))
        app.router.add_get("/v1/disputes", self._list("dispute", ("payment_intent", "charge")))
        app.router.add_get("/v1/balance", self._balance)

    async def _admit(self, request: web.Request) -> None:
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if not hmac.compare_digest(given.encode(), self._secret_key.encode()):
            raise ApiError(401, "Invalid API Key provided.")

    async def _create_session(self, request: web.Request) -> web.Response:
        address = site(request, self._public_url)
        return await self._once(request, lambda given: self._account.create_session(given, address))

    async def _create_intent(self, request: web.Request) -> web.Response:
        return await self._once(request, self._account.charge_kept)

    async def _refund(self, request: web.Request) -> web.Response:
        return await self._once(request, self._account.refund)

    async def _expire(self, request: web.Request) -> web.Response:
        return await self._once(request, lambda _: self._account.expire(request.match_info["id"]))

    async def _session(self, request: web.Request) -> web.Response:
        session = self._account.session(request.match_info["id"])
        return web.json_response(self._account.records.expand(session, _query(request)))

    async def _balance(self, _: web.Request) -> web.Response:
        return web.json_response({"object": "balance", "available": [], "pending": [], "livemode": False})

    def _one(self, kind: str) -> Handler:
        async def show(request: web.Request) -> web.Response:
            record = self._account.records.get(kind, request.match_info["id"])
            return web.json_response(self._account.records.expand(record, _query(request)))

        return show

    def _list(self, kind: str, filters: tuple[str, ...]) -> Handler:
        async def show(request: web.Request) -> web.Response:
            self._account.deadlines.let_time_pass()
            given = _query(request)
            page = self._account.records.page(kind, given, filters) | {"url": request.path}
            return web.json_response(self._account.records.expand(page, given))

        return show

    async def _once(self, request: web.Request, act: Callable[[Json], Json]) -> web.Response:
        """One key, one body, one effect, for a day. What was refused for its shape is not remembered."""
        given = nested(parse_qsl((await request.read()).decode(errors="replace"), keep_blank_values=True))
        key = request.headers.get("Idempotency-Key", "")
        if len(key) > LONGEST_KEY:
            raise invalid("Idempotency-Key", "Idempotency keys are at most 255 characters")
        kept = self._keys.recall(key, request.path, given) if key else None
        if kept is not None:
            return web.json_response(kept["body"], status=kept["status"], headers={"Idempotent-Replayed": "true"})
        status, body = self._outcome(act, given)
        if key:
            self._keys.remember(key, request.path, given, {"status": status, "body": body})
        return web.json_response(body, status=status)

    def _outcome(self, act: Callable[[Json], Json], given: Json) -> tuple[int, Json]:
        try:
            return 200, self._account.records.expand(act(given), given)
        except ApiError as refusal:
            if refusal.error["type"] != "card_error":
                raise
            return refusal.status, {"error": refusal.error}


def reused() -> ApiError:
    return ApiError(
        400,
        "Keys for idempotent requests can only be used with the same parameters they were first used with.",
        kind="idempotency_error",
    )


def _unrouted(request: web.Request, error: web.HTTPException) -> ApiError:
    return ApiError(error.status, f"Unrecognized request URL ({request.method}: {request.path}).")


def _query(request: web.Request) -> Json:
    return nested(request.query.items())

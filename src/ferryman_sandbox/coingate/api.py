"""The routes under `/v2` and `/api/v2`: who may call, how often, and how lists are cut."""

import hmac
from collections import deque
from datetime import datetime
from urllib.parse import parse_qsl

from aiohttp import web

from ferryman_sandbox.coingate.checks import ApiError, Json
from ferryman_sandbox.coingate.desk import Desk
from ferryman_sandbox.coingate.order import Order
from ferryman_sandbox.payments import gate, json_object, site

BASES = ("/v2", "/api/v2")
PREFIXES = tuple(f"{base}/" for base in BASES)
MINUTE = 60.0


class Api:
    def __init__(self, desk: Desk, token: str, public_url: str | None) -> None:
        self._desk = desk
        self._token = token
        self._public_url = public_url
        self._calls: deque[float] = deque()

    def add_routes(self, app: web.Application) -> None:
        app.middlewares.append(gate(PREFIXES, self._admit, _unrouted))
        for base in BASES:
            app.router.add_post(f"{base}/orders", self._create)
            app.router.add_get(f"{base}/orders", self._list)
            app.router.add_get(f"{base}/orders/{{id}}", self._get)
            app.router.add_post(f"{base}/orders/{{id}}/checkout", self._checkout)
            app.router.add_post(f"{base}/orders/{{id}}/refunds", self._refund)
            app.router.add_get(f"{base}/orders/{{id}}/refunds", self._refunds)

    async def _admit(self, request: web.Request) -> None:
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        if scheme not in ("Token", "Bearer"):
            raise ApiError(401, "BadAuthToken", "Bad Auth Token")
        if not hmac.compare_digest(given.encode(), self._token.encode()):
            raise ApiError(401, "BadCredentials", "Bad credentials")
        now, limit = self._desk.now(), self._desk.settings.calls_per_minute
        while self._calls and self._calls[0] <= now - MINUTE:
            self._calls.popleft()
        if limit and len(self._calls) >= limit:
            raise ApiError(429, "RateLimitExceeded", "Rate limit exceeded")
        self._calls.append(now)

    async def _create(self, request: web.Request) -> web.Response:
        return web.json_response(self._desk.create(await _body(request), site(request, self._public_url)))

    async def _get(self, request: web.Request) -> web.Response:
        return web.json_response(self._desk.get(request.match_info["id"]).object)

    async def _checkout(self, request: web.Request) -> web.Response:
        coin = (await _body(request)).get("pay_currency", "")
        return web.json_response(self._desk.checkout(request.match_info["id"], str(coin)).object)

    async def _refund(self, request: web.Request) -> web.Response:
        return web.json_response(self._desk.refund(request.match_info["id"], await _body(request)))

    async def _refunds(self, request: web.Request) -> web.Response:
        return web.json_response(self._desk.get(request.match_info["id"]).object["refunds"])

    async def _list(self, request: web.Request) -> web.Response:
        self._desk.deadlines.let_time_pass()
        orders = [order for order in self._desk.orders() if _passes(order, request)]
        if request.query.get("sort", "created_at_desc") == "created_at_desc":
            orders.reverse()
        per_page = max(1, min(100, _whole(request.query.get("per_page", "100"))))
        page = max(1, _whole(request.query.get("page", "1")))
        shown = orders[(page - 1) * per_page : page * per_page]
        answer: Json = {
            "current_page": page,
            "per_page": per_page,
            "total_orders": len(orders),
            "total_pages": -(-len(orders) // per_page),
            "orders": [order.object for order in shown],
        }
        return web.json_response(answer)


def _passes(order: Order, request: web.Request) -> bool:
    if request.query.get("status", order.status) != order.status:
        return False
    for name, moment in (("created_at", order.created_at), ("paid_at", order.paid_at)):
        since, until = request.query.get(f"{name}[from]"), request.query.get(f"{name}[to]")
        if (since or until) and moment is None:
            return False
        if moment is not None and not _seconds(since, 0.0) <= moment <= _seconds(until, float("inf")):
            return False
    return True


def _seconds(moment: str | None, otherwise: float) -> float:
    if moment is None:
        return otherwise
    try:
        return datetime.fromisoformat(moment).timestamp()
    except ValueError as error:
        raise ApiError(400, "BadRequest", "A moment must be ISO 8601") from error


def _whole(given: str) -> int:
    return int(given) if given.isdecimal() else 0


async def _body(request: web.Request) -> Json:
    """JSON or a form, as its type says."""
    if request.content_type != "application/json":
        return dict(parse_qsl(await request.text()))
    return json_object(await request.read(), lambda why: ApiError(400, "BadRequest", why))


def _unrouted(_: web.Request, error: web.HTTPException) -> ApiError:
    return ApiError(error.status, "PageNotFound", "Page not found")

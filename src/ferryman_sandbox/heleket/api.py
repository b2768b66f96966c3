"""The routes under `/v1`: every call is a POST, signed over its exact bytes."""

import hmac
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from ferryman_sandbox.heleket.desk import Desk
from ferryman_sandbox.heleket.invoice import ApiError, Invoice, Json, sign
from ferryman_sandbox.payments import Pusher, gate, json_object, site

PAGE = 15


class Api:
    def __init__(self, desk: Desk, pusher: Pusher, merchant: str, key: str, public_url: str | None) -> None:
        self._desk = desk
        self._pusher = pusher
        self._merchant = merchant
        self._key = key
        self._public_url = public_url

    def add_routes(self, app: web.Application) -> None:
        app.middlewares.append(gate(("/v1/",), self._admit, _unrouted))
        app.router.add_post("/v1/payment", self._create)
        app.router.add_post("/v1/payment/info", self._info)
        app.router.add_post("/v1/payment/list", self._list)
        app.router.add_post("/v1/payment/resend", self._resend)
        app.router.add_post("/v1/test-webhook/payment", self._test_webhook)

    async def _admit(self, request: web.Request) -> None:
        given = sign(await request.read(), self._key)
        if request.headers.get("merchant") != self._merchant:
            raise ApiError(401, "Unauthorized: the merchant is unknown")
        if not hmac.compare_digest(given, request.headers.get("sign", "")):
            raise ApiError(401, "Invalid Sign.")

    async def _create(self, request: web.Request) -> web.Response:
        return _answer(self._desk.create(await _body(request), site(request, self._public_url)).shown())

    async def _info(self, request: web.Request) -> web.Response:
        return _answer((await self._named(request)).shown())

    async def _list(self, request: web.Request) -> web.Response:
        """Newest first, fifteen to a page; the cursor is a parameter of the address."""
        self._desk.deadlines.let_time_pass()
        body = await _body(request)
        since, until = _seconds(body.get("date_from"), 0.0), _seconds(body.get("date_to"), float("inf"))
        found = [one for one in self._desk.invoices()[::-1] if since <= one.created_at <= until]
        cursor = request.query.get("cursor", "0")
        start = int(cursor) if cursor.isdecimal() else 0
        more = start + PAGE < len(found)
        paginate: Json = {"count": len(found), "hasPages": len(found) > PAGE, "perPage": PAGE}
        paginate |= {"nextCursor": str(start + PAGE) if more else None, "previousCursor": None}
        return _answer({"items": [one.shown() for one in found[start : start + PAGE]], "paginate": paginate})

    async def _resend(self, request: web.Request) -> web.Response:
        """The last webhook of an invoice, once more."""
        invoice = await self._named(request)
        self._desk.announce(invoice)
        return _answer([])

    async def _test_webhook(self, request: web.Request) -> web.Response:
        """A webhook about an invoice that does not exist, to try an address with."""
        body = await _body(request)
        invoice = Invoice(
            uuid="00000000-0000-4000-8000-000000000000",
            order_id=str(body.get("order_id", "test")),
            amount="1.00",
            currency=str(body.get("currency", "USD")),
            status=str(body.get("status", "paid")),
            created_at=self._desk.now(),
            due_at=None,
            lifetime=3600,
            multiple=False,
            accuracy=0,
            url="",
        )
        delivery = await self._pusher.send(invoice.told(self._key), url=str(body.get("url_callback", "")))
        if delivery["status"] is None:
            raise ApiError(422, "The address did not answer")
        return _answer([])

    async def _named(self, request: web.Request) -> Invoice:
        body = await _body(request)
        if body.get("uuid"):
            return self._desk.get(str(body["uuid"]))
        return self._desk.by_order_id(str(body.get("order_id", "")))


def _answer(result: Any) -> web.Response:
    return web.json_response({"state": 0, "result": result})


async def _body(request: web.Request) -> Json:
    return json_object(await request.read(), lambda why: ApiError(422, why))


def _unrouted(_: web.Request, error: web.HTTPException) -> ApiError:
    return ApiError(error.status, error.reason)


def _seconds(moment: Any, otherwise: float) -> float:
    if moment is None:
        return otherwise
    try:
        return datetime.strptime(str(moment), "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC).timestamp()
    except ValueError as error:
        raise ApiError(422, errors={"date_from": ["The date must look like 2026-01-18 10:51:18"]}) from error

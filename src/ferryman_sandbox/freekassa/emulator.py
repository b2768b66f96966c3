"""One shop: its links, its notifications, its orders."""

import hashlib
import hmac
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from ferryman_sandbox.emulator import read_json
from ferryman_sandbox.links import Bill, LinkEmulator, Wrong
from ferryman_sandbox.links.page import Till

STATES = {"waiting": 0, "paid": 1, "refunded": 6, "declined": 8}
CURRENCIES = frozenset({"RUB", "USD", "EUR", "UAH", "KZT"})
PAGE = 10


@dataclass
class FreekassaEmulator(LinkEmulator):
    """A client's API is `<server>/v1`, its page the server's own address."""

    shop_id: int = 777
    api_key: str = "key"
    secret_word_1: str = "secret1"
    secret_word_2: str = "secret2"

    def __post_init__(self) -> None:
        super().__post_init__()
        self.app.router.add_post("/v1/orders", self._orders)

    @property
    def till(self) -> Till:
        return Till("/", "Freekassa", "🪙", "#2f6fed", "lang")

    def visited(self, query: dict[str, str]) -> Bill:
        shop, total, currency, ref = (query.get(name, "") for name in ("m", "oa", "currency", "o"))
        proof = _md5(shop, total, self.secret_word_1, currency, ref)
        if shop != str(self.shop_id) or not hmac.compare_digest(proof.encode(), query.get("s", "").encode()):
            raise Wrong("the signature does not fit")
        try:
            amount = f"{Decimal(total):.2f}"
        except InvalidOperation as error:
            raise Wrong("oa must be a number") from error
        if currency not in CURRENCIES or not ref:
            raise Wrong("currency and o must be given")
        asked = (ref, amount, currency)
        waiting = [bill for bill in self.desk.bills() if bill.status == "waiting"]
        known = [bill for bill in waiting if (bill.ref, bill.amount, bill.currency) == asked]
        return known[0] if known else self.desk.open(self.desk.next_id(), ref, amount, currency, ref)

    def notification(self, bill: Bill) -> str:
        """The sum without needless zeros, as the service writes it: 100, 99.5."""
        total = f"{Decimal(bill.amount).normalize():f}"
        fields = {
            "MERCHANT_ID": str(self.shop_id),
            "AMOUNT": total,
            "intid": bill.id,
            "MERCHANT_ORDER_ID": bill.ref,
            "P_EMAIL": "payer@example.org",
            "CUR_ID": "36",
            "SIGN": _md5(str(self.shop_id), total, self.secret_word_2, bill.ref),
        }
        return urlencode(fields)

    def wanted(self, body: str) -> str:
        del body
        return "YES"

    async def _orders(self, request: web.Request) -> web.Response:
        body = await read_json(request)
        refusal = self._refusal(body)
        if refusal:
            return web.json_response({"type": "error", "message": refusal}, status=400)
        found = [bill for bill in self.desk.bills() if _fits(bill, body)]
        page = int(body.get("page", 1))
        shown = found[(page - 1) * PAGE : page * PAGE]
        pages = max(1, -(-len(found) // PAGE))
        return web.json_response({"type": "success", "pages": pages, "orders": [_order(bill) for bill in shown]})

    def _refusal(self, body: Any) -> str:
        if not isinstance(body, dict) or body.get("shopId") != self.shop_id:
            return "Merchant not found"
        signed = {name: value for name, value in body.items() if name != "signature"}
        text = "|".join(str(signed[name]) for name in sorted(signed))
        proof = hmac.new(self.api_key.encode(), text.encode(), hashlib.sha256).hexdigest()
        if not hmac.compare_digest(proof.encode(), str(body.get("signature", "")).encode()):
            return "Invalid signature"
        nonce, last = body.get("nonce"), self.store.get("nonce", "last") or {"value": 0}
        if not isinstance(nonce, int) or nonce <= last["value"]:
            return "Nonce must be greater than the last one"
        self.store.put("nonce", "last", {"value": nonce})
        return ""


def _fits(bill: Bill, asked: dict[str, Any]) -> bool:
    made = _moment(bill.created_at)
    return (
        str(asked.get("orderId", bill.id)) == bill.id
        and asked.get("paymentId", bill.ref) == bill.ref
        and str(asked.get("dateFrom", made)) <= made <= str(asked.get("dateTo", made))
    )


def _order(bill: Bill) -> dict[str, Any]:
    return {
        "merchant_order_id": bill.ref,
        "fk_order_id": int(bill.id),
        "amount": float(bill.amount),
        "currency": bill.currency,
        "email": "payer@example.org",
        "account": "",
        "date": _moment(bill.created_at),
        "status": STATES[bill.status],
    }


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _md5(*parts: str) -> str:
    return hashlib.md5(":".join(parts).encode(), usedforsecurity=False).hexdigest()

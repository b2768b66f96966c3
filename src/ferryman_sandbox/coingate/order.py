"""One order: what the API, the invoice page and a callback show of it."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from urllib.parse import urlencode

from ferryman_sandbox.coingate.checks import Json
from ferryman_sandbox.coins import COINS, Bill, coins_for, plain

SHOWN_IN_CALLBACK = (
    *("id", "order_id", "status", "price_amount", "price_currency", "pay_amount", "pay_currency", "receive_amount"),
    *("receive_currency", "underpaid_amount", "overpaid_amount", "is_refundable", "created_at", "paid_at", "fees"),
)
STATES = {
    "new": "new",
    "pending": "waiting",
    "confirming": "seen",
    "paid": "paid",
    "invalid": "failed",
    "canceled": "cancelled",
    "refunded": "back",
    "partially_refunded": "back",
}
ACTIONS = {"new": ("choose", "cancel"), "waiting": ("exact", "less", "more", "cancel"), "expired": ("late",)}


@dataclass
class Order:
    """`object` is what the API answers. `due_at` (Unix seconds) is when time alone moves it; None when final."""

    object: Json
    token: str
    key: str
    callback_url: str
    success_url: str
    due_at: float | None
    came: str = "0"
    """How many coins came so far."""

    @property
    def id(self) -> int:
        return int(self.object["id"])

    @property
    def status(self) -> str:
        return str(self.object["status"])

    @property
    def created_at(self) -> float:
        return datetime.fromisoformat(self.object["created_at"]).timestamp()

    @property
    def paid_at(self) -> float | None:
        paid = self.object.get("paid_at")
        return None if paid is None else datetime.fromisoformat(paid).timestamp()

    @property
    def price(self) -> Decimal:
        return Decimal(self.object["price_amount"])

    @property
    def needed(self) -> Decimal:
        return Decimal(self.object.get("pay_amount", "0"))

    def bill(self) -> Bill:
        """The order as its invoice page shows it."""
        shown, coin, came = self.object, self.object.get("pay_currency", ""), Decimal(self.came)
        currency = shown["price_currency"]
        state = STATES.get(self.status, "short" if came else "expired")
        actions = dict(ACTIONS) | ({"waiting": ("rest", "cancel")} if came else {})
        offered = [(one, plain(coins_for(self.price, currency, one))) for one in COINS] if state == "new" else []
        return Bill(
            key=self.key,
            id=str(self.id),
            state=state,
            price=f"{self.price:.2f} {currency}",
            description=shown["title"],
            actions=actions.get(state, ()),
            coins=offered,
            to_send=f"{plain(self.needed)} {coin}",
            address=shown.get("payment_address", ""),
            missing=f"{shown['underpaid_amount']} {coin}" if came else "",
            until=self.due_at or 0.0,
            back_url=self.success_url,
        )

    def callback(self, format_: str) -> str:
        """What is told of it: "json", or "form" with its bracketed names."""
        shown = {name: self.object[name] for name in SHOWN_IN_CALLBACK if name in self.object} | {"token": self.token}
        if format_ == "json":
            return json.dumps(shown)
        fees = shown.pop("fees", [])
        pairs = [(name, str(value).lower() if isinstance(value, bool) else value) for name, value in shown.items()]
        for fee in fees:
            pairs += [("fees[][type]", fee["type"]), ("fees[][amount]", fee["amount"])]
            pairs += [(f"fees[][currency][{name}]", value) for name, value in fee["currency"].items()]
        return urlencode(pairs)


def new(id_: int, body: Json, price: Decimal, now: float) -> Json:
    """The object of an order that has just been placed."""
    # Zeros at the end come and go over there; so they do here, from one order to the next.
    shown = plain(price) + ("" if "." in plain(price) else (".0" if id_ % 2 else ""))
    return {
        "id": id_,
        "status": "new",
        "title": body["title"],
        "do_not_convert": body.get("receive_currency") == "DO_NOT_CONVERT",
        "orderable_type": "ApiApp",
        "orderable_id": 3,
        "price_currency": body["price_currency"],
        "price_amount": shown,
        "lightning_network": False,
        "receive_currency": body.get("receive_currency", "EUR"),
        "receive_amount": "0",
        "created_at": iso(now),
        "order_id": str(body.get("order_id", "")),
        "underpaid_amount": "0",
        "overpaid_amount": "0",
        "is_refundable": False,
        "refunds": [],
        "voids": [],
        "fees": [],
        "blockchain_transactions": [],
    }


def iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")

"""One invoice: what the API, the page and a webhook show of it, and how all of it is signed."""

import base64
import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from aiohttp import web

from ferryman_sandbox.coins import COINS, Bill, coins_for, plain
from ferryman_sandbox.payments import Refusal

Json = dict[str, Any]

FINAL = ("paid", "paid_over", "wrong_amount", "cancel", "fail", "system_fail", "refund_paid")
# Those in which what came is on the merchant's balance.
CREDITED = ("paid", "paid_over", "wrong_amount")
STATES = {
    "check": "new",
    "process": "waiting",
    "wrong_amount_waiting": "waiting",
    "confirm_check": "seen",
    "paid": "paid",
    "paid_over": "paid",
    "wrong_amount": "short",
    "cancel": "expired",
    "locked": "held",
    "refund_process": "back",
    "refund_paid": "back",
}
ACTIONS = {"check": ("choose",), "process": ("exact", "less", "more"), "wrong_amount_waiting": ("rest",)}
# What a webhook tells of an invoice, in this order, `sign` last.
TOLD = (
    *("uuid", "order_id", "amount", "payment_amount", "merchant_amount", "is_final", "status", "from", "network"),
    *("currency", "payer_currency", "additional_data", "txid"),
)


class ApiError(Refusal):
    """A refusal: `state` 1, with a message or with errors by field."""

    def __init__(self, status: int, message: str = "", errors: Json | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.body: Json = {"state": 1} | ({"errors": errors} if errors else {"message": message})

    def response(self) -> web.Response:
        return web.json_response(self.body, status=self.status)


@dataclass
class Invoice:
    """`due_at` (Unix seconds) is when time alone moves it; None when final, or in the hands of the staff."""

    uuid: str
    order_id: str
    amount: str
    currency: str
    status: str
    created_at: float
    due_at: float | None
    lifetime: int
    multiple: bool
    accuracy: int
    url: str
    url_callback: str = ""
    url_success: str = ""
    additional_data: str = ""
    coin: str = ""
    came: str = "0"
    txid: str = ""

    @property
    def needed(self) -> Decimal:
        return coins_for(Decimal(self.amount), self.currency, self.coin) if self.coin else Decimal(0)

    @property
    def enough(self) -> Decimal:
        """The least that counts as paid."""
        return self.needed * (100 - self.accuracy) / 100

    def shown(self) -> Json:
        """As creation, info and list answer it."""
        object_: Json = {
            "uuid": self.uuid,
            "order_id": self.order_id,
            "amount": self.amount,
            "payment_amount": self.came if Decimal(self.came) else None,
            "payer_amount": plain(self.needed) if self.coin else None,
            "discount_percent": 0,
            "payer_currency": self.coin or None,
            "currency": self.currency,
            "merchant_amount": plain(Decimal(self.came) * Decimal("0.98")) if self.status in CREDITED else None,
            "network": COINS[self.coin][0].lower() if self.coin else None,
            "address": f"emu{self.uuid.replace('-', '')}" if self.coin else None,
            "from": "emu-payer" if self.txid else None,
            "txid": self.txid or None,
            "url": self.url,
            "expired_at": int(self.created_at) + self.lifetime,
            "is_final": self.status in FINAL,
            "additional_data": self.additional_data or None,
            "created_at": f"{datetime.fromtimestamp(self.created_at, UTC):%Y-%m-%dT%H:%M:%S+00:00}",
        }
        return object_ | {"payment_status": self.status, "status": self.status}

    def told(self, key: str) -> str:
        """A webhook about it."""
        shown = self.shown()
        return signed_text({"type": "payment"} | {name: shown[name] for name in TOLD}, key)

    def bill(self) -> Bill:
        """As its page shows it."""
        new = self.status == "check"
        came, missing = Decimal(self.came), self.needed - Decimal(self.came)
        offered = [(one, plain(coins_for(Decimal(self.amount), self.currency, one))) for one in COINS] if new else []
        return Bill(
            key=self.uuid,
            id=self.uuid,
            state=STATES.get(self.status, "failed"),
            price=f"{self.amount} {self.currency}",
            description=self.additional_data,
            actions=ACTIONS.get(self.status, ()),
            coins=offered,
            to_send=f"{plain(self.needed)} {self.coin}",
            address=str(self.shown()["address"] or ""),
            missing=f"{plain(missing)} {self.coin}" if came and missing > 0 else "",
            until=self.due_at or 0.0,
            back_url=self.url_success,
        )


def sign(text: bytes, key: str) -> str:
    return hashlib.md5(base64.b64encode(text) + key.encode(), usedforsecurity=False).hexdigest()


def written(document: Json) -> str:
    """As PHP's json_encode does: no spaces, every slash escaped, nothing but ASCII."""
    return json.dumps(document, separators=(",", ":")).replace("/", "\\/")


def signed_text(document: Json, key: str) -> str:
    return written(document | {"sign": sign(written(document).encode(), key)})

"""One payment and its legal moves; nothing here knows of HTTP or of storage."""

import secrets
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from ferryman_sandbox.yookassa.errors import invalid

Json = dict[str, Any]

HOUR = 3600.0
PAY_WINDOW = HOUR
HOLD_WINDOW = 7 * 24 * HOUR
COMMISSION = Decimal("0.04")

PAYER_REASONS = (
    "insufficient_funds",
    "general_decline",
    "3d_secure_failed",
    "call_issuer",
    "card_expired",
    "invalid_card_number",
    "invalid_csc",
    "issuer_unavailable",
    "payment_method_limit_exceeded",
    "payment_method_restricted",
    "country_forbidden",
    "identification_required",
    "unsupported_mobile_operator",
    "fraud_suspected",
    "internal_timeout",
    "permission_revoked",
)


@dataclass
class Payment:
    """`object` is what the API answers. `due_at` (Unix seconds) is when time alone ends it; None when final."""

    object: Json
    capture: bool
    save_method: bool
    return_url: str
    only_method: str
    has_receipt: bool
    due_at: float | None

    @property
    def id(self) -> str:
        return str(self.object["id"])

    @property
    def status(self) -> str:
        return str(self.object["status"])

    @property
    def amount(self) -> Decimal:
        return Decimal(self.object["amount"]["value"])

    @property
    def refunded(self) -> Decimal:
        return Decimal(self.object.get("refunded_amount", {}).get("value", "0.00"))

    def document(self) -> Json:
        return asdict(self)

    def authorize(self, method: Json, now: float) -> None:
        """The payer's money is held; with `capture` the caller captures at once."""
        self.object.pop("confirmation", None)
        self.object |= {
            "status": "waiting_for_capture",
            "paid": True,
            "payment_method": method,
            "expires_at": iso(now + HOLD_WINDOW),
            "authorization_details": {
                "rrn": f"{secrets.randbelow(10**12):012d}",
                "auth_code": f"{secrets.randbelow(10**6):06d}",
                "three_d_secure": {"applied": True},
            },
        }
        self.due_at = now + HOLD_WINDOW

    def take(self, value: Decimal, now: float) -> None:
        """Capture all or a part of a held amount; the rest returns to the payer."""
        if self.status != "waiting_for_capture":
            raise invalid("status", f"a payment in status {self.status} cannot be captured")
        if value > self.amount:
            raise invalid("amount.value", "cannot capture more than is held")
        currency = self.object["amount"]["currency"]
        self.object.pop("expires_at", None)
        self.object |= {
            "status": "succeeded",
            "amount": money(value, currency),
            "income_amount": money(value - (value * COMMISSION).quantize(Decimal("0.01")), currency),
            "captured_at": iso(now),
            "refundable": True,
            "refunded_amount": money(Decimal(0), currency),
        }
        if self.has_receipt:
            self.object["receipt_registration"] = "succeeded"
        self.due_at = None

    def cancel(self, party: str, reason: str) -> None:
        for name in ("confirmation", "expires_at"):
            self.object.pop(name, None)
        self.object |= {
            "status": "canceled",
            "paid": False,
            "cancellation_details": {"party": party, "reason": reason},
        }
        self.due_at = None

    def give_back(self, value: Decimal) -> None:
        """Count a refund. Raises ApiError when it is not refundable or more than is left."""
        if self.status != "succeeded":
            raise invalid("payment_id", "only a succeeded payment can be refunded")
        if value > self.amount - self.refunded:
            raise invalid("amount.value", "the refund is more than what is left of the payment")
        self.set_refunded(self.refunded + value)

    def set_refunded(self, value: Decimal) -> None:
        self.object["refunded_amount"] = money(value, self.object["amount"]["currency"])
        self.object["refundable"] = value < self.amount


def new_id() -> str:
    """36 characters, as the real ids look."""
    return f"{secrets.token_hex(4)}-000f-5000-8000-{secrets.token_hex(6)}"


def iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def money(value: Decimal, currency: str) -> Json:
    return {"value": f"{value:.2f}", "currency": currency}


def payment_method(kind: str, id_: str, saved: bool) -> Json:
    """What a payment shows of the instrument that paid it."""
    method: Json = {"type": kind, "id": id_, "saved": saved, "status": "active" if saved else "inactive"}
    match kind:
        case "bank_card":
            card = {"first6": "555555", "last4": "4477", "expiry_year": "2030", "expiry_month": "12"}
            method |= {"title": "Bank card *4477", "card": card | {"card_type": "MasterCard", "issuer_country": "RU"}}
        case "yoo_money":
            method |= {"title": "YooMoney wallet 410011758831136", "account_number": "410011758831136"}
        case "sbp":
            bank = {"bank_id": "100000000111", "bic": "044525225"}
            method |= {"title": "SBP", "sbp_operation_id": secrets.token_hex(16).upper(), "payer_bank_details": bank}
        case "sberbank":
            method |= {"title": "SberPay *4477", "phone": "79000000000"}
        case "tinkoff_bank":
            method |= {"title": "T-Pay *4477"}
    return method

"""The shop's account: payments, refunds and saved methods, their moves, and what is announced of each."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import ferryman_sandbox.yookassa.checks as checks
from ferryman_sandbox.payments import Deadlines
from ferryman_sandbox.store import Store
from ferryman_sandbox.yookassa.errors import ApiError, invalid
from ferryman_sandbox.yookassa.payment import (
    PAY_WINDOW,
    Json,
    Payment,
    iso,
    money,
    new_id,
    payment_method,
)
from ferryman_sandbox.yookassa.settings import Settings

Announce = Callable[[str, Json], Any]


class Shop:
    """`announce(event, object)` is called after each change that the real service would notify about."""

    def __init__(
        self,
        store: Store,
        now: Callable[[], float],
        settings: Settings,
        shop_id: str,
        currency: str,
        announce: Announce,
    ) -> None:
        self._store = store
        self._now = now
        self._announce = announce
        self.deadlines = Deadlines(now, self._overdue)
        self.settings = settings
        self.shop_id = shop_id
        self.currency = currency
        for payment in self.payments():
            self._keep(payment)

    # ---- the API's side

    def create(self, body: Json, site: str) -> Payment:
        """A new payment; a saved method is charged at once. Raises ApiError. `site` is where the pay page lives."""
        checks.new_payment(body, self.currency, self.settings.test)
        if body.get("save_payment_method") and not self.settings.keeping:
            raise ApiError(403, "Recurring payments are not enabled for this shop")
        payment = self._build(body, site)
        self._keep(payment)
        if "payment_method_id" in body:
            self._charge(payment, body["payment_method_id"])
        return payment

    def get(self, id_: str) -> Payment:
        self.deadlines.let_time_pass()
        document = self._store.get("payment", id_)
        if document is None:
            raise ApiError(404, "Payment doesn't exist or access denied", "payment_id")
        return Payment(**document)

    def payments(self) -> list[Payment]:
        """Newest first."""
        return [Payment(**document) for _, document in self._store.all("payment")][::-1]

    def capture(self, id_: str, body: Json) -> Payment:
        payment = self.get(id_)
        value = checks.amount(body["amount"], self.currency) if "amount" in body else payment.amount
        payment.take(value, self._now())
        return self._changed(payment, "payment.succeeded")

    def cancel(self, id_: str) -> Payment:
        payment = self.get(id_)
        if payment.status != "waiting_for_capture":
            raise invalid("status", f"a payment in status {payment.status} cannot be canceled")
        payment.cancel("merchant", "canceled_by_merchant")
        return self._changed(payment, "payment.canceled")

    def refund(self, body: Json) -> Json:
        """Take money back to the payer: decided at once, or left pending when the settings say so."""
        checks.metadata(body.get("metadata", {}))
        checks.receipt(body.get("receipt"))
        if len(str(body.get("description", ""))) > 250:
            raise invalid("description", "description must be at most 250 characters")
        value = checks.amount(body.get("amount"), self.currency)
        document = self._store.get("payment", str(body.get("payment_id", "")))
        if document is None:
            raise invalid("payment_id", "no such payment")
        payment = Payment(**document)
        payment.give_back(value)
        self._keep(payment)
        refund = {
            "id": new_id(),
            "payment_id": payment.id,
            "status": "pending",
            "amount": money(value, self.currency),
            "created_at": iso(self._now()),
        } | {name: body[name] for name in ("description", "metadata") if name in body}
        if "receipt" in body:
            refund["receipt_registration"] = "pending"
        self._store.put("refund", refund["id"], refund)
        return self.settle_refund(refund["id"]) if self.settings.refunds == "succeeded" else refund

    def get_refund(self, id_: str) -> Json:
        refund = self._store.get("refund", id_)
        if refund is None:
            raise ApiError(404, "Refund doesn't exist or access denied", "refund_id")
        return refund

    def refunds(self) -> list[Json]:
        """Newest first."""
        return [refund for _, refund in self._store.all("refund")][::-1]

    # ---- the payer's and the bank's side

    def pay(self, id_: str, method: str = "", capture: bool = True) -> Payment:
        """The payer confirms. `capture=False` leaves the money held even when the shop asked for capture."""
        payment = self._pending(id_)
        kind = payment.only_method or method or "bank_card"
        shown = payment_method(kind, payment.id, payment.save_method)
        if payment.save_method:
            self._store.put("method", payment.id, shown)
        return self._confirm(payment, shown, capture)

    def decline(self, id_: str, reason: str) -> Payment:
        payment = self._pending(id_)
        party = "yoo_money" if reason in ("fraud_suspected", "internal_timeout") else "payment_network"
        payment.cancel(party, reason)
        return self._changed(payment, "payment.canceled")

    def expire(self, id_: str) -> Payment:
        payment = self.get(id_)
        if payment.due_at is None:
            raise invalid("status", f"a payment in status {payment.status} cannot expire")
        return self._expire(payment)

    def revoke_method(self, id_: str) -> Json:
        method = self._store.get("method", id_)
        if method is None:
            raise ApiError(404, "no such saved method", "payment_method_id")
        method["status"] = "inactive"
        self._store.put("method", id_, method)
        return method

    def settle_refund(self, id_: str, cancel_reason: str = "") -> Json:
        """Decide a pending refund. A canceled one is announced to nobody: the real service has no such event."""
        refund = self.get_refund(id_)
        if refund["status"] != "pending":
            raise invalid("status", f"the refund is already {refund['status']}")
        if cancel_reason:
            payment = self.get(refund["payment_id"])
            payment.set_refunded(payment.refunded - Decimal(refund["amount"]["value"]))
            self._keep(payment)
            refund |= {"status": "canceled", "cancellation_details": {"party": "yoo_money", "reason": cancel_reason}}
            self._store.put("refund", id_, refund)
        else:
            refund["status"] = "succeeded"
            self._store.put("refund", id_, refund)
            self._announce("refund.succeeded", refund)
        return refund

    def _overdue(self, id_: str) -> None:
        document = self._store.get("payment", id_)
        if document is not None:
            self._expire(Payment(**document))

    def _build(self, body: Json, site: str) -> Payment:
        now, id_ = self._now(), new_id()
        asked = body.get("confirmation", {})
        shown: Json = {
            "id": id_,
            "status": "pending",
            "paid": False,
            "amount": money(Decimal(body["amount"]["value"]), self.currency),
            "created_at": iso(now),
            "metadata": body.get("metadata", {}),
            "recipient": {"account_id": self.shop_id, "gateway_id": "100700"},
            "refundable": False,
            "test": self.settings.test,
        }
        shown |= {name: body[name] for name in ("description", "merchant_customer_id") if name in body}
        if asked:
            shown["confirmation"] = _confirmation(asked, f"{site}/pay/{id_}")
        if "receipt" in body:
            shown["receipt_registration"] = "pending"
        return Payment(
            object=shown,
            capture=body.get("capture", False),
            save_method=body.get("save_payment_method", False),
            return_url=asked.get("return_url", ""),
            only_method=body.get("payment_method_data", {}).get("type", ""),
            has_receipt="receipt" in body,
            due_at=now + PAY_WINDOW,
        )

    def _charge(self, payment: Payment, method_id: str) -> None:
        method = self._store.get("method", str(method_id))
        if method is None:
            self._forget(payment)
            raise invalid("payment_method_id", "no such saved method")
        verdict = self.settings.charges if method["status"] == "active" else "permission_revoked"
        if verdict == "succeeded":
            self._confirm(payment, method, capture=True)
        elif verdict != "pending":
            payment.cancel("yoo_money" if verdict == "permission_revoked" else "payment_network", verdict)
            self._changed(payment, "payment.canceled")

    def _confirm(self, payment: Payment, method: Json, capture: bool) -> Payment:
        payment.authorize(method, self._now())
        if not (payment.capture and capture):
            return self._changed(payment, "payment.waiting_for_capture")
        payment.take(payment.amount, self._now())
        return self._changed(payment, "payment.succeeded")

    def _pending(self, id_: str) -> Payment:
        payment = self.get(id_)
        if payment.status != "pending":
            raise invalid("status", f"the payment is already {payment.status}")
        return payment

    def _expire(self, payment: Payment) -> Payment:
        held = payment.status == "waiting_for_capture"
        payment.cancel("yoo_money", "expired_on_capture" if held else "expired_on_confirmation")
        return self._changed(payment, "payment.canceled")

    def _changed(self, payment: Payment, event: str) -> Payment:
        self._keep(payment)
        self._announce(event, payment.object)
        return payment

    def _keep(self, payment: Payment) -> None:
        self._store.put("payment", payment.id, payment.document())
        self.deadlines.set(payment.id, payment.due_at)

    def _forget(self, payment: Payment) -> None:
        self._store.drop("payment", payment.id)
        self.deadlines.set(payment.id, None)


def _confirmation(asked: Json, page: str) -> Json:
    kept: Json = {name: asked[name] for name in ("type", "return_url", "enforce", "locale") if name in asked}
    match asked["type"]:
        case "redirect" | "mobile_application":
            return kept | {"confirmation_url": page}
        case "qr":
            return kept | {"confirmation_data": page}
        case "embedded":
            return kept | {"confirmation_token": f"ct-{page.rsplit('/', 1)[1]}"}
    return kept

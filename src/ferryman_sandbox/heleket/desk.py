"""The merchant's invoices: their moves, what time does to them, and what is told about each."""

import re
import secrets
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from typing import Any

from ferryman_sandbox.coins import COINS, Bill, plain
from ferryman_sandbox.heleket.invoice import ApiError, Invoice, Json
from ferryman_sandbox.payments import Deadlines
from ferryman_sandbox.store import Store

CURRENCIES = frozenset({"USD", "EUR", "RUB", "GBP", "TRY", "KZT", "UAH", "PLN"})
CONFIRMING_LASTS = 2.0
USUAL_LIFETIME = 3600
_AMOUNT = re.compile(r"[0-9]{1,12}(\.[0-9]{1,8})?")


@dataclass
class Desk:
    """`announce(invoice)` is called for each change that the real service tells of."""

    store: Store
    now: Callable[[], float]
    announce: Callable[[Invoice], Any]
    deadlines: Deadlines = field(init=False)

    def __post_init__(self) -> None:
        self.deadlines = Deadlines(self.now, self._overdue)
        for invoice in self.invoices():
            self._keep(invoice)

    # The merchant's side.

    def create(self, body: Json, site: str) -> Invoice:
        """A new invoice, or the one under this order_id. Raises ApiError. `site` is where the page lives."""
        _check(body)
        known = self.store.get("order_id", str(body["order_id"]))
        if known is not None:
            return self.get(known["uuid"])
        id_, lifetime = str(uuid.uuid4()), int(body.get("lifetime", USUAL_LIFETIME))
        invoice = Invoice(
            uuid=id_,
            order_id=str(body["order_id"]),
            amount=str(body["amount"]),
            currency=str(body["currency"]),
            status="check",
            created_at=self.now(),
            due_at=self.now() + lifetime,
            lifetime=lifetime,
            multiple=bool(body.get("is_payment_multiple", True)),
            accuracy=int(body.get("accuracy_payment_percent", 0)),
            url=f"{site}/pay/{id_}",
            url_callback=str(body.get("url_callback", "")),
            url_success=str(body.get("url_success", "")),
            additional_data=str(body.get("additional_data", "")),
        )
        self._keep(invoice)
        self.store.put("order_id", invoice.order_id, {"uuid": id_})
        return invoice

    def get(self, uuid_: str) -> Invoice:
        self.deadlines.let_time_pass()
        document = self.store.get("invoice", uuid_)
        if document is None:
            raise ApiError(404, "Not found")
        return Invoice(**document)

    def by_order_id(self, order_id: str) -> Invoice:
        known = self.store.get("order_id", order_id)
        if known is None:
            raise ApiError(404, "Not found")
        return self.get(known["uuid"])

    def invoices(self) -> list[Invoice]:
        """Oldest first."""
        return [Invoice(**document) for _, document in self.store.all("invoice")]

    # The payer's, the network's and the staff's side.

    def choose(self, uuid_: str, coin: str) -> Invoice:
        invoice = self.get(uuid_)
        if invoice.status != "check" or coin not in COINS:
            raise ApiError(422, "The coin cannot be chosen")
        invoice.coin, invoice.status = coin, "process"
        return self._changed(invoice, told=False)

    def receive(self, uuid_: str, coins: Decimal) -> Invoice:
        """Coins come; the network confirms them a moment later."""
        invoice = self._open(uuid_)
        self._count(invoice, coins)
        invoice.status, invoice.due_at = "confirm_check", self.now() + CONFIRMING_LASTS
        return self._changed(invoice)

    def pay(self, uuid_: str, how: str = "exact", coin: str = "") -> Invoice:
        """All at once and told once; `how`: exact, less or more."""
        invoice = self._open(uuid_)
        invoice.coin = invoice.coin or coin or "USDT"
        parts = {"exact": Decimal(1), "less": Decimal("0.5"), "more": Decimal("1.5")}
        if how not in parts:
            raise ApiError(422, f"A payer can pay: {', '.join(parts)}")
        self._count(invoice, invoice.needed * parts[how] - (Decimal(invoice.came) if how == "exact" else 0))
        return self._settle(invoice)

    def end(self, uuid_: str, status: str) -> Invoice:
        """`cancel`, `fail`, `system_fail`, `locked`, `wrong_amount`, or a refund's `refund_process`, `refund_paid`."""
        invoice = self.get(uuid_)
        invoice.status, invoice.due_at = status, None
        return self._changed(invoice)

    # The page's side.

    def bill(self, key: str) -> Bill:
        return self.get(key).bill()

    def act(self, key: str, action: str, coin: str) -> Invoice:
        if action == "choose":
            return self.choose(key, coin)
        invoice = self.get(key)
        parts = {"less": Decimal("0.5"), "more": Decimal("1.5")}
        return self.receive(key, invoice.needed * parts.get(action, Decimal(1)) - Decimal(invoice.came))

    def _overdue(self, uuid_: str) -> None:
        invoice = Invoice(**(self.store.get("invoice", uuid_) or {}))
        if invoice.status == "confirm_check":
            self._settle(invoice)
        else:
            invoice.status, invoice.due_at = ("wrong_amount" if Decimal(invoice.came) else "cancel"), None
            self._changed(invoice)

    def _open(self, uuid_: str) -> Invoice:
        invoice = self.get(uuid_)
        if invoice.status not in ("check", "process", "wrong_amount_waiting"):
            raise ApiError(422, f"The invoice is {invoice.status}")
        return invoice

    def _count(self, invoice: Invoice, coins: Decimal) -> None:
        invoice.came = plain(Decimal(invoice.came) + coins)
        invoice.txid = secrets.token_hex(32)

    def _settle(self, invoice: Invoice) -> Invoice:
        came, end = Decimal(invoice.came), invoice.created_at + invoice.lifetime
        if came > invoice.needed:
            invoice.status = "paid_over"
        elif came >= invoice.enough:
            invoice.status = "paid"
        else:
            waits = invoice.multiple and end > self.now()
            invoice.status = "wrong_amount_waiting" if waits else "wrong_amount"
        invoice.due_at = end if invoice.status == "wrong_amount_waiting" else None
        return self._changed(invoice)

    def _changed(self, invoice: Invoice, *, told: bool = True) -> Invoice:
        self._keep(invoice)
        if told and invoice.url_callback:
            self.announce(invoice)
        return invoice

    def _keep(self, invoice: Invoice) -> None:
        self.store.put("invoice", invoice.uuid, asdict(invoice))
        self.deadlines.set(invoice.uuid, invoice.due_at)


def _check(body: Json) -> None:
    """Raises ApiError that lists everything wrong."""
    errors: Json = {}
    amount = body.get("amount")
    if not isinstance(amount, str) or not _AMOUNT.fullmatch(amount) or not Decimal(amount):
        errors["amount"] = ["The amount must be a string with a number above zero"]
    if body.get("currency") not in CURRENCIES:
        errors["currency"] = ["The currency is not supported"]
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,128}", str(body.get("order_id", ""))):
        errors["order_id"] = ["The order id must be 1 to 128 of A-Z a-z 0-9 _ -"]
    if not 300 <= body.get("lifetime", USUAL_LIFETIME) <= 43_200:
        errors["lifetime"] = ["The lifetime must be 300 to 43200"]
    if not 0 <= body.get("accuracy_payment_percent", 0) <= 5:
        errors["accuracy_payment_percent"] = ["The accuracy must be 0 to 5"]
    if len(str(body.get("additional_data", ""))) > 255:
        errors["additional_data"] = ["The additional data must be 255 characters at most"]
    if errors:
        raise ApiError(422, errors=errors)

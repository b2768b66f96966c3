"""The app's invoices: made, listed, deleted, paid by somebody's wallet, run out of time."""

import json
import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import ROUND_UP, Decimal
from typing import Any

import ferryman_sandbox.cryptopay.checks as checks
from ferryman_sandbox.cryptopay.checks import ASSETS, ApiError
from ferryman_sandbox.payments import Deadlines
from ferryman_sandbox.store import Store

Json = dict[str, Any]

# What one coin, or one unit of a currency, is worth in dollars here; a currency that is not named is worth one.
COINS = {"USDT": "1", "USDC": "1", "TON": "3.2", "BTC": "64000", "ETH": "3100", "LTC": "80", "BNB": "600", "TRX": "0.3"}
DOLLARS = COINS | {"RUB": "0.0125", "EUR": "1.1", "KZT": "0.002", "UAH": "0.025", "TRY": "0.03", "BYN": "0.3"}
COMMISSION = Decimal("0.03")
SATOSHI = Decimal("0.00000001")


class Till:
    """`announce(body)` is called with the webhook's text when an invoice was paid; expiry is told to nobody."""

    def __init__(self, store: Store, now: Callable[[], float], announce: Callable[[str], None]) -> None:
        self._store = store
        self._now = now
        self._announce = announce
        self.deadlines = Deadlines(now, self._overdue)
        for invoice in self.invoices():
            self._keep(invoice)

    @property
    def switches(self) -> Json:
        """`suspended`: every call is answered 423. `same_update_id`: every webhook carries the same one."""
        return {"suspended": False, "same_update_id": False} | (self._store.get("settings", "app") or {})

    def switch(self, given: Json) -> Json:
        """Raises ValueError for one that is not known, or not true or false."""
        wrong = [name for name, value in given.items() if name not in self.switches or not isinstance(value, bool)]
        if wrong:
            raise ValueError(f"true or false, for one of {', '.join(self.switches)}; wrong: {', '.join(wrong)}")
        self._store.put("settings", "app", self.switches | given)
        return self.switches

    def create(self, given: Json, site: str) -> Json:
        checks.new_invoice(given)
        hash_ = "IV" + secrets.token_hex(6)
        page = f"{site}/pay/{hash_}"
        fiat = given.get("currency_type") == "fiat"
        kind: Json = {"currency_type": "crypto", "asset": given.get("asset")}
        if fiat:
            accepted = str(given.get("accepted_assets") or ",".join(ASSETS)).split(",")
            kind = {"currency_type": "fiat", "fiat": given["fiat"], "accepted_assets": accepted}
        invoice: Json = {
            "invoice_id": self._store.next_number("invoice", 501),
            "hash": hash_,
            **kind,
            "amount": given["amount"],
            "status": "active",
            "pay_url": page,
            "bot_invoice_url": page,
            "mini_app_invoice_url": page,
            "web_app_invoice_url": page,
            "created_at": iso(self._now()),
            "allow_comments": bool(given.get("allow_comments", True)),
            "allow_anonymous": bool(given.get("allow_anonymous", True)),
        }
        kept = ("description", "hidden_message", "payload", "paid_btn_name", "paid_btn_url")
        invoice |= {name: str(given[name]) for name in kept if name in given}
        if "expires_in" in given:
            invoice["expiration_date"] = iso(self._now() + checks.whole(given, "expires_in", 0))
        self._keep(invoice)
        return invoice

    def listed(self, given: Json) -> list[Json]:
        """Newest first; a filter that is not given lets everything through."""
        self.deadlines.let_time_pass()
        ids = {part.strip() for part in str(given.get("invoice_ids") or "").split(",")} - {""}
        if given.get("status") not in (None, "active", "paid"):
            raise ApiError(400, "STATUS_INVALID")
        offset, count = checks.whole(given, "offset", 0), checks.whole(given, "count", 100)
        if not 1 <= count <= 1000:
            raise ApiError(400, "COUNT_INVALID")
        names = [name for name in ("status", "asset", "fiat") if given.get(name)]
        named = [invoice for id_ in sorted(ids) if (invoice := self._store.get("invoice", id_)) is not None]
        among = named if ids else self.invoices()
        found = [invoice for invoice in among if all(invoice.get(name) == given[name] for name in names)]
        return found[offset : offset + count]

    def invoices(self) -> list[Json]:
        """Newest first."""
        return [invoice for _, invoice in self._store.all("invoice")][::-1]

    def delete(self, given: Json) -> bool:
        invoice = self.get(str(given.get("invoice_id", "")))
        if invoice["status"] != "active":
            raise ApiError(400, "INVOICE_NOT_ACTIVE")
        self.deadlines.set(str(invoice["invoice_id"]), None)
        return self._store.drop("invoice", invoice["invoice_id"])

    def get(self, id_: str) -> Json:
        """By its number or by its hash."""
        self.deadlines.let_time_pass()
        known = self._store.get("hash", id_) or {"invoice_id": id_}
        invoice = self._store.get("invoice", known["invoice_id"])
        if invoice is None:
            raise ApiError(404, "INVOICE_NOT_FOUND")
        return invoice

    def pay(self, id_: str, asset: str = "") -> Json:
        """Somebody's wallet sends exactly what the invoice asks for."""
        invoice = self.get(id_)
        if invoice["status"] != "active":
            raise ApiError(400, "INVOICE_NOT_ACTIVE")
        accepted = invoice.get("accepted_assets") or [invoice["asset"]]
        coin = asset if asset in accepted else accepted[0]
        paid, rate = price(invoice, coin)
        fee = (paid * COMMISSION).quantize(SATOSHI, ROUND_UP)
        invoice |= {"status": "paid", "paid_at": iso(self._now()), "paid_anonymously": False}
        invoice |= {"paid_asset": coin, "paid_amount": plain(paid), "paid_usd_rate": DOLLARS[coin]}
        invoice |= {"fee_asset": coin, "fee_amount": float(fee)}
        if rate is not None:
            invoice["paid_fiat_rate"] = plain(rate)
        self._keep(invoice)
        self._announce(self._update(invoice))
        return invoice

    def expire(self, id_: str) -> Json:
        invoice = self.get(id_)
        if invoice["status"] != "active":
            raise ApiError(400, "INVOICE_NOT_ACTIVE")
        return self._expire(invoice)

    def _overdue(self, id_: str) -> None:
        invoice = self._store.get("invoice", id_)
        if invoice is not None:
            self._expire(invoice)

    def _expire(self, invoice: Json) -> Json:
        invoice["status"] = "expired"
        self._keep(invoice)
        return invoice

    def _update(self, invoice: Json) -> str:
        number = 1 if self.switches["same_update_id"] else self._store.next_number("update")
        update = {"update_id": number, "update_type": "invoice_paid", "request_date": iso(self._now())}
        return json.dumps(update | {"payload": invoice}, ensure_ascii=False)

    def _keep(self, invoice: Json) -> None:
        id_ = str(invoice["invoice_id"])
        self._store.put("invoice", id_, invoice)
        self._store.put("hash", invoice["hash"], {"invoice_id": id_})
        is_open = invoice["status"] == "active" and "expiration_date" in invoice
        end = datetime.fromisoformat(invoice["expiration_date"]).timestamp() if is_open else None
        self.deadlines.set(id_, end)


def price(invoice: Json, coin: str) -> tuple[Decimal, Decimal | None]:
    """How much of a coin an invoice costs, and for one in a currency what a coin is worth in it."""
    amount = Decimal(invoice["amount"])
    if "fiat" not in invoice:
        return amount, None
    rate = (Decimal(DOLLARS[coin]) / Decimal(DOLLARS.get(invoice["fiat"], "1"))).quantize(SATOSHI)
    return (amount / rate).quantize(SATOSHI, ROUND_UP), rate


def plain(number: Decimal) -> str:
    """Without an exponent, and without zeros at its end."""
    return f"{number.normalize():f}"


def iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

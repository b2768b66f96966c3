"""Heleket: coins for a price in money, through its invoice page; the API that Cryptomus has too, seen in 2026.

Every call is signed over the exact bytes that are sent, every webhook over the exact bytes that came, less the
signature in them. A repeated creation under the same order_id is said to answer the invoice that exists, which no
document promises: it is checked to be ours, and for the same sum.

Nothing here refunds: the API wants the payer's wallet address for it, which only the payer knows.
"""

import base64
import contextlib
import hashlib
import json
import re
from collections.abc import AsyncIterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, ClassVar
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field

from ferryman.billing.provider import (
    Claim,
    Fact,
    Opened,
    PaymentRequest,
    PaymentState,
    ProviderTools,
    RawWebhook,
    Way,
)
from ferryman.kit import remote
from ferryman.kit.errors import AccessDenied, Busy, Conflict, FerrymanError, NotFound, Refused, Unreachable
from ferryman.kit.http import Answer
from ferryman.kit.money import Money
from ferryman.kit.remote import coins, line_of, matching, page_address, unknown_status
from ferryman.kit.secrets import same

REAL_API = "https://api.heleket.com/v1"
CURRENCIES = ("USD", "EUR", "RUB", "GBP", "TRY", "KZT", "UAH", "PLN")
LARGEST_WEBHOOK = 64 * 1024
SHORTEST_LIFE, LONGEST_LIFE = 300, 43_200
PATIENCE = 30.0
SEARCH_PAGES = 200
# Dates are written there in a time zone that is not said; Moscow's was seen.
ZONES_APART = timedelta(days=1)

_ID = re.compile(r"[A-Za-z0-9-]{1,64}")
_REF = re.compile(r"[\x21-\x7e]{1,128}")
_WORD = re.compile(r"[A-Za-z0-9_. -]{1,60}")
_TXID = re.compile(r"[A-Za-z0-9]{1,128}")
_SIGN = re.compile(rb',?"sign":"([0-9a-f]{32})"')
_STATES = {
    "check": PaymentState.PENDING,
    "process": PaymentState.PENDING,
    "confirm_check": PaymentState.PENDING,
    "wrong_amount_waiting": PaymentState.PENDING,
    # Held for a check of where the coins come from; only their staff ends it, either way.
    "locked": PaymentState.PENDING,
    "paid": PaymentState.SUCCEEDED,
    "paid_over": PaymentState.SUCCEEDED,
    "refund_process": PaymentState.SUCCEEDED,
    "refund_fail": PaymentState.SUCCEEDED,
    "refund_paid": PaymentState.SUCCEEDED,
    "wrong_amount": PaymentState.SHORT,
    "fail": PaymentState.CANCELLED,
    "system_fail": PaymentState.CANCELLED,
    "cancel": PaymentState.CANCELLED,
}

Json = dict[str, Any]


class MerchantConfig(BaseModel):
    """One merchant of a Heleket account, as its dashboard shows it."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    merchant: str = Field(pattern=r"^[A-Za-z0-9-]{1,64}$", description="The merchant's id, a UUID.")
    payment_key: remote.HeaderSecret = Field(description="API key for payments; the one for payouts is another.")
    previous_key: remote.HeaderSecret | None = Field(
        None, description="The key before, for some days after changing it: webhooks signed with it still come."
    )
    api_base: remote.ApiBase = Field(REAL_API, description="Where the API answers; leave as it is outside the sandbox.")
    lifetime: int = Field(
        3600, ge=SHORTEST_LIFE, le=LONGEST_LIFE, description="Seconds that an invoice can be paid: 300 to 43200."
    )
    accuracy_percent: int = Field(
        0, ge=0, le=5, description="How much less than asked still counts as paid, in percent: 0 to 5."
    )


class Heleket:
    """The provider. `open` answers an empty `pay_url` when the invoice it finds again can no longer be paid."""

    name: ClassVar[str] = "heleket"
    title: ClassVar[Mapping[str, str]] = {"ru": "Криптовалюта (Heleket)", "en": "Crypto (Heleket)"}
    icon: ClassVar[str] = "💠"
    currencies: ClassVar[tuple[str, ...]] = CURRENCIES
    ways: ClassVar[tuple[Way, ...]] = (Way("", "💠", {"ru": "Криптовалюта", "en": "Crypto"}),)
    needs_contact: ClassVar[bool] = False
    watched_for: ClassVar[timedelta] = timedelta(days=180)
    Config: ClassVar[type[BaseModel]] = MerchantConfig

    def __init__(self, config: MerchantConfig, tools: ProviderTools) -> None:
        """Raises Misconfigured for an emulator's address outside the sandbox."""
        remote.refuse_play("Heleket", config.api_base, REAL_API, sandbox=tools.sandbox, play_money=False)
        self._config = config
        self._tools = tools
        keys = [config.payment_key, *([config.previous_key] if config.previous_key else [])]
        self._keys = [key.get_secret_value() for key in keys]

    @property
    def test_mode(self) -> bool:
        """Heleket has no sandbox: only an emulator takes play money."""
        return remote.is_loopback(urlsplit(self._config.api_base).hostname or "")

    def answer(self, _: Claim | None) -> tuple[int, str]:
        """What it does with another answer is not published."""
        return 200, ""

    async def open(self, request: PaymentRequest) -> Opened:
        """Raises Conflict when there is an invoice under this ref already, for another sum."""
        request.must_be_in(self.currencies, "Heleket")
        invoice = await self._call("/payment", self._creation(request), changes=True)
        fact = self._fact(invoice)
        if (fact.ref, fact.amount) != (request.ref, request.amount):
            raise Conflict(f"Heleket answered with another invoice: {fact.amount} for {request.amount}.")
        payable = fact.state is PaymentState.PENDING
        return Opened(fact.external_id, page_address(invoice.get("url")) if payable else "")

    def read_webhook(self, raw: RawWebhook) -> Claim:
        """The signature covers the raw text without its own field: slashes written as `\\/`, order as it came."""
        if len(raw.body) > LARGEST_WEBHOOK:
            raise Refused(f"A Heleket webhook is at most {LARGEST_WEBHOOK} bytes.")
        signs = _SIGN.findall(raw.body)
        if len(signs) != 1:
            raise Refused("A Heleket webhook carries one signature.")
        signed = _SIGN.sub(b"", raw.body)
        # A signature that stood first leaves its comma behind.
        signed = b"{" + signed[2:] if signed.startswith(b"{,") else signed
        if not any(same(signs[0], signature(signed, key)) for key in self._keys):
            raise Refused("The webhook's signature is not Heleket's.")
        try:
            said = remote.document(signed)
        except ValueError as error:
            raise Refused("This is not a Heleket webhook.") from error
        kind = matching(said.get("type"), _WORD)
        if kind is not None and kind != "payment":
            return Claim.of_no_payment(kind, raw.body)
        external_id, ref = matching(said.get("uuid"), _ID), matching(said.get("order_id"), _REF)
        status = matching(said.get("status"), _WORD)
        if kind is None or external_id is None or status is None:
            raise Refused("The webhook names no payment.")
        # A payer may send in parts: the same status then comes again with another amount.
        return Claim(status, f"{external_id}:{status}:{coins(said.get('payment_amount')):f}", external_id, ref)

    async def look_up(self, external_id: str) -> Fact:
        """A status that we do not know is PENDING with a reason: the next look may find a final one."""
        if not _ID.fullmatch(external_id):
            raise NotFound("Heleket has no invoice of that id: it is not shaped like one.")
        fact = self._fact(await self._call("/payment/info", {"uuid": external_id}))
        if fact.external_id != external_id:
            raise Unreachable("Heleket's answer speaks of another invoice.")
        return fact

    async def find(self, request: PaymentRequest) -> Fact | None:
        try:
            fact = self._fact(await self._call("/payment/info", {"order_id": request.ref}))
        except NotFound:
            return None
        if fact.ref != request.ref:
            raise Unreachable("Heleket's answer speaks of another invoice.")
        return fact

    async def listed(self, since: datetime, until: datetime) -> AsyncIterator[Fact]:
        """By the time of creation; an invoice lives twelve hours at most. Other currencies than ours are left out."""
        window = {"date_from": _written(since - ZONES_APART), "date_to": _written(until + ZONES_APART)}
        cursor = ""
        for _ in range(SEARCH_PAGES):
            page = await self._call("/payment/list", window, cursor=cursor)
            for invoice in _items(page):
                fact = line_of("Heleket", self._fact, invoice) if invoice.get("currency") in CURRENCIES else None
                if fact is not None:
                    yield fact
            paginate = page.get("paginate")
            cursor = str(paginate.get("nextCursor") or "") if isinstance(paginate, dict) else ""
            if not cursor:
                return
        raise Busy("Heleket lists more invoices in that time than can be read at once.", after=3600.0)

    async def check(self) -> str:
        now = _written(self._tools.clock.now())
        _items(await self._call("/payment/list", {"date_from": now, "date_to": now}))
        return f"Heleket accepts the key of merchant {self._config.merchant}."

    def _creation(self, request: PaymentRequest) -> Json:
        fields: Json = {
            "amount": request.amount.decimal(),
            "currency": request.amount.currency,
            "order_id": request.ref,
            "url_callback": request.hook_url,
            "url_return": request.return_url,
            "url_success": request.return_url,
            "lifetime": self._config.lifetime,
            # Whoever sent too little may send the rest.
            "is_payment_multiple": True,
            "accuracy_payment_percent": self._config.accuracy_percent,
            "additional_data": request.order_ref[:255],
        }
        return {name: value for name, value in fields.items() if value != ""}

    async def _call(self, path: str, body: Json, *, changes: bool = False, cursor: str = "") -> Json:
        """`changes`: the call may have an effect."""
        sent = json.dumps(body, separators=(",", ":")).encode()
        answer = await self._tools.http.request(
            "POST",
            self._config.api_base + path,
            headers={
                "merchant": self._config.merchant,
                "sign": signature(sent, self._keys[0]),
                "Content-Type": "application/json",
            },
            params={"cursor": cursor} if cursor else None,
            raw_body=sent,
            timeout=PATIENCE,
        )
        return _result(answer, changes=changes)

    def _fact(self, invoice: Json) -> Fact:
        """Raises Unreachable when the answer lacks what every invoice has: then it is no answer."""
        external_id, ref = matching(invoice.get("uuid"), _ID), invoice.get("order_id")
        try:
            amount = remote.money(invoice.get("amount"), invoice.get("currency"))
        except ValueError as error:
            raise Unreachable("Heleket's answer about an invoice cannot be read.") from error
        # Creation, info and webhook do not agree on the name.
        status = matching(invoice.get("payment_status", invoice.get("status")), _WORD)
        if external_id is None or status is None:
            raise Unreachable("Heleket's answer about an invoice cannot be read.")
        state = _STATES.get(status, PaymentState.PENDING)
        if status.startswith("refund_") and coins(invoice.get("payment_amount")) < coins(invoice.get("payer_amount")):
            state = PaymentState.SHORT
        reason = None if status in ("paid", "paid_over") else status if status in _STATES else unknown_status(status)
        refunded = None
        if state is PaymentState.SUCCEEDED:
            refunded = amount if status == "refund_paid" else Money(0, amount.currency)
        ref = ref if isinstance(ref, str) else None
        details = _details(invoice, amount)
        came = _came(invoice, status, amount) if state is PaymentState.SHORT else None
        return Fact(
            external_id, ref, state, amount, self.test_mode, reason, refunded=refunded, details=details, came=came
        )


def signature(body: bytes, key: str) -> str:
    """MD5 over the base64 of the body, then the key: the service's own choice."""
    return hashlib.md5(base64.b64encode(body) + key.encode(), usedforsecurity=False).hexdigest()


def _came(invoice: Json, status: str, price: Money) -> Money | None:
    """What of too little is on the merchant's account: it is there when Heleket says what it was credited with."""
    if status == "refund_paid":
        return Money(0, price.currency)
    if coins(invoice.get("merchant_amount")) <= 0:
        return None
    return remote.worth_of(coins(invoice.get("payment_amount")), coins(invoice.get("payer_amount")), price)


def _details(invoice: Json, price: Money) -> Json:
    """What came, in coins, for the books. `rate`: how much money one coin was counted as."""
    paid, asked = coins(invoice.get("payment_amount")), coins(invoice.get("payer_amount"))
    details: Json = {}
    for name, given, shape in (
        ("coin", "payer_currency", _WORD),
        ("network", "network", _WORD),
        ("txid", "txid", _TXID),
        ("received_in", "merchant_currency", _WORD),
    ):
        text = matching(invoice.get(given), shape)
        if text is not None:
            details[name] = text
    amounts = {"paid": paid, "received": coins(invoice.get("merchant_amount"))}
    if paid and asked:
        amounts |= {"surplus": paid - asked, "shortfall": asked - paid}
        # A rate with more digits than Decimal works with is left out; no real one has so many.
        with contextlib.suppress(InvalidOperation):
            amounts["rate"] = round(Decimal(price.decimal()) / asked, 8)
    return details | {name: f"{amount:f}" for name, amount in amounts.items() if amount > 0}


def _result(answer: Answer, *, changes: bool) -> Json:
    try:
        document = remote.document(answer.body)
    except ValueError:
        document = {}
    result = document.get("result")
    if answer.status == 200 and document.get("state") == 0 and isinstance(result, dict):
        return result
    raise _problem(answer, document, changes=changes)


def _problem(answer: Answer, document: Json, *, changes: bool) -> FerrymanError:
    """Refusals come with `state` 1, and not always with a status that says the same."""
    said = f"Heleket answered {answer.status}"
    errors = document.get("errors")
    texts = [document.get("message"), *(errors.values() if isinstance(errors, dict) else [])]
    for text in texts:
        first = text[0] if isinstance(text, list) and text else text
        if isinstance(first, str):
            said += f", {' '.join(first.split())[:120]}"
    said = said[:400]
    if answer.status < 500 and document.get("state") == 1:
        if "not found" in said.lower():
            return NotFound(f"{said}.")
        if "sign" in said.lower() or "forbidden" in said.lower():
            return AccessDenied(f"{said}. Check merchant and payment_key.")
        if answer.status < 400:
            return Refused(f"{said}.")
    return remote.problem(answer.status, said, changes=changes, after=remote.retry_after(answer.headers))


def _items(page: Json) -> list[Json]:
    items = page.get("items")
    if not isinstance(items, list):
        raise Unreachable("Heleket's answer is not a list of invoices.")
    return [item for item in items if isinstance(item, dict)]


def _written(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S")

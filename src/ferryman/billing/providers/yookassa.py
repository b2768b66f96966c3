"""YooKassa (ЮKassa): bank cards and SBP through its payment page, API v3 as published in April 2026.

Its notifications carry no signature, so they are only read, never believed; the truth is always fetched. A 5xx or a
lost answer to a creation means "unknown": the same request with the same key is safe to repeat for 24 hours, after that
`find` is the way.
"""

import base64
import ipaddress
import json
import re
from collections.abc import AsyncIterator, Mapping
from datetime import datetime, timedelta
from typing import Any, ClassVar
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from ferryman.billing.provider import Claim, Fact, Opened, PaymentRequest, PaymentState, ProviderTools, RawWebhook
from ferryman.kit.errors import (
    AccessDenied,
    Busy,
    Conflict,
    FerrymanError,
    Misconfigured,
    NotFound,
    Refused,
    Unreachable,
)
from ferryman.kit.http import Answer
from ferryman.kit.money import Money

REAL_API = "https://api.yookassa.ru/v3"
# A shop's account is in one of these, nearly always the first; the others are refused over there then.
CURRENCIES = ("RUB", "USD", "EUR", "KZT", "BYN", "UAH", "UZS", "TRY", "INR", "MDL", "AZN", "AMD")
LONGEST_DESCRIPTION = 128
LARGEST_WEBHOOK = 64 * 1024
# The service may think for 30 s before it gives up with a 500; hanging up earlier would only make more unknowns.
PATIENCE = 35.0
CLOCKS_APART = timedelta(hours=1)
SEARCH_PAGES = 50
PAGE = 100

_ID = re.compile(r"[A-Za-z0-9-]{1,64}")
_KEY = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_EVENT = re.compile(r"(payment|refund)\.[a-z_]{1,40}")
_STATUS = re.compile(r"[a-z_]{1,40}")
_REF = re.compile(r"[\x21-\x7e]{1,128}")
_STATES = {
    "pending": PaymentState.PENDING,
    "waiting_for_capture": PaymentState.PENDING,
    "succeeded": PaymentState.SUCCEEDED,
    "canceled": PaymentState.CANCELLED,
}
_LOCALES = {"ru": "ru_RU", "en": "en_US"}

Json = dict[str, Any]


class ReceiptSettings(BaseModel):
    """What a fiscal receipt (law 54-FZ) needs beyond the payment. Codes: 1 = no VAT, 2 = 0 %, 3 = 10 %, …, 12."""

    model_config = ConfigDict(extra="forbid")

    vat_code: int = Field(ge=1, le=12, description="YooKassa's VAT code of what is sold; 1 = without VAT.")
    email: str = Field(
        pattern=r"^[^@\s]{1,64}@[^@\s]{1,190}$", description="Where receipts go: Telegram customers have no address."
    )


class ShopConfig(BaseModel):
    """One YooKassa shop, as the merchant cabinet shows it."""

    model_config = ConfigDict(extra="forbid", coerce_numbers_to_str=True, hide_input_in_errors=True)

    shop_id: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$", description="shopId from the merchant cabinet.")
    secret_key: SecretStr = Field(min_length=1, description="Secret key of that shop; a test shop's begins with test_.")
    api_base: str = Field(REAL_API, description="Where the API answers; leave as it is outside the sandbox.")
    return_url: str = Field("", max_length=2048, description="Where the payer returns; unset = the bot's own address.")
    receipt: ReceiptSettings | None = Field(None, description="Set it to have a fiscal receipt sent with each payment.")
    test: bool | None = Field(None, description="Whether the shop's money is play money; unset = told by the key.")

    @field_validator("api_base")
    @classmethod
    def _is_safe_base(cls, value: str) -> str:
        parts = urlsplit(value)
        extras = parts.query or parts.fragment or parts.username
        if parts.scheme not in ("https", "http") or not parts.hostname or extras:
            raise ValueError("must be an address such as https://api.yookassa.ru/v3")
        if parts.scheme == "http" and not _is_loopback(parts.hostname):
            raise ValueError("must start with https://: the secret key goes there")
        return value.rstrip("/")


class YooKassa:
    """The provider. `open` answers an empty `pay_url` when the payment it finds again has nothing left to pay."""

    name: ClassVar[str] = "yookassa"
    title: ClassVar[Mapping[str, str]] = {"ru": "Банковская карта, СБП", "en": "Card or SBP"}
    icon: ClassVar[str] = "💳"
    currencies: ClassVar[tuple[str, ...]] = CURRENCIES
    Config: ClassVar[type[BaseModel]] = ShopConfig
    acknowledgement: ClassVar[tuple[int, str]] = (200, "")

    def __init__(self, config: ShopConfig, tools: ProviderTools) -> None:
        """Raises Misconfigured for an emulator's address outside the sandbox."""
        if _is_loopback(urlsplit(config.api_base).hostname or "") and not tools.sandbox:
            raise Misconfigured(
                "YooKassa's api_base points at this machine, which only an emulator does.",
                f"Set api_base to {REAL_API}, or start with FERRYMAN_ENV=sandbox.",
            )
        self._config = config
        self._tools = tools
        if self.test_mode and not tools.sandbox:
            raise Misconfigured(
                "YooKassa's shop takes play money, and what is sold for it is real.",
                "Use the live shop's key, or start with FERRYMAN_ENV=sandbox.",
            )
        pair = f"{config.shop_id}:{config.secret_key.get_secret_value()}"
        self._authorization = "Basic " + base64.b64encode(pair.encode()).decode()

    @property
    def test_mode(self) -> bool:
        if self._config.test is not None:
            return self._config.test
        return self._config.secret_key.get_secret_value().startswith("test_")

    async def open(self, request: PaymentRequest) -> Opened:
        """Raises Conflict when the key was used for another body: settings or order changed since the first try."""
        if not _KEY.fullmatch(request.idempotency_key):
            raise Refused("An idempotency key for YooKassa is 1 to 64 characters of A-Z a-z 0-9 _ . -")
        if request.amount.currency not in self.currencies or request.amount.minor <= 0:
            raise Refused(f"YooKassa cannot collect {request.amount}.")
        body = self._creation(request)
        payment = await self._post("/payments", body, request.idempotency_key)
        return Opened(_id_of(payment), _pay_url(payment))

    def read_webhook(self, raw: RawWebhook) -> Claim:
        """The sender's address is not looked at: a forged claim costs one read of the truth, a wrong proxy header would
        cost real ones."""
        if len(raw.body) > LARGEST_WEBHOOK:
            raise Refused(f"A YooKassa notification is at most {LARGEST_WEBHOOK} bytes.")
        document = _parsed(raw.body)
        thing = document.get("object") if document is not None else None
        if document is None or document.get("type") != "notification" or not isinstance(thing, dict):
            raise Refused("This is not a YooKassa notification.")
        event = _matching(document.get("event"), _EVENT)
        if event is None:
            raise Refused("This is not an event of a payment or a refund.")
        object_id = _matching(thing.get("id"), _ID)
        external_id = _matching(thing.get("payment_id"), _ID) if event.startswith("refund.") else object_id
        if object_id is None or external_id is None:
            raise Refused("The notification names no payment.")
        status = _matching(thing.get("status"), _STATUS) or ""
        return Claim(event, f"{event}:{object_id}:{status}", external_id, _matching(_metadata_ref(thing), _REF))

    async def look_up(self, external_id: str) -> Fact:
        """A status that we do not know is PENDING with a reason: the next look may find a final one."""
        if not _ID.fullmatch(external_id):
            raise NotFound("YooKassa has no payment of that id: it is not shaped like one.")
        fact = _fact(await self._get(f"/payments/{external_id}"))
        if fact.external_id != external_id:
            raise Unreachable("YooKassa's answer speaks of another payment.")
        return fact

    async def find(self, request: PaymentRequest) -> Fact | None:
        """Looks through what was created since the request was placed, as the API cannot search by metadata.

        Raises Busy when there is more than it is willing to read: the answer would not be certain.
        """
        matches: list[Fact] = []
        async for payment in self._created_since(request.placed_at - CLOCKS_APART):
            if _metadata_ref(payment) == request.ref:
                matches.append(_fact(payment))
                if matches[-1].state is PaymentState.SUCCEEDED:
                    return matches[-1]
        return next((fact for fact in matches if fact.state is PaymentState.PENDING), next(iter(matches), None))

    async def check(self) -> str:
        """Raises Misconfigured when the shop's payments are test payments and the settings say live, or the reverse."""
        newest = _items(await self._get("/payments", {"limit": "1"}))
        if newest and newest[0].get("test") is not self.test_mode:
            raise Misconfigured(
                f"Shop {self._config.shop_id} and its settings disagree on whether its money is real.",
                f"Set `test` to {str(not self.test_mode).lower()}, or use the other shop's key.",
            )
        return f"YooKassa shop {self._config.shop_id} accepts the key ({'test' if self.test_mode else 'real'} money)."

    def _creation(self, request: PaymentRequest) -> Json:
        return_url = self._config.return_url or request.return_url
        if not return_url:
            raise Misconfigured("YooKassa must know where the payer returns.", "Set return_url in its settings.")
        amount = {"value": request.amount.decimal(), "currency": request.amount.currency}
        description = " ".join(request.description.split())[:LONGEST_DESCRIPTION] or request.ref
        body: Json = {
            "amount": amount,
            # The API's default is a hold that nobody would ever capture.
            "capture": True,
            "confirmation": {
                "type": "redirect",
                "return_url": return_url,
                "locale": _LOCALES.get(request.language, "en_US"),
            },
            "description": description,
            "metadata": {"payment_id": request.ref, "order_id": request.order_ref},
        }
        if self._config.receipt is not None:
            body["receipt"] = _receipt(self._config.receipt, description, amount)
        return body

    async def _created_since(self, moment: datetime) -> AsyncIterator[Json]:
        since = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        params = {"created_at.gte": since, "limit": str(PAGE)}
        for _ in range(SEARCH_PAGES):
            page = await self._get("/payments", params)
            for payment in _items(page):
                yield payment
            cursor = page.get("next_cursor")
            if not isinstance(cursor, str) or not cursor:
                return
            params["cursor"] = cursor
        raise Busy(f"YooKassa lists more than {SEARCH_PAGES * PAGE} payments since {since}.", after=3600.0)

    async def _get(self, path: str, params: Mapping[str, str] | None = None) -> Json:
        headers = {"Authorization": self._authorization}
        url = self._config.api_base + path
        return _document(await self._tools.http.request("GET", url, headers=headers, params=params), changes=False)

    async def _post(self, path: str, body: Json, key: str) -> Json:
        headers = {"Authorization": self._authorization, "Idempotence-Key": key}
        url = self._config.api_base + path
        answer = await self._tools.http.request("POST", url, headers=headers, json_body=body, timeout=PATIENCE)
        return _document(answer, changes=True)


def _document(answer: Answer, *, changes: bool) -> Json:
    document = _parsed(answer.body)
    if answer.status == 200 and document is not None:
        return document
    raise _problem(answer.status, document or {}, changes=changes)


def _problem(status: int, document: Json, *, changes: bool) -> FerrymanError:
    """What an answer that is not a success means for the caller. `changes`: the call may have had an effect."""
    said = f"YooKassa answered {status}"
    code, description = document.get("code"), document.get("description")
    if isinstance(code, str) and isinstance(description, str):
        said += f" {code[:40]}: {' '.join(description.split())[:200]}"
    match status:
        case 202 | 408 | 429:
            return Busy(f"{said}.", after=_retry_after(document))
        case 401 | 403:
            return AccessDenied(f"{said}. Check shop_id and secret_key.")
        case 404:
            return NotFound(f"{said}.")
        case 400 if isinstance(description, str) and "idempotence key duplicated" in description.lower():
            return Conflict(f"{said}. The key was used for a different request.")
        case _ if status >= 500 or status == 200:
            return (Unreachable if changes else Busy)(f"{said}; no usable answer.", after=_retry_after(document))
    return Refused(f"{said}.")


def _retry_after(document: Json) -> float | None:
    """Seconds, from the API's milliseconds; an hour at most."""
    given = document.get("retry_after")
    if isinstance(given, bool) or not isinstance(given, (int, float)) or not given >= 0:
        return None
    return min(given, 3_600_000) / 1000


def _fact(payment: Json) -> Fact:
    """Raises Unreachable when the answer lacks what every payment has: then it is no answer."""
    amount, test = _money(payment.get("amount")), payment.get("test")
    status = payment.get("status")
    if amount is None or not isinstance(test, bool) or not isinstance(status, str):
        raise Unreachable("YooKassa's answer about a payment cannot be read.")
    state = _STATES.get(status, PaymentState.PENDING)
    reason: str | None = None
    if state is PaymentState.CANCELLED:
        details = payment.get("cancellation_details")
        said = details.get("reason") if isinstance(details, dict) else None
        reason = said[:100] if isinstance(said, str) else "unknown"
    elif state is PaymentState.SUCCEEDED and payment.get("paid") is not True:
        state, reason = PaymentState.PENDING, "succeeded but not paid"
    elif status != state.value:
        reason = status if status in _STATES else f"unknown status {status[:40]}"
    fee = _fee(amount, _money(payment.get("income_amount")))
    refunded = _money(payment.get("refunded_amount"))
    return Fact(_id_of(payment), _metadata_ref(payment), state, amount, test, reason, fee, refunded)


def _fee(amount: Money, income: Money | None) -> Money | None:
    if income is None or income.currency != amount.currency or not 0 <= income.minor <= amount.minor:
        return None
    return Money(amount.minor - income.minor, amount.currency)


def _money(given: Any) -> Money | None:
    value, currency = (given.get("value"), given.get("currency")) if isinstance(given, dict) else (None, None)
    if not isinstance(value, str) or not isinstance(currency, str):
        return None
    try:
        return Money.parse(value, currency)
    except ValueError:
        return None


def _receipt(settings: ReceiptSettings, description: str, amount: Json) -> Json:
    item = {
        "description": description,
        "quantity": 1,
        "amount": amount,
        "vat_code": settings.vat_code,
        "payment_subject": "service",
        "payment_mode": "full_payment",
        "measure": "piece",
    }
    return {"customer": {"email": settings.email}, "items": [item]}


def _id_of(payment: Json) -> str:
    found = _matching(payment.get("id"), _ID)
    if found is None:
        raise Unreachable("YooKassa's answer names no payment.")
    return found


def _pay_url(payment: Json) -> str:
    confirmation = payment.get("confirmation")
    url = confirmation.get("confirmation_url") if isinstance(confirmation, dict) else None
    return url if isinstance(url, str) and url.startswith(("https://", "http://")) else ""


def _metadata_ref(thing: Json) -> str | None:
    metadata = thing.get("metadata")
    ref = metadata.get("payment_id") if isinstance(metadata, dict) else None
    return ref if isinstance(ref, str) else None


def _items(page: Json) -> list[Json]:
    items = page.get("items")
    if not isinstance(items, list):
        raise Unreachable("YooKassa's answer is not a list of payments.")
    return [item for item in items if isinstance(item, dict)]


def _matching(given: Any, shape: re.Pattern[str]) -> str | None:
    return given if isinstance(given, str) and shape.fullmatch(given) else None


def _parsed(body: bytes) -> Json | None:
    """The JSON object in it; None for anything else, including nesting deeper than Python's parser goes."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False

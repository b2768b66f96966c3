"""Crypto Pay, the till of @CryptoBot: coins from a wallet inside Telegram, API 1.5.2 as published in March 2026.

Invoices are priced in ordinary money and paid in whichever coin the payer has, always exactly. The service knows no
idempotency, so a repeated creation looks first for what an earlier one may have left. It tells of a payment only: that
an invoice ran out of time is learnt by asking. It cannot give money back; a person does that, from the app's balance.
"""

import hashlib
import hmac
import re
from collections.abc import AsyncIterator, Mapping
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal, DecimalException
from typing import Annotated, Any, ClassVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr

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
from ferryman.kit.errors import AccessDenied, Busy, NotFound, Refused, Unreachable
from ferryman.kit.http import Answer
from ferryman.kit.money import Money
from ferryman.kit.secrets import same

REAL_API = "https://pay.crypt.bot/api"
SIGNATURE = "crypto-pay-api-signature"
CURRENCIES: tuple[str, ...] = ("RUB", "USD", "EUR", "UAH", "KZT", "BYN", "UZS", "TRY", "GEL", "AMD", "AZN", "PLN")
CURRENCIES += ("GBP", "CNY", "THB", "INR", "BRL", "IDR", "AED", "ILS")
LARGEST_WEBHOOK = 64 * 1024
LONGEST_DESCRIPTION = 1024
# A creation that is younger than this, and that this process has not sent before, is surely the first.
SURELY_FIRST = timedelta(seconds=5)
CLOCKS_APART = timedelta(hours=1)
LONGEST_LIFE = timedelta(days=31)
SEARCH_PAGES = 50
PAGE = 1000

_TOKEN = re.compile(r"[0-9]{1,20}:[A-Za-z0-9_-]{1,200}")
_ID = re.compile(r"[0-9]{1,19}")
_EVENT = re.compile(r"[a-z_]{1,40}")
_REF = re.compile(r"[\x21-\x7e]{1,128}")
_SIGNED = re.compile(r"[0-9a-f]{64}")
_STATES = {"active": PaymentState.PENDING, "paid": PaymentState.SUCCEEDED, "expired": PaymentState.CANCELLED}
_BOOKS = ("paid_asset", "paid_amount", "paid_fiat_rate", "paid_usd_rate", "fee_asset", "fee_amount", "paid_at")

Json = dict[str, Any]


def _is_token(value: SecretStr) -> SecretStr:
    if not _TOKEN.fullmatch(value.get_secret_value()):
        raise ValueError("must look like 12345:AAabc…, as @CryptoBot shows it")
    return value


Token = Annotated[SecretStr, AfterValidator(_is_token)]


class AppConfig(BaseModel):
    """One app of Crypto Pay, as @CryptoBot shows it under Crypto Pay, My Apps."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    token: Token = Field(description="API token of the app, such as 12345:AAabc….")
    previous_token: Token | None = Field(
        None, description="The token before it was renewed: webhooks that were signed with it are believed still."
    )
    api_base: remote.ApiBase = Field(
        REAL_API, description="Where the API answers; https://testnet-pay.crypt.bot/api for @CryptoTestnetBot."
    )
    assets: list[Annotated[str, Field(pattern=r"^[A-Z]{2,10}$")]] = Field(
        [], max_length=20, description="Coins to accept, such as USDT and TON; empty = all that the service takes."
    )
    minutes_to_pay: int = Field(60, ge=1, le=44_640, description="How long an invoice can be paid.")


class CryptoPay:
    """The provider. `open` answers an empty `pay_url` when the invoice it finds again has nothing left to pay."""

    name: ClassVar[str] = "cryptopay"
    title: ClassVar[Mapping[str, str]] = {"ru": "CryptoBot (криптовалюта)", "en": "CryptoBot (crypto)"}
    icon: ClassVar[str] = "🪙"
    currencies: ClassVar[tuple[str, ...]] = CURRENCIES
    ways: ClassVar[tuple[Way, ...]] = (Way("", icon, title),)
    _tries: ClassVar[remote.Tries] = remote.Tries()
    needs_contact: ClassVar[bool] = False
    Config: ClassVar[type[BaseModel]] = AppConfig

    def __init__(self, config: AppConfig, tools: ProviderTools) -> None:
        """Raises Misconfigured for an emulator's or the test network's address outside the sandbox."""
        self._config = config
        self._tools = tools
        remote.refuse_play("Crypto Pay", config.api_base, REAL_API, sandbox=tools.sandbox, play_money=self.test_mode)

    @property
    def test_mode(self) -> bool:
        """Told by the network: invoices do not say which one they are of."""
        host = urlsplit(self._config.api_base).hostname or ""
        return host.startswith("testnet") or remote.is_loopback(host)

    def answer(self, _: Claim | None) -> tuple[int, str]:
        """Always yes: after 17 refusals the service switches the webhook off, whatever it was that we refused."""
        return 200, ""

    async def open(self, request: PaymentRequest) -> Opened:
        """Looks first, unless this is surely the first try."""
        request.must_be_in(self.currencies, "Crypto Pay")
        fresh = self._tools.clock.now() - request.placed_at < SURELY_FIRST
        with self._tries.one(f"{self._config.api_base} {request.idempotency_key}") as first:
            invoice = None if fresh and first else await self._invoice_of(request)
            if invoice is None:
                invoice = await self._call("createInvoice", self._creation(request), changes=True)
        return Opened(_id_of(invoice), _pay_url(invoice))

    def read_webhook(self, raw: RawWebhook) -> Claim:
        """The number of an update is not unique over there, that of an invoice is."""
        if len(raw.body) > LARGEST_WEBHOOK:
            raise Refused(f"A webhook of Crypto Pay is at most {LARGEST_WEBHOOK} bytes.")
        if not self._is_signed(raw):
            raise Refused("This is not signed with the app's token.")
        try:
            update = remote.document(raw.body)
        except ValueError as error:
            raise Refused("This is not an update of Crypto Pay.") from error
        event, invoice = update.get("update_type"), update.get("payload")
        if not isinstance(event, str) or not _EVENT.fullmatch(event) or not isinstance(invoice, dict):
            raise Refused("This is not an update of Crypto Pay.")
        external_id = _number(invoice.get("invoice_id"))
        if external_id is None and not event.startswith("invoice_"):
            return Claim.of_no_payment(event, raw.body)
        if external_id is None:
            raise Refused("The update names no invoice.")
        return Claim(event, f"{event}:{external_id}", external_id, _ref_of(invoice))

    async def look_up(self, external_id: str) -> Fact:
        """A status that we do not know is PENDING with a reason: the next look may find a final one."""
        if not _ID.fullmatch(external_id):
            raise NotFound("Crypto Pay has no invoice of that number: it is not shaped like one.")
        invoices = _items(await self._call("getInvoices", {"invoice_ids": external_id}))
        if not invoices:
            raise NotFound("Crypto Pay has no invoice of that number.")
        if _id_of(invoices[0]) != external_id:
            raise Unreachable("Crypto Pay's answer speaks of another invoice.")
        fact = self._fact(invoices[0])
        if fact is None:
            raise NotFound("That invoice is priced in a coin: it is none of ours.")
        return fact

    async def find(self, request: PaymentRequest) -> Fact | None:
        """Looks through what was created since the request was placed, as the API cannot search by payload.

        Raises Busy when there is more than it is willing to read: the answer would not be certain.
        """
        invoice = await self._invoice_of(request)
        return None if invoice is None else self._fact(invoice)

    async def listed(self, since: datetime, until: datetime) -> AsyncIterator[Fact]:
        """What was paid in this time; what is priced in a coin is none of ours, and left out."""
        async for invoice in self._created_since(since - LONGEST_LIFE, {"status": "paid"}):
            paid_at = _moment(invoice, "paid_at") or _moment(invoice, "created_at")
            fact = remote.line_of("Crypto Pay", self._fact, invoice)
            if fact is not None and (paid_at is None or since <= paid_at <= until):
                yield fact

    async def check(self) -> str:
        me = await self._call("getMe", {})
        name = " ".join(str(me.get("name", "")).split())[:60]
        money = "test" if self.test_mode else "real"
        return f"Crypto Pay app {name} ({_number(me.get('app_id')) or 'no number'}) accepts the token ({money} money)."

    def _creation(self, request: PaymentRequest) -> Json:
        body: Json = {
            "currency_type": "fiat",
            "fiat": request.amount.currency,
            "amount": request.amount.decimal(),
            "description": " ".join(request.description.split())[:LONGEST_DESCRIPTION] or request.ref,
            "payload": request.ref,
            "expires_in": self._config.minutes_to_pay * 60,
            "allow_comments": False,
        }
        if self._config.assets:
            body["accepted_assets"] = ",".join(self._config.assets)
        if request.return_url:
            body |= {"paid_btn_name": "callback", "paid_btn_url": request.return_url}
        return body

    def _is_signed(self, raw: RawWebhook) -> bool:
        given = raw.headers.get(SIGNATURE, "").lower()
        tokens = [self._config.token, *filter(None, [self._config.previous_token])]
        fits = [
            same(given, signature(token.get_secret_value(), raw.body)) for token in tokens if _SIGNED.fullmatch(given)
        ]
        return any(fits)

    async def _invoice_of(self, request: PaymentRequest) -> Json | None:
        """The invoice that carries our ref: a paid one before one that waits, that before one that is over."""
        found: dict[str, Json] = {}
        filters = {"fiat": request.amount.currency}
        async for invoice in self._created_since(request.placed_at - CLOCKS_APART, filters):
            if invoice.get("payload") == request.ref:
                found.setdefault(str(invoice.get("status")), invoice)
        chosen = found.get("paid") or found.get("active")
        return chosen or next(iter(found.values()), None)

    async def _created_since(self, moment: datetime, filters: Mapping[str, str]) -> AsyncIterator[Json]:
        for page in range(SEARCH_PAGES):
            asked = {**filters, "offset": page * PAGE, "count": PAGE}
            invoices = _items(await self._call("getInvoices", asked))
            for invoice in invoices:
                yield invoice
            if len(invoices) < PAGE or _are_past(invoices, moment):
                return
        raise Busy(f"Crypto Pay lists more than {SEARCH_PAGES * PAGE} invoices since {moment}.", after=3600.0)

    async def _call(self, method: str, body: Json, *, changes: bool = False) -> Json:
        headers = {"Crypto-Pay-API-Token": self._config.token.get_secret_value()}
        url = f"{self._config.api_base}/{method}"
        return _result(await self._tools.http.request("POST", url, headers=headers, json_body=body), changes=changes)

    def _fact(self, invoice: Json) -> Fact | None:
        """None for an invoice that is priced in a coin. Raises Unreachable when it lacks what every one has."""
        if invoice.get("currency_type") == "crypto":
            return None
        status = invoice.get("status")
        try:
            amount = remote.money(invoice.get("amount"), invoice.get("fiat"))
        except ValueError as error:
            raise Unreachable("Crypto Pay's answer about an invoice cannot be read.") from error
        if not isinstance(status, str):
            raise Unreachable("Crypto Pay's answer about an invoice cannot be read.")
        state = _STATES.get(status, PaymentState.PENDING)
        reason = "expired" if state is PaymentState.CANCELLED else None
        if status not in _STATES:
            reason = remote.unknown_status(status)
        details = {name: str(invoice[name])[:60] for name in _BOOKS if isinstance(invoice.get(name), (str, int))}
        fee = _fee(invoice, amount) if state is PaymentState.SUCCEEDED else None
        return Fact(_id_of(invoice), _ref_of(invoice), state, amount, self.test_mode, reason, fee, details=details)


def signature(token: str, body: bytes) -> str:
    """What Crypto Pay writes into its header: HMAC-SHA-256 of the raw body, keyed by the token's SHA-256, in hex."""
    return hmac.new(hashlib.sha256(token.encode()).digest(), body, hashlib.sha256).hexdigest()


def _result(answer: Answer, *, changes: bool) -> Json:
    try:
        envelope = remote.document(answer.body)
    except ValueError:
        envelope = {}
    result, error = envelope.get("result"), envelope.get("error")
    if answer.status == 200 and envelope.get("ok") is True and isinstance(result, dict):
        return result
    said = f"Crypto Pay answered {answer.status}"
    if isinstance(error, dict):
        said += f" {' '.join(str(error.get('name', '')).split())[:60]}"
        if answer.status == 200:
            raise Refused(f"{said}.")
    if answer.status == 423:
        raise AccessDenied(f"{said}: the app is suspended. Ask @CryptoBot's support why.")
    raise remote.problem(answer.status, said, changes=changes, after=remote.retry_after(answer.headers))


def _items(result: Json) -> list[Json]:
    items = result.get("items")
    if not isinstance(items, list):
        raise Unreachable("Crypto Pay's answer is not a list of invoices.")
    return [item for item in items if isinstance(item, dict)]


def _are_past(invoices: list[Json], moment: datetime) -> bool:
    """Whether a page and all that would follow are older. The order of a list is not documented, so it is looked at."""
    first, last = _moment(invoices[0], "created_at"), _moment(invoices[-1], "created_at")
    return first is not None and last is not None and last <= first and last < moment


def _fee(invoice: Json, amount: Money) -> Money | None:
    """What the service kept, in the order's currency at the rate of the payment; None when it does not say."""
    if invoice.get("fee_asset") != invoice.get("paid_asset"):
        return None
    try:
        worth = Decimal(str(invoice.get("fee_amount"))) * Decimal(str(invoice.get("paid_fiat_rate")))
        if not 0 <= worth <= Decimal(amount.decimal()):
            return None
    except DecimalException:
        return None
    unit = Decimal(Money(1, amount.currency).decimal())
    return Money(int((worth / unit).to_integral_value(ROUND_HALF_UP)), amount.currency)


def _moment(invoice: Json, name: str) -> datetime | None:
    given = invoice.get(name)
    try:
        moment = datetime.fromisoformat(given) if isinstance(given, str) else None
    except ValueError:
        return None
    return moment if moment is not None and moment.tzinfo is not None else None


def _number(given: Any) -> str | None:
    text = "" if isinstance(given, bool) or not isinstance(given, (int, str)) else str(given)
    return text if _ID.fullmatch(text) else None


def _id_of(invoice: Json) -> str:
    found = _number(invoice.get("invoice_id"))
    if found is None:
        raise Unreachable("Crypto Pay's answer names no invoice.")
    return found


def _ref_of(invoice: Json) -> str | None:
    ref = invoice.get("payload")
    return ref if isinstance(ref, str) and _REF.fullmatch(ref) else None


def _pay_url(invoice: Json) -> str:
    return remote.page_address(invoice.get("bot_invoice_url")) if invoice.get("status") == "active" else ""

"""Freekassa: a payment page behind a signed link, a signed notification, and a list of orders to ask.

Its API can also create an order, and then demands the payer's e-mail address and IP address. A bot knows neither, and
made-up ones are the payer's trouble later, so the payer goes to the page by a link and says there what is needed. The
service first hears of the payment then; before that there is no id to remember. Refunds are made in the cabinet.
"""

import hashlib
import hmac
import re
from collections.abc import AsyncIterator, Mapping
from datetime import datetime, timedelta
from typing import Any, ClassVar
from urllib.parse import urlencode

from pydantic import BaseModel, ConfigDict, Field, SecretStr

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
from ferryman.kit.errors import AccessDenied, Busy, FerrymanError, NotFound, Refused
from ferryman.kit.remote import (
    LONGEST_WAIT,
    ApiBase,
    document,
    form,
    line_of,
    matching,
    money,
    problem,
    refuse_play,
    unknown_status,
)
from ferryman.kit.secrets import same

REAL_API = "https://api.fk.life/v1"
REAL_PAGE = "https://pay.fk.money"
CURRENCIES = ("RUB", "USD", "EUR", "UAH", "KZT")
LARGEST_MESSAGE = 64 * 1024
NONCES = 3
LISTED_PAGES = 500
A_DAY = timedelta(days=1)

_ID = re.compile(r"[1-9][0-9]{0,17}")
_REF = re.compile(r"[\x21-\x7e]{1,128}")
_STATES = {
    0: (PaymentState.PENDING, None),
    1: (PaymentState.SUCCEEDED, None),
    6: (PaymentState.SUCCEEDED, "refunded"),
    8: (PaymentState.CANCELLED, "general_decline"),
    9: (PaymentState.CANCELLED, "expired"),
}
_PREFERRED = (PaymentState.SUCCEEDED, PaymentState.PENDING, PaymentState.CANCELLED)
_MOMENT = "%Y-%m-%d %H:%M:%S"
_MICROSECOND = timedelta(microseconds=1)
_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")

Json = dict[str, Any]


class ShopConfig(BaseModel):
    """One Freekassa shop, as its settings page shows it."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    shop_id: int = Field(ge=1, description="The shop's number.")
    api_key: SecretStr = Field(min_length=1, description="API key: signs the questions about orders.")
    secret_word_1: SecretStr = Field(min_length=1, description="Secret word 1: signs the links.")
    secret_word_2: SecretStr = Field(min_length=1, description="Secret word 2: signs the notifications.")
    previous_secret_word_2: SecretStr | None = Field(
        None, min_length=1, description="Secret word 2 before it was changed: notifications signed with it still come."
    )
    api_base: ApiBase = Field(REAL_API, description="Where the API answers; leave as it is outside the sandbox.")
    page: ApiBase = Field(REAL_PAGE, description="Where the payment page is; leave as it is outside the sandbox.")


class _Nonces:
    """Every question carries a number larger than the last one's; this process counts on by the clock."""

    last = 0

    @classmethod
    def next(cls, now: datetime) -> int:
        cls.last = max(cls.last + 1, (now - _EPOCH) // _MICROSECOND)
        return cls.last


class Freekassa:
    """The provider. The service has no play money."""

    name: ClassVar[str] = "freekassa"
    title: ClassVar[Mapping[str, str]] = {
        "ru": "Freekassa: карта, СБП, кошельки",
        "en": "Freekassa: card, SBP, wallets",
    }
    icon: ClassVar[str] = "🪙"
    currencies: ClassVar[tuple[str, ...]] = CURRENCIES
    ways: ClassVar[tuple[Way, ...]] = (Way("", "🪙", title),)
    needs_contact: ClassVar[bool] = False
    watched_for: ClassVar[timedelta] = timedelta(days=180)
    Config: ClassVar[type[BaseModel]] = ShopConfig

    def __init__(self, config: ShopConfig, tools: ProviderTools) -> None:
        """Raises Misconfigured for an emulator's address outside the sandbox."""
        refuse_play("Freekassa", config.api_base, REAL_API, sandbox=tools.sandbox, play_money=False)
        refuse_play("Freekassa", config.page, REAL_PAGE, sandbox=tools.sandbox, play_money=False)
        self._config = config
        self._believed = [config.secret_word_2, *filter(None, [config.previous_secret_word_2])]
        self._http = tools.http
        self._clock = tools.clock

    @property
    def test_mode(self) -> bool:
        return False

    def answer(self, claim: Claim | None) -> tuple[int, str]:
        """YES, in exactly this form; anything else is asked again."""
        return (200, "YES") if claim is not None else (400, "")

    async def open(self, request: PaymentRequest) -> Opened:
        request.must_be_in(self.currencies, "Freekassa")
        shop, total, currency = str(self._config.shop_id), request.amount.decimal(), request.amount.currency
        proof = _md5(shop, total, self._config.secret_word_1.get_secret_value(), currency, request.ref)
        language = "ru" if request.language == "ru" else "en"
        fields = {"m": shop, "oa": total, "currency": currency, "o": request.ref, "s": proof, "lang": language}
        return Opened(None, f"{self._config.page}/?{urlencode(fields)}")

    def read_webhook(self, raw: RawWebhook) -> Claim:
        """It carries no status, and is told by our ref; the sum is hashed as it was written ("100" or "100.00")."""
        fields = _form(raw)
        ref, total = fields.get("MERCHANT_ORDER_ID", ""), fields.get("AMOUNT", "")
        shop, said = str(self._config.shop_id), fields.get("SIGN", "").lower()
        signed = any(same(_md5(shop, total, word.get_secret_value(), ref), said) for word in self._believed)
        if not signed or not same(fields.get("MERCHANT_ID", ""), shop) or not _REF.fullmatch(ref):
            raise Refused("This is not a notification of this Freekassa shop.")
        # Its own number is not signed, so only what looks like one is kept.
        number = matching(fields.get("intid"), _ID)
        return Claim("paid", f"paid:{ref}:{number}" if number else f"paid:{ref}", None, ref)

    async def look_up(self, external_id: str) -> Fact:
        if not _ID.fullmatch(external_id):
            raise NotFound("Freekassa has no order of that number: it is not shaped like one.")
        for order in _orders(await self._asked({"orderId": int(external_id)})):
            if str(order.get("fk_order_id")) == external_id:
                return _fact(order)
        raise NotFound("Freekassa has no order of that number.")

    async def paid_beside(self, fact: Fact) -> Fact | None:
        if fact.state is PaymentState.SUCCEEDED or not fact.ref:
            return None
        best = await self._best_of(fact.ref)
        return best if best is not None and best.state is PaymentState.SUCCEEDED else None

    async def find(self, request: PaymentRequest) -> Fact | None:
        """The payer makes an order of each visit to the page; the paid one is found first."""
        return await self._best_of(request.ref)

    async def _best_of(self, ref: str) -> Fact | None:
        orders = _orders(await self._asked({"paymentId": ref}))
        facts = [_fact(order) for order in orders if order.get("merchant_order_id") == ref]
        return min(facts, key=lambda fact: _PREFERRED.index(fact.state), default=None)

    async def check(self) -> str:
        """The secret words are tried by the first payer only."""
        await self._asked({"orderId": 1})
        return f"Freekassa shop {self._config.shop_id} accepts the API key."

    async def listed(self, since: datetime, until: datetime) -> AsyncIterator[Fact]:
        """A day more on both sides: whose clock the list means is not said. Raises Busy when it is endless."""
        between = {"dateFrom": (since - A_DAY).strftime(_MOMENT), "dateTo": (until + A_DAY).strftime(_MOMENT)}
        for page in range(1, LISTED_PAGES + 1):
            said = await self._asked(between | {"page": page})
            for order in _orders(said):
                fact = line_of("Freekassa", _fact, order)
                if fact is not None:
                    yield fact
            pages = said.get("pages")
            if not isinstance(pages, int) or page >= pages:
                return
        raise Busy(f"Freekassa lists more than {LISTED_PAGES} pages of orders.", after=LONGEST_WAIT)

    async def _asked(self, asked: Json) -> Json:
        """Another process may have asked with a larger number meanwhile; then it is asked again with a new one."""
        for left in reversed(range(NONCES)):
            body = {"shopId": self._config.shop_id, "nonce": _Nonces.next(self._clock.now()), **asked}
            signed = body | {"signature": _hmac(self._config.api_key, body)}
            answer = await self._http.request("POST", f"{self._config.api_base}/orders", json_body=signed)
            try:
                said = document(answer.body)
            except ValueError:
                said = {}
            if answer.status == 200 and said.get("type") == "success" and isinstance(said.get("orders"), list):
                return said
            why = said.get("message")
            is_late = isinstance(why, str) and "nonce" in why.lower()
            if not is_late or not left:
                raise _refusal(answer.status, why, is_late=is_late)
        raise AssertionError("the last try returns or raises")


def _orders(said: Json) -> list[Json]:
    return [order for order in said["orders"] if isinstance(order, dict)]


def _refusal(status: int, why: Any, *, is_late: bool) -> FerrymanError:
    said = f"Freekassa answered {status}"
    if not isinstance(why, str):
        return problem(status, said, changes=False)
    said += f": {' '.join(why.split())[:200]}"
    if is_late:
        return Busy(f"{said}.")
    if "signature" in why.lower() or "api key" in why.lower():
        return AccessDenied(f"{said}. Check shop_id and api_key.")
    return problem(status, said, changes=False) if status != 200 else Refused(f"{said}.")


def _fact(order: Json) -> Fact:
    number, ref, status = order.get("fk_order_id"), order.get("merchant_order_id"), order.get("status")
    try:
        amount = money(order.get("amount"), order.get("currency"))
    except ValueError as error:
        raise Busy("Freekassa's answer about an order cannot be read.") from error
    if not _ID.fullmatch(str(number)) or not isinstance(ref, str):
        raise Busy("Freekassa's answer about an order cannot be read.")
    unknown = (PaymentState.PENDING, unknown_status(status))
    state, reason = _STATES.get(status, unknown) if type(status) is int else unknown
    refunded = amount if reason == "refunded" else None
    return Fact(str(number), ref, state, amount, test=False, reason=reason, refunded=refunded)


def _form(raw: RawWebhook) -> dict[str, str]:
    try:
        text = raw.body.decode("utf-8")
        return form(text) if len(text) <= LARGEST_MESSAGE else {}
    except ValueError as error:
        raise Refused("This is not a notification of Freekassa.") from error


def _md5(*parts: str) -> str:
    return hashlib.md5(":".join(parts).encode(), usedforsecurity=False).hexdigest()


def _hmac(key: SecretStr, fields: Json) -> str:
    text = "|".join(str(fields[name]) for name in sorted(fields))
    return hmac.new(key.get_secret_value().encode(), text.encode(), hashlib.sha256).hexdigest()

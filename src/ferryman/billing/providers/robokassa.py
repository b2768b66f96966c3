"""Robokassa: a payment page behind a signed link, and a notification signed by a second password.

Opening calls nobody: the link is made here, and the service first hears of the payment when the payer comes. So there
is no id to remember before; the payment is looked for under its number (InvId), which is our payment's own number and
nobody else's in the shop. Refunds need a key of their own and are made in the cabinet.
"""

import contextlib
import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import ClassVar, Literal
from urllib.parse import parse_qsl, urlencode, urlsplit
from xml.etree import ElementTree as ET

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
from ferryman.kit.errors import AccessDenied, Busy, Conflict, FerrymanError, Misconfigured, NotFound, Refused
from ferryman.kit.remote import ApiBase, form, matching, money, problem, refuse_play, unknown_status
from ferryman.kit.secrets import same

REAL_API = "https://auth.robokassa.ru"
CURRENCY = "RUB"
LARGEST_NUMBER = 2**31 - 1
LARGEST_MESSAGE = 64 * 1024
LONGEST_DESCRIPTION = 100

_NUMBER = re.compile(r"[1-9][0-9]{0,9}")
_REF = re.compile(r"[\x21-\x7e]{1,128}")
_SPACE = "{http://merchant.roboxchange.com/WebService/}"
_STATES = {
    "5": (PaymentState.PENDING, None),
    "10": (PaymentState.CANCELLED, "expired"),
    "20": (PaymentState.PENDING, "held"),
    "50": (PaymentState.PENDING, "received, not yet credited"),
    "60": (PaymentState.CANCELLED, "returned to the payer"),
    "80": (PaymentState.PENDING, "suspended for a check"),
    "100": (PaymentState.SUCCEEDED, None),
}


class ShopConfig(BaseModel):
    """One Robokassa shop, as its technical settings show it."""

    model_config = ConfigDict(extra="forbid", coerce_numbers_to_str=True, hide_input_in_errors=True)

    login: str = Field(pattern=r"^[A-Za-z0-9._-]{1,64}$", description="The shop's identifier (MerchantLogin).")
    password_1: SecretStr = Field(min_length=1, description="Password 1, or test password 1 with `test`.")
    password_2: SecretStr = Field(min_length=1, description="Password 2, or test password 2 with `test`.")
    previous_password_2: SecretStr | None = Field(
        None, min_length=1, description="Password 2 before it was changed: notifications signed with it still come."
    )
    algorithm: Literal["md5", "sha256", "sha384", "sha512"] = Field(
        "sha256", description="How signatures are computed; the same as in the shop's technical settings."
    )
    test: bool = Field(False, description="Test payments (IsTest=1) under the test passwords.")
    first_number: int = Field(
        0,
        ge=0,
        le=LARGEST_NUMBER,
        description="Added to our numbers, for a shop that has sold under such before.",
    )
    api_base: ApiBase = Field(REAL_API, description="Where the service answers; leave as it is outside the sandbox.")


class Robokassa:
    """The provider."""

    name: ClassVar[str] = "robokassa"
    title: ClassVar[Mapping[str, str]] = {"ru": "Robokassa: карта, СБП", "en": "Robokassa: card, SBP"}
    icon: ClassVar[str] = "🤖"
    currencies: ClassVar[tuple[str, ...]] = (CURRENCY,)
    ways: ClassVar[tuple[Way, ...]] = (Way("", "🤖", title),)
    needs_contact: ClassVar[bool] = False
    Config: ClassVar[type[BaseModel]] = ShopConfig

    def __init__(self, config: ShopConfig, tools: ProviderTools) -> None:
        """Raises Misconfigured for an emulator's address, and for test payments, outside the sandbox."""
        refuse_play("Robokassa", config.api_base, REAL_API, sandbox=tools.sandbox, play_money=config.test)
        self._config = config
        self._http = tools.http
        self._believed = [config.password_2, *filter(None, [config.previous_password_2])]

    @property
    def test_mode(self) -> bool:
        return self._config.test

    def answer(self, claim: Claim | None) -> tuple[int, str]:
        """OK and the number, in exactly this form; anything else is asked again."""
        return (200, f"OK{claim.external_id}") if claim is not None else (400, "")

    async def open(self, request: PaymentRequest) -> Opened:
        request.must_be_in(self.currencies, "Robokassa")
        number, total = self._number(request), request.amount.decimal()
        extra = {"Shp_ref": request.ref}
        fields = {
            "MerchantLogin": self._config.login,
            "OutSum": total,
            "InvId": number,
            "Description": " ".join(request.description.split())[:LONGEST_DESCRIPTION] or request.ref,
            "SignatureValue": self._signature([self._config.login, total, number], self._config.password_1, extra),
            "Culture": "ru" if request.language == "ru" else "en",
            "Encoding": "utf-8",
            **extra,
        }
        if self.test_mode:
            fields["IsTest"] = "1"
        return Opened(None, f"{self._config.api_base}/Merchant/Index.aspx?{urlencode(fields)}")

    def read_webhook(self, raw: RawWebhook) -> Claim:
        """The sum is hashed as it was written ("100.000000"); it comes as a form, or behind the "?"."""
        fields = _form(raw)
        number, total = fields.get("InvId", ""), fields.get("OutSum", "")
        extra = {name: value for name, value in fields.items() if name.lower().startswith("shp_")}
        said = fields.get("SignatureValue", "").lower()
        proofs = [self._signature([total, number], password, extra) for password in self._believed]
        if not _NUMBER.fullmatch(number) or not any(same(proof, said) for proof in proofs):
            raise Refused("This is not a notification of this Robokassa shop.")
        ref = fields.get("Shp_ref", "")
        return Claim("paid", f"paid:{number}", number, ref if _REF.fullmatch(ref) else None)

    async def look_up(self, external_id: str) -> Fact:
        """NotFound as well before the payer has come to the page for the first time."""
        if not _NUMBER.fullmatch(external_id):
            raise NotFound("Robokassa has no payment of that number: it is not shaped like one.")
        signature = self._signature([self._config.login, external_id], self._config.password_2, {})
        params = {"MerchantLogin": self._config.login, "InvoiceID": external_id, "Signature": signature}
        url = f"{self._config.api_base}/Merchant/WebService/Service.asmx/OpStateExt"
        answer = await self._http.request("GET", url, params=params)
        if answer.status != 200:
            raise problem(answer.status, f"Robokassa answered {answer.status}", changes=False)
        state = _state(answer.body)
        code = state.findtext(f"{_SPACE}Result/{_SPACE}Code")
        if code != "0":
            raise _refusal(code)
        return self._fact(state, external_id)

    async def find(self, request: PaymentRequest) -> Fact | None:
        """By the number in the payer's own link: `first_number` may have been raised since that was made.

        Raises Misconfigured when the number was somebody else's before: then this payment can never be made.
        """
        number = _number_in(request.pay_url) or self._number(request)
        try:
            fact = await self.look_up(number)
        except NotFound:
            return None
        if fact.ref != request.ref and number != self._number(request):
            # That advice was followed, and this payment can be made no more.
            return None
        if fact.ref != request.ref:
            raise Misconfigured(
                f"Robokassa has another payment under the number {fact.external_id}.",
                "Set first_number in its settings above every number that this shop has used.",
            )
        return fact

    async def check(self) -> str:
        """Asks about a number that nobody has: a wrong login or password 2 is told apart from that. Password 1 is
        tried by the first payer only."""
        with contextlib.suppress(NotFound):
            await self.look_up(str(LARGEST_NUMBER))
        mode = "test" if self.test_mode else "real"
        return f"Robokassa shop {self._config.login} accepts password 2 ({mode} money)."

    def _number(self, request: PaymentRequest) -> str:
        number = self._config.first_number + request.number
        if request.number <= 0 or number > LARGEST_NUMBER:
            raise Refused(f"Robokassa knows payments by numbers from 1 to {LARGEST_NUMBER}.")
        return str(number)

    def _signature(self, parts: Iterable[str], password: SecretStr, extra: Mapping[str, str]) -> str:
        shown = [f"{name}={value}" for name, value in sorted(extra.items())]
        text = ":".join([*parts, password.get_secret_value(), *shown])
        return hashlib.new(self._config.algorithm, text.encode(), usedforsecurity=False).hexdigest()

    def _fact(self, state: ET.Element, external_id: str) -> Fact:
        code = state.findtext(f"{_SPACE}State/{_SPACE}Code") or ""
        shown, reason = _STATES.get(code, (PaymentState.PENDING, unknown_status(code)))
        info = f"{_SPACE}Info/{_SPACE}"
        try:
            amount = money(state.findtext(f"{info}OutSum"), CURRENCY)
        except ValueError as error:
            raise Busy("Robokassa's answer about a payment cannot be read.") from error
        details = {"method": state.findtext(f"{info}IncCurrLabel"), "operation": state.findtext(f"{info}OpKey")}
        return Fact(
            external_id=external_id,
            ref=_ref(state),
            state=shown,
            amount=amount,
            test=self.test_mode,
            reason=reason,
            details={name: value[:100] for name, value in details.items() if value},
        )


def _number_in(pay_url: str) -> str | None:
    return matching(dict(parse_qsl(urlsplit(pay_url).query)).get("InvId"), _NUMBER)


def _form(raw: RawWebhook) -> dict[str, str]:
    try:
        text = raw.body.decode("utf-8") or raw.query
        return form(text) if len(text) <= LARGEST_MESSAGE else {}
    except ValueError as error:
        raise Refused("This is not a notification of Robokassa.") from error


def _state(body: bytes) -> ET.Element:
    """Raises Busy for anything but plain elements: a document type could make the parser read or grow without end."""
    try:
        text = body.decode("utf-8-sig")
        if len(text) > LARGEST_MESSAGE or "<!" in text:
            raise ValueError("not plain elements")
        return ET.fromstring(text)  # noqa: S314  nothing in it can be declared
    except (ValueError, ET.ParseError) as error:
        raise Busy("Robokassa's answer is not the XML that it should be.") from error


def _refusal(code: str | None) -> FerrymanError:
    match code:
        case "1" | "2":
            return AccessDenied(f"Robokassa answered {code}. Check login, password_2 and algorithm.")
        case "3":
            return NotFound("Robokassa has no payment of that number.")
        case "4":
            return Conflict("Robokassa has two payments of that number.")
    return Busy(f"Robokassa answered {(code or 'nothing')[:10]}.")


def _ref(state: ET.Element) -> str | None:
    for field in state.iter(f"{_SPACE}Field"):
        if (field.findtext(f"{_SPACE}Name") or "").lower() == "shp_ref":
            return field.findtext(f"{_SPACE}Value")
    return None

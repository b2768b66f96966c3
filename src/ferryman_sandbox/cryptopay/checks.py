"""What the API refuses, and how: every check raises ApiError with a name for it."""

import re
from typing import Any

from aiohttp import web

from ferryman_sandbox.payments import Refusal

Json = dict[str, Any]

ASSETS = ("USDT", "TON", "BTC", "ETH", "LTC", "BNB", "TRX", "USDC")
FIATS = frozenset({"USD", "EUR", "RUB", "BYN", "UAH", "GBP", "CNY", "KZT", "UZS", "GEL"}) | {
    *("TRY", "AMD", "THB", "INR", "BRL", "IDR", "AZN", "AED", "PLN", "ILS")
}
AMOUNT = re.compile(r"[0-9]{1,12}(\.[0-9]{1,8})?")
BUTTONS = ("viewItem", "openChannel", "openBot", "callback")
LONGEST_LIFE = 2_678_400
LARGEST_PAYLOAD = 4096


class ApiError(Refusal):
    """A refusal: an HTTP status that is the error's code too, and its name."""

    def __init__(self, status: int, name: str) -> None:
        super().__init__(name)
        self.status = status
        self.name = name

    def response(self) -> web.Response:
        error = {"code": self.status, "name": self.name}
        return web.json_response({"ok": False, "error": error}, status=self.status)


def new_invoice(given: Json) -> None:
    kind = given.get("currency_type", "crypto")
    if kind not in ("crypto", "fiat"):
        raise ApiError(400, "CURRENCY_TYPE_INVALID")
    if kind == "fiat" and given.get("fiat") not in FIATS:
        raise ApiError(400, "FIAT_UNSUPPORTED")
    if kind == "crypto" and given.get("asset") not in ASSETS:
        raise ApiError(400, "ASSET_UNSUPPORTED")
    amount = given.get("amount")
    if not isinstance(amount, str) or not AMOUNT.fullmatch(amount) or not float(amount):
        raise ApiError(400, "AMOUNT_INVALID")
    for name, longest in (("description", 1024), ("hidden_message", 2048)):
        if not isinstance(given.get(name, ""), str) or len(given.get(name, "")) > longest:
            raise ApiError(400, f"{name.upper()}_TOO_LONG")
    if len(str(given.get("payload", "")).encode()) > LARGEST_PAYLOAD:
        raise ApiError(400, "PAYLOAD_TOO_LONG")
    if set(str(given.get("accepted_assets") or ASSETS[0]).split(",")) - set(ASSETS):
        raise ApiError(400, "ACCEPTED_ASSETS_INVALID")
    if "expires_in" in given and whole(given, "expires_in", 0) not in range(1, LONGEST_LIFE + 1):
        raise ApiError(400, "EXPIRES_IN_INVALID")
    _button(given)


def whole(given: Json, name: str, otherwise: int) -> int:
    """A parameter that is a whole number, written as one or as text."""
    value = given.get(name, otherwise)
    if isinstance(value, bool) or not str(value).isdecimal():
        raise ApiError(400, f"{name.upper()}_INVALID")
    return int(value)


def _button(given: Json) -> None:
    name, url = given.get("paid_btn_name"), given.get("paid_btn_url")
    if name is None:
        return
    if name not in BUTTONS:
        raise ApiError(400, "PAID_BTN_NAME_INVALID")
    if not isinstance(url, str) or not url.startswith(("https://", "http://")):
        raise ApiError(400, "PAID_BTN_URL_REQUIRED")

"""The shape in which the API refuses, and what a new order or refund must look like before a word is believed."""

from decimal import Decimal, InvalidOperation
from typing import Any

from aiohttp import web

from ferryman_sandbox.payments import Refusal

Json = dict[str, Any]

CURRENCIES = frozenset({"EUR", "USD", "GBP", "PLN", "CZK", "CHF", "SEK", "NOK", "DKK", "HUF", "RON", "TRY"}) | {
    *("CAD", "AUD", "JPY"),
}
REFUND_FIELDS = ("amount", "address", "currency_id", "platform_id", "reason", "email", "ledger_account_id")


class ApiError(Refusal):
    """A refusal with its HTTP status and the word a client is to tell it by."""

    def __init__(self, status: int, reason: str, message: str, errors: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.status = status
        self.body: Json = {"message": message, "reason": reason} | ({"errors": list(errors)} if errors else {})

    def response(self) -> web.Response:
        return web.json_response(self.body, status=self.status)


def invalid_order(*errors: str) -> ApiError:
    return ApiError(422, "OrderIsNotValid", "Order is not valid", errors)


def not_found() -> ApiError:
    return ApiError(404, "OrderNotFound", "Order does not exist")


def new_order(body: Json) -> Decimal:
    """The price. Raises ApiError that lists everything wrong."""
    errors = []
    price = _amount(body.get("price_amount"))
    if price is None:
        errors.append("Price amount must be greater than 0")
    if body.get("price_currency") not in CURRENCIES:
        errors.append("Price currency is not supported")
    for name, longest in (("title", 150), ("description", 500)):
        if not 3 <= len(str(body.get(name, ""))) <= longest:
            errors.append(f"{name.capitalize()} must have from 3 to {longest} characters")
    urls = {name: str(body.get(name, "http://")) for name in ("callback_url", "success_url", "cancel_url")}
    errors += [f"{name} is invalid" for name, url in urls.items() if not url.startswith(("http://", "https://"))]
    if errors or price is None:
        raise invalid_order(*errors)
    return price


def new_refund(body: Json, left: Decimal) -> Decimal:
    """How much is to be given back. Raises ApiError."""
    missing = [name for name in REFUND_FIELDS if not body.get(name)]
    amount = _amount(body.get("amount"))
    errors = [f"{name} can't be blank" for name in missing]
    if amount is None or amount > left:
        errors.append("Amount is more than what is left")
    if errors or amount is None:
        raise ApiError(422, "RefundIsNotValid", "Refund is not valid", tuple(errors))
    return amount


def _amount(given: Any) -> Decimal | None:
    try:
        amount = Decimal(str(given))
    except InvalidOperation:
        return None
    return amount if amount.is_finite() and amount > 0 else None

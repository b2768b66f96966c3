"""What a request body must look like before the shop believes a word of it. Every check raises ApiError 400."""

import re
from decimal import Decimal
from typing import Any

from ferryman_sandbox.yookassa.errors import invalid

Body = dict[str, Any]

AMOUNT = re.compile(r"[0-9]{1,12}\.[0-9]{2}")
KEY = re.compile(r"[0-9A-Za-z+\-_.]{1,64}")
CURRENCIES = frozenset({"RUB", "EUR", "USD", "KZT", "BYN", "UAH", "UZS", "TRY", "INR", "MDL", "AZN", "AMD"})
METHODS = frozenset(
    {"bank_card", "sbp", "yoo_money", "sberbank", "tinkoff_bank", "cash", "mobile_balance", "b2b_sberbank"}
) | {
    "sber_loan",
    "sber_bnpl",
    "electronic_certificate",
}
TEST_SHOP_METHODS = frozenset({"bank_card", "yoo_money"})
LIMITS_RUB = {"bank_card": (1, 350_000), "sber_loan": (3_000, 1_500_000)}
USUAL_LIMITS_RUB = (1, 700_000)
# Money that is transferred at once cannot be held first.
WITHOUT_HOLD = frozenset({"sbp"})
CONFIRMATIONS = frozenset({"redirect", "qr", "embedded", "external", "mobile_application"})


def key(given: str | None) -> str:
    if not given:
        raise invalid("Idempotence-Key", "Idempotence-Key header is required")
    if not KEY.fullmatch(given):
        raise invalid("Idempotence-Key", "Idempotence-Key must be 1-64 characters of 0-9 a-z A-Z + - _ .")
    return given


def amount(given: Any, currency: str, parameter: str = "amount") -> Decimal:
    """`{"value": "199.00", "currency": "RUB"}` in the shop's own currency, above zero."""
    if not isinstance(given, dict):
        raise invalid(parameter, "amount must be an object with value and currency")
    value = given.get("value")
    if not isinstance(value, str) or not AMOUNT.fullmatch(value):
        raise invalid(f"{parameter}.value", "value must be a string such as 199.00")
    if given.get("currency") not in CURRENCIES:
        raise invalid(f"{parameter}.currency", "unknown currency")
    if given["currency"] != currency:
        raise invalid(f"{parameter}.currency", f"this shop's account is in {currency}")
    if Decimal(value) <= 0:
        raise invalid(f"{parameter}.value", "value must be above zero")
    return Decimal(value)


def new_payment(body: Body, currency: str, test: bool) -> None:
    value = amount(body.get("amount"), currency)
    method = _method(body, test)
    if currency == "RUB":
        low, high = LIMITS_RUB.get(method, USUAL_LIMITS_RUB)
        if not low <= value <= high:
            raise invalid("amount.value", f"value must be from {low}.00 to {high}.00 for this method")
    _text(body, "description", 128)
    _text(body, "merchant_customer_id", 200)
    for flag in ("capture", "save_payment_method"):
        if not isinstance(body.get(flag, False), bool):
            raise invalid(flag, f"{flag} must be true or false")
    if method in WITHOUT_HOLD and not body.get("capture", False):
        raise invalid("capture", f"{method} cannot be held: capture must be true")
    metadata(body.get("metadata", {}))
    receipt(body.get("receipt"))
    if "payment_method_id" in body:
        if "confirmation" in body:
            raise invalid("confirmation", "a saved method is charged without a confirmation")
    else:
        confirmation(body.get("confirmation"))


def confirmation(given: Any) -> None:
    if not isinstance(given, dict) or given.get("type") not in CONFIRMATIONS:
        raise invalid("confirmation.type", f"confirmation.type must be one of {', '.join(sorted(CONFIRMATIONS))}")
    address = given.get("return_url")
    if address is None and given["type"] in ("redirect", "mobile_application"):
        raise invalid("confirmation.return_url", "return_url is required")
    if address is not None and (not isinstance(address, str) or not 1 <= len(address) <= 2048):
        raise invalid("confirmation.return_url", "return_url must be 1-2048 characters")


def metadata(given: Any) -> None:
    if not isinstance(given, dict) or len(given) > 16:
        raise invalid("metadata", "metadata must be an object of at most 16 keys")
    for name, value in given.items():
        if len(name) > 32:
            raise invalid("metadata", f"metadata key {name[:32]}… is longer than 32 characters")
        if not isinstance(value, str) or len(value) > 512:
            raise invalid(f"metadata.{name}", "a metadata value must be a string of at most 512 characters")


def receipt(given: Any) -> None:
    if given is None:
        return
    customer, items = (given.get("customer"), given.get("items")) if isinstance(given, dict) else (None, None)
    if not isinstance(customer, dict) or not (customer.get("email") or customer.get("phone")):
        raise invalid("receipt.customer", "a receipt needs the customer's email or phone")
    if not isinstance(items, list) or not 1 <= len(items) <= 80:
        raise invalid("receipt.items", "a receipt has 1-80 items")
    for number, item in enumerate(items):
        where = f"receipt.items[{number}]"
        if not isinstance(item, dict) or not 1 <= len(str(item.get("description", ""))) <= 128:
            raise invalid(f"{where}.description", "an item's description is 1-128 characters")
        if item.get("vat_code") not in range(1, 13):
            raise invalid(f"{where}.vat_code", "vat_code must be 1-12")


def _method(body: Body, test: bool) -> str:
    data = body.get("payment_method_data")
    if data is None:
        return ""
    kind = data.get("type") if isinstance(data, dict) else None
    if kind not in METHODS:
        raise invalid("payment_method_data.type", "unknown payment method")
    if test and kind not in TEST_SHOP_METHODS:
        raise invalid("payment_method_data.type", "a test shop accepts bank_card and yoo_money only")
    return str(kind)


def _text(body: Body, name: str, longest: int) -> None:
    given = body.get(name, "")
    if not isinstance(given, str) or len(given) > longest:
        raise invalid(name, f"{name} must be a string of at most {longest} characters")

"""What we send. The same request is the same body to the letter, or its key would be refused."""

import re

from ferryman.billing.provider import PaymentRequest, RefundRequest
from ferryman.billing.providers.yookassa.api import Json
from ferryman.billing.providers.yookassa.settings import ReceiptSettings
from ferryman.billing.providers.yookassa.ways import BY_CODE, CURRENCIES
from ferryman.kit.errors import Misconfigured, Refused
from ferryman.kit.money import Money

LONGEST_DESCRIPTION = 128
LONGEST_REFUND_DESCRIPTION = 250

_KEY = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_PHONE = re.compile(r"\+[0-9]{7,15}")
_LOCALES = {"ru": "ru_RU", "en": "en_US"}


def checked_key(given: str) -> str:
    if not _KEY.fullmatch(given):
        raise Refused("An idempotency key for YooKassa is 1 to 64 characters of A-Z a-z 0-9 _ . -")
    return given


def creation(request: PaymentRequest, own_return_url: str, receipts: ReceiptSettings | None) -> Json:
    """A payment that somebody confirms on the payment page."""
    return_url = own_return_url or request.return_url
    if not return_url:
        raise Misconfigured("YooKassa must know where the payer returns.", "Set return_url in its settings.")
    way = BY_CODE.get(request.way)
    if request.way and way is None:
        raise Refused(f"YooKassa has no way to pay called {request.way[:40]!r}.")
    if way is not None and way.currencies and request.amount.currency not in way.currencies:
        raise Refused(f"YooKassa cannot collect {request.amount} by {way.title['en']}.")
    confirmation = {"type": "redirect", "return_url": return_url, "locale": _LOCALES.get(request.language, "en_US")}
    body = _what(request, confirmation)
    if way is not None:
        body["payment_method_data"] = {"type": way.code}
        if request.keep and way.keeps:
            body["save_payment_method"] = True
    return body | _receipt(receipts, body["description"], request.amount, request.contact)


def charge(request: PaymentRequest, token: str, receipts: ReceiptSettings | None) -> Json:
    """A payment out of an instrument that was kept; nobody confirms it."""
    body = _what(request, None) | {"payment_method_id": token}
    return body | _receipt(receipts, body["description"], request.amount, request.contact)


def refund(request: RefundRequest, receipts: ReceiptSettings | None) -> Json:
    description = " ".join(request.description.split())
    body: Json = {
        "payment_id": request.payment_external_id,
        "amount": amount(request.amount),
        "description": description[:LONGEST_REFUND_DESCRIPTION] or request.ref,
        "metadata": {"refund_id": request.ref, "payment_id": request.payment_ref},
    }
    if request.whole and receipts is not None and not (receipts.email or request.contact):
        # All of it going back, the service can write the receipt by the payment's own.
        return body
    return body | _receipt(receipts, description[:LONGEST_DESCRIPTION] or request.ref, request.amount, request.contact)


def amount(given: Money) -> Json:
    return {"value": given.decimal(), "currency": given.currency}


def _what(request: PaymentRequest, confirmation: Json | None) -> Json:
    if request.amount.currency not in CURRENCIES or request.amount.minor <= 0:
        raise Refused(f"YooKassa cannot collect {request.amount}.")
    return {
        "amount": amount(request.amount),
        # The API's default is a hold that nobody would ever capture.
        "capture": True,
        **({} if confirmation is None else {"confirmation": confirmation}),
        "description": " ".join(request.description.split())[:LONGEST_DESCRIPTION] or request.ref,
        "metadata": {"payment_id": request.ref, "order_id": request.order_ref},
    }


def _receipt(settings: ReceiptSettings | None, description: str, price: Money, contact: str) -> Json:
    if settings is None:
        return {}
    item = {
        "description": description,
        "quantity": 1,
        "amount": amount(price),
        "vat_code": settings.vat_code,
        "payment_subject": "service",
        "payment_mode": "full_payment",
        "measure": "piece",
    }
    receipt: Json = {"customer": _customer(settings.email or contact), "items": [item]}
    if settings.tax_system_code is not None:
        receipt["tax_system_code"] = settings.tax_system_code
    return {"receipt": receipt}


def _customer(contact: str) -> Json:
    if _PHONE.fullmatch(contact):
        return {"phone": contact[1:]}
    if "@" not in contact:
        raise Refused("A fiscal receipt needs the payer's e-mail address or phone number.")
    return {"email": contact}

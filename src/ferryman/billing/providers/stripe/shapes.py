"""What is sent to Stripe, and what its answers say; nothing here calls anybody."""

import re
from collections.abc import Sequence
from typing import Any

from ferryman.billing.provider import (
    Kept,
    PaymentRequest,
    PaymentState,
    RefundFact,
    RefundRequest,
    RefundState,
)
from ferryman.kit import remote
from ferryman.kit.errors import Unreachable
from ferryman.kit.money import Money

Json = dict[str, Any]

SESSION = re.compile(r"cs_[A-Za-z0-9_]{1,120}")
INTENT = re.compile(r"pi_[A-Za-z0-9_]{1,120}")
TOKEN = re.compile(r"(cus_[A-Za-z0-9_]{1,120}):(pm_[A-Za-z0-9_]{1,120})")
REF = re.compile(r"[\x21-\x7e]{1,128}")
BOOKS = "payment_intent.latest_charge.balance_transaction"
TAKEN_BACK = ("needs_response", "under_review", "lost")
LONGEST_NAME = 250

_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s]{1,190}")
_ID = re.compile(r"[A-Za-z0-9_]{1,120}")
_FEE = ("fee", "currency", "exchange_rate")


def creation(request: PaymentRequest, return_url: str) -> dict[str, str]:
    """A session that sells one thing at the order's price."""
    item = "line_items[0]"
    body = {
        "mode": "payment",
        "client_reference_id": request.ref,
        "success_url": return_url,
        "cancel_url": return_url,
        "locale": request.language if request.language in ("ru", "en") else "auto",
        f"{item}[quantity]": "1",
        f"{item}[price_data][currency]": request.amount.currency.lower(),
        f"{item}[price_data][unit_amount]": str(request.amount.minor),
        f"{item}[price_data][product_data][name]": _name(request),
        "payment_intent_data[description]": _name(request),
        **_metadata("metadata", request),
        **_metadata("payment_intent_data[metadata]", request),
    }
    if _EMAIL.fullmatch(request.contact):
        body["customer_email"] = request.contact
    if request.keep:
        body |= {"customer_creation": "always", "payment_intent_data[setup_future_usage]": "off_session"}
    return body


def charging(request: PaymentRequest, *, customer: str, card: str) -> dict[str, str]:
    """A PaymentIntent that is paid at once by a kept card, nobody being there."""
    return {
        "amount": str(request.amount.minor),
        "currency": request.amount.currency.lower(),
        "customer": customer,
        "payment_method": card,
        "off_session": "true",
        "confirm": "true",
        "description": _name(request),
        "expand[]": BOOKS.partition(".")[2],
        "metadata[born]": "charge",
        **_metadata("metadata", request),
    }


def session_state(session: Json, intent: Json) -> tuple[PaymentState, str | None]:
    """A session waits for another card after a decline; `complete` and unpaid, its bank is thinking or has said no."""
    status, paid = session.get("status"), session.get("payment_status")
    declined = _decline(intent)
    match status:
        case "open":
            return PaymentState.PENDING, declined
        case "expired":
            return PaymentState.CANCELLED, declined or "expired"
        case "complete" if paid == "paid":
            return PaymentState.SUCCEEDED, None
        case "complete" if paid == "unpaid" and intent.get("status") in ("requires_payment_method", "canceled"):
            return PaymentState.CANCELLED, declined or "unknown"
        case "complete":
            return PaymentState.PENDING, f"complete, {str(paid)[:40]}"
    return PaymentState.PENDING, remote.unknown_status(status)


def intent_state(intent: Json) -> tuple[PaymentState, str | None]:
    """Of a charge that nobody attends: when the card declines, no other will come."""
    status = intent.get("status")
    match status:
        case "succeeded":
            return PaymentState.SUCCEEDED, None
        case "canceled" | "requires_payment_method":
            return PaymentState.CANCELLED, _decline(intent) or "unknown"
    return PaymentState.PENDING, str(status)[:60]


def _decline(intent: Json) -> str | None:
    """The bank's word for it, else Stripe's."""
    error = part(intent, "last_payment_error")
    said = error.get("decline_code") or error.get("code") or intent.get("cancellation_reason")
    return said[:100] if isinstance(said, str) else None


def fee(charge: Json, amount: Money) -> tuple[Money | None, Json]:
    """What Stripe kept, when that is in the order's currency; and what is worth keeping for the books."""
    books, card = part(charge, "balance_transaction"), part(part(charge, "payment_method_details"), "card")
    details: Json = {name: str(card[name])[:20] for name in ("brand", "last4") if isinstance(card.get(name), str)}
    kept = money(books.get("fee"), books)
    if kept is not None and kept.currency == amount.currency:
        return kept, details
    converted = {f"books_{name}": str(books[name])[:40] for name in _FEE if isinstance(books.get(name), (str, int))}
    return None, details | converted


def given_back(refunds: Sequence[Json], amount: Money) -> Money:
    """What refunds have come to. The charge's own sum counts those that wait for a bank, too, and may yet fail."""
    return _sum_of(refunds, ("succeeded",), amount)


def taken_back(disputes: Sequence[Json], amount: Money) -> Money:
    """What the payer's bank holds or has kept. A warning takes nothing yet; a dispute that was won gave it back."""
    return _sum_of(disputes, TAKEN_BACK, amount)


def _sum_of(moves: Sequence[Json], states: Sequence[str], most: Money) -> Money:
    sums = [money(one.get("amount"), one) for one in moves if one.get("status") in states]
    minor = sum(one.minor for one in sums if one is not None and one.currency == most.currency)
    return Money(min(minor, most.minor), most.currency)


def dispute_fee(disputes: Sequence[Json], currency: str) -> Money:
    """What disputes have cost on top: each has a movement for the money that went, and one for what came back."""
    lists = (dispute.get("balance_transactions") for dispute in disputes)
    movements = [one for found in lists if isinstance(found, list) for one in found if isinstance(one, dict)]
    # Below zero where it was given back.
    fees = [one.get("fee") for one in movements if str(one.get("currency")).upper() == currency]
    return Money(max(sum(fee for fee in fees if type(fee) is int), 0), currency)


def kept(session: Json, intent: Json, charge: Json) -> Kept | None:
    """The card, when it was kept for later."""
    token = f"{session.get('customer')}:{intent.get('payment_method')}"
    if intent.get("setup_future_usage") != "off_session" or not TOKEN.fullmatch(token):
        return None
    paid_by = part(charge, "payment_method_details")
    card = part(paid_by, "card")
    if not isinstance(card.get("last4"), str):
        return Kept(token, str(paid_by.get("type", "card"))[:20].capitalize())
    return Kept(token, f"{str(card.get('brand', 'card'))[:20].capitalize()} •••• {card['last4'][:4]}")


def refund_fact(refund: Json, request: RefundRequest) -> RefundFact:
    """A status that we do not know is PENDING."""
    amount, status = money(refund.get("amount"), refund), refund.get("status")
    refund_id = remote.matching(refund.get("id"), _ID)
    if amount is None or not isinstance(status, str) or refund_id is None:
        raise Unreachable("Stripe's answer about a refund cannot be read.")
    states = {"succeeded": RefundState.SUCCEEDED, "failed": RefundState.FAILED, "canceled": RefundState.FAILED}
    state = states.get(status, RefundState.PENDING)
    reason = refund.get("failure_reason") if state is RefundState.FAILED else None
    ref = part(refund, "metadata").get("refund_id")
    return RefundFact(
        refund_id,
        request.payment_external_id,
        state,
        amount,
        ref if isinstance(ref, str) else None,
        str(reason)[:100] if reason else None,
    )


def part(thing: Json, name: str) -> Json:
    """An object inside another; empty when it is not there, or only its id is."""
    found = thing.get(name)
    return found if isinstance(found, dict) else {}


def items(page: Json) -> list[Json]:
    found = page.get("data")
    if not isinstance(found, list):
        raise Unreachable("Stripe's answer is not a list.")
    return [item for item in found if isinstance(item, dict)]


def money(minor: Any, thing: Json) -> Money | None:
    """Minor units, in the currency of the object that they are part of."""
    currency = thing.get("currency")
    if isinstance(minor, bool) or not isinstance(minor, int) or not isinstance(currency, str) or minor < 0:
        return None
    try:
        return Money(minor, currency.upper())
    except ValueError:
        return None


def id_of(thing: Json, shape: re.Pattern[str]) -> str:
    found = remote.matching(thing.get("id"), shape)
    if found is None:
        raise Unreachable("Stripe's answer names no payment.")
    return found


def ref_of(thing: Json) -> str | None:
    return remote.matching(part(thing, "metadata").get("payment_id") or thing.get("client_reference_id"), REF)


def pay_url(session: Json) -> str:
    return remote.page_address(session.get("url")) if session.get("status") == "open" else ""


def _name(request: PaymentRequest) -> str:
    return " ".join(request.description.split())[:LONGEST_NAME] or request.ref


def _metadata(prefix: str, request: PaymentRequest) -> dict[str, str]:
    return {f"{prefix}[payment_id]": request.ref, f"{prefix}[order_id]": request.order_ref}

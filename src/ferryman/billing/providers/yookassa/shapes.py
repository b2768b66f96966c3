"""What the API's objects say, in our words. One that lacks what all have is no answer: Unreachable."""

import re
from typing import Any

from ferryman.billing.provider import Claim, Fact, Kept, PaymentState, RefundFact, RefundState
from ferryman.billing.providers.yookassa.api import Json
from ferryman.kit.errors import Refused, Unreachable
from ferryman.kit.money import Money
from ferryman.kit.remote import document, money, page_address, unknown_status

LARGEST_WEBHOOK = 64 * 1024
ID = re.compile(r"[A-Za-z0-9-]{1,64}")

_EVENT = re.compile(r"[a-z_]{1,40}\.[a-z_]{1,40}")
_STATUS = re.compile(r"[a-z_]{1,40}")
_REF = re.compile(r"[\x21-\x7e]{1,128}")
_LAST_DIGITS = re.compile(r"[0-9]{4}")
_LONG_NUMBER = re.compile(r"[0-9]{2,}(?=[0-9]{4})")
_STATES = {
    "pending": PaymentState.PENDING,
    "waiting_for_capture": PaymentState.HELD,
    "succeeded": PaymentState.SUCCEEDED,
    "canceled": PaymentState.CANCELLED,
}
_REFUND_STATES = {
    "pending": RefundState.PENDING,
    "succeeded": RefundState.SUCCEEDED,
    "canceled": RefundState.FAILED,
}


def claim(body: bytes) -> Claim:
    """What a notification says. Those of payouts, deals and saved methods are about no payment."""
    if len(body) > LARGEST_WEBHOOK:
        raise Refused(f"A YooKassa notification is at most {LARGEST_WEBHOOK} bytes.")
    try:
        note = document(body)
    except ValueError as error:
        raise Refused("This is not a YooKassa notification.") from error
    thing = note.get("object")
    if note.get("type") != "notification" or not isinstance(thing, dict):
        raise Refused("This is not a YooKassa notification.")
    event = _matching(note.get("event"), _EVENT)
    if event is None:
        raise Refused("This is not an event of YooKassa.")
    if not event.startswith(("payment.", "refund.")):
        return Claim.of_no_payment(event, body)
    object_id = _matching(thing.get("id"), ID)
    external_id = _matching(thing.get("payment_id"), ID) if event.startswith("refund.") else object_id
    if object_id is None or external_id is None:
        raise Refused("The notification names no payment.")
    status = _matching(thing.get("status"), _STATUS) or ""
    return Claim(event, f"{event}:{object_id}:{status}", external_id, _matching(named(thing, "payment_id"), _REF))


def fact(payment: Json) -> Fact:
    """A status that we do not know is PENDING with a reason: the next look may find a final one."""
    amount, test, status = sum_of(payment.get("amount")), payment.get("test"), payment.get("status")
    if amount is None or not isinstance(test, bool) or not isinstance(status, str):
        raise Unreachable("YooKassa's answer about a payment cannot be read.")
    state = _STATES.get(status, PaymentState.PENDING)
    reason: str | None = None
    if state is PaymentState.CANCELLED:
        reason = _why(payment)
    elif state in (PaymentState.SUCCEEDED, PaymentState.HELD) and payment.get("paid") is not True:
        state, reason = PaymentState.PENDING, f"{status} but not paid"
    elif status not in _STATES:
        reason = unknown_status(status)
    return Fact(
        external_id=id_of(payment),
        ref=named(payment, "payment_id"),
        state=state,
        amount=amount,
        test=test,
        reason=reason,
        fee=_fee(amount, sum_of(payment.get("income_amount"))),
        refunded=sum_of(payment.get("refunded_amount")),
        kept=_kept(payment) if state is PaymentState.SUCCEEDED else None,
        details=_details(payment),
    )


def refund_fact(refund: Json) -> RefundFact:
    """A status that we do not know is PENDING with a reason."""
    amount, status = sum_of(refund.get("amount")), refund.get("status")
    payment_id = _matching(refund.get("payment_id"), ID)
    if amount is None or payment_id is None or not isinstance(status, str):
        raise Unreachable("YooKassa's answer about a refund cannot be read.")
    state = _REFUND_STATES.get(status, RefundState.PENDING)
    reason = _why(refund) if state is RefundState.FAILED else None
    if status not in _REFUND_STATES:
        reason = unknown_status(status)
    return RefundFact(id_of(refund), payment_id, state, amount, named(refund, "refund_id"), reason)


def id_of(thing: Json) -> str:
    found = _matching(thing.get("id"), ID)
    if found is None:
        raise Unreachable("YooKassa's answer names no object.")
    return found


def pay_url(payment: Json) -> str:
    confirmation = payment.get("confirmation")
    url = confirmation.get("confirmation_url") if isinstance(confirmation, dict) else None
    return page_address(url)


def named(thing: Json, what: str) -> str | None:
    """What we wrote into an object's metadata under that name."""
    metadata = thing.get("metadata")
    found = metadata.get(what) if isinstance(metadata, dict) else None
    return found if isinstance(found, str) else None


def sum_of(given: Any) -> Money | None:
    if not isinstance(given, dict):
        return None
    try:
        return money(given.get("value"), given.get("currency"))
    except ValueError:
        return None


def _why(thing: Json) -> str:
    details = thing.get("cancellation_details")
    said = details.get("reason") if isinstance(details, dict) else None
    return said[:100] if isinstance(said, str) else "unknown"


def _fee(amount: Money, income: Money | None) -> Money | None:
    if income is None or income.currency != amount.currency or not 0 <= income.minor <= amount.minor:
        return None
    return Money(amount.minor - income.minor, amount.currency)


def _method(payment: Json) -> Json:
    found = payment.get("payment_method")
    return found if isinstance(found, dict) else {}


def _card(payment: Json) -> str:
    """As in "MasterCard •4477"; empty when no card paid."""
    card = _method(payment).get("card")
    if not isinstance(card, dict) or _matching(card.get("last4"), _LAST_DIGITS) is None:
        return ""
    return f"{_words(card.get('card_type'))} •{card['last4']}".strip()


def _title(method: Json) -> str:
    """Of a wallet's number its last four digits, as of a card's."""
    return _LONG_NUMBER.sub("•", _words(method.get("title")))


def _kept(payment: Json) -> Kept | None:
    method = _method(payment)
    token = _matching(method.get("id"), ID)
    if method.get("saved") is not True or method.get("status") == "inactive" or token is None:
        return None
    return Kept(token, _card(payment) or _title(method) or _words(method.get("type")))


def _details(payment: Json) -> dict[str, str]:
    """How it was paid, and what became of its fiscal receipt, which is a matter of its own."""
    method = _method(payment)
    said = {
        "method": _words(method.get("type")),
        "title": _title(method),
        "card": _card(payment),
        "receipt": _words(payment.get("receipt_registration")),
    }
    return {name: value for name, value in said.items() if value}


def _words(given: Any) -> str:
    return " ".join(given.split())[:64] if isinstance(given, str) else ""


def _matching(given: Any, shape: re.Pattern[str]) -> str | None:
    return given if isinstance(given, str) and shape.fullmatch(given) else None

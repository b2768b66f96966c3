"""What CoinGate's answers and callbacks say, and what that means for us."""

import re
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl

from ferryman.billing.provider import Fact, PaymentState
from ferryman.kit import remote
from ferryman.kit.errors import Busy, FerrymanError, Refused, Unreachable
from ferryman.kit.http import Answer
from ferryman.kit.money import Money
from ferryman.kit.remote import coins, matching, unknown_status

AFTER_RATE_LIMIT = 60.0
AFTER_ORDER_CAP = 600.0
ID = re.compile(r"[0-9]{1,20}")

_SYMBOL = re.compile(r"[A-Za-z0-9_.-]{1,20}")
_PAID = ("paid", "partially_refunded", "refunded")
_WAITING = ("new", "pending", "confirming")
_LOST = ("expired", "canceled", "invalid")

Json = dict[str, Any]


def fact(order: Json, test: bool) -> Fact:
    """Raises Unreachable when the answer lacks what every order has: then it is no answer."""
    ref, status = order.get("order_id"), str(order.get("status"))
    try:
        amount = remote.money(order.get("price_amount"), order.get("price_currency"))
    except ValueError as error:
        raise Unreachable("CoinGate's answer about an order cannot be read.") from error
    state, reason = _state(order, status)
    return Fact(
        id_of(order),
        ref if isinstance(ref, str) else None,
        state,
        amount,
        test,
        reason,
        fee=_fee(order, amount.currency),
        refunded=_refunded(order, status, amount) if state is PaymentState.SUCCEEDED else None,
        details=_details(order),
        came=_came(order, amount) if state is PaymentState.SHORT else None,
    )


def _state(order: Json, status: str) -> tuple[PaymentState, str | None]:
    """The status decides. Something came for an order that ended: a person has to look, as no callback tells of it."""
    if status in _PAID:
        return PaymentState.SUCCEEDED, None
    if status in _LOST:
        some = coins(order.get("underpaid_amount")) > 0 or order.get("is_refundable") is True
        if some and status != "invalid":
            return PaymentState.SHORT, f"{status}, yet something was paid"
        return PaymentState.CANCELLED, status
    known = status in _WAITING
    return PaymentState.PENDING, (status if known else unknown_status(status))


def _came(order: Json, price: Money) -> Money | None:
    """What of too little is ours: none, as a rule, for CoinGate keeps it ready for the payer to take back. It is when
    the order says that we received something."""
    if coins(order.get("receive_amount")) <= 0:
        return None
    asked = coins(order.get("pay_amount"))
    return remote.worth_of(asked - coins(order.get("underpaid_amount")), asked, price)


def _details(order: Json) -> Json:
    """What came, in coins, for the books. `rate`: how much money one coin was counted as."""
    amounts = {
        "paid": "pay_amount",
        "surplus": "overpaid_amount",
        "shortfall": "underpaid_amount",
        "received": "receive_amount",
        "rate": "conversion_rate",
    }
    details: Json = {name: str(order[given]) for name, given in amounts.items() if coins(order.get(given)) > 0}
    for name, given in {"coin": "pay_currency", "received_in": "receive_currency"}.items():
        symbol = matching(order.get(given), _SYMBOL)
        if symbol is not None:
            details[name] = symbol
    fees = [f"{amount} {symbol}" for amount, symbol in _fees(order)]
    return details | ({"fees": fees} if fees else {})


def _fees(order: Json) -> list[tuple[str, str]]:
    given = order.get("fees")
    found = []
    for one in given if isinstance(given, list) else []:
        currency = one.get("currency") if isinstance(one, dict) else None
        symbol = matching(currency.get("symbol"), _SYMBOL) if isinstance(currency, dict) else None
        if symbol is not None and coins(one.get("amount")) > 0:
            found.append((str(one["amount"]), symbol))
    return found


def _fee(order: Json, currency: str) -> Money | None:
    """All fees together, where they are in the price's currency; most are in coins, and stay in the details."""
    fees = _fees(order)
    if not fees or any(symbol != currency for _, symbol in fees):
        return None
    try:
        return remote.money(str(sum(Decimal(amount) for amount, _ in fees)), currency)
    except ValueError:
        return None


def _refunded(order: Json, status: str, amount: Money) -> Money | None:
    """How much was given back, in the price's currency; None when it cannot be told."""
    if status != "partially_refunded":
        return amount if status == "refunded" else Money(0, amount.currency)
    given, total = order.get("refunds"), 0
    for one in given if isinstance(given, list) else []:
        if not isinstance(one, dict) or one.get("status") != "completed":
            continue
        try:
            part = remote.money(one.get("request_amount"), one.get("request_currency"))
        except ValueError:
            return None
        if part.currency != amount.currency:
            return None
        total += part.minor
    return Money(min(total, amount.minor), amount.currency) if total else None


def problem(answer: Answer, document: Json, *, changes: bool) -> FerrymanError:
    said = f"CoinGate answered {answer.status}"
    message, reason, errors = document.get("message"), document.get("reason"), document.get("errors")
    for word in (reason, message, *(errors if isinstance(errors, list) else [])):
        if isinstance(word, str):
            said += f", {' '.join(word.split())[:120]}"
    if answer.status == 422 and "limit exceeded" in said.lower():
        return Busy(
            "CoinGate takes no more orders this hour (500 an hour is its usual cap for a business). "
            "Ask CoinGate to raise it, or offer another way to pay meanwhile.",
            after=AFTER_ORDER_CAP,
        )
    after = remote.retry_after(answer.headers)
    if answer.status == 429 and after is None:
        after = AFTER_RATE_LIMIT
    return remote.problem(answer.status, said[:400], changes=changes, after=after)


def callback(body: bytes) -> Json:
    """The callback's plain fields. Raises Refused; a form that says one of them twice is nobody's."""
    try:
        if body.lstrip().startswith(b"{"):
            return remote.document(body)
        pairs = parse_qsl(body.decode(), strict_parsing=True, max_num_fields=500)
    except ValueError as error:
        raise Refused("A CoinGate callback is JSON or a form, and this is neither.") from error
    plain = [(name, value) for name, value in pairs if "[" not in name]
    if len({name for name, _ in plain}) != len(plain):
        raise Refused("The callback says one thing twice.")
    return dict(plain)


def orders_in(page: Json) -> list[Json]:
    orders = page.get("orders")
    if not isinstance(orders, list):
        raise Unreachable("CoinGate's answer is not a list of orders.")
    return [order for order in orders if isinstance(order, dict)]


def id_of(order: Json) -> str:
    found = matching(order.get("id"), ID)
    if found is None:
        raise Unreachable("CoinGate's answer names no order.")
    return found

"""Invoices in Stars: what a bot may ask for, in the real server's words where they are known, and where it lies.

A link is for everybody and for ever: it is neither used up by a payment nor bound to a person. A message's invoice has
a slug too, which is never shown; a `start_parameter` keeps other people from paying it.
"""

import hashlib
import re
from typing import Any

from ferryman_sandbox.store import Document
from ferryman_sandbox.telegram.answers import ApiError, bad
from ferryman_sandbox.telegram.call import Call
from ferryman_sandbox.telegram.world import Unknown, World

CURRENCY = "XTR"
MOST_STARS = 100_000
MOST_STARS_A_MONTH = 10_000
MONTH_SECONDS = 2_592_000
LONGEST_PAYLOAD = 128
# How the server words a title or a description that is too long is not published.
LONGEST = {"title": 32, "description": 255}
LINK = "https://t.me/$"
WHOLE = re.compile(r"-?\d{1,18}")
# What an invoice in Stars may not ask for.
ONLY_FOR_MONEY = (
    "need_name",
    "need_phone_number",
    "need_email",
    "need_shipping_address",
    "send_phone_number_to_provider",
    "send_email_to_provider",
    "is_flexible",
)


def read(call: Call) -> Document:
    """The invoice that a call describes. Raises ApiError for the first thing that is wrong with it."""
    for name in ("title", "description", "payload", "currency", "prices"):
        call.need(name, f'parameter "{name}" is required')
    for name, longest in LONGEST.items():
        if len(call.text(name)) > longest:
            raise bad(f"INVOICE_{name.upper()}_INVALID")
    if len(call.text("payload").encode()) > LONGEST_PAYLOAD:
        raise bad("INVOICE_PAYLOAD_INVALID")
    prices = _prices(call)
    _check_money(call, prices)
    invoice: Document = {name: call.text(name) for name in ("title", "description", "payload", "start_parameter")}
    return invoice | {
        "bot": call.bot_id,
        "amount": int(prices[0]["amount"]),
        "label": str(prices[0]["label"]),
        "photo_url": call.text("photo_url"),
    }


def read_period(call: Call, amount: int) -> int:
    """Seconds after which a link's payment repeats, 0 for once. Raises ApiError for a period that there is not."""
    period = call.integer("subscription_period", 0)
    if period and period != MONTH_SECONDS:
        raise bad("SUBSCRIPTION_PERIOD_INVALID")
    if period and amount > MOST_STARS_A_MONTH:
        raise bad("SUBSCRIPTION_AMOUNT_INVALID")
    return period


def _prices(call: Call) -> list[dict[str, Any]]:
    prices = call.parsed("prices")
    if not isinstance(prices, list):
        raise bad("expected an Array of labeled prices")
    if not prices:
        raise bad("there must be at least one price")
    for price in prices:
        if not isinstance(price, dict) or not price.get("label"):
            raise _unreadable('Can\'t find field "label"')
        if not WHOLE.fullmatch(str(price.get("amount"))):
            raise _unreadable('Field "amount" must be a valid Number')
    return prices


def _check_money(call: Call, prices: list[dict[str, Any]]) -> None:
    if call.text("currency") != CURRENCY:
        known = len(call.text("currency")) == 3 and call.text("currency").isupper()
        # Money of states goes through a provider's token, which this emulator has none of.
        raise bad("PAYMENT_PROVIDER_INVALID" if known else "CURRENCY_INVALID")
    if call.text("provider_token"):
        raise bad("PAYMENT_PROVIDER_INVALID")
    if len(prices) != 1 or any(call.flag(name) for name in ONLY_FOR_MONEY):
        raise bad("STARS_INVOICE_INVALID")
    if not 1 <= int(prices[0]["amount"]) <= MOST_STARS:
        raise bad("CURRENCY_TOTAL_AMOUNT_INVALID")


def _unreadable(why: str) -> ApiError:
    return bad(f"can't parse labeled price: {why}")


def keep(world: World, invoice: Document) -> Document:
    """Give the invoice a slug and remember it."""
    number = world.store.next_number("invoice")
    invoice["slug"] = hashlib.sha256(f"{world.seed}:invoice:{number}".encode()).hexdigest()[:22]
    world.store.put("invoice", invoice["slug"], invoice)
    return invoice


def link(invoice: Document) -> str:
    return f"{LINK}{invoice['slug']}"


def by_slug(world: World, slug: str) -> Document:
    """Takes a slug, or a whole link in either of its two forms. Raises Unknown."""
    found = world.store.get("invoice", re.sub(r"^.*(/invoice/|\$)", "", slug))
    if found is None:
        raise Unknown(f"no invoice {slug}")
    return found


def in_message(world: World, bot_id: int, user_id: int, message_id: int) -> Document:
    """The invoice that a message carries. Raises Unknown."""
    carried = world.store.get("invoice_message", f"{bot_id}:{user_id}:{message_id}")
    if carried is None:
        raise Unknown(f"message {message_id} is no invoice")
    return by_slug(world, carried["slug"])


def put_in_message(world: World, invoice: Document, message_id: int) -> None:
    world.store.put("invoice_message", f"{invoice['bot']}:{invoice['chat']}:{message_id}", {"slug": invoice["slug"]})


def shown(invoice: Document) -> dict[str, Any]:
    """The `invoice` member of a message."""
    return {
        "title": invoice["title"],
        "description": invoice["description"],
        "start_parameter": invoice["start_parameter"],
        "currency": CURRENCY,
        "total_amount": invoice["amount"],
    }

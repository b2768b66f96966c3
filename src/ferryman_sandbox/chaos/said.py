"""What stands in a chat: the shop's sentences, found by what they say in English."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]

# What the shop's sentences promise, by what they say in English.
SAYS_PAID = "Payment received!"
SAYS_KEY_COMES = "I am preparing your key"
SAYS_NOT_CHARGED = "You were not charged"
SAYS_KEY_READY = "Your key is ready!"
SAYS_TWICE = "You paid for this order twice"
SAYS_CODE_ACCEPTED = "Your gift code was accepted!"
SAYS_GIFT_IS_YOURS = "The gift is yours!"
SAYS_WRITE_THE_CODE = "Write it here as it is on your card"
PHRASES = (
    SAYS_PAID,
    SAYS_KEY_COMES,
    SAYS_NOT_CHARGED,
    SAYS_KEY_READY,
    SAYS_TWICE,
    SAYS_CODE_ACCEPTED,
    SAYS_GIFT_IS_YOURS,
    SAYS_WRITE_THE_CODE,
)

ORDER = re.compile(r"Order ([A-Za-z0-9_-]{6,})")


@dataclass(frozen=True)
class Heard:
    """Of one person: the order each sentence speaks of, and when it was said (Unix seconds)."""

    text: str
    order: str
    at: float


def heard(chat: Json) -> list[Heard]:
    """What the bot has in a chat, as it stands there now; an edited message counts as said when it was edited."""
    found = []
    for message in chat["messages"]:
        if message["from_bot"]:
            text = str(message.get("text") or message.get("caption") or "")
            order = ORDER.search(text)
            found.append(Heard(text, order[1] if order else "", message.get("edit_date", message["date"])))
    return found


def says(chat: Json, sentence: str, since: int) -> bool:
    """Whether a message below `since`, a message's number, says it as it stands there now."""
    below = (message for message in chat["messages"] if message["from_bot"] and message["message_id"] > since)
    return any(sentence in str(message.get("text") or message.get("caption") or "") for message in below)


def receipt(chat: Json, known: Collection[str]) -> str | None:
    """The order that a receipt in the chat speaks of, if there is one for none of those that are `known`."""
    orders = (said.order for said in heard(chat) if SAYS_PAID in said.text)
    return next((order for order in orders if order not in known), None)

"""What customers were told, held against what was true when they were told it."""

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ferryman_sandbox.chaos.person import Person
from ferryman_sandbox.world.recipe import PLACES

Json = dict[str, Any]

# What the shop's sentences promise, by what they say in English.
SAYS_PAID = "Payment received!"
SAYS_KEY_COMES = "I am preparing your key"
SAYS_NOT_CHARGED = "You were not charged"
SAYS_KEY_READY = "Your key is ready!"
SAYS_TWICE = "You paid for this order twice"
PHRASES = (SAYS_PAID, SAYS_KEY_COMES, SAYS_NOT_CHARGED, SAYS_KEY_READY, SAYS_TWICE)

ORDER = re.compile(r"Order ([A-Za-z0-9_-]{6,})")
# The messenger's times are whole seconds.
SLACK = 1.5
# A notice may leave a second time when a kill fell between its sending and our knowing of it; never a third.
MOST_COPIES = 2


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


def lies(person: Person, chat: Json, keys: Mapping[str, Sequence[float]]) -> list[str]:
    """Every sentence that was not true. `keys`: on which panel the person's clients are, and since when."""
    paid = defaultdict(list)
    for one in person.paid:
        paid[one.order].append(one.at)
    found = []
    for said in heard(chat):
        before = [at for at in paid[said.order] if at <= said.at + SLACK] if said.order else []
        if SAYS_PAID in said.text and not before:
            found.append(f"{person.name} was told that order {said.order} is paid, and it was not")
        if SAYS_NOT_CHARGED in said.text and [at for at in before if at < said.at - SLACK]:
            found.append(f"{person.name} was told that order {said.order} was not charged, and it was")
        if SAYS_TWICE in said.text and len(before) < 2:
            found.append(f"{person.name} was told of a second payment for order {said.order}, and there is none")
        if SAYS_KEY_READY in said.text:
            found += [
                f"{person.name} was told of a key on {place.name} that was not there"
                for place in PLACES
                if place.flag in said.text and not [at for at in keys.get(place.name, ()) if at <= said.at + SLACK]
            ]
    return found


def untold(person: Person, chat: Json) -> list[str]:
    """Payments that the person never heard of, and a key that never came."""
    said = heard(chat)
    told = {one.order for one in said if SAYS_PAID in one.text or SAYS_TWICE in one.text}
    silent = [
        f"{person.name} never heard that order {one.order} is paid" for one in person.paid if one.order not in told
    ]
    if person.paid and not any(SAYS_KEY_READY in one.text for one in said):
        silent.append(f"{person.name} never got a message with the key")
    return silent


def duplicates(person: Person, chat: Json) -> tuple[int, list[str]]:
    """How many notices came more than once, and those that came too often."""
    said = heard(chat)
    receipts = Counter(one.order for one in said if SAYS_KEY_COMES in one.text)
    keys = sum(SAYS_KEY_READY in one.text for one in said)
    many = [f"{person.name} was told {n} times of order {order}" for order, n in receipts.items() if n > MOST_COPIES]
    if keys > MOST_COPIES * len(person.paid):
        many.append(f"{person.name} got {keys} messages with the key for {len(person.paid)} payments")
    return sum(n - 1 for n in receipts.values()) + max(0, keys - len(person.paid)), many

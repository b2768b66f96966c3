"""What customers were told, held against what was true when they were told it."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from ferryman_sandbox.chaos.person import Person
from ferryman_sandbox.chaos.said import (
    SAYS_CODE_ACCEPTED,
    SAYS_KEY_COMES,
    SAYS_KEY_READY,
    SAYS_NOT_CHARGED,
    SAYS_PAID,
    SAYS_TWICE,
    heard,
)
from ferryman_sandbox.world.recipe import PLACES

Json = dict[str, Any]

# The messenger's times are whole seconds.
SLACK = 1.5
# A notice may leave again when a kill, or a lost answer, fell between its sending and the shop's knowing of it. After
# two such tries the shop waits for minutes, and by then the weather is calm.
MOST_COPIES = 3


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
        f"{person.name} never heard that order {one.order} is paid"
        for one in person.paid
        if one.order and one.order not in told
    ]
    codes = sum(SAYS_CODE_ACCEPTED in one.text for one in said)
    if codes < person.codes:
        silent.append(f"{person.name} wrote in {person.codes} gift codes and heard of {codes}")
    if person.paid and not any(SAYS_KEY_READY in one.text for one in said):
        silent.append(f"{person.name} never got a message with the key")
    return silent


def duplicates(person: Person, chat: Json) -> tuple[int, list[str]]:
    """How many notices came more than once, and those that came too often."""
    said = heard(chat)
    receipts = Counter(one.order for one in said if SAYS_KEY_COMES in one.text and one.order)
    keys = sum(SAYS_KEY_READY in one.text for one in said)
    many = [f"{person.name} was told {n} times of order {order}" for order, n in receipts.items() if n > MOST_COPIES]
    if keys > MOST_COPIES * len(person.paid):
        many.append(f"{person.name} got {keys} messages with the key for {len(person.paid)} payments")
    return sum(n - 1 for n in receipts.values()) + max(0, keys - len(person.paid)), many

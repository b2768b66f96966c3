"""Books that agree are right; whatever is spoilt in them, by one thing at a time, is found."""

from collections.abc import Callable
from typing import Any

import pytest

from ferryman_sandbox.chaos import reckoning
from ferryman_sandbox.chaos.reckoning import Books
from ferryman_sandbox.chaos.ways import Taken
from tests.sandbox.chaos.people import DAY_MS, NOW, books, client, person

Spoiling = Callable[[Books], Any]


def _number(name: str, value: int) -> Spoiling:
    return lambda books: books.overview["numbers"].update({name: value})


def _client(**change: Any) -> Spoiling:
    return lambda books: books.keys[1]["de-1"][0].update(change)


SPOILT: dict[str, Spoiling] = {
    "something is lost": _number("lost", 1),
    "something is granted twice": _number("double", 1),
    "money without a key": _number("money_without_key", 1),
    "a key without money": _number("key_without_money", 1),
    "the ledger does not add up": _number("ledger_balance", 100),
    "something is in review": _number("in_review", 1),
    "a payment is not granted": _number("granted", 2),
    "an order is not paid": _number("paid", 2),
    "the bank took more": lambda books: books.taken["bank"].append(Taken("9-zzzzzz", 19900, "RUB")),
    "the bank took less": lambda books: books.taken["bank"].pop(),
    "another sum is in the books": lambda books: books.overview["ledger"]["accounts"][0].update({"minor": 1}),
    "another currency is in the books": lambda books: books.overview["ledger"]["accounts"][0].update(
        {"currency": "EUR"}
    ),
    "somebody was credited": lambda books: books.overview["ledger"]["accounts"].append(
        {"account": "customer:1", "currency": "RUB", "minor": -19900}
    ),
    "a key is missing": lambda books: books.keys[1]["de-1"].clear(),
    "a key is there twice": lambda books: books.keys[1]["de-1"].append(client()),
    "a stranger has a key": lambda books: books.panels["de-1"].append(client()),
    "a month too much": _client(expiryTime=NOW * 1000 + 90 * DAY_MS),
    "a month too little": _client(expiryTime=NOW * 1000 + 30 * DAY_MS),
    "a key is switched off": _client(enable=False),
    "a key is not served": _client(loaded=False),
    "there are two links": lambda books: books.links[1].append("http://127.0.0.1:1/s/other"),
    "somebody was told nothing": lambda books: books.chats[1]["messages"].clear(),
    "somebody was told too often": lambda books: books.chats[1].update(messages=books.chats[1]["messages"] * 4),
}


def test_books_that_agree_are_right() -> None:
    people = [person(1, "abcdef", "ghijkl"), person(2, "mnopqr"), person(3)]
    assert reckoning.wrong(books(*people), people) == []
    assert reckoning.lies(books(*people), people) == []


@pytest.mark.parametrize("what", SPOILT)
def test_it_is_found_that(what: str) -> None:
    people = [person(1, "abcdef", "ghijkl"), person(2, "mnopqr")]
    spoilt = books(*people)
    SPOILT[what](spoilt)
    assert reckoning.wrong(spoilt, people) != []


def test_silence_is_forgiven_where_the_shop_could_not_know() -> None:
    """As many untold as messages were given up in doubt, and not one more."""
    people = [person(1, "abcdef")]
    silent = books(*people)
    silent.chats[1]["messages"].clear()
    assert reckoning.wrong(silent, people, given_up=2) == []
    assert len(reckoning.wrong(silent, people, given_up=1)) == 2


def test_what_a_bank_keeps_for_itself_is_not_missing() -> None:
    people = [person(1, "abcdef")]
    less = books(*people)
    less.overview["ledger"]["accounts"] = [
        {"account": "provider:bank", "currency": "RUB", "minor": 19000},
        {"account": "fees:bank", "currency": "RUB", "minor": 900},
    ]
    assert reckoning.wrong(less, people) == []


def test_a_key_that_was_told_of_too_early_is_a_lie() -> None:
    people = [person(1, "abcdef")]
    early = books(*people)
    early.keys[1]["de-1"][0]["createdAt"] = (NOW + 60) * 1000
    assert len(reckoning.lies(early, people)) == 1


def test_the_time_to_a_key_is_from_the_first_payment_to_the_first_panel() -> None:
    people = [person(1, "abcdef", "ghijkl"), person(2)]
    assert reckoning.paid_to_key(books(*people), people) == {"p50": 6000.0, "p99": 6000.0}


def test_copies_of_messages_are_counted() -> None:
    people = [person(1, "abcdef")]
    twice = books(*people)
    twice.chats[1]["messages"] *= 2
    assert reckoning.doubled(twice, people) == 2

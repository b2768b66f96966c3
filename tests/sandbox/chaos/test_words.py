"""Lies are found, and what is true is not taken for one."""

from pathlib import Path

import pytest

import ferryman.messaging
from ferryman_sandbox.chaos import said as sentences
from ferryman_sandbox.chaos import words
from tests.sandbox.chaos.people import NOW, chat, key, person, receipt

LOCALE = Path(ferryman.messaging.__file__).parent / "locales" / "en"
CANCELLED = "❌ The payment did not go through\n\nThe card has expired. You were not charged.\n\n🧾 Order abcdef"
TWICE = "💼 You paid for this order twice\n\n🧾 Order abcdef"
THERE = {"de-1": [NOW + 6]}


@pytest.mark.parametrize("phrase", sentences.PHRASES)
def test_the_shop_says_it_in_these_words(phrase: str) -> None:
    assert phrase in "\n".join(file.read_text(encoding="utf-8") for file in LOCALE.iterdir())


def test_the_truth_is_no_lie() -> None:
    said = chat(receipt("abcdef"), receipt("ghijkl", 15), key())
    assert words.lies(person(1, "abcdef", "ghijkl"), said, THERE) == []


def test_a_payment_that_was_not_made_is_a_lie() -> None:
    assert len(words.lies(person(1, "ghijkl"), chat(receipt("abcdef")), THERE)) == 1


def test_a_payment_that_was_made_only_later_is_a_lie() -> None:
    assert len(words.lies(person(1, "abcdef", at=NOW + 60), chat(receipt("abcdef")), THERE)) == 1


@pytest.mark.parametrize(("after", "lies"), [(-60, 0), (60, 1)], ids=["before it was", "after it was"])
def test_not_charged_is_a_lie_when_it_was(after: float, lies: int) -> None:
    """Somebody whose time ran out may pay after all; what was said before that was true."""
    assert len(words.lies(person(1, "abcdef"), chat((CANCELLED, after)), THERE)) == lies


def test_a_second_payment_that_was_never_made_is_a_lie() -> None:
    twice = person(1, "abcdef", "abcdef")
    assert words.lies(twice, chat((TWICE, 30)), THERE) == []
    assert len(words.lies(person(1, "abcdef"), chat((TWICE, 30)), THERE)) == 1


@pytest.mark.parametrize("there", [{}, {"de-1": []}, {"de-1": [NOW + 60]}], ids=["nowhere", "gone", "too late"])
def test_a_key_that_was_not_there_is_a_lie(there: dict[str, list[float]]) -> None:
    assert len(words.lies(person(1, "abcdef"), chat(key()), there)) == 1


def test_what_was_edited_counts_from_when_it_was() -> None:
    said = chat((CANCELLED, -60))
    said["messages"][0]["edit_date"] = int(NOW + 60)
    assert len(words.lies(person(1, "abcdef"), said, THERE)) == 1


def test_what_the_person_wrote_is_nobodys_lie() -> None:
    said = chat(receipt("abcdef"))
    said["messages"][0]["from_bot"] = False
    assert words.lies(person(1), said, THERE) == []


def test_silence_about_a_payment_or_a_key_is_found() -> None:
    assert len(words.untold(person(1, "abcdef"), chat())) == 2
    assert len(words.untold(person(1, "abcdef"), chat(key()))) == 1
    assert words.untold(person(1, "abcdef"), chat(receipt("abcdef"), key())) == []
    assert words.untold(person(1), chat()) == []


def test_copies_of_a_message_are_counted_and_a_third_one_is_wrong() -> None:
    buyer, copies = person(1, "abcdef"), [receipt("abcdef"), key()]
    assert words.duplicates(buyer, chat(*copies)) == (0, [])
    assert words.duplicates(buyer, chat(*copies * 3)) == (4, [])
    count, wrong = words.duplicates(buyer, chat(*copies * 4))
    assert (count, len(wrong)) == (6, 2)


def test_a_gift_code_that_was_accepted_is_heard_of() -> None:
    with_code = person(1)
    with_code.codes = 1
    assert words.untold(with_code, chat()) == ["Person 1 wrote in 1 gift codes and heard of 0"]
    assert words.untold(with_code, chat(("🎁 Your gift code was accepted!", 5))) == []


def test_the_receipt_of_a_new_order_is_found_among_older_ones() -> None:
    said = chat(receipt("abcdef"), receipt("ghijkl", 15))
    assert sentences.receipt(said, {"abcdef"}) == "ghijkl"
    assert sentences.receipt(said, {"abcdef", "ghijkl"}) is None


def test_only_what_stands_below_counts_as_an_answer() -> None:
    said = chat(receipt("abcdef"))
    said["messages"][0]["message_id"] = 7
    assert sentences.says(said, "Payment received!", since=6)
    assert not sentences.says(said, "Payment received!", since=7)

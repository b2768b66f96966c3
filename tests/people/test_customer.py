"""Customers: one per person on Telegram, spoken to in a language we have."""

import pytest
from sqlalchemy.exc import IntegrityError

from ferryman.kit.db import Database
from ferryman.people.customer import LANGUAGES, Customer, language_of


@pytest.mark.parametrize(
    ("code", "ours"),
    [
        ("ru", "ru"), ("ru-RU", "ru"), ("RU", "ru"), ("uk", "ru"), ("be", "ru"), ("kk", "ru"),
        ("en", "en"), ("en-US", "en"), ("de", "en"), ("pt-br", "en"), ("", "en"), (None, "en"), ("-", "en"),
        ("run", "en"),
    ],
)  # fmt: skip
def test_everybody_is_spoken_to_in_a_language_we_have(code: str | None, ours: str) -> None:
    assert language_of(code) == ours
    assert ours in LANGUAGES


async def test_a_person_is_kept_once_with_an_id_of_any_size(database: Database) -> None:
    async with database.unit() as session:
        person = Customer(telegram_id=2**52 - 1, language="en")
        session.add(person)
    assert (person.banned, person.reachable, person.first_name, person.username) == (False, True, "", None)
    with pytest.raises(IntegrityError, match="uq_customers_telegram_id"):
        await _keep_again(database, person.telegram_id)


async def _keep_again(database: Database, telegram_id: int) -> None:
    async with database.unit() as session:
        session.add(Customer(telegram_id=telegram_id, language="ru"))

"""The one place that commits: all of a unit or nothing, and a database that is away has one name."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from ferryman.kit import db
from ferryman.kit.db import Database
from ferryman.kit.errors import Refused, Unreachable
from ferryman.people.customer import Customer
from tests.support.outage import cut


def anna() -> Customer:
    return Customer(telegram_id=7, first_name="Anna", language="ru")


async def people(database: Database) -> int:
    async with database.unit() as session:
        return int((await session.execute(text("SELECT count(*) FROM customers"))).scalar_one())


async def test_a_unit_that_ends_is_kept_and_what_it_made_can_still_be_read(database: Database) -> None:
    async with database.unit() as session:
        person = anna()
        session.add(person)
    assert (person.id, person.created_at.tzinfo is not None) == (1, True)
    assert await people(database) == 1


@pytest.mark.parametrize("trouble", [Refused("No."), ZeroDivisionError("oops"), asyncio.CancelledError()])
async def test_a_unit_that_raises_leaves_no_trace(database: Database, trouble: BaseException) -> None:
    with pytest.raises(type(trouble)):
        await _add_and_raise(database, trouble)
    assert await people(database) == 0


async def _add_and_raise(database: Database, trouble: BaseException) -> None:
    async with database.unit() as session:
        session.add(anna())
        await session.flush()
        raise trouble


async def test_a_rule_of_the_database_is_not_taken_for_its_absence(database: Database) -> None:
    with pytest.raises(IntegrityError):
        await _add_and_raise_twice(database)
    assert await people(database) == 0


async def _add_and_raise_twice(database: Database) -> None:
    async with database.unit() as session:
        session.add_all([anna(), anna()])


@pytest.mark.parametrize(
    "url", ["postgresql://nobody@127.0.0.1:9/none", "postgres://nobody@/none?host=/nowhere/at/all"]
)
async def test_a_database_that_is_not_there_is_unreachable_and_its_address_not_repeated(url: str) -> None:
    database = Database(url.replace("nobody", "nobody:a-password-of-ours"))
    with pytest.raises(Unreachable) as caught:
        await people(database)
    assert str(caught.value) == "The database does not answer."
    await database.close()


async def test_a_connection_cut_in_the_middle_is_unreachable_and_the_next_unit_gets_a_new_one(
    database: Database, database_url: str
) -> None:
    with pytest.raises(Unreachable):
        await _cut_in_the_middle(database, database_url)
    assert await people(database) == 0


async def _cut_in_the_middle(database: Database, database_url: str) -> None:
    async with database.unit() as session:
        session.add(anna())
        await session.flush()
        await cut(database_url, (await session.execute(text("SELECT pg_backend_pid()"))).scalar_one())


async def test_an_idle_connection_that_was_cut_is_replaced_without_a_word(
    database: Database, database_url: str
) -> None:
    async with database.unit() as session:
        backend = (await session.execute(text("SELECT pg_backend_pid()"))).scalar_one()
    await cut(database_url, backend)
    assert await people(database) == 0


async def test_after_a_while_it_is_asked_whether_it_lives_even_when_nothing_was_heard(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    ping = database.engine.sync_engine.dialect.do_ping

    def counted(connection: Any) -> bool:
        asked.append(connection)
        return ping(connection)

    monkeypatch.setattr(database.engine.sync_engine.dialect, "do_ping", counted)
    assert await people(database) == 0
    assert await people(database) == 0
    assert asked == []
    monkeypatch.setattr(db, "IDLE_SECONDS", 0.0)
    assert await people(database) == 0
    assert len(asked) == 1


async def test_a_unit_that_fails_on_a_cut_connection_has_the_same_name(database: Database, database_url: str) -> None:
    with pytest.raises(Unreachable):
        await _cut_and_refuse(database, database_url)


async def _cut_and_refuse(database: Database, database_url: str) -> None:
    async with database.unit() as session:
        await cut(database_url, (await session.execute(text("SELECT pg_backend_pid()"))).scalar_one())
        raise Refused("No.")


async def test_when_every_connection_is_taken_for_too_long_the_caller_may_ask_again(database_url: str) -> None:
    database = Database(database_url, pool_size=1, patience=0.1)
    async with database.unit() as one, database.unit() as two:
        for session in (one, two):
            await session.execute(text("SELECT 1"))
        with pytest.raises(Unreachable, match="database"):
            await people(database)
    assert await people(database) == 0
    await database.close()


@pytest.mark.parametrize("url", ["mysql://h/d", "", "sqlite:///x"])
def test_another_kind_of_database_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="postgresql://"):
        Database(url)

"""The dialogue's state in PostgreSQL, as aiogram's storage contract wants it and as a shop needs it."""

import asyncio
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from aiogram.fsm.state import State, StatesGroup
from aiogram.fsm.storage.base import StorageKey
from sqlalchemy import text

from ferryman.faces.bot.fsm import PostgresStorage
from ferryman.kit.db import Database
from tests.conftest import MovableClock

KEY = StorageKey(bot_id=1, chat_id=2, user_id=3)


class Steps(StatesGroup):
    first = State()


@pytest.fixture
def storage(database: Database, clock: MovableClock) -> PostgresStorage:
    return PostgresStorage(database, clock)


async def test_states_and_data_are_kept_apart_and_survive_a_restart(
    storage: PostgresStorage, database: Database, clock: MovableClock
) -> None:
    assert await storage.get_state(KEY) is None
    assert await storage.get_data(KEY) == {}
    await storage.set_state(KEY, Steps.first)
    await storage.set_data(KEY, {"v": 1, "at": "v1:buy"})
    await storage.close()
    again = PostgresStorage(database, clock)
    assert await again.get_state(KEY) == "Steps:first"
    assert await again.get_data(KEY) == {"v": 1, "at": "v1:buy"}
    assert await again.get_value(KEY, "at") == "v1:buy"
    await again.set_state(KEY, None)
    await again.set_data(KEY, {})
    assert (await again.get_state(KEY), await again.get_data(KEY)) == (None, {})


async def test_a_state_may_be_named_by_its_text(storage: PostgresStorage) -> None:
    await storage.set_state(KEY, "Steps:other")
    assert await storage.get_state(KEY) == "Steps:other"


async def test_setting_data_replaces_and_updating_merges(storage: PostgresStorage) -> None:
    assert await storage.update_data(KEY, {"a": 1, "b": 1}) == {"a": 1, "b": 1}
    assert await storage.update_data(KEY, {"b": 2}) == {"a": 1, "b": 2}
    await storage.set_data(KEY, {"c": 3})
    assert await storage.get_data(KEY) == {"c": 3}


async def test_writers_at_the_same_moment_both_leave_their_mark(storage: PostgresStorage) -> None:
    await asyncio.gather(*(storage.update_data(KEY, {f"n{number}": number}) for number in range(10)))
    assert await storage.get_data(KEY) == {f"n{number}": number for number in range(10)}


async def test_bots_chats_people_and_destinies_do_not_mix(storage: PostgresStorage) -> None:
    others = [
        StorageKey(bot_id=9, chat_id=2, user_id=3),
        StorageKey(bot_id=1, chat_id=9, user_id=3),
        StorageKey(bot_id=1, chat_id=2, user_id=9),
        StorageKey(bot_id=1, chat_id=2, user_id=3, destiny="other"),
        StorageKey(bot_id=1, chat_id=2, user_id=3, thread_id=9),
        StorageKey(bot_id=1, chat_id=2, user_id=3, business_connection_id="b"),
    ]
    await storage.set_data(KEY, {"mine": True})
    for other in others:
        assert await storage.get_data(other) == {}
        await storage.set_data(other, {"theirs": True})
    assert await storage.get_data(KEY) == {"mine": True}


@pytest.mark.parametrize("value", [Decimal("1.5"), datetime(2026, 1, 1, tzinfo=UTC), object(), {1, 2}])
async def test_what_is_not_json_is_refused_at_once(storage: PostgresStorage, value: object) -> None:
    with pytest.raises(TypeError, match="not JSON serializable"):
        await storage.set_data(KEY, {"value": value})


async def test_a_day_of_silence_forgets(storage: PostgresStorage, clock: MovableClock, database: Database) -> None:
    await storage.set_state(KEY, Steps.first)
    await storage.update_data(KEY, {"old": 1})
    clock.advance(hours=23)
    assert await storage.get_state(KEY) == "Steps:first"
    clock.advance(hours=2)
    assert (await storage.get_state(KEY), await storage.get_data(KEY)) == (None, {})
    assert await storage.update_data(KEY, {"new": 2}) == {"new": 2}
    assert await storage.get_state(KEY) is None
    clock.advance(hours=25)
    await storage.tidy()
    async with database.unit() as session:
        assert await session.scalar(text("SELECT count(*) FROM telegram_dialogues")) == 0


async def test_every_touch_starts_the_day_anew(storage: PostgresStorage, clock: MovableClock) -> None:
    await storage.set_state(KEY, Steps.first)
    for _ in range(3):
        clock.advance(hours=20)
        await storage.update_data(KEY, {"v": 1})
    await storage.tidy()
    assert await storage.get_state(KEY) == "Steps:first"

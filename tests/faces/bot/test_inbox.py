"""The inbox's rules, straight on the table."""

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from ferryman.faces.bot import inbox
from ferryman.kit.db import Database

BOT = 123456
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def message(number: int, chat: int = 7, words: str = "hi") -> dict[str, Any]:
    return {"update_id": number, "message": {"message_id": number, "chat": {"id": chat}, "text": words}}


def press(number: int, chat: int = 7) -> dict[str, Any]:
    on = {"message_id": 1, "chat": {"id": chat}}
    return {
        "update_id": number,
        "callback_query": {"id": str(number), "from": {"id": chat}, "message": on, "data": "v1:home"},
    }


async def keep(database: Database, *updates: dict[str, Any], bot: int = BOT, now: datetime = NOW) -> int:
    async with database.unit() as session:
        return await inbox.keep(session, bot, updates, now)


async def claim(database: Database, now: datetime = NOW, limit: int = 100, bot: int = BOT) -> list[inbox.Claimed]:
    async with database.unit() as session:
        return await inbox.claim(session, bot, now, limit)


async def finish(database: Database, one: inbox.Claimed, state: str = "done") -> None:
    async with database.unit() as session:
        await inbox.finish(session, one.id, state, NOW)


async def rows(database: Database, query: str) -> list[Any]:
    async with database.unit() as session:
        return list((await session.execute(text(query))).all())


def numbers(claimed: Iterable[inbox.Claimed]) -> list[int]:
    return [one.raw["update_id"] for one in claimed]


async def test_an_update_is_kept_once_however_often_it_comes(database: Database) -> None:
    assert await keep(database, message(1), message(1), message(2)) == 2
    assert await keep(database, message(2), message(3)) == 1
    outcomes = await asyncio.gather(*(keep(database, message(9)) for _ in range(8)))
    assert sorted(outcomes) == [0] * 7 + [1]
    assert await keep(database, message(1), bot=BOT + 1) == 1, "another bot counts for itself"
    assert await keep(database) == 0


async def test_a_chat_is_worked_through_in_order_and_others_beside_it(database: Database) -> None:
    await keep(database, message(1, chat=7), message(2, chat=7), message(3, chat=8), press(4, chat=7))
    first = await claim(database)
    assert sorted(numbers(first)) == [1, 3]
    assert await claim(database) == [], "what runs holds back the rest of its chat"
    await finish(database, first[numbers(first).index(1)])
    second = await claim(database)
    assert numbers(second) == [2]
    await finish(database, second[0])
    assert numbers(await claim(database)) == [4]


async def test_presses_go_first(database: Database) -> None:
    await keep(database, *(message(number, chat=number) for number in range(1, 6)), press(6, chat=6))
    assert numbers(await claim(database, limit=1)) == [6]


async def test_many_claimers_never_share_an_update_nor_a_chat(database: Database) -> None:
    await keep(database, *(message(number, chat=number % 5) for number in range(1, 31)))
    taken = [one for batch in await asyncio.gather(*(claim(database) for _ in range(8))) for one in batch]
    assert sorted(numbers(taken)) == [1, 2, 3, 4, 5]


async def test_a_failed_update_waits_its_pause_and_holds_nobody_back(database: Database) -> None:
    await keep(database, message(1), message(2))
    (failed,) = await claim(database)
    async with database.unit() as session:
        await inbox.try_later(session, failed.id, NOW + timedelta(seconds=4), "no luck")
    (second,) = await claim(database)
    assert numbers([second]) == [2]
    assert await claim(database, NOW + timedelta(seconds=5)) == [], "but never two of one chat at a time"
    await finish(database, second)
    (again,) = await claim(database, NOW + timedelta(seconds=5))
    assert (numbers([again]), again.attempt) == ([1], 2)


async def test_a_dead_claim_is_free_again_and_a_living_one_is_not(database: Database) -> None:
    await keep(database, message(1), message(2, chat=8))
    dead, living = await claim(database)
    late = NOW + inbox.CLAIM_LASTS - timedelta(seconds=1)
    async with database.unit() as session:
        await inbox.renew(session, [living.id], late)
    again = await claim(database, NOW + inbox.CLAIM_LASTS + timedelta(seconds=1))
    assert [(one.id, one.attempt) for one in again] == [(dead.id, 2)]


async def test_what_is_finished_stays_finished(database: Database) -> None:
    await keep(database, message(1))
    (one,) = await claim(database)
    await finish(database, one)
    await finish(database, one, "failed")
    async with database.unit() as session:
        await inbox.try_later(session, one.id, NOW, "late")
    assert [tuple(row) for row in await rows(database, "SELECT state, error FROM telegram_updates")] == [("done", None)]


async def test_only_known_states_with_their_times_are_possible(database: Database) -> None:
    await keep(database, message(1))
    for wrong in ("state = 'odd'", "state = 'done'", "processed_at = now()"):
        with pytest.raises(IntegrityError):
            await rows(database, f"UPDATE telegram_updates SET {wrong} RETURNING id")


async def test_content_goes_after_an_hour_and_rows_after_a_week(database: Database) -> None:
    await keep(database, message(1, words="secret words"), message(2, chat=8), message(3, chat=9))
    done, failed, _ = await claim(database)
    await finish(database, done)
    await finish(database, failed, "failed")
    for hours, content in ((0.9, [1, 2, 3]), (1.1, [2, 3])):
        async with database.unit() as session:
            await inbox.tidy(session, NOW + timedelta(hours=hours))
        found = await rows(database, "SELECT (raw->>'update_id')::int FROM telegram_updates WHERE raw <> '{}'")
        assert sorted(number for (number,) in found) == content
    assert await keep(database, message(1)) == 0, "still known, so that a repeat does nothing"
    async with database.unit() as session:
        await inbox.tidy(session, NOW + timedelta(days=7, seconds=1))
    assert await rows(database, "SELECT id FROM telegram_updates") == []
    assert await keep(database, message(1)) == 1, "a number that starts anew is a new update"


async def test_text_that_the_database_cannot_hold_is_kept_without_it(database: Database) -> None:
    words = "a\x00b \ud83d c \U0001f642 \\u0000"
    await keep(database, message(1, words=words))
    ((kept,),) = await rows(database, "SELECT raw->'message'->>'text' FROM telegram_updates")
    assert kept == "ab ? c 🙂 \\u0000"


def test_every_update_has_a_lane() -> None:
    assert inbox.lane_of(message(1, chat=-100)) == "-100"
    assert inbox.lane_of(press(1, chat=5)) == "5"
    assert inbox.lane_of({"update_id": 1, "my_chat_member": {"chat": {"id": 3}, "from": {"id": 4}}}) == "3"
    assert inbox.lane_of({"update_id": 1, "pre_checkout_query": {"from": {"id": 4}}}) == "4"
    assert inbox.lane_of({"update_id": 1, "subscription": {"user": {"id": 4}}}) == "4"
    assert inbox.lane_of({"update_id": 1, "callback_query": {"from": {"id": 4}, "message": None}}) == "4"
    assert inbox.lane_of({"update_id": 1, "poll": {"id": "x"}}) == "update:1"
    assert inbox.lane_of({"update_id": 1, "odd": 3}) == "update:1"
    assert inbox.lane_of({"update_id": 1}) == "update:1"
    assert inbox.kind_of({"update_id": 1}) == ""

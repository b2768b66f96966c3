"""The dialogue when Telegram, or we ourselves, have a bad day: answered late, never twice, never with a traceback."""

import pytest
from sqlalchemy import text

from ferryman.faces.bot import pages
from ferryman.faces.bot.screens import Screen
from ferryman.faces.bot.visit import Visit
from ferryman.flows.tools import Tools
from tests.faces.bot.conftest import RunningBot, inbox_is_empty
from tests.support.chat import Messenger, Person, until
from tests.support.shop import Town

TOO_MANY = {"ok": False, "error_code": 429, "description": "Too Many Requests", "parameters": {"retry_after": 1}}
BLOCKED = {"ok": False, "error_code": 403, "description": "Forbidden: bot was blocked by the user"}

pytestmark = pytest.mark.weather


async def reachable(tools: Tools) -> bool:
    async with tools.db.unit() as session:
        return bool(await session.scalar(text("SELECT bool_and(reachable) FROM customers")))


async def test_a_429_delays_the_answer_and_doubles_nothing(
    bot: RunningBot, shop: Town, anna: Person, telegram_world: Messenger
) -> None:
    telegram_world.fault(mode="status", status=429, body=TOO_MANY, route="sendMessage")
    await anna.starts("Здравствуйте")
    assert len(anna.shown()) == 1


@pytest.mark.parametrize("mode", ["html", "drop_before", "empty"])
async def test_an_edit_that_got_no_answer_is_repeated(
    bot: RunningBot, shop: Town, anna: Person, telegram_world: Messenger, mode: str
) -> None:
    await anna.starts("Здравствуйте")
    telegram_world.fault(mode=mode, route="editMessageText", times=2)
    await anna.press("v1:buy", "Выберите тариф")
    assert len(anna.shown()) == 1


async def test_an_edit_whose_answer_was_lost_is_not_seen_twice(
    bot: RunningBot, shop: Town, anna: Person, telegram_world: Messenger
) -> None:
    await anna.starts("Здравствуйте")
    telegram_world.fault(mode="drop_after", route="editMessageText")
    await anna.press("v1:buy", "Выберите тариф")
    await inbox_is_empty(shop)
    assert len(anna.shown()) == 1
    assert await shop.value("SELECT count(*) FROM telegram_updates WHERE state <> 'done'") == 0


async def test_a_spinner_that_cannot_be_stopped_stops_nobody(
    bot: RunningBot, shop: Town, anna: Person, telegram_world: Messenger
) -> None:
    await anna.starts("Здравствуйте")
    telegram_world.fault(mode="html", route="answerCallbackQuery")
    await anna.press("v1:buy", "Выберите тариф")


async def test_a_press_answered_too_late_is_worked_through_all_the_same(
    bot: RunningBot, shop: Town, anna: Person, telegram_world: Messenger
) -> None:
    await anna.starts("Здравствуйте")
    await bot.stop()
    anna.send_press("v1:buy")
    telegram_world.emulator.clock.advance(100)
    bot.start()
    await anna.sees("Выберите тариф")


async def test_blocking_and_coming_back_is_noticed_at_once(
    bot: RunningBot, shop: Town, anna: Person, tools: Tools
) -> None:
    await anna.starts("Здравствуйте")
    anna.block()

    async def gone() -> bool:
        return not await reachable(tools)

    await until(gone, "the block")
    anna.unblock()

    async def back() -> bool:
        return await reachable(tools)

    await until(back, "the return")


async def test_a_block_found_out_while_answering_is_no_failure(
    bot: RunningBot, shop: Town, anna: Person, tools: Tools, telegram_world: Messenger
) -> None:
    telegram_world.fault(mode="status", status=403, body=BLOCKED, route="sendMessage")
    anna.start()
    await until(lambda: telegram_world.called("sendMessage") == 1, "the attempt")
    await inbox_is_empty(shop)
    assert await shop.value("SELECT state FROM telegram_updates") == "done"
    assert not await reachable(tools)


async def test_a_bug_of_ours_is_apologised_for_and_made_good(
    bot: RunningBot, shop: Town, anna: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first two attempts fail in a way that nobody foresaw."""
    home, left = pages.home, [ZeroDivisionError("secret detail"), ZeroDivisionError("secret detail")]

    async def clumsy(visit: Visit) -> Screen:
        if left:
            raise left.pop()
        return await home(visit)

    monkeypatch.setattr(pages, "home", clumsy)
    await anna.starts("Что-то пошло не так на нашей стороне")
    await anna.sees("Здравствуйте")
    assert len(anna.shown()) == 2, "one apology, one answer"
    assert "secret" not in str(anna.shown())
    assert await shop.value("SELECT attempts FROM telegram_updates") == 3


async def test_one_who_stumbles_over_a_bug_can_go_on_meanwhile(
    bot: RunningBot, shop: Town, anna: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(_: Visit) -> Screen:
        raise ZeroDivisionError

    monkeypatch.setattr(pages, "home", broken)
    await anna.starts("Что-то пошло не так на нашей стороне")
    anna.write("/buy")
    await anna.sees("Выберите тариф")
    await anna.press("v1:plan", "На какой срок?")


async def test_in_good_and_bad_weather_the_emulator_knew_every_call(
    bot: RunningBot, shop: Town, anna: Person, telegram_world: Messenger
) -> None:
    await anna.starts("Здравствуйте")
    await anna.press("v1:lang", "На каком языке")
    await anna.press("v1:home", "Здравствуйте")
    await anna.press("v1:rules", "Правила")
    assert list(telegram_world.emulator.unknown_methods) == []

"""Nothing is lost when the bot stops or is killed: between any two steps, and in the middle of one."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from ferryman.faces.bot import pages
from ferryman.faces.bot.visit import Visit
from ferryman.flows.payments import buying
from ferryman.flows.payments.buying import Checkout, Wish
from ferryman.flows.tools import Tools
from tests.conftest import MovableClock
from tests.faces.bot.conftest import RunningBot, inbox_is_empty
from tests.support.chat import Messenger, Person, until
from tests.support.shop import Town

STEPS = (
    ("v1:buy", "Выберите тариф"),
    ("v1:plan", "На какой срок?"),
    ("v1:term", "Как удобнее заплатить?"),
    ("v1:pay", "К оплате"),
)


@pytest.mark.parametrize("how", ["stopped", "killed"])
async def test_a_restart_between_any_two_steps_is_not_noticed(
    bot: RunningBot, shop: Town, anna: Person, how: str
) -> None:
    await anna.starts("Здравствуйте")
    for button, sees in STEPS:
        await inbox_is_empty(shop)
        await (bot.stop() if how == "stopped" else bot.kill())
        anna.send_press(anna.button(button))
        bot.start()
        await anna.sees(sees)
    assert len(anna.shown()) == 1
    assert await shop.value("SELECT count(*) FROM orders") == 1


async def test_a_kill_between_the_inbox_and_the_work_loses_nothing(
    bot: RunningBot, shop: Town, anna: Person, tools: Tools, monkeypatch: pytest.MonkeyPatch
) -> None:
    await anna.starts("Здравствуйте")
    await inbox_is_empty(shop)
    async with no_work(monkeypatch):
        anna.send_press(anna.button("v1:buy"))

        async def kept() -> bool:
            return bool(await shop.value("SELECT count(*) FROM telegram_updates WHERE state = 'new'"))

        await until(kept, "the press in the inbox")
        await until(lambda: not anna.cloud.updates.pending(bot_id(anna)), "the press to be confirmed")
        await bot.kill()
    bot.start()
    await anna.sees("Выберите тариф")


async def test_a_kill_in_the_middle_of_a_checkout_makes_no_second_order(
    bot: RunningBot, shop: Town, anna: Person, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process dies when the order is placed and paid for at the bank, but nothing was shown yet."""
    placed = asyncio.Event()
    begin = buying.begin

    async def begin_and_hang(tools: Tools, wish: Wish) -> Checkout:
        order = await begin(tools, wish)
        placed.set()
        await asyncio.Event().wait()
        return order

    await anna.starts("Здравствуйте")
    for button, sees in STEPS[:-1]:
        await anna.press(button, sees)
    monkeypatch.setattr(buying, "begin", begin_and_hang)
    anna.send_press(anna.button("v1:pay"))
    await asyncio.wait_for(placed.wait(), 10)
    await bot.kill()
    monkeypatch.setattr(buying, "begin", begin)
    clock.advance(seconds=20)
    bot.start()
    await anna.sees("К оплате")
    assert await shop.value("SELECT count(*) FROM orders") == 1
    assert shop.bank.store.count("payment") == 1


async def test_stopping_finishes_what_runs(
    bot: RunningBot, shop: Town, anna: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, may_go_on = asyncio.Event(), asyncio.Event()
    home = pages.home

    async def slow(visit: Visit) -> object:
        begun.set()
        await may_go_on.wait()
        return await home(visit)

    monkeypatch.setattr(pages, "home", slow)
    anna.start()
    await asyncio.wait_for(begun.wait(), 10)
    stopping = asyncio.create_task(bot.stop())
    assert not stopping.done()
    may_go_on.set()
    await stopping
    assert "Здравствуйте" in anna.words()
    assert await shop.value("SELECT state FROM telegram_updates") == "done"


async def test_everything_said_while_the_bot_was_away_is_answered_in_order(
    bot: RunningBot, shop: Town, anna: Person, telegram_world: Messenger
) -> None:
    await bot.kill()
    anna.write("/start")
    anna.write("/help")
    anna.write("/buy")
    bot.start()
    await until(lambda: len(anna.shown()) == 3, "three answers")
    titles = [message["text"].splitlines()[0] for message in anna.shown()]
    assert titles == ["👋 Здравствуйте, Anna!", "📲 Как подключиться", "🛒 Выберите тариф"]


async def test_the_webhook_of_an_earlier_life_is_removed_and_its_backlog_kept(
    bot: RunningBot, shop: Town, anna: Person
) -> None:
    await bot.kill()
    known = anna.cloud.world.bot(bot_id(anna))
    known["webhook"] = {"url": "https://old.example/hook", "secret": "", "max_connections": 40, "certificate": False}
    anna.cloud.world.save_bot(known)
    anna.start()
    bot.start()
    await anna.sees("Здравствуйте")


def bot_id(anna: Person) -> int:
    found: int = anna.cloud.world.first_bot()["id"]
    return found


@asynccontextmanager
async def no_work(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """Updates are kept in the inbox, and nobody takes them out."""

    async def nothing(*_: object) -> list[object]:
        return []

    with monkeypatch.context() as patch:
        patch.setattr("ferryman.faces.bot.consumer.inbox.claim", nothing)
        yield

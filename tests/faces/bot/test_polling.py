"""The long poll in all weathers: it goes on, confirms nothing that is not kept, and never runs twice."""

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from sqlalchemy import text

from ferryman.faces.bot import polling
from ferryman.faces.bot.app import BotFace
from ferryman.faces.bot.polling import Poller
from ferryman.flows.tools import Tools
from ferryman.kit import log
from ferryman.kit.errors import Misconfigured
from ferryman.messaging.telegram import Telegram, connected
from tests.support.chat import BOT_ID, TOKEN, Messenger, Person, until

WRONG_TOKEN = "123456:AAF-another-token-of-the-tests-000000"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pauses of real life, divided by many."""
    for name in ("OTHER_POLLER_PAUSE", "CONFLICT_PAUSE", "TOKEN_REFUSED_PAUSE", "FIRST_PAUSE", "LONGEST_PAUSE"):
        monkeypatch.setattr(polling, name, 0.05)


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """What the log says, as it would leave the process."""
    stream = io.StringIO()
    log.configure("json", "debug", stream)
    return stream


@asynccontextmanager
async def running(tools: Tools, telegram: Telegram) -> AsyncIterator[asyncio.Event]:
    """A poller; the event is set whenever something arrived."""
    arrived = asyncio.Event()
    task = asyncio.create_task(Poller(tools, telegram, arrived.set, lambda _: None).run())
    try:
        yield arrived
        assert not task.done(), "the poller must not end"
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def kept(tools: Tools) -> list[Any]:
    async with tools.db.unit() as session:
        rows = await session.execute(text("SELECT raw->'message'->>'text' FROM telegram_updates ORDER BY id"))
        return [row[0] for row in rows]


async def sees(tools: Tools, *words: str) -> None:
    async def there() -> bool:
        return await kept(tools) == list(words)

    await until(there, f"{words} in the inbox")


async def test_what_arrives_is_kept_then_confirmed_then_announced(
    tools: Tools, telegram: Telegram, anna: Person
) -> None:
    async with running(tools, telegram) as arrived:
        anna.write("one")
        await asyncio.wait_for(arrived.wait(), 10)
        assert await kept(tools) == ["one"]
        await until(lambda: not anna.cloud.updates.pending(BOT_ID), "the confirmation")


async def test_nothing_is_confirmed_that_could_not_be_kept(
    tools: Tools, telegram: Telegram, anna: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with tools.db.unit() as session:
        await session.execute(text("ALTER TABLE telegram_updates RENAME TO away"))
    task = asyncio.create_task(Poller(tools, telegram, lambda: None, lambda _: None).run())
    anna.write("one")
    await asyncio.wait([task], timeout=10)
    assert task.done(), "a broken schema ends the process; the update waits at Telegram"
    assert task.exception() is not None
    assert len(anna.cloud.updates.pending(BOT_ID)) == 1
    async with tools.db.unit() as session:
        await session.execute(text("ALTER TABLE away RENAME TO telegram_updates"))
    async with running(tools, telegram):
        await sees(tools, "one")


async def test_an_update_that_telegram_sends_twice_is_kept_once(tools: Tools, telegram: Telegram, anna: Person) -> None:
    anna.cloud.updates.duplicates_left = 2
    anna.write("one")
    anna.write("two")
    async with running(tools, telegram):
        await sees(tools, "one", "two")


@pytest.mark.parametrize(
    "fault",
    [
        {"mode": "html"},
        {"mode": "empty"},
        {"mode": "drop_before"},
        {"mode": "drop_after"},
        {"mode": "status", "status": 500, "body": {"ok": False, "error_code": 500, "description": "restart"}},
        {"mode": "status", "status": 200, "body": {"ok": True, "result": [{"message": {}}]}},
        {"mode": "status", "status": 200, "body": {"ok": True, "result": "soon"}},
        {
            "mode": "status",
            "status": 429,
            "body": {"ok": False, "error_code": 429, "description": "Too Many", "parameters": {"retry_after": 1}},
        },
    ],
    ids=lambda fault: f"{fault['mode']}-{fault.get('status', '')}",
)
async def test_bad_weather_is_waited_out(
    tools: Tools, telegram: Telegram, anna: Person, telegram_world: Messenger, fault: dict[str, Any]
) -> None:
    telegram_world.fault(**fault, route="getUpdates", times=3)
    anna.write("one")
    async with running(tools, telegram):
        await sees(tools, "one")
        assert telegram_world.called("getUpdates") > 3


async def test_a_messenger_that_is_not_there_yet_is_waited_for(tools: Tools, telegram_world: Messenger) -> None:
    person = telegram_world.person()
    person.write("one")
    await telegram_world.server.stop()
    async with connected(TOKEN, telegram_world.url) as telegram, running(tools, telegram):
        await asyncio.sleep(0.3)
        assert await kept(tools) == []


async def test_a_webhook_set_while_polling_is_taken_away_again(
    tools: Tools, telegram: Telegram, anna: Person, telegram_world: Messenger, said: io.StringIO
) -> None:
    async with running(tools, telegram):
        await until(lambda: telegram_world.called("deleteWebhook") == 1, "the first poll")
        await telegram.bot.set_webhook(f"{telegram_world.url}/nowhere")
        anna.write("one")
        await sees(tools, "one")
    assert "Stop the other program that polls" in said.getvalue()


async def test_a_refused_token_is_named_and_never_shown(
    tools: Tools, telegram_world: Messenger, said: io.StringIO
) -> None:
    async with connected(WRONG_TOKEN, telegram_world.url) as telegram, running(tools, telegram):
        await until(lambda: said.getvalue().count("token_refused") >= 2, "two attempts")
    assert "FERRYMAN_TELEGRAM_TOKEN" in said.getvalue()
    assert WRONG_TOKEN.partition(":")[2] not in said.getvalue()


async def test_of_two_processes_one_polls_and_the_other_takes_over(
    tools: Tools, telegram: Telegram, anna: Person, telegram_world: Messenger, said: io.StringIO
) -> None:
    first, second = (Poller(tools, telegram, lambda: None, lambda _: None) for _ in range(2))
    polling_one = asyncio.create_task(first.run())
    await until(lambda: telegram_world.called("deleteWebhook") == 1, "the first to poll")
    waiting_one = asyncio.create_task(second.run())
    await until(lambda: said.getvalue().count("another_process_polls") >= 2, "the second to wait")
    assert telegram_world.called("deleteWebhook") == 1
    assert "Conflict" not in said.getvalue()
    polling_one.cancel()
    anna.write("one")
    await sees(tools, "one")
    waiting_one.cancel()
    await asyncio.gather(polling_one, waiting_one, return_exceptions=True)


async def test_a_lost_database_connection_is_a_lost_lock_and_polling_goes_on(
    tools: Tools, telegram: Telegram, anna: Person
) -> None:
    async with running(tools, telegram):
        anna.write("one")
        await sees(tools, "one")
        async with tools.db.unit() as session:
            await session.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_locks"
                    " WHERE locktype = 'advisory' AND pid <> pg_backend_pid()"
                )
            )
        anna.write("two")
        await sees(tools, "one", "two")


async def test_the_token_never_shows_whatever_goes_wrong(
    tools: Tools, telegram: Telegram, anna: Person, telegram_world: Messenger, said: io.StringIO
) -> None:
    for mode in ("html", "empty", "drop_before"):
        telegram_world.fault(mode=mode, route="/bot", times=2)
    anna.write("one")
    async with running(tools, telegram):
        await sees(tools, "one")
    assert "polling_failed" in said.getvalue()
    assert TOKEN.partition(":")[2] not in said.getvalue()


async def test_a_bot_without_a_token_says_what_to_set(tools: Tools) -> None:
    with pytest.raises(Misconfigured, match="FERRYMAN_TELEGRAM_TOKEN"):
        BotFace(tools)

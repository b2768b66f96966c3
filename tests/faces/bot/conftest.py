"""A bot that runs against the emulated messenger, and can be killed and started again."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from ferryman.faces.bot.app import BotFace
from ferryman.flows.tools import Tools
from ferryman.messaging.telegram import Telegram, connected
from tests.support.chat import TOKEN, Messenger, Person, messenger, until
from tests.support.shop import Town, opened


class RunningBot:
    """The face in a task. `kill` ends it as a crash would: nothing is finished, nothing is tidied."""

    def __init__(self, tools: Tools) -> None:
        self.tools = tools
        self.stopping = asyncio.Event()
        self.task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self.stopping = asyncio.Event()
        self.task = asyncio.create_task(BotFace(self.tools).run(self.stopping))

    async def stop(self) -> None:
        if self.task is not None:
            self.stopping.set()
            await self.task
            self.task = None

    async def kill(self) -> None:
        if self.task is not None:
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)
            self.task = None


@pytest.fixture
async def telegram_world() -> AsyncIterator[Messenger]:
    world = await messenger()
    yield world
    await world.server.stop()


@pytest.fixture
async def telegram(telegram_world: Messenger, tools: Tools) -> AsyncIterator[Telegram]:
    """The product's way to the messenger; from here on its notices go there, too."""
    async with connected(TOKEN, telegram_world.url) as sender:
        tools.sender = sender
        yield sender


@pytest.fixture
async def bot(tools: Tools, telegram: Telegram) -> AsyncIterator[RunningBot]:
    running = RunningBot(tools)
    running.start()
    yield running
    await running.kill()


@pytest.fixture
async def shop(tools: Tools) -> AsyncIterator[Town]:
    """One bank and one panel."""
    async with opened(tools, nodes=1) as world:
        yield world


@pytest.fixture
def anna(telegram_world: Messenger) -> Person:
    return telegram_world.person()


async def inbox_is_empty(shop: Town) -> None:
    async def nothing_new() -> bool:
        return not await shop.value("SELECT count(*) FROM telegram_updates WHERE state = 'new'")

    await until(nothing_new, "the inbox to be worked off")

"""A running emulator, the real aiogram client pointed at it, and a person to play."""

from collections.abc import AsyncIterator, Iterator

import aiohttp
import pytest
from aiogram import Bot
from aiogram.client.default import DefaultBotProperties
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from playwright.async_api import Browser, Page

from ferryman_sandbox.emulator import serve
from ferryman_sandbox.store import Store
from ferryman_sandbox.telegram import TelegramEmulator
from tests.sandbox.telegram.phone import OTHER_TOKEN, TOKEN, Phone
from tests.support.browser import strict_page


@pytest.fixture
def store() -> Iterator[Store]:
    store = Store(":memory:")
    yield store
    store.close()


@pytest.fixture
def emulator(store: Store) -> TelegramEmulator:
    return TelegramEmulator(store, tokens=[TOKEN, OTHER_TOKEN])


@pytest.fixture
async def phone(emulator: TelegramEmulator) -> AsyncIterator[Phone]:
    server = await serve(emulator.app)
    async with aiohttp.ClientSession() as http:
        yield Phone(server, http)
    await server.stop()


@pytest.fixture
async def bot(phone: Phone) -> AsyncIterator[Bot]:
    session = AiohttpSession(api=TelegramAPIServer.from_base(phone.server.url))
    yield Bot(TOKEN, session=session, default=DefaultBotProperties(parse_mode="HTML"))
    await session.close()


@pytest.fixture
async def page(browser: Browser, phone: Phone) -> AsyncIterator[Page]:
    """A page that reaches nothing but the emulator, and where the pay button leads."""
    rights = ["clipboard-read", "clipboard-write"]
    async with strict_page(browser, phone.server.url, "http://127.0.0.1:9/", permissions=rights, locale="en") as page:
        yield page

from collections.abc import AsyncIterator

import aiohttp
import pytest

from ferryman_sandbox.cryptopay import CryptoPayEmulator
from ferryman_sandbox.emulator import serve
from ferryman_sandbox.store import Store
from tests.billing.providers.recorder import Recorder, recording
from tests.sandbox.cryptopay.app import TOKEN, App


@pytest.fixture
async def ear() -> AsyncIterator[Recorder]:
    async with recording() as recorder:
        yield recorder


@pytest.fixture
async def app(ear: Recorder) -> AsyncIterator[App]:
    store = Store(":memory:")
    emulator = CryptoPayEmulator(store, token=TOKEN, notify_url=f"{ear.url}/hook")
    server = await serve(emulator.app)
    async with aiohttp.ClientSession() as http:
        yield App(server.url, http)
    await server.stop()
    store.close()

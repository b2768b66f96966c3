from collections.abc import AsyncIterator

import aiohttp
import pytest

from ferryman_sandbox.emulator import serve
from ferryman_sandbox.store import Store
from ferryman_sandbox.yookassa import YooKassaEmulator
from tests.sandbox.yookassa.till import SECRET, SHOP_ID, Ear, Till


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
async def ear() -> AsyncIterator[Ear]:
    ear = Ear()
    await ear.listen()
    yield ear
    assert ear.server is not None
    await ear.server.stop()


@pytest.fixture
async def till(ear: Ear, http: aiohttp.ClientSession) -> AsyncIterator[Till]:
    assert ear.server is not None
    store = Store(":memory:")
    emulator = YooKassaEmulator(store, shop_id=SHOP_ID, secret_key=SECRET, notify_url=f"{ear.server.url}/hook")
    server = await serve(emulator.app)
    yield Till(server.url, http)
    await server.stop()
    store.close()

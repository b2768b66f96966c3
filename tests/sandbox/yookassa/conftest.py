from collections.abc import AsyncIterator

import aiohttp
import pytest

from ferryman_sandbox.store import Store
from ferryman_sandbox.yookassa import YooKassaEmulator
from tests.sandbox.outside import Ear, standing
from tests.sandbox.yookassa.till import SECRET, SHOP_ID, Till


@pytest.fixture
async def till(ear: Ear) -> AsyncIterator[Till]:
    emulator = YooKassaEmulator(Store(":memory:"), shop_id=SHOP_ID, secret_key=SECRET, notify_url=ear.url)
    async with standing(emulator) as (url, http):
        yield Till(url, http)


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session

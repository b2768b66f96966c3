from collections.abc import AsyncIterator

import pytest

from ferryman_sandbox.cryptopay import CryptoPayEmulator
from ferryman_sandbox.store import Store
from tests.billing.providers.recorder import Recorder, recording
from tests.sandbox.cryptopay.app import TOKEN, App
from tests.sandbox.outside import standing


@pytest.fixture
async def ear() -> AsyncIterator[Recorder]:
    async with recording() as recorder:
        yield recorder


@pytest.fixture
async def app(ear: Recorder) -> AsyncIterator[App]:
    emulator = CryptoPayEmulator(Store(":memory:"), token=TOKEN, notify_url=f"{ear.url}/hook")
    async with standing(emulator) as (url, http):
        yield App(url, http)

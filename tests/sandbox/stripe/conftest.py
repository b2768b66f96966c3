from collections.abc import AsyncIterator

import pytest

from ferryman_sandbox.store import Store
from ferryman_sandbox.stripe import StripeEmulator
from tests.billing.providers.recorder import Recorder, recording
from tests.sandbox.outside import standing
from tests.sandbox.stripe.merchant import KEY, SECRET, Merchant


@pytest.fixture
async def ear() -> AsyncIterator[Recorder]:
    async with recording() as recorder:
        yield recorder


@pytest.fixture
def emulator(ear: Recorder) -> StripeEmulator:
    store = Store(":memory:")
    return StripeEmulator(store, secret_key=KEY, webhook_secret=SECRET, notify_url=f"{ear.url}/hook")


@pytest.fixture
async def merchant(emulator: StripeEmulator) -> AsyncIterator[Merchant]:
    async with standing(emulator) as (url, http):
        yield Merchant(url, http)

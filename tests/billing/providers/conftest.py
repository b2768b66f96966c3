from collections.abc import AsyncIterator

import pytest

from ferryman.billing.providers.yookassa import YooKassa
from ferryman.kit.http import Http
from tests.billing.providers.recorder import Recorder, Scripted, recording
from tests.billing.providers.worlds import Control, World, emulated_yookassa, yookassa
from tests.billing.providers.yookassa_wire import payment


@pytest.fixture
async def http() -> AsyncIterator[Http]:
    client = Http()
    yield client
    await client.close()


@pytest.fixture
async def api() -> AsyncIterator[Recorder]:
    async with recording() as recorder:
        recorder.say(Scripted(200, payment()))
        yield recorder


@pytest.fixture
def shop(http: Http, api: Recorder) -> YooKassa:
    return yookassa(http, f"{api.url}/v3")


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with emulated_yookassa() as world:
        yield world


@pytest.fixture
def control(world: World) -> Control:
    assert world.control is not None
    return world.control

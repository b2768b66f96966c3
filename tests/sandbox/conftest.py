from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser

from tests.sandbox.outside import Ear, listening
from tests.support.browser import chromium


@pytest.fixture
async def ear() -> AsyncIterator[Ear]:
    async with listening() as ear:
        yield ear


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as browser:
        yield browser

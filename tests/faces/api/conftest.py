from collections.abc import AsyncIterator

import pytest

from ferryman.flows.tools import Tools
from tests.faces.web.conftest import Site, served
from tests.support.shop import Town, opened


@pytest.fixture
async def site(tools: Tools) -> AsyncIterator[Site]:
    async with served(tools) as site:
        yield site


@pytest.fixture
async def shop(tools: Tools) -> AsyncIterator[Town]:
    """One bank and two panels."""
    async with opened(tools, nodes=2) as world:
        yield world

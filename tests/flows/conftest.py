"""The small world that every story is told in."""

from collections.abc import AsyncIterator

import pytest

from ferryman.flows.tools import Tools
from tests.support.shop import Town, opened


@pytest.fixture
async def shop(tools: Tools) -> AsyncIterator[Town]:
    """Three panels, one bank, two plans."""
    async with opened(tools) as world:
        yield world

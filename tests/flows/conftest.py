"""The small world that every story is told in."""

from collections.abc import AsyncIterator

import pytest

from ferryman.flows.tools import Tools
from tests.flows.card_case import Case
from tests.flows.provider_till import at_the_till
from tests.support.shop import Town, opened


@pytest.fixture
async def shop(tools: Tools) -> AsyncIterator[Town]:
    """Three panels, one bank, two plans."""
    async with opened(tools) as world:
        yield world


@pytest.fixture
async def case(shop: Town) -> AsyncIterator[Case]:
    await shop.customer(99)
    await shop.rows("INSERT INTO staff (telegram_id, name) VALUES (99, 'Boss') RETURNING telegram_id")
    async with at_the_till(shop, "stripe") as till:
        yield Case(till, await shop.customer())

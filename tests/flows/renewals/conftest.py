"""The customer whose renewals are watched."""

import pytest

from ferryman.flows.tools import Tools
from tests.support.subscriber import Subscriber


@pytest.fixture
async def anna(tools: Tools) -> Subscriber:
    """Has nothing yet, and the shop is open."""
    made = Subscriber(tools)
    await made.open()
    return made

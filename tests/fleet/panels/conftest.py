from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from ferryman.fleet.panel import PanelTools
from ferryman.kit.clock import SystemClock
from ferryman.kit.http import Http
from tests.fleet.panels.emulated import World, emulated

pytest.register_assert_rewrite("tests.fleet.panels.contract")


@dataclass
class HandClock:
    """Stands still until it is moved."""

    at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def now(self) -> datetime:
        return self.at

    def advance(self, **span: float) -> None:
        self.at += timedelta(**span)


@pytest.fixture
async def http() -> AsyncIterator[Http]:
    http = Http()
    yield http
    await http.close()


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def tools(http: Http) -> PanelTools:
    return PanelTools(http, SystemClock())


@pytest.fixture
async def world(tools: PanelTools) -> AsyncIterator[World]:
    """The newest emulated panel."""
    async with emulated(tools) as world:
        yield world


@pytest.fixture
async def old_world(tools: PanelTools) -> AsyncIterator[World]:
    """The oldest emulated panel."""
    async with emulated(tools, version="3.1.0") as world:
        yield world

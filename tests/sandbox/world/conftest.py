import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from ferryman_sandbox.world import World

PRETENDER = [sys.executable, str(Path(__file__).with_name("pretender.py"))]


@pytest.fixture
def said() -> list[str]:
    """The lines a person would have read."""
    return []


@pytest.fixture
def world(tmp_path: Path, said: list[str]) -> World:
    """Not started; the product in it is a pretender."""
    return World(tmp_path / "world", say=said.append, command=PRETENDER)


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
async def live(world: World) -> AsyncIterator[World]:
    async with world:
        yield world

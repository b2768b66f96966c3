"""Waiting for something to become true, with an end."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from ferryman_sandbox.world.wreck import WorldError


async def until(holds: Callable[[], Awaitable[bool]], seconds: float, otherwise: str, pause: float = 0.01) -> None:
    """Raises WorldError(otherwise) when it does not hold in time."""
    deadline = time.monotonic() + seconds
    while not await holds():
        if time.monotonic() >= deadline:
            raise WorldError(f"{otherwise} within {seconds:.0f} s")
        await asyncio.sleep(pause)


async def whenever(holds: Callable[[], bool], pause: float = 0.05) -> None:
    """Wait until it holds, however long that takes: the caller knows when to give up."""
    while True:
        if holds():
            return
        await asyncio.sleep(pause)

"""Says once a transaction is committed that there is work in it, beside the transaction and for many of them at a time.

PostgreSQL's NOTIFY inside of it would do the same, and make it slow: transactions that notify are committed one after
another, each with a flush of the disk of its own, while all others share theirs. Whoever listens also looks by
themselves, so what is lost here is late and not lost.
"""

import asyncio
from collections.abc import Awaitable, Callable

LAST_WORD_SECONDS = 2.0


class Bell:
    """`tell` is given the names that were rung for since it was called last; it must not raise."""

    def __init__(self, tell: Callable[[list[str]], Awaitable[None]]) -> None:
        self._tell = tell
        self._names: set[str] = set()
        self._rung = asyncio.Event()
        self._closing = False
        self._ringing: asyncio.Task[None] | None = None

    def ring(self, name: str) -> None:
        self._names.add(name)
        self._rung.set()

    def open(self) -> None:
        self._closing = False
        self._ringing = asyncio.create_task(self._ring(), name="bell")

    async def close(self) -> None:
        """What was rung for until now is still told, unless that takes too long."""
        self._closing = True
        self._rung.set()
        if self._ringing is not None:
            await asyncio.wait({self._ringing}, timeout=LAST_WORD_SECONDS)
            self._ringing.cancel()
            self._ringing = None

    async def _ring(self) -> None:
        while self._names or not self._closing:
            await self._rung.wait()
            self._rung.clear()
            names, self._names = self._names, set()
            if names:
                await self._tell(sorted(names))

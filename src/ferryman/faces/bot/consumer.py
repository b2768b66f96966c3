"""Works through the inbox: chats side by side, each in its order. The bot's outermost ring."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from datetime import timedelta

from ferryman.faces.bot import inbox
from ferryman.faces.bot.inbox import Claimed
from ferryman.flows.tools import Tools
from ferryman.kit import log
from ferryman.kit.errors import FerrymanError, Retry
from ferryman.kit.steps import Step, reached

_log = log.get("inbox")

WIDTH = 16
IDLE_SECONDS = 1.0
RENEW_SECONDS = 5.0
DRAIN_SECONDS = 20.0
# Seconds after each failed attempt; after the last, the update is given up.
PAUSES = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0)

Work = Callable[[Claimed], Awaitable[None]]


class Consumer:
    """`handle` works through one update, `drop` tells a stale press goodbye, `apologise` says that we stumbled.

    All three may raise: `handle` is called again later, the other two are courtesies.
    """

    def __init__(self, tools: Tools, bot_id: int, handle: Work, drop: Work, apologise: Work) -> None:
        self._tools = tools
        self._bot_id = bot_id
        self._handle, self._drop, self._apologise = handle, drop, apologise
        self._news = asyncio.Event()
        self._running: dict[int, asyncio.Task[None]] = {}

    def wake(self) -> None:
        """Something may have come in: look now instead of at the next second."""
        self._news.set()

    async def run(self, stopping: asyncio.Event) -> None:
        """Work until `stopping` is set, then finish what runs (up to 20 s)."""
        helpers = [asyncio.create_task(self._renew_claims()), asyncio.create_task(self._wake_at(stopping))]
        try:
            while not stopping.is_set():
                self._news.clear()
                if not await self._take():
                    # Not wait_for: before Python 3.12 it may lose a cancellation that comes together with the news.
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(IDLE_SECONDS):
                            await self._news.wait()
            if self._running:
                await asyncio.wait(self._running.values(), timeout=DRAIN_SECONDS)
        finally:
            left = [*helpers, *self._running.values()]
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)

    async def _take(self) -> bool:
        """Begin as much as there is room for; False when there was nothing to begin."""
        free = WIDTH - len(self._running)
        if free <= 0:
            return False
        try:
            async with self._tools.db.unit() as session:
                claimed = await inbox.claim(session, self._bot_id, self._tools.clock.now(), free)
        except Retry as error:
            _log.warning("inbox_not_read", why=str(error))
            return False
        for one in claimed:
            self._running[one.id] = asyncio.create_task(self._work_through(one))
        return bool(claimed)

    async def _work_through(self, one: Claimed) -> None:
        log.unbind_all()
        log.bind(update=one.id, kind=one.kind)
        try:
            if one.kind == inbox.CALLBACK and self._tools.clock.now() - one.received_at > inbox.PRESS_LIVES:
                await self._finish(one, "stale")
                await self._drop(one)
            else:
                await self._handle(one)
                reached(Step.PRESS_ANSWERED)
                await self._finish(one, "done")
        except Exception as error:  # the outermost ring of the bot: one of the named nets
            await self._stumbled(one, error)
        finally:
            del self._running[one.id]
            self.wake()

    async def _stumbled(self, one: Claimed, error: Exception) -> None:
        last, ours = one.attempt > len(PAUSES), isinstance(error, Retry)
        if ours:
            _log.warning("update_waits", attempt=one.attempt, why=str(error))
        else:
            _log.error("update_failed", attempt=one.attempt, exc_info=error)
        why = str(error) if isinstance(error, FerrymanError) else type(error).__name__
        try:
            if last:
                await self._finish(one, "failed", why)
            else:
                await self._try_later(one, error, why)
            # Told once: at the first surprise, or when a trouble that we know how to wait for has outlasted us.
            if last if ours else one.attempt == 1:
                await self._apologise(one)
        except FerrymanError as second:
            _log.warning("apology_not_said", why=str(second))

    async def _finish(self, one: Claimed, state: str, error: str | None = None) -> None:
        async with self._tools.db.unit() as session:
            await inbox.finish(session, one.id, state, self._tools.clock.now(), error)

    async def _try_later(self, one: Claimed, error: Exception, why: str) -> None:
        hint = error.after or 0.0 if isinstance(error, Retry) else 0.0
        at = self._tools.clock.now() + timedelta(seconds=max(PAUSES[one.attempt - 1], hint))
        async with self._tools.db.unit() as session:
            await inbox.try_later(session, one.id, at, why[:300])

    async def _renew_claims(self) -> None:
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            try:
                async with self._tools.db.unit() as session:
                    await inbox.renew(session, self._running, self._tools.clock.now())
            except Retry as error:
                _log.warning("claims_not_renewed", why=str(error))

    async def _wake_at(self, stopping: asyncio.Event) -> None:
        await stopping.wait()
        self.wake()

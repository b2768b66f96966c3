"""The long poll: fetch updates, commit them to the inbox, and only then tell Telegram that we have them.

The question before a payment in Stars is the one kind that is not kept: it must be answered within ten seconds, and is
handed on the moment it comes, whatever the inbox is doing.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection

from ferryman.faces.bot import inbox
from ferryman.flows.tools import Tools
from ferryman.kit import log
from ferryman.kit.errors import AccessDenied, Conflict, FerrymanError, Unreachable
from ferryman.kit.steps import Step, reached
from ferryman.messaging.telegram import Telegram

_log = log.get("polling")

POLL_SECONDS = 25
KINDS = ("message", inbox.CALLBACK, "my_chat_member", inbox.PRE_CHECKOUT, "subscription")
# Keeping updates takes longer than this only when the database is in trouble.
SLOW_SECONDS = 1.0
OTHER_POLLER_PAUSE = 5.0
CONFLICT_PAUSE = 5.0
TOKEN_REFUSED_PAUSE = 30.0
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0


Update = Mapping[str, Any]


class Poller:
    """Polls while it holds the bot's lock in the database: any number of processes may run one, and one of them polls.

    `arrived` is called after every commit that kept something new, `asked` with every question before a payment; the
    same one may be handed on more than once.
    """

    def __init__(
        self, tools: Tools, telegram: Telegram, arrived: Callable[[], None], asked: Callable[[Update], None]
    ) -> None:
        self._tools = tools
        self._telegram = telegram
        self._arrived = arrived
        self._asked = asked
        self._failures = 0

    async def run(self) -> None:
        """Poll until cancelled. Nothing that Telegram, the network or the database does ends it."""
        while True:
            try:
                async with self._only_one() as lock:
                    await self._poll(lock)
            except FerrymanError as error:
                await asyncio.sleep(self._pause_after(error))

    @asynccontextmanager
    async def _only_one(self) -> AsyncIterator[AsyncConnection]:
        # A session lock, on a connection of its own: it is gone the moment this process is.
        try:
            async with self._tools.db.engine.connect() as connection:
                await connection.execution_options(isolation_level="AUTOCOMMIT")
                key = func.hashtextextended("telegram-poll", self._telegram.bot.id)
                while not await connection.scalar(select(func.pg_try_advisory_lock(key))):
                    _log.debug("another_process_polls")
                    await asyncio.sleep(OTHER_POLLER_PAUSE)
                try:
                    yield connection
                finally:
                    # Cancelled or broken, the connection must not go back to the pool with the lock on it.
                    with contextlib.suppress(OperationalError, InterfaceError):
                        await asyncio.shield(connection.invalidate())
        except (OperationalError, InterfaceError) as error:
            raise Unreachable("The database does not answer.") from error

    async def _poll(self, lock: AsyncConnection) -> None:
        await self._telegram.stop_webhook()
        offset: int | None = None
        while True:
            updates = self._hand_on(await self._telegram.updates(offset, POLL_SECONDS, KINDS))
            if self._failures:
                _log.info("polling_again", failures=self._failures)
                self._failures = 0
            if await self._patiently(asyncio.create_task(self._keep(lock, updates)), offset):
                self._arrived()
            if updates:
                offset = max(update["update_id"] for update in updates) + 1

    def _hand_on(self, updates: list[dict[str, Any]]) -> list[dict[str, Any]]:
        for update in updates:
            if inbox.kind_of(update) == inbox.PRE_CHECKOUT:
                self._asked(update)
        return updates

    async def _keep(self, lock: AsyncConnection, updates: list[dict[str, Any]]) -> int:
        await lock.scalar(select(1))  # a lost connection is a lost lock
        to_keep = [update for update in updates if inbox.kind_of(update) != inbox.PRE_CHECKOUT]
        if not to_keep:
            return 0
        async with self._tools.db.unit() as session:
            new = await inbox.keep(session, self._telegram.bot.id, to_keep, self._tools.clock.now())
        reached(Step.PRESS_KEPT)
        return new

    async def _patiently(self, keeping: asyncio.Task[int], offset: int | None) -> int:
        """While the database takes its time nothing is confirmed, and whoever wants to pay is answered all the same."""
        try:
            while not (await asyncio.wait({keeping}, timeout=SLOW_SECONDS))[0]:
                with contextlib.suppress(FerrymanError):
                    self._hand_on(await self._telegram.updates(offset, 0, KINDS))
            return keeping.result()
        finally:
            keeping.cancel()

    def _pause_after(self, error: FerrymanError) -> float:
        self._failures += 1
        pause = min(FIRST_PAUSE * 2.0 ** min(self._failures - 1, 10), LONGEST_PAUSE)
        match error:
            case AccessDenied():
                pause = TOKEN_REFUSED_PAUSE
                fix = "Copy the token from @BotFather again into FERRYMAN_TELEGRAM_TOKEN and restart."
                _log.error("token_refused", why=str(error), fix=fix)
            case Conflict():
                pause = max(pause, CONFLICT_PAUSE)
                fix = "Stop the other program that polls with this bot's token."
                _log.error("polling_conflict", why=str(error), fix=fix, seconds=pause)
            case _:
                pause = max(pause, getattr(error, "after", None) or 0.0)
                _log.warning("polling_failed", why=str(error), seconds=pause)
        return pause

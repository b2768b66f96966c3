"""The bot: polling fills the inbox, the consumer works it off through aiogram's routers.

Both run side by side and meet in the database only, so a kill anywhere between loses nothing.
"""

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any

from aiogram import Dispatcher
from aiogram.types import Update
from sqlalchemy import select

from ferryman.faces.bot import handlers, inbox, profile, stars
from ferryman.faces.bot.consumer import Consumer
from ferryman.faces.bot.fsm import PostgresStorage
from ferryman.faces.bot.inbox import Claimed
from ferryman.faces.bot.polling import KINDS, Poller
from ferryman.faces.bot.stars_checkout import CheckoutDesk
from ferryman.flows.shop import meeting
from ferryman.flows.tools import Tools
from ferryman.kit import log
from ferryman.kit.errors import FerrymanError, Misconfigured, Refused
from ferryman.messaging.sender import Blocked
from ferryman.messaging.telegram import Telegram
from ferryman.messaging.texts import voice
from ferryman.people.customer import Customer, language_of

_log = log.get("bot")

CHORES_SECONDS = 600.0
INTRODUCE_AGAIN_SECONDS = 60.0


class BotFace:
    """The bot of `tools.sender`, which must be a Telegram connection. Raises Misconfigured when it is not."""

    def __init__(self, tools: Tools) -> None:
        if not isinstance(tools.sender, Telegram):
            raise Misconfigured("No bot token is set.", "Set FERRYMAN_TELEGRAM_TOKEN to the token from @BotFather.")
        self._tools = tools
        self._telegram = tools.sender
        self._storage = PostgresStorage(tools.db, tools.clock)
        self._dispatcher = Dispatcher(storage=self._storage, tools=tools, telegram=self._telegram)
        self._dispatcher.include_routers(stars.router(), handlers.router())

    async def run(self, stopping: asyncio.Event) -> None:
        """Serve until `stopping` is set; then stop polling, finish what runs, and return."""
        consumer = Consumer(self._tools, self._telegram.bot.id, self._handle, self._drop, self._apologise)
        checkouts = CheckoutDesk(self._tools, self._telegram)
        poller = Poller(self._tools, self._telegram, consumer.wake, checkouts.ask)
        ending = asyncio.Event()
        working = asyncio.create_task(consumer.run(ending))
        polling, chores = asyncio.create_task(poller.run()), asyncio.create_task(self._chores())
        beside = [polling, chores, asyncio.create_task(self._introduce())]
        stop = asyncio.create_task(stopping.wait())
        try:
            await asyncio.wait({stop, working, polling, chores}, return_when=asyncio.FIRST_COMPLETED)
            polling.cancel()
            ending.set()
            await checkouts.finish()
            await working
        finally:
            ending.set()
            for task in (stop, working, *beside):
                task.cancel()
            outcomes = await asyncio.gather(working, *beside, return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException) and not isinstance(outcome, asyncio.CancelledError):
                raise outcome

    async def _handle(self, one: Claimed) -> None:
        if one.kind not in KINDS:
            _log.info("update_of_unknown_kind")
            return
        update = Update.model_validate(one.raw, context={"bot": self._telegram.bot})
        try:
            await self._dispatcher.feed_update(self._telegram.bot, update)
        except Blocked:
            await meeting.went_away(self._tools, _user_of(one))

    async def _drop(self, one: Claimed) -> None:
        _log.info("stale_press")
        # Only to stop the spinner, which by now has given up by itself.
        with contextlib.suppress(FerrymanError):
            await self._telegram.answer(str(one.raw[inbox.CALLBACK]["id"]))

    async def _apologise(self, one: Claimed) -> None:
        user = _user_of(one)
        if one.kind not in ("message", inbox.CALLBACK) or not user:
            return
        async with self._tools.db.unit() as session:
            language = await session.scalar(select(Customer.language).where(Customer.telegram_id == user))
        speaks = voice(language or language_of(_from(one).get("language_code")))
        with contextlib.suppress(Refused):
            await self._telegram.send_text(user, speaks.html("stumbled"))

    async def _introduce(self) -> None:
        while True:
            try:
                await profile.introduce(self._tools, self._telegram)
                return
            except FerrymanError as error:
                _log.warning("commands_not_set", why=str(error))
                await asyncio.sleep(max(INTRODUCE_AGAIN_SECONDS, getattr(error, "after", None) or 0.0))

    async def _chores(self) -> None:
        while True:
            try:
                async with self._tools.db.unit() as session:
                    await inbox.tidy(session, self._tools.clock.now())
                await self._storage.tidy()
            except FerrymanError as error:
                _log.warning("chores_not_done", why=str(error))
            await asyncio.sleep(CHORES_SECONDS)


def _from(one: Claimed) -> Mapping[str, Any]:
    body = one.raw.get(one.kind)
    sender = body.get("from") if isinstance(body, Mapping) else None
    return sender if isinstance(sender, Mapping) else {}


def _user_of(one: Claimed) -> int:
    """The person's Telegram id; 0 when the update names nobody."""
    return int(_from(one).get("id", 0))

"""Runs faces side by side in one process, and stops them in good order."""

import asyncio
import importlib
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from ferryman import wiring
from ferryman.faces import worker
from ferryman.faces.api import metrics, overview
from ferryman.faces.web import app, server
from ferryman.flows.tools import Tools
from ferryman.kit import log, steps
from ferryman.kit.errors import Misconfigured
from ferryman.kit.settings import Settings
from ferryman.messaging.sender import Sender

_log = log.get("run")


async def serve(settings: Settings, faces: set[str], started: float) -> None:
    """Run the named faces (web, bot, worker) until SIGTERM or SIGINT; `started` is perf_counter() at process start."""
    if "bot" in faces and settings.telegram_token is None:
        raise Misconfigured("No bot token is set.", "Set FERRYMAN_TELEGRAM_TOKEN to the token from @BotFather.")
    if settings.env == "sandbox":
        steps.arm(os.environ.get(steps.VARIABLE, ""))
    stopping = asyncio.Event()
    _stop_on_signals(stopping)
    async with AsyncExitStack() as stack:
        sender = await stack.enter_async_context(sender_of(settings if faces & {"bot", "worker"} else None))
        url = await stack.enter_async_context(wiring.database_of(settings))
        tools = await stack.enter_async_context(wiring.built(settings, url, sender=sender))
        running = [asyncio.create_task(_FACES[face](tools, stopping), name=face) for face in sorted(faces)]
        _log.info("ready", faces=sorted(faces), seconds=round(time.perf_counter() - started, 2))
        await _until_first_ends(running, stopping)


async def _until_first_ends(running: list[asyncio.Task[None]], stopping: asyncio.Event) -> None:
    """A face that fails takes the process down in good order, so that whatever supervises it can start it again."""
    await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
    stopping.set()
    outcomes = await asyncio.gather(*running, return_exceptions=True)
    for face, outcome in zip(running, outcomes, strict=True):
        if isinstance(outcome, BaseException):
            _log.error("face_failed", face=face.get_name(), why=str(outcome))
            raise outcome
    _log.info("stopped")


def _stop_on_signals(stopping: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()

    def stop(number: signal.Signals) -> None:
        _log.info("stopping", signal=number.name)
        stopping.set()
        # A second signal ends the process at once, which loses nothing.
        for each in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(each)
            signal.signal(each, signal.SIG_DFL)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop, number)


@asynccontextmanager
async def sender_of(settings: Settings | None) -> AsyncIterator[Sender | None]:
    """How notices leave for Telegram; None without a token, and for faces that send nothing."""
    if settings is None or settings.telegram_token is None:
        yield None
        return
    # aiogram takes seconds to import; the web process and the command line do without it.
    telegram = importlib.import_module("ferryman.messaging.telegram")
    sender = telegram.Telegram(settings.telegram_token.get_secret_value(), settings.telegram_api_base)
    try:
        yield sender
    finally:
        await sender.close()


async def _web(tools: Tools, stopping: asyncio.Event) -> None:
    settings = tools.settings
    built = app.build(tools, [*overview.routes(tools), *metrics.routes(tools)])
    await server.run(built, settings.host, settings.port, stopping)


async def _bot(tools: Tools, stopping: asyncio.Event) -> None:
    face = importlib.import_module("ferryman.faces.bot.app")
    await face.BotFace(tools).run(stopping)


_FACES: dict[str, Callable[[Tools, asyncio.Event], Coroutine[Any, Any, None]]] = {
    "web": _web,
    "bot": _bot,
    "worker": worker.run,
}

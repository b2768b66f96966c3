"""How a command runs: settings read, tools built, our own errors turned into one line and exit code 1."""

import importlib
import json
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any

import typer
import uvloop

from ferryman import wiring
from ferryman.flows.tools import Tools
from ferryman.kit import log, settings
from ferryman.kit.errors import FerrymanError
from ferryman.kit.settings import Settings
from ferryman.messaging.sender import Sender

TOGETHER = "ferryman.faces.together"
STARTED = time.perf_counter()
# Who did it, in histories and books: whoever can run commands here is an operator.
OPERATOR = "operator:cli"

Work = Callable[[Settings], Awaitable[None]]


def go(work: Work, *, quiet: bool = False) -> None:
    """Read the settings and run. `quiet`: the command tells by itself what it does, so only warnings are logged."""
    try:
        configured = settings.load()
        level = configured.log_level
        log.configure(configured.log_format, "warning" if quiet and level == "info" else level)
        uvloop.run(_awaited(work(configured)))
    except FerrymanError as error:
        typer.echo(f"❌ {log.redactor.text(str(error))}", err=True)
        raise typer.Exit(1) from error


def with_tools(work: Callable[[Tools], Awaitable[None]], *, telegram: bool = False) -> Work:
    async def prepared(configured: Settings) -> None:
        async with (
            _sender_of(configured, telegram) as sender,
            wiring.database_of(configured) as url,
            wiring.built(configured, url, sender=sender) as tools,
        ):
            await work(tools)

    return prepared


def show_json(value: Any) -> None:
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2, default=str))


def _sender_of(configured: Settings, wanted: bool) -> AbstractAsyncContextManager[Sender | None]:
    if not wanted:
        return nullcontext()
    # It brings the web server, which takes longer to import than most commands take to run.
    found: AbstractAsyncContextManager[Sender | None] = importlib.import_module(TOGETHER).sender_of(configured)
    return found


async def _awaited(work: Awaitable[None]) -> None:
    await work

"""The command line: `ferryman run | web | bot | worker | migrate | doctor | apply | stuck | new-key`."""

import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated

import typer
import uvloop

from ferryman import __version__, wiring
from ferryman.faces import together
from ferryman.flows import checkup, overview, setup
from ferryman.flows.tools import Tools
from ferryman.kit import log, migrate, settings
from ferryman.kit.errors import FerrymanError
from ferryman.kit.secrets import new_key
from ferryman.kit.settings import Settings

app = typer.Typer(
    name="ferryman",
    help="⛴  Sells VPN access through a Telegram bot and keeps it running.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
STARTED = time.perf_counter()


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"ferryman {__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Settings come from the environment, FERRYMAN_…; docs/settings.md lists them."""


@app.command()
def run() -> None:
    """⛴  Web, bot and worker in one process: all that one machine needs."""
    _go(lambda configured: together.serve(configured, {"web", "bot", "worker"}, STARTED))


@app.command()
def web() -> None:
    """🌐 Webhooks in, subscription links out."""
    _go(lambda configured: together.serve(configured, {"web"}, STARTED))


@app.command()
def bot() -> None:
    """💬 The Telegram bot, by long polling."""
    _go(lambda configured: together.serve(configured, {"bot"}, STARTED))


@app.command()
def worker() -> None:
    """🛠  Jobs and sweeps."""
    _go(lambda configured: together.serve(configured, {"worker"}, STARTED))


@app.command(name="migrate")
def migrate_command() -> None:
    """🗄  Bring the database schema up to date (every start does it too)."""

    async def work(configured: Settings) -> None:
        async with wiring.database_of(configured) as url:
            typer.echo(f"✅ schema {await migrate.upgrade(url)}")

    _go(work)


@app.command()
def apply(path: Annotated[Path, typer.Argument(help="The shop file: nodes, plans, providers (TOML).")]) -> None:
    """📦 Set up nodes, plans and providers from a file; each is checked before it is kept."""

    async def work(tools: Tools) -> None:
        for done in await setup.apply(tools, setup.read(path)):
            typer.echo(f"✅ {done.what}: {done.found}")

    _go(_with_tools(work))


@app.command()
def doctor() -> None:
    """🩺 Check settings, database, Telegram, providers and nodes, and name the fix for what is wrong."""

    async def work(tools: Tools) -> None:
        typer.echo("✅ settings: read")
        ill = 0
        async for finding in checkup.examine(tools):
            ill += not finding.well
            typer.echo(f"{'✅' if finding.well else '❌'} {finding.what}: {finding.found}")
            if finding.fix:
                typer.echo(f"   👉 {finding.fix}")
        if ill:
            raise typer.Exit(1)

    _go(_with_tools(work, telegram=True))


@app.command()
def stuck() -> None:
    """💸 Money without key: payments whose keys are not all on their nodes. Exits with 1 when there are any."""

    async def work(tools: Tools) -> None:
        async with tools.db.unit() as session:
            rows = await overview.stuck(session)
        for row in rows:
            typer.echo(f"⚠️  {row['ref']} since {row['succeeded_at']}: {row['why']}")
        typer.echo(f"{len(rows)} payments without all their keys" if rows else "✅ every paid key is where it belongs")
        if rows:
            raise typer.Exit(1)

    _go(_with_tools(work))


@app.command(name="new-key")
def new_key_command() -> None:
    """🔑 Make a key for FERRYMAN_SECRET_KEYS."""
    typer.echo(new_key())


def _with_tools(
    work: Callable[[Tools], Awaitable[None]], *, telegram: bool = False
) -> Callable[[Settings], Awaitable[None]]:
    async def prepared(configured: Settings) -> None:
        async with (
            together.sender_of(configured if telegram else None) as sender,
            wiring.database_of(configured) as url,
            wiring.built(configured, url, sender=sender) as tools,
        ):
            await work(tools)

    return prepared


def _go(work: Callable[[Settings], Awaitable[None]]) -> None:
    """Read the settings, run, and turn our own errors into one line and exit code 1."""
    try:
        configured = settings.load()
        log.configure(configured.log_format, configured.log_level)
        uvloop.run(_awaited(work(configured)))
    except FerrymanError as error:
        typer.echo(f"❌ {log.redactor.text(str(error))}", err=True)
        raise typer.Exit(1) from error


async def _awaited(work: Awaitable[None]) -> None:
    await work

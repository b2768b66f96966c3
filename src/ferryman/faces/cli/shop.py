"""The commands about the shop as a whole: `ferryman migrate | apply | doctor | new-key`."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

import ferryman.faces.cli.picturing as picturing
from ferryman import wiring
from ferryman.faces.cli.running import go, with_tools
from ferryman.flows.shop import checkup, setup
from ferryman.flows.tools import Tools
from ferryman.kit import migrate as schema
from ferryman.kit.secrets import new_key as made_up_key
from ferryman.kit.settings import Settings


def add_to(app: typer.Typer) -> None:
    commands: list[Callable[..., None]] = [migrate, apply, doctor, new_key]
    for command in commands:
        app.command()(command)


def migrate() -> None:
    """🗄  Bring the database schema up to date (every start does it too)."""

    async def work(configured: Settings) -> None:
        async with wiring.database_of(configured) as url:
            typer.echo(f"✅ schema {await schema.upgrade(url)}")

    go(work)


def apply(path: Annotated[Path, typer.Argument(help="The shop file: nodes, plans, providers (TOML).")]) -> None:
    """📦 Set up nodes, plans and providers from a file; each is checked before it is kept."""

    async def work(tools: Tools) -> None:
        for done in await setup.apply(tools, setup.read(path)):
            typer.echo(f"✅ {done.what}: {done.found}")

    go(with_tools(work))


def doctor() -> None:
    """🩺 Check settings, database, Telegram, providers and nodes, and name the fix for what is wrong."""

    async def work(tools: Tools) -> None:
        typer.echo("✅ settings: read")
        ill = 0
        async for found in checkup.examine(tools):
            ill += not found.well
            picturing.finding(found)
        if ill:
            raise typer.Exit(1)

    go(with_tools(work, telegram=True))


def new_key() -> None:
    """🔑 Make a key for FERRYMAN_SECRET_KEYS."""
    typer.echo(made_up_key())

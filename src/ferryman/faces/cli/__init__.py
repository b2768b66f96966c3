"""The command line: `ferryman run`, `ferryman doctor`, `ferryman node add`, …; a module for each group of commands."""

from typing import Annotated

import typer

from ferryman import __version__
from ferryman.faces.cli import (
    gifts,
    keys,
    ledger,
    moving,
    nodes,
    payments,
    promo,
    providers,
    refunds,
    renewals,
    serving,
    shop,
    staff,
)

__all__ = ["app"]

app = typer.Typer(
    name="ferryman",
    help="⛴  Sells VPN access through a Telegram bot and keeps it running.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


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


serving.add_to(app)
shop.add_to(app)
payments.add_to(app)
moving.add_to(nodes.group)
gifts.add_to(payments.payment_group)
for group in (
    nodes.group,
    keys.group,
    staff.group,
    providers.group,
    refunds.group,
    ledger.group,
    gifts.group,
    promo.group,
    renewals.group,
):
    app.add_typer(group)

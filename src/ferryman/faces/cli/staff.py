"""`ferryman staff add | remove | list`."""

from typing import Annotated

import typer

from ferryman.faces.cli.asking import LARGEST
from ferryman.faces.cli.describing import AsJson
from ferryman.faces.cli.running import go, show_json, with_tools
from ferryman.faces.cli.tables import table
from ferryman.flows.shop import staff
from ferryman.flows.tools import Tools

group = typer.Typer(name="staff", help="👷 Staff: who runs the shop and hears of trouble.", no_args_is_help=True)

Person = Annotated[int, typer.Argument(min=1, max=LARGEST, help="Their Telegram id, a number.")]


@group.command()
def add(
    telegram_id: Person,
    name: Annotated[str, typer.Argument(help="What colleagues call them.")],
    role: Annotated[str, typer.Option(help="owner or operator.")] = "operator",
    alerts: Annotated[bool, typer.Option("--alerts/--no-alerts", help="Whether to write to them of trouble.")] = True,
) -> None:
    """➕ Take somebody on, or change what is known of them. Alerts reach them once they press Start in the bot."""

    async def work(tools: Tools) -> None:
        member = await staff.add(tools, telegram_id, name, role, alerts=alerts)
        typer.echo(f"✅ {member.name} ({member.telegram_id}) is {member.role}.")
        if member.alerts and not member.started:
            typer.echo("   👉 Alerts wait until they have pressed Start in the bot.")

    go(with_tools(work), quiet=True)


@group.command()
def remove(telegram_id: Person) -> None:
    """➖ Let somebody go."""

    async def work(tools: Tools) -> None:
        await staff.remove(tools, telegram_id)
        typer.echo(f"✅ {telegram_id} is not of the staff any more.")

    go(with_tools(work), quiet=True)


@group.command(name="list")
def list_(as_json: AsJson = False) -> None:
    """📋 Everybody, owners first."""

    async def work(tools: Tools) -> None:
        found = await staff.everyone(tools)
        if as_json:
            show_json([vars(member) for member in found])
            return
        rows = [
            (
                "👑" if member.role == "owner" else "👷",
                member.name,
                str(member.telegram_id),
                member.role,
                ("🔔" if member.started else "⏳ has not pressed Start") if member.alerts else "🔕",
            )
            for member in found
        ]
        empty = ["Nobody yet: ferryman staff add ID NAME"]
        for line in table(("", "NAME", "TELEGRAM", "ROLE", "ALERTS"), rows) if rows else empty:
            typer.echo(line)

    go(with_tools(work), quiet=True)

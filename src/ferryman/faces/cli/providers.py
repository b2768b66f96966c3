"""`ferryman provider list | edit | way | test`: who collects the money."""

import os
from collections.abc import Sequence
from typing import Annotated, Any, get_args

import typer
from pydantic import SecretStr

import ferryman.faces.cli.asking as asking
from ferryman.faces.cli.describing import AsJson
from ferryman.faces.cli.running import go, show_json, with_tools
from ferryman.flows.payments import trying, ways
from ferryman.flows.shop.shopfile import resolved
from ferryman.flows.tools import Tools
from ferryman.kit.errors import Refused
from ferryman.kit.money import Money

group = typer.Typer(name="provider", help="🏦 Payment providers: on, off, order, names, a test.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The provider: `ferryman provider list`.")]


@group.command(name="list")
def list_(as_json: AsJson = False) -> None:
    """📋 All that are installed; those that are on first, in the order in which customers see them."""

    async def work(tools: Tools) -> None:
        found = await ways.listed(tools)
        if as_json:
            show_json([vars(one) for one in found])
            return
        for one in found:
            state = "✅ on" if one.enabled else "⏸  off" if one.configured else "▫️  not set up"
            typer.echo(f"{one.icon} {one.name} · {one.title['en']} · {state}")
            if one.denied_at is not None:
                since = one.denied_at.isoformat(" ", "minutes")
                typer.echo(f"   🔐 it refuses the shop's credentials since {since}, and is offered to nobody")
            for code, icon, title, on in one.ways if len(one.ways) > 1 else []:
                typer.echo(f"   {'✅' if on else '⏸ '} {icon} {code} · {title}")
            if one.configured and one.hook_url:
                typer.echo(f"   📨 its webhooks go to {one.hook_url}")

    go(with_tools(work), quiet=True)


@group.command()
def edit(
    name: Name,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="FIELD=VALUE; a secret as FIELD=env:NAME or FIELD=- (standard input)."),
    ] = None,
    on: Annotated[bool | None, typer.Option("--on/--off", help="Offer it, or stop new payments.")] = None,
    position: Annotated[int | None, typer.Option(min=0, max=99, help="Its place among the providers.")] = None,
) -> None:
    """✏️  Set it up or change it; new settings are tried before they are kept."""

    async def work(tools: Tools) -> None:
        config = _settings(tools, name, settings or ())
        found = await ways.edit(tools, name, ways.Edit(config, on, position))
        typer.echo(f"✅ {name}: {found}")
        hook_url = ways.hook_url(tools, name)
        if hook_url:
            typer.echo(f"   📨 its webhooks go to {hook_url}")

    go(with_tools(work), quiet=True)


@group.command(name="way")
def dress(
    name: Name,
    code: Annotated[str, typer.Argument(help="Which of its ways.")],
    on: Annotated[bool | None, typer.Option("--on/--off", help="Offer it or not.")] = None,
    position: Annotated[
        int | None, typer.Option(min=0, max=9999, help="Its place among all ways, 0 = as it was.")
    ] = None,
    icon: Annotated[str | None, typer.Option(help='An emoji; "" = the provider\'s own.')] = None,
    russian: Annotated[str, typer.Option("--ru", help="Its name in Russian.")] = "",
    english: Annotated[str, typer.Option("--en", help="Its name in English.")] = "",
) -> None:
    """🔘 Switch one of its ways on or off, move it, or name it."""
    if bool(russian) != bool(english):
        typer.echo("❌ Give the name in both languages: --ru and --en.", err=True)
        raise typer.Exit(1)

    async def work(tools: Tools) -> None:
        title = {"ru": russian, "en": english} if russian else None
        await ways.dress(tools, name, code, enabled=on, position=position, icon=icon, title=title)
        typer.echo(f"✅ {name}.{code}")

    go(with_tools(work), quiet=True)


@group.command(name="test")
def try_(
    name: Name,
    way: Annotated[str, typer.Option("--way", help="Which of its ways; the first when not given.")] = "",
    amount: Annotated[str, typer.Option(help='How much, such as "10.00 RUB"; the smallest sum when not given.')] = "",
    contact: Annotated[str, typer.Option(help="Where a receipt goes: an e-mail address, or +79001234567.")] = "",
    wait: Annotated[float, typer.Option(min=5, max=3600, help="Seconds to wait for the payment.")] = 600.0,
) -> None:
    """🧪 Make one real payment of a small sum, see its webhook come, and give the money back."""

    async def work(tools: Tools) -> None:
        sum_ = _money(amount) if amount else None
        async for step in trying.trial(tools, name, way, sum_, wait, contact):
            typer.echo(f"{step.icon} {step.text}{' ' + step.link if step.link else ''}")

    go(with_tools(work), quiet=True)


def _settings(tools: Tools, name: str, given: Sequence[str]) -> dict[str, Any]:
    """What was given, with secrets from where they are kept; an empty one is taken out."""
    kind = tools.providers.get(name)
    fields = kind.Config.model_fields if kind is not None else {}
    secret = {field for field, one in fields.items() if _holds_a_secret(one.annotation)}
    found: dict[str, Any] = {}
    for field, value in map(_pair, given):
        if field in secret:
            kept = asking.secret(f"--set {field}", value)
            found[field] = None if kept is None else kept.get_secret_value()
        else:
            found[field] = resolved(value, os.environ)
    return found


def _holds_a_secret(annotation: Any) -> bool:
    return annotation is SecretStr or any(map(_holds_a_secret, get_args(annotation)))


def _pair(text: str) -> tuple[str, str]:
    field, separator, value = text.partition("=")
    if not separator or not field:
        raise Refused("Write --set FIELD=VALUE.")
    return field.strip(), value


def _money(text: str) -> Money:
    number, _, currency = text.strip().partition(" ")
    try:
        return Money.parse(number, currency.strip().upper())
    except ValueError as error:
        raise Refused(f"{error}; write the sum like 10.00 RUB.") from error

"""`ferryman promo add | personal | volume | off | list`."""

from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from ferryman.catalog.discount import Discount
from ferryman.faces.cli.asking import TelegramId
from ferryman.faces.cli.describing import AsJson
from ferryman.faces.cli.running import OPERATOR, go, show_json, with_tools
from ferryman.faces.cli.tables import table
from ferryman.flows.orders import discounting
from ferryman.flows.orders.discounting import Limits, Listed, Terms
from ferryman.flows.tools import Tools

group = typer.Typer(
    name="promo",
    help="🎟 What makes things cheaper: promo codes, personal discounts, volume rules.",
    no_args_is_help=True,
)

ICONS = {"promo": "🎟", "personal": "👤", "volume": "📈"}
FORMATS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M"]

Off = Annotated[str, typer.Argument(help='What comes off: "25%", or "100 RUB" in quotes.')]
Plans = Annotated[list[str] | None, typer.Option("--plan", help="Only for this plan (its code); may be repeated.")]
From = Annotated[datetime | None, typer.Option("--from", formats=FORMATS, help="When it begins, in UTC.")]
Until = Annotated[datetime | None, typer.Option("--until", formats=FORMATS, help="When it ends, in UTC.")]


@group.command()
def add(
    code: Annotated[str, typer.Argument(help="3 to 32 letters, digits, dashes; small or capital is the same.")],
    off: Off,
    most: Annotated[int, typer.Option(help="How often in all; 0 = any number.", min=0)] = 0,
    each: Annotated[int, typer.Option(help="How often by one customer; 0 = any number.", min=0)] = 1,
    newcomers: Annotated[bool, typer.Option("--newcomers", help="Only for who has never paid.")] = False,
    plan: Plans = None,
    begins: From = None,
    ends: Until = None,
) -> None:
    """➕ A code that customers type in the bot."""

    async def work(tools: Tools) -> None:
        limits = Limits(most, each, newcomers)
        made = await discounting.promo(tools, code, _terms(off, plan, begins, ends), limits, OPERATOR)
        typer.echo(f"✅ {made.code}: {_off(made)}{_narrowed(made)}")

    go(with_tools(work), quiet=True)


@group.command()
def personal(
    telegram_id: TelegramId,
    off: Off,
    plan: Plans = None,
    begins: From = None,
    ends: Until = None,
) -> None:
    """👤 One customer's own discount, in place of the one they had."""

    async def work(tools: Tools) -> None:
        made = await discounting.personal(tools, telegram_id, _terms(off, plan, begins, ends), OPERATOR)
        typer.echo(f"✅ {telegram_id}: {_off(made)}{_narrowed(made)}")

    go(with_tools(work), quiet=True)


@group.command()
def volume(
    orders: Annotated[int, typer.Argument(help="After so many paid orders.", min=1)],
    off: Off,
    plan: Plans = None,
    begins: From = None,
    ends: Until = None,
) -> None:
    """📈 A discount for everybody who has bought so often."""

    async def work(tools: Tools) -> None:
        made = await discounting.volume(tools, orders, _terms(off, plan, begins, ends), OPERATOR)
        typer.echo(f"✅ after {orders} paid orders: {_off(made)}{_narrowed(made)}")

    go(with_tools(work), quiet=True)


@group.command()
def off(which: Annotated[str, typer.Argument(help="Its code, or its number in the list.")]) -> None:
    """➖ Switch one off. What was ordered with it keeps its price."""

    async def work(tools: Tools) -> None:
        gone = await discounting.off(tools, which, OPERATOR)
        typer.echo(f"✅ {gone.code or gone.id} is off.")

    go(with_tools(work), quiet=True)


@group.command(name="list")
def list_(
    all_: Annotated[bool, typer.Option("--all", help="Those that are off, too.")] = False, as_json: AsJson = False
) -> None:
    """📋 What there is, and how often it was used."""

    async def work(tools: Tools) -> None:
        found = await discounting.listed(tools, all_=all_)
        if as_json:
            show_json([_facts(one) for one in found])
            return
        if not found:
            typer.echo("Nothing yet: ferryman promo add CODE 10%")
            return
        head = ("", "NR", "FOR", "OFF", "USED", "HELD", "WHEN")
        for line in table(head, [_row(one, tools.clock.now()) for one in found], squeeze=2, numbers="<><><><"):
            typer.echo(line)

    go(with_tools(work), quiet=True)


def _terms(off: str, plans: list[str] | None, begins: datetime | None, ends: datetime | None) -> Terms:
    moments = [None if moment is None else moment.replace(tzinfo=UTC) for moment in (begins, ends)]
    return Terms(off, tuple(plans or ()), *moments)


def _off(one: Discount) -> str:
    fixed = one.reduction().fixed
    return f"−{one.percent}%" if fixed is None else f"−{fixed}"


def _narrowed(one: Discount) -> str:
    words = [f"plans: {', '.join(one.plans)}"] if one.plans else []
    words += ["newcomers"] if one.newcomers else []
    words += [f"{one.most} in all"] if one.most else []
    words += [f"{one.most_each} each"] if one.most_each else []
    words += [f"until {one.ends_at:%Y-%m-%d %H:%M}"] if one.ends_at else []
    return f" ({'; '.join(words)})" if words else ""


def _row(one: Listed, now: datetime) -> tuple[str, ...]:
    discount = one.discount
    who = discount.code or (f"customer {one.telegram_id}" if one.telegram_id else f"after {discount.threshold} orders")
    plans = f" · {', '.join(discount.plans)}" if discount.plans else ""
    used = f"{one.paid} of {discount.most}" if discount.most else str(one.paid)
    return (
        ICONS[discount.kind],
        str(discount.id),
        f"{who}{' · newcomers' if discount.newcomers else ''}{plans}",
        _off(discount),
        used,
        str(one.held),
        _when(discount, now),
    )


def _when(one: Discount, now: datetime) -> str:
    if not one.active:
        return "off"
    if one.begins_at is not None and one.begins_at > now:
        return f"from {one.begins_at:%Y-%m-%d}"
    if one.ends_at is None:
        return "on"
    return f"until {one.ends_at:%Y-%m-%d}" if one.ends_at > now else "ended"


def _facts(one: Listed) -> dict[str, Any]:
    discount = one.discount
    names = (
        "id", "kind", "code", "percent", "minor", "currency", "plans", "newcomers", "threshold", "most", "most_each",
        "begins_at", "ends_at", "active", "by", "created_at",
    )  # fmt: skip
    facts = {name: getattr(discount, name) for name in names}
    return facts | {"telegram_id": one.telegram_id, "used": one.paid, "held": one.held}

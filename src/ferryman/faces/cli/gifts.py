"""`ferryman gift make | list | void`, and `ferryman payment mark-paid`, which `add_to` puts with its group."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from ferryman.billing.gift import GiftCode
from ferryman.faces.cli.describing import AsJson
from ferryman.faces.cli.running import OPERATOR, go, show_json, with_tools
from ferryman.faces.cli.tables import table
from ferryman.flows.keys.handling import Cause
from ferryman.flows.payments import gifting, marking
from ferryman.flows.payments.gifting import Face
from ferryman.flows.tools import Tools
from ferryman.kit.money import Money

group = typer.Typer(name="gift", help="🎁 Gift codes: a plan, or money on the balance.", no_args_is_help=True)

ICONS = {"new": "🎁", "redeemed": "✅", "void": "🚫"}

Why = Annotated[str, typer.Option("--why", help="The reason; it stays with it.", show_default=False)]


def add_to(payments: typer.Typer) -> None:
    """Put `mark-paid` with the commands about payments."""
    payments.command(name="mark-paid")(mark_paid)


@group.command()
def make(
    plan: Annotated[str, typer.Option(help="The plan's code; with --days.")] = "",
    days: Annotated[int, typer.Option(help="For how many days it is sold.", min=0)] = 0,
    amount: Annotated[str, typer.Option(help="Instead of a plan, money, such as 500.")] = "",
    currency: Annotated[str, typer.Option(help="What it is worth is counted in; a plan's first by default.")] = "",
    count: Annotated[int, typer.Option(help="How many.", min=1, max=gifting.MOST_AT_ONCE)] = 1,
    until: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="The day from which on they are worth nothing.")
    ] = None,
    why: Why = "",
    as_json: AsJson = False,
) -> None:
    """🎁 Make codes. They are shown now and never again: only their hashes are kept."""

    async def work(tools: Tools) -> None:
        face = await _face(tools, plan, days, amount, currency)
        ends = until.replace(tzinfo=UTC) if until is not None else None
        made = await gifting.make(tools, face, Cause(OPERATOR, why), count=count, expires_at=ends)
        if as_json:
            show_json([{"ref": one.ref, "code": one.code, "worth": str(one.worth)} for one in made])
            return
        for one in made:
            typer.echo(f"{one.code}  {one.worth}  ({one.ref})")

    go(with_tools(work), quiet=True)


@group.command(name="list")
def list_(
    state: Annotated[str, typer.Option(help="Only new, redeemed or void ones.")] = "",
    most: Annotated[int, typer.Option(help="How many, the newest first.", min=1, max=5000)] = 100,
    as_json: AsJson = False,
) -> None:
    """📋 The codes by their refs, what they are worth, and what became of them."""
    if state and state not in ICONS:
        raise typer.BadParameter(f"choose one of {', '.join(ICONS)}.", param_hint="--state")

    async def work(tools: Tools) -> None:
        found = await gifting.listed(tools, state, most)
        if as_json:
            show_json([_facts(one) for one in found])
            return
        rows = [(ICONS[one.state], one.ref, str(one.worth), _what(one), one.by, one.why) for one in found]
        empty = ["No codes yet: ferryman gift make"]
        for line in table(("", "REF", "WORTH", "WHAT", "BY", "WHY"), rows, squeeze=5) if rows else empty:
            typer.echo(line)

    go(with_tools(work), quiet=True)


@group.command()
def void(ref: Annotated[str, typer.Argument(help="The code's ref, as the list has it.")], why: Why) -> None:
    """🚫 Make a code worthless that nobody has redeemed."""

    async def work(tools: Tools) -> None:
        one = await gifting.void(tools, ref, Cause(OPERATOR, why))
        typer.echo(f"✅ {one.ref} is worth nothing any more.")

    go(with_tools(work), quiet=True)


def mark_paid(
    order: Annotated[str, typer.Argument(help="The order's ref, as the customer sees it.")], why: Why
) -> None:
    """🖐  The money came outside of this program: grant what the order is for. Your word goes into the books."""

    async def work(tools: Tools) -> None:
        await marking.mark_paid(tools, order, Cause(OPERATOR, why))
        typer.echo(f"✅ {order} is paid; its keys follow.")

    go(with_tools(work), quiet=True)


async def _face(tools: Tools, plan: str, days: int, amount: str, currency: str) -> Face:
    if bool(plan) == bool(amount):
        raise typer.BadParameter("give a --plan with --days, or an --amount with --currency.")
    if plan:
        if not days:
            raise typer.BadParameter("say for how many days.", param_hint="--days")
        return Face(await gifting.term_of(tools, plan, days), currency.upper())
    if not currency:
        raise typer.BadParameter("say in which currency.", param_hint="--currency")
    try:
        return Face(money=Money.parse(amount, currency.upper()))
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--amount") from error


def _what(one: GiftCode) -> str:
    return "money" if one.face is None else f"{one.face['plan']}, {one.face['days']} days"


def _facts(one: GiftCode) -> dict[str, object]:
    return {
        "ref": one.ref,
        "state": one.state,
        "worth": str(one.worth),
        "what": _what(one),
        "by": one.by,
        "why": one.why,
        "created_at": one.created_at,
        "expires_at": one.expires_at,
        "ended_at": one.ended_at,
    }

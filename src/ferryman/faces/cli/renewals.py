"""`ferryman renewal list | stop`."""

from typing import Annotated

import typer

from ferryman.billing.renewal import Agreement
from ferryman.faces.cli.describing import AsJson
from ferryman.faces.cli.running import go, show_json, with_tools
from ferryman.faces.cli.tables import table
from ferryman.flows.renewals import consenting
from ferryman.flows.renewals.consenting import Listed
from ferryman.flows.tools import Tools

group = typer.Typer(name="renewal", help="🔁 Subscriptions that renew themselves.", no_args_is_help=True)

STATES = {"active": "🔁", "stopped": "🛑", "failed": "⚠️"}


@group.command(name="list")
def list_(
    every: Annotated[bool, typer.Option("--all", help="Those that have ended, too.")] = False,
    most: Annotated[int, typer.Option(help="How many lines.", min=1, max=5000)] = 200,
    as_json: AsJson = False,
) -> None:
    """📋 What renews itself, and what comes next; whose turn is first stands first."""

    async def work(tools: Tools) -> None:
        found = await consenting.listed(tools, every=every, most=most)
        if as_json:
            show_json([_facts(one) for one in found])
            return
        head = ("", "SUBSCRIPTION", "CUSTOMER", "AT MOST", "BY", "ENDS", "LAST WORD")
        for line in table(head, [_row(one) for one in found], squeeze=6) if found else ["Nothing renews itself."]:
            typer.echo(line)

    go(with_tools(work), quiet=True)


@group.command()
def stop(
    which: Annotated[str, typer.Argument(help="A subscription's ref, or its customer's Telegram id.")],
    why: Annotated[str, typer.Option("--why", help="The reason; it stays in the log.", show_default=False)],
) -> None:
    """🛑 Charge nothing more for this subscription; its customer is told."""

    async def work(tools: Tools) -> None:
        subscription = await consenting.stop(tools, which, why)
        typer.echo(f"✅ {subscription.ref} renews itself no more.")

    go(with_tools(work), quiet=True)


def _row(listed: Listed) -> tuple[str, ...]:
    one = listed.agreement
    by = one.title or one.by
    return (
        STATES[one.state],
        listed.ref,
        str(listed.telegram_id),
        str(one.amount),
        f"{one.provider} · {by}",
        f"{one.period_end:%Y-%m-%d}",
        _last_word(one),
    )


def _last_word(one: Agreement) -> str:
    if not one.active:
        return one.why
    if one.asks:
        return "asks for a yes to the new price"
    return f"try {one.tries}: {one.last_reason or 'under way'}" if one.tries else "told" if one.told_at else ""


def _facts(listed: Listed) -> dict[str, object]:
    """No instrument is among them."""
    one = listed.agreement
    return {
        "subscription": listed.ref,
        "telegram_id": listed.telegram_id,
        "state": one.state,
        "by": one.by,
        "provider": one.provider,
        "way": one.way,
        "title": one.title,
        "agreed": str(one.amount),
        "days": one.days,
        "period_end": one.period_end,
        "next_look_at": one.next_try_at,
        "tries": one.tries,
        "last_reason": one.last_reason,
        "told_at": one.told_at,
        "agreed_at": one.agreed_at,
        "ended_at": one.stopped_at,
        "why": one.why,
    }

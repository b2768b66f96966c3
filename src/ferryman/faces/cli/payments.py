"""`ferryman payment …`, `ferryman events …`, `ferryman stuck`, `ferryman repair`: money in, and what became of it."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated

import typer

from ferryman.faces.cli.asking import LARGEST
from ferryman.faces.cli.describing import AsJson
from ferryman.faces.cli.running import OPERATOR, go, show_json, with_tools
from ferryman.faces.cli.tables import ago, harmless, table
from ferryman.flows.payments import eventbook, mending, reviewing
from ferryman.flows.tools import Tools

payment_group = typer.Typer(name="payment", help="💳 Payments that a person must decide about.", no_args_is_help=True)
event_group = typer.Typer(name="events", help="📥 The inbox: every webhook, its verdict, replay.", no_args_is_help=True)

Ref = Annotated[str, typer.Argument(help="The payment's ref, as the log and `ferryman stuck` show it.")]
Why = Annotated[str, typer.Option("--why", help="The reason; it stays in the books.")]
EventId = Annotated[int, typer.Argument(min=1, max=LARGEST, help="The event's number: `ferryman events list`.")]


def add_to(app: typer.Typer) -> None:
    commands: list[Callable[..., None]] = [stuck, repair]
    for command in commands:
        app.command()(command)
    app.add_typer(payment_group)
    app.add_typer(event_group)


def stuck(as_json: AsJson = False) -> None:
    """💸 Money without key, and key without money: what, where, since when, why. Exits with 1 when there is any."""

    async def work(tools: Tools) -> None:
        waiting, unexplained = await mending.stuck(tools), await mending.unexplained(tools)
        if as_json:
            show_json(
                {"money_without_key": [vars(o) for o in waiting], "key_without_money": [vars(o) for o in unexplained]}
            )
        else:
            now = tools.clock.now()
            for one in waiting:
                typer.echo(f"💸 {one.ref} · {one.why} · for {_since(one.since, now)}")
                for line in one.where:
                    typer.echo(f"   ↳ {line}")
                typer.echo(f"   👉 ferryman repair {one.ref}")
            for other in unexplained:
                until = f"explained until {other.explained_until}" if other.explained_until else "nothing explains it"
                typer.echo(f"🎭 {other.ref} · lasts until {other.ends_at} · {until}")
                typer.echo(f"   👉 ferryman key history {other.ref}")
            if not waiting and not unexplained:
                typer.echo("✅ every paid key is where it belongs, and all access is paid for or given by staff")
        if waiting or unexplained:
            raise typer.Exit(1)

    go(with_tools(work), quiet=True)


def repair(ref: Ref) -> None:
    """🔧 Do at once what the sweeps would do by themselves: ask the bank, grant, put the keys. Safe, however often."""

    async def work(tools: Tools) -> None:
        for line in await mending.repair(tools, ref, OPERATOR):
            typer.echo(f"🔧 {line}")

    go(with_tools(work), quiet=True)


@payment_group.command(name="list")
def list_payments(as_json: AsJson = False) -> None:
    """📋 Payments in review, and why."""

    async def work(tools: Tools) -> None:
        found = await reviewing.waiting(tools)
        if as_json:
            show_json(
                [{"ref": o.ref, "amount": str(o.amount), "reason": o.reason, "since": o.created_at} for o in found]
            )
            return
        now = tools.clock.now()
        rows = [
            (one.ref, one.provider, str(one.amount), one.reason or "", _since(one.created_at, now)) for one in found
        ]
        head = ("PAYMENT", "PROVIDER", "AMOUNT", "WHY", "SINCE")
        for line in table(head, rows, squeeze=3) if rows else ["✅ no payment waits for a decision"]:
            typer.echo(line)

    go(with_tools(work), quiet=True)


@payment_group.command()
def accept(ref: Ref, why: Why) -> None:
    """✅ Let it count as paid in full: the customer gets what they ordered."""

    async def work(tools: Tools) -> None:
        settled = await reviewing.accept(tools, ref, why, OPERATOR)
        typer.echo(f"✅ {ref}: {settled.outcome}")

    go(with_tools(work), quiet=True)


@payment_group.command()
def credit(ref: Ref, why: Why) -> None:
    """💼 Put what came on the customer's balance; the order stays unpaid."""

    async def work(tools: Tools) -> None:
        settled = await reviewing.credit(tools, ref, why, OPERATOR)
        typer.echo(f"💼 {ref}: {settled.outcome}")

    go(with_tools(work), quiet=True)


@event_group.command(name="list")
def list_events(
    provider: Annotated[str, typer.Option(help="Only this provider's.")] = "",
    payment: Annotated[str, typer.Option(help="Only about this payment: our ref, or the provider's id.")] = "",
    verdict: Annotated[str, typer.Option(help="Only with this verdict.")] = "",
    waiting: Annotated[bool, typer.Option("--waiting", help="Only what has not been worked through.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=eventbook.MOST, help="How many.")] = 50,
    as_json: AsJson = False,
) -> None:
    """📋 The newest first."""

    async def work(tools: Tools) -> None:
        found = await eventbook.listed(tools, eventbook.Filter(provider, payment, verdict, waiting, limit))
        if as_json:
            names = ("id", "provider", "event", "external_id", "payment_ref", "verdict", "repeats", "received_at")
            show_json([{name: getattr(one, name) for name in names} for one in found])
            return
        now = tools.clock.now()
        rows = [
            (str(one.id), one.provider, one.event, one.verdict or "⏳ waits", _since(one.received_at, now))
            for one in found
        ]
        head = ("ID", "PROVIDER", "EVENT", "VERDICT", "AGE")
        for line in table(head, rows, squeeze=2, numbers=">") if rows else ["📭 nothing came in"]:
            typer.echo(line)

    go(with_tools(work), quiet=True)


@event_group.command()
def show(event_id: EventId) -> None:
    """🔍 One event: what was claimed, what was done and when, and the body as it came."""

    async def work(tools: Tools) -> None:
        one = await eventbook.one(tools, event_id)
        typer.echo(f"📥 {one.id} · {one.provider} · {one.event} · from {one.remote_ip or 'the bot'}")
        typer.echo(f"   payment {one.payment_ref or '—'} · there {one.external_id or '—'} · repeats {one.repeats}")
        for step in one.trace:
            typer.echo(harmless(f"   {step['at']}  {step['what']}"))
        typer.echo("")
        if one.redacted_at is not None:
            typer.echo(f"🗑  its contents were taken out on {one.redacted_at:%Y-%m-%d}")
        for name, value in one.headers.items():
            typer.echo(harmless(f"{name}: {value}"))
        if one.query:
            typer.echo(harmless(f"?{one.query}"))
        typer.echo(harmless(one.body.decode("utf-8", "backslashreplace")))

    go(with_tools(work), quiet=True)


@event_group.command()
def replay(event_id: EventId) -> None:
    """🔁 Work through an event again. Always safe: what is settled stays settled."""

    async def work(tools: Tools) -> None:
        typer.echo(f"🔁 {event_id}: {await eventbook.replay(tools, event_id, OPERATOR)}")

    go(with_tools(work), quiet=True)


def _since(moment: datetime, now: datetime) -> str:
    return ago((now - moment).total_seconds())

"""`ferryman ledger balance | statement | report | findings`."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from ferryman.faces.cli.asking import TelegramId
from ferryman.faces.cli.describing import AsJson
from ferryman.faces.cli.running import go, show_json, with_tools
from ferryman.faces.cli.tables import table
from ferryman.flows.payments import banking, bookkeeping
from ferryman.flows.payments.bookkeeping import Report, Sums
from ferryman.flows.tools import Tools
from ferryman.kit.errors import Misconfigured
from ferryman.kit.money import Money

group = typer.Typer(name="ledger", help="📒 The books: balances, statements, settlement reports.", no_args_is_help=True)


@group.command()
def balance(as_json: AsJson = False) -> None:
    """⚖️  What stands on every account, and the sum of all, which must be zero. Exits with 1 when it is not."""

    async def work(tools: Tools) -> None:
        accounts, total = await bookkeeping.balance_sheet(tools)
        if as_json:
            listed = [{"account": name, "currency": code, "minor": minor} for (name, code), minor in accounts.items()]
            show_json({"accounts": listed, "total": total})
        else:
            rows = [(name, str(Money(minor, code))) for (name, code), minor in accounts.items() if minor]
            for line in (
                table(("ACCOUNT", "DEBIT"), rows, squeeze=0, numbers=" >") if rows else ["The books are empty."]
            ):
                typer.echo(line)
            off = [f"❌ the books are off by {Money(minor, code)}" for code, minor in total.items() if minor]
            typer.echo("\n".join(off) or "✅ the sum of all entries is zero")
        if any(total.values()):
            raise typer.Exit(1)

    go(with_tools(work), quiet=True)


@group.command()
def statement(customer: TelegramId, as_json: AsJson = False) -> None:
    """🧾 Everything that one customer paid, got back, was credited with, or spent."""

    async def work(tools: Tools) -> None:
        lines = await bookkeeping.customer_statement(tools, customer)
        if as_json:
            show_json([{**vars(one), **_in_words(one.paid, one.credited, one.balance)} for one in lines])
            return
        rows = [
            (f"{one.at:%Y-%m-%d %H:%M}", one.kind, _or_none(one.paid), _or_none(one.credited), str(one.balance))
            for one in lines
        ]
        head = ("WHEN", "WHAT", "PAID", "CREDITED", "BALANCE")
        for line in table(head, rows, numbers="  >>>") if rows else ["Nothing was ever paid."]:
            typer.echo(line)

    go(with_tools(work), quiet=True)


@group.command()
def report(
    provider: Annotated[str, typer.Argument(help="The provider's name, such as yookassa.")],
    day: Annotated[datetime, typer.Argument(formats=["%Y-%m-%d"], help="The day, in UTC.")],
    csv: Annotated[Path | None, typer.Option(help="Also write every payment to this file.", dir_okay=False)] = None,
) -> None:
    """🏦 A day with a provider, ours held against its own list. Exits with 1 when they differ."""

    async def work(tools: Tools) -> None:
        found = await bookkeeping.settlement(tools, provider, day.replace(tzinfo=UTC).date())
        for line in _report(found):
            typer.echo(line)
        if csv is not None:
            _write(csv, bookkeeping.csv_of(found))
            typer.echo(f"📄 {csv}: {len(found.rows)} payments")
        if found.differences:
            raise typer.Exit(1)

    go(with_tools(work), quiet=True)


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8", newline="")
    except OSError as error:
        raise Misconfigured(f"{path} cannot be written ({error.strerror}).", "Name another file.") from error


def _report(found: Report) -> list[str]:
    rows = [("ours", *_sums(code, sums)) for code, sums in found.ours.items()]
    rows += [("theirs", *_sums(code, sums)) for code, sums in (found.theirs or {}).items()]
    head = ("", "COUNT", "PAID", "FEES", "REFUNDED", "CHARGED BACK")
    lines = table(head, rows, numbers=" >>>>>") if rows else [f"No payments on {found.day}."]
    if found.theirs is None:
        return [*lines, f"{found.provider} gives no list of its own to compare with."]
    for row in found.differences:
        ref = row.payment.ref if row.payment is not None else row.fact.external_id if row.fact is not None else ""
        lines.append(f"⚠️  {ref}: {row.difference}")
    return lines if found.differences else [*lines, "✅ no differences"]


def _sums(code: str, sums: Sums) -> tuple[str, ...]:
    amounts = (sums.gross, sums.fees, sums.refunds, sums.chargebacks)
    return str(sums.count), *(str(Money(minor, code)) for minor in amounts)


def _in_words(paid: Money, credited: Money, after: Money) -> dict[str, str]:
    return {"paid": str(paid), "credited": str(credited), "balance": str(after)}


def _or_none(money: Money) -> str:
    return str(money) if money.minor else ""


@group.command()
def findings(as_json: AsJson = False) -> None:
    """🏦 Where a provider's own list and our books differ, unexplained. Exits with 1 when there is any."""

    async def work(tools: Tools) -> None:
        found = await banking.unexplained(tools)
        if as_json:
            show_json([{"provider": o.provider, "id": o.external_id, "kind": o.kind, "what": o.what} for o in found])
        else:
            for each in await banking.compared(tools):
                counts = f"{each.theirs} payments there, {each.ours} here, {each.recovered} settled by it"
                typer.echo(f"🏦 {each.provider} · {each.compared_at:%Y-%m-%d %H:%M} · {counts}")
            for one in found:
                typer.echo(f"⚠️  {one.provider} {one.external_id} · since {one.found_at:%Y-%m-%d}")
                typer.echo(f"   {one.what}")
            if not found:
                typer.echo("✅ the providers' lists and our books are the same")
        if found:
            raise typer.Exit(1)

    go(with_tools(work), quiet=True)

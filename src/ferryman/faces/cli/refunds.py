"""`ferryman refund preview | make | list`.

PAYMENT is a payment's ref, or the ref of an order that was paid once.
"""

import secrets
from typing import Annotated

import typer

from ferryman.billing.refund import Refund, Through
from ferryman.catalog.plan import GIGABYTE
from ferryman.faces.cli.describing import AsJson
from ferryman.faces.cli.running import OPERATOR, go, show_json, with_tools
from ferryman.faces.cli.tables import table
from ferryman.flows.keys.handling import Cause
from ferryman.flows.refunds import refunding
from ferryman.flows.refunds.weighing import Proposal
from ferryman.flows.tools import Tools
from ferryman.kit.money import Money

group = typer.Typer(name="refund", help="💸 Giving money back, and what goes with it.", no_args_is_help=True)

DAY = 86_400
ICONS = {"requested": "⏳", "sent": "📤", "succeeded": "✅", "failed": "❌"}
WAYS = {
    Through.PROVIDER: "the way it was paid",
    Through.BALANCE: "to the customer's balance",
    Through.HAND: "by hand: it is recorded only",
}

Payment = Annotated[str, typer.Argument(metavar="PAYMENT", help="A payment's ref, or its order's.")]
Amount = Annotated[str, typer.Argument(metavar="AMOUNT", help='"unused", "all", or an amount such as 49.90.')]
ToBalance = Annotated[bool, typer.Option("--to-balance", help="Onto the customer's balance, not back to their bank.")]
ByHand = Annotated[bool, typer.Option("--by-hand", help="You have sent the money yourself: only record it.")]
KeepAccess = Annotated[bool, typer.Option("--keep-access", help="Take nothing of the access back.")]


@group.command()
def preview(
    payment: Payment,
    amount: Amount = "unused",
    to_balance: ToBalance = False,
    by_hand: ByHand = False,
    keep_access: KeepAccess = False,
    as_json: AsJson = False,
) -> None:
    """🔎 Show what would go back and what of the access with it; nothing is done."""
    through = _through(to_balance, by_hand)

    async def work(tools: Tools) -> None:
        said = await refunding.preview(tools, payment, amount, through, keep_access=keep_access)
        if as_json:
            show_json(_facts(said))
            return
        for line in _lines(said):
            typer.echo(line)

    go(with_tools(work), quiet=True)


@group.command()
def make(
    payment: Payment,
    amount: Amount,
    why: Annotated[str, typer.Option("--why", help="The reason; it stays in the books.", show_default=False)],
    to_balance: ToBalance = False,
    by_hand: ByHand = False,
    keep_access: KeepAccess = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """💸 Give money back: shown first, then done. A worker carries on what the provider has not decided yet."""
    through, cause = _through(to_balance, by_hand), Cause(OPERATOR, why, tap=secrets.token_hex(8))

    async def work(tools: Tools) -> None:
        refunding.must_say_why(cause)
        said = await refunding.preview(tools, payment, amount, through, keep_access=keep_access)
        for line in _lines(said):
            typer.echo(line)
        if not yes:
            typer.confirm("Do it?", abort=True)
        done = await refunding.make(tools, payment, amount, cause, through, keep_access=keep_access)
        typer.echo(_outcome(done))
        if done.state == "failed":
            raise typer.Exit(1)

    go(with_tools(work), quiet=True)


@group.command(name="list")
def list_(
    payment: Annotated[str, typer.Argument(help="Only this payment's, or this order's.")] = "",
    open_only: Annotated[bool, typer.Option("--open", help="Only those that are under way.")] = False,
    most: Annotated[int, typer.Option(help="How many, the newest first.", min=1, max=1000)] = 50,
    as_json: AsJson = False,
) -> None:
    """📋 What was given back, by whom, and what is under way."""

    async def work(tools: Tools) -> None:
        found = await refunding.listed(tools, payment, open_only=open_only, most=most)
        if as_json:
            show_json([_row_facts(one, ref) for one, ref in found])
            return
        head = ("", "BEGUN", "AMOUNT", "THROUGH", "REFUND", "PAYMENT")
        lines = table(head, [_row(one, ref) for one, ref in found], squeeze=3)
        typer.echo(lines[0] if found else "Nothing was given back yet.")
        for line, (one, _) in zip(lines[1:], found, strict=True):
            typer.echo(line)
            typer.echo(f"    {one.by}: {one.why}" + (f" ❌ {one.reason}" if one.reason else ""))

    go(with_tools(work), quiet=True)


def _row(one: Refund, payment: str) -> tuple[str, ...]:
    through = one.provider if one.through == Through.PROVIDER else one.through
    return ICONS[one.state], f"{one.created_at:%Y-%m-%d %H:%M}", str(one.amount), through, one.ref, payment


def _through(to_balance: bool, by_hand: bool) -> Through | None:
    if to_balance and by_hand:
        raise typer.BadParameter("choose one of --to-balance and --by-hand.")
    return Through.BALANCE if to_balance else Through.HAND if by_hand else None


def _lines(said: Proposal) -> list[str]:
    gone = f", {said.gone} of it gone or under way" if said.gone.minor else ""
    lines = [
        f"💳 {said.payment_ref}, order {said.order_ref}: {said.paid} paid{gone}",
        f"💸 {said.amount} would go back, {WAYS[said.through]}",
    ]
    if said.subscription_ref is None:
        lines.append("🔑 It has bought no access: none is taken.")
    elif not (said.goes.seconds or said.goes.bytes):
        lines.append(f"🔑 {said.subscription_ref} stays as it is.")
    else:
        traffic = f" and {said.goes.bytes / GIGABYTE:.1f} GB" if said.goes.bytes else ""
        ends = f", which then ends {said.ends_at:%Y-%m-%d %H:%M} UTC" if said.ends_at else ""
        lines.append(f"🔑 {said.goes.seconds / DAY:.1f} days{traffic} are taken off {said.subscription_ref}{ends}")
    if said.void_gifts or said.spent_gifts:
        lines.append(f"🎁 {said.void_gifts} gift codes become void; {said.spent_gifts} are redeemed and stay.")
    return lines


def _outcome(one: Refund) -> str:
    match one.state:
        case "succeeded":
            return f"✅ {one.amount} given back ({one.ref})."
        case "failed":
            return f"❌ Not given back: {one.reason} The access is untouched."
    return f"⏳ {one.amount} is under way ({one.ref}); the access stays until the provider says that it went."


def _facts(said: Proposal) -> dict[str, object]:
    return {
        "payment": said.payment_ref,
        "order": said.order_ref,
        "paid": str(said.paid),
        "gone": str(said.gone),
        "amount": str(said.amount),
        "through": said.through,
        "takes": said.takes,
        "seconds": said.goes.seconds,
        "bytes": said.goes.bytes,
        "subscription": said.subscription_ref,
        "ended_before": said.ended_before,
        "ends_at": said.ends_at,
        "void_gifts": said.void_gifts,
        "spent_gifts": said.spent_gifts,
    }


def _row_facts(one: Refund, payment: str) -> dict[str, object]:
    return {
        "ref": one.ref,
        "payment": payment,
        "provider": one.provider,
        "external_id": one.external_id,
        "state": one.state,
        "amount": str(one.amount),
        "won_back": str(Money(one.won_back, one.currency)),
        "origin": one.origin,
        "through": one.through,
        "by": one.by,
        "why": one.why,
        "reason": one.reason,
        "taken_seconds": one.taken_seconds,
        "taken_bytes": one.taken_bytes,
        "created_at": one.created_at,
        "finished_at": one.finished_at,
    }

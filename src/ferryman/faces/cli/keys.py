"""`ferryman key show | history | extend | limits | freeze | unfreeze | disable | enable | replace | force | move | …`.

WHICH is a subscription's ref, or the Telegram id of a customer who holds only one.
"""

import secrets
from collections.abc import Awaitable, Callable
from typing import Annotated

import typer

from ferryman.catalog.plan import GIGABYTE
from ferryman.faces.cli.describing import AsJson
from ferryman.faces.cli.running import OPERATOR, go, show_json, with_tools
from ferryman.faces.cli.tables import table
from ferryman.flows.keys import following, keybook, lifecycle, replacing
from ferryman.flows.keys.handling import Cause
from ferryman.flows.keys.keybook import Card
from ferryman.flows.tools import Tools
from ferryman.messaging.texts import LANGUAGE_NAMES, voice

group = typer.Typer(
    name="key", help="🔑 One subscription's keys: look, extend, freeze, replace, move.", no_args_is_help=True
)

ICONS = {"ready": "✅", "owed": "⏳", "going": "🧹", "gone later": "💥"}

Which = Annotated[str, typer.Argument(help="A subscription's ref, or its customer's Telegram id.")]
Why = Annotated[str, typer.Option("--why", help="The reason; it stays in the history.")]
MustSayWhy = Annotated[str, typer.Option("--why", help="The reason; it stays in the history.", show_default=False)]


@group.command()
def show(which: Which, as_json: AsJson = False) -> None:
    """🔎 How it stands: until when, limits, and its key on each node."""

    async def work(tools: Tools) -> None:
        card = await keybook.card(tools, which)
        if as_json:
            show_json(_facts(card, tools))
        else:
            _print(card, tools)

    go(with_tools(work), quiet=True)


@group.command()
def history(
    which: Which,
    language: Annotated[str, typer.Option(help=f"One of: {', '.join(LANGUAGE_NAMES)}.")] = "en",
    most: Annotated[int, typer.Option(help="How many lines, the last ones.", min=1, max=5000)] = 200,
    as_json: AsJson = False,
) -> None:
    """📜 Everything that was paid, given, done or seen: when, what, where, why, by whom."""

    async def work(tools: Tools) -> None:
        ref = (await keybook.card(tools, which)).subscription.ref
        lines = await keybook.history(tools, ref, most)
        if as_json:
            show_json([vars(line) for line in lines])
            return
        speak = voice(language)
        for line in lines:
            where = f"  {line.node}" if line.node else ""
            why = f" ({line.why})" if line.why else ""
            typer.echo(f"{line.at:%Y-%m-%d %H:%M:%S}{where}  {line.words(speak)}{why} · {line.by(speak)}")

    go(with_tools(work), quiet=True)


@group.command()
def extend(which: Which, days: Annotated[int, typer.Argument(help="How many.", min=1)], why: MustSayWhy) -> None:
    """🎁 Give days away."""
    _change(which, lambda tools, ref, cause: lifecycle.extend(tools, ref, days, cause), why)


@group.command()
def limits(
    which: Which,
    traffic_gb: Annotated[
        int | None, typer.Option(help="Since the first day, all nodes together; 0 = unlimited.", min=0)
    ] = None,
    devices: Annotated[int | None, typer.Option(help="At a time; 0 = any number.", min=0)] = None,
    why: Why = "",
) -> None:
    """📏 Set the traffic allowance or the number of devices."""
    if traffic_gb is None and devices is None:
        raise typer.BadParameter("name a limit: --traffic-gb or --devices.")
    bytes_ = None if traffic_gb is None else traffic_gb * GIGABYTE
    _change(
        which,
        lambda tools, ref, cause: lifecycle.limit(tools, ref, cause, traffic_bytes=bytes_, devices=devices),
        why,
    )


@group.command()
def freeze(which: Which, why: Why = "") -> None:
    """❄️  Let its time stand still; the keys are off meanwhile."""
    _change(which, lifecycle.freeze, why)


@group.command()
def unfreeze(which: Which, why: Why = "") -> None:
    """☀️  Let its time run again; the end moves by the whole time that it stood still."""
    _change(which, lifecycle.unfreeze, why)


@group.command()
def disable(which: Which, why: MustSayWhy) -> None:
    """⛔ Switch its keys off; its time runs on."""
    _change(which, lifecycle.disable, why)


@group.command()
def enable(which: Which, why: Why = "") -> None:
    """🟢 Switch its keys on again."""
    _change(which, lifecycle.enable, why)


@group.command()
def replace(which: Which, why: Why = "") -> None:
    """♻️  A new link at once, and a new key when the old one is gone from every node."""
    _change(which, replacing.replace, why)


@group.command()
def force(which: Which, why: MustSayWhy) -> None:
    """💥 Do not wait for silent nodes in a replacement or a change of location; the old key goes when they return."""
    _change(which, following.force, why)


@group.command()
def move(
    which: Which,
    origin: Annotated[str, typer.Argument(metavar="FROM", help="The node that it is to leave.")],
    target: Annotated[str, typer.Argument(metavar="TO", help="A node of the same location.")],
    why: Why = "",
) -> None:
    """🚚 From one node to another of the same location; the customer's link stays as it is."""
    _change(which, lambda tools, ref, cause: lifecycle.move(tools, ref, origin, target, cause), why)


@group.command()
def delete(
    which: Which,
    forced: Annotated[bool, typer.Option("--force", help="Give up the paid time that is left.")] = False,
    why: Why = "",
) -> None:
    """🗑  End it and take its keys off all nodes."""
    _change(which, lambda tools, ref, cause: lifecycle.delete(tools, ref, cause, forced=forced), why)


def _change(which: str, verb: Callable[[Tools, str, Cause], Awaitable[object]], why: str) -> None:
    """Do it, and show how it stands; the nodes follow as soon as a worker runs."""

    async def work(tools: Tools) -> None:
        ref = (await keybook.card(tools, which)).subscription.ref
        await verb(tools, ref, Cause(OPERATOR, why, tap=secrets.token_hex(8)))
        _print(await keybook.card(tools, ref), tools)

    go(with_tools(work), quiet=True)


def _print(card: Card, tools: Tools) -> None:
    one, now = card.subscription, tools.clock.now()
    typer.echo(f"{one.snapshot['icon']} {one.ref}  {one.plan_code}, customer {card.telegram_id}")
    until = f"📅 {one.ends_at:%Y-%m-%d %H:%M} UTC"
    typer.echo(f"{until}, {'ended' if one.ended(now) else f'{one.days_left(now)} days left'}")
    traffic = f"{one.used / GIGABYTE:.1f} of {_or_any(one.traffic_bytes / GIGABYTE)} GB"
    typer.echo(f"📶 {traffic}, 📱 {_or_any(one.devices)} devices{f', 🌍 {one.location}' if one.location else ''}")
    for line in _states(card):
        typer.echo(line)
    rows = [(ICONS[key.standing], key.node, key.standing, key.error) for key in card.keys]
    for line in table(("", "NODE", "KEY", "LAST WORD"), rows, squeeze=3) if rows else ["No keys on any node."]:
        typer.echo(line)


def _states(card: Card) -> list[str]:
    one = card.subscription
    states = [
        ("❄️  frozen since", one.frozen_at, ""),
        ("⛔ switched off since", one.disabled_at, f": {one.disabled_why}"),
        ("📉 traffic used up since", one.exhausted_at, ""),
        ("♻️  being replaced since", one.replacing_since, ": a new key comes when the old one is gone everywhere"),
    ]
    return [f"{what} {since:%Y-%m-%d %H:%M}{more}" for what, since, more in states if since is not None]


def _or_any(limit: float) -> str:
    return f"{limit:g}" if limit else "∞"


def _facts(card: Card, tools: Tools) -> dict[str, object]:
    """No credential is among them."""
    one = card.subscription
    return {
        "ref": one.ref,
        "plan": one.plan_code,
        "telegram_id": card.telegram_id,
        "ends_at": one.ends_at,
        "days_left": one.days_left(tools.clock.now()),
        "traffic_bytes": one.traffic_bytes,
        "used_bytes": one.used,
        "devices": one.devices,
        "location": one.location,
        "frozen_at": one.frozen_at,
        "disabled_at": one.disabled_at,
        "disabled_why": one.disabled_why,
        "exhausted_at": one.exhausted_at,
        "replacing_since": one.replacing_since,
        "keys": [vars(key) for key in card.keys],
    }

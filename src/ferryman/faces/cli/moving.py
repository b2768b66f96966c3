"""`ferryman node drain | undrain | retire | drift`: what moves customers from one node to others."""

import asyncio
from typing import Annotated

import typer

import ferryman.faces.cli.asking as asking
import ferryman.faces.cli.describing as describing
from ferryman.faces.cli.running import OPERATOR, go, show_json, with_tools
from ferryman.fleet.access import Moves
from ferryman.flows.fleet import draining
from ferryman.flows.fleet.draining import Progress
from ferryman.flows.keys import auditing
from ferryman.flows.tools import Tools

LOOK_EVERY = 2.0
# Lines that a plan shows of each kind of move.
SHOWN = 20


def add_to(group: typer.Typer) -> None:
    for command in (drain, undrain, retire, drift):
        group.command()(command)


def drain(
    name: describing.Name,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Stay until everybody has moved.")] = True,
    as_json: describing.AsJson = False,
) -> None:
    """🚚 Have everybody on a node served by others, without a change of anybody's link. Can be taken back: undrain."""

    async def work(tools: Tools) -> None:
        found = await draining.drain(tools, name, OPERATOR)
        if as_json:
            show_json(vars(found) | {"done": found.done})
            return
        typer.echo(f"🚚 {_line(found)}")
        if wait:
            found = await _followed(tools, found)
        if found.done:
            typer.echo(f"✅ {name} is empty. For good: ferryman node retire {name}; back: ferryman node undrain {name}")

    go(with_tools(work), quiet=True)


async def _followed(tools: Tools, found: Progress) -> Progress:
    """The worker moves them; here is only looked, and told what changes."""
    while not found.done:
        await asyncio.sleep(LOOK_EVERY)
        before, found = found, await draining.progress(tools, found.node)
        if (found.remain, found.tombstones, found.why) != (before.remain, before.tombstones, before.why):
            typer.echo(f"⏳ {_line(found)}")
        if found.mode != "draining":
            break
    return found


def _line(found: Progress) -> str:
    why = "; ".join(f"{count}: {text}" for text, count in sorted(found.why.items()))
    graves = f", {found.tombstones} to be deleted there" if found.tombstones else ""
    return f"{found.node}: {found.moved} of {found.were} moved{graves}" + (f" ({why})" if why else "")


def undrain(name: describing.Name) -> None:
    """↩️  Let a node that is being drained take customers again."""

    async def work(tools: Tools) -> None:
        await draining.undrain(tools, name, OPERATOR)
        typer.echo(f"✅ {name} takes customers again; those who left come back as their plans say.")

    go(with_tools(work), quiet=True)


def retire(
    name: describing.Name,
    force: Annotated[bool, typer.Option("--force", help="It is down for good: what is on it stays there.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """🏁 The last step after a drain: the node goes for good, its credentials are forgotten. There is no way back."""

    async def work(tools: Tools) -> None:
        found = await draining.progress(tools, name)
        if found.remain or found.tombstones:
            typer.echo(f"⚠️  {_line(found)}")
        if not yes and asking.at_a_terminal():
            typer.confirm(f"Retire {name} for good?", abort=True)
        await draining.retire(tools, name, OPERATOR, force=force)
        typer.echo(f"🏁 {name} is retired.")

    go(with_tools(work), quiet=True)


def drift(name: describing.Name, as_json: describing.AsJson = False) -> None:
    """🔍 What the next audit would do on a node, without doing it; exit code 1 when it would do something."""

    async def work(tools: Tools) -> None:
        async with asking.patience(f"Comparing the panel of {name} with what is owed there."):
            found = await auditing.drift(tools, name)
        if as_json:
            show_json(_as_json(found))
        else:
            for line in _plan(name, found):
                typer.echo(line)
        if found.put or found.drop or found.conflict:
            raise typer.Exit(1)

    go(with_tools(work), quiet=True)


def _plan(name: str, found: Moves) -> list[str]:
    kinds = [
        ("➕ put", [f"{put.access.email} ({', '.join(put.why)})" for put in found.put]),
        ("➖ drop", [f"{drop.seen.email} ({drop.why})" for drop in found.drop]),
        ("⚠️  look at", [f"{seen.email}: our name, another's client" for seen in found.conflict]),
    ]
    lines = []
    for verb, moves in kinds:
        lines += [f"{verb} {move}" for move in moves[:SHOWN]]
        if len(moves) > SHOWN:
            lines.append(f"   … and {len(moves) - SHOWN} more to {verb.split()[-1]}")
    if not lines:
        lines.append(f"✅ {name} holds what is owed there.")
    return [*lines, f"   {len(found.leave)} clients of others are left alone."]


def _as_json(found: Moves) -> dict[str, object]:
    """Without anything that would open a connection."""
    return {
        "put": [{"client": put.access.email, "why": list(put.why)} for put in found.put],
        "drop": [{"client": drop.seen.email, "why": drop.why} for drop in found.drop],
        "conflict": [seen.email for seen in found.conflict],
        "leave": len(found.leave),
    }

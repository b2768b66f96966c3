"""How nodes, inbounds and findings look in a terminal, and in JSON."""

from collections.abc import Sequence
from datetime import datetime

import typer

from ferryman.faces.cli.tables import ago, table
from ferryman.flows.fleet.inspecting import Offer
from ferryman.flows.fleet.surveying import NodeView
from ferryman.flows.shop.checkup import Finding

ICONS = {
    "healthy": "✅",
    "degraded": "⚠️",
    "down": "❌",
    "quarantined": "🚧",
    "draining": "🚚",
    "off": "💤",
    "retired": "🏁",
}


def finding(found: Finding) -> None:
    """One line, with the fix below it."""
    typer.echo(f"{found.icon} {found.what}: {found.found}")
    if found.fix:
        typer.echo(f"   👉 {found.fix}")


def fleet(nodes: Sequence[NodeView], now: datetime) -> list[str]:
    """A table, and below it what is wrong with whom."""
    if not nodes:
        return ["No nodes yet: ferryman node add NAME"]
    head = ("", "NODE", "PLACE", "STATE", "KEYS", "OWED", "ROOM", "MS", "PANEL", "SEEN")
    lines = table(head, [_row(one, now) for one in nodes], numbers="    >>>>  ")
    return lines + [f"   {one.name}: {one.trouble.removeprefix(f'{one.name}: ')}" for one in nodes if one.trouble]


def offers(found: Sequence[Offer], chosen: set[int]) -> list[str]:
    rows = [
        (
            "✅" if one.inbound.panel_id in chosen else "  " if one.usable else "🚫",
            str(one.inbound.panel_id),
            one.inbound.remark,
            "/".join(part for part in (one.inbound.protocol, one.inbound.transport, one.inbound.security) if part),
            str(one.inbound.port),
            one.no_link or ("" if one.inbound.enabled else "switched off in the panel"),
        )
        for one in found
    ]
    return table(("", "ID", "NAME", "KIND", "PORT", "WHY NOT"), rows, squeeze=5, numbers=" >  > ")


def offer(found: Offer, chosen: bool) -> dict[str, object]:
    one = found.inbound
    return {
        "id": one.panel_id,
        "protocol": one.protocol,
        "transport": one.transport,
        "security": one.security,
        "port": one.port,
        "remark": one.remark,
        "enabled": one.enabled,
        "chosen": chosen,
        "usable": found.usable,
        "why_not": found.no_link,
    }


def _row(one: NodeView, now: datetime) -> tuple[str, ...]:
    seen = one.checked_at and ago((now - datetime.fromisoformat(one.checked_at)).total_seconds())
    waiting = one.owed + one.graves
    return (
        ICONS.get(one.standing, "❔"),
        one.name,
        f"{one.flag} {one.location}",
        one.standing,
        str(one.keys),
        str(waiting or ""),
        str(one.capacity_clients or "∞"),
        "" if one.latency_ms is None else str(one.latency_ms),
        one.version,
        seen or "never",
    )

"""What people and the world's page see of a panel: one JSON view, and a small live page beside this file."""

from pathlib import Path
from typing import Any

from aiohttp import web

from ferryman_sandbox.xui.embedded import typed
from ferryman_sandbox.xui.panel import Panel
from ferryman_sandbox.xui.shapes import is_depleted, record_from, record_view
from ferryman_sandbox.xui.versions import G4, Rules

FILES = {
    "panel.html": "text/html",
    "panel.css": "text/css",
    "panel.js": "text/javascript",
}
FOLDER = Path(__file__).parent
RECORD_RULES = Rules(G4)


def state_view(panel: Panel, title: str, flag: str, limit: int = 0) -> dict[str, Any]:
    """Everything the panel holds, clients newest first; `limit` shortens clients and traffic (0 = all)."""
    state, now_ms = panel.state, panel.now_ms
    known = embedded_records(panel) if panel.rules.embeds_clients else list(state.records.values())
    newest = sorted(known, key=lambda record: -record["id"])[: limit or None]
    loaded = panel.core.loaded_emails()
    online = set(panel.core.online(now_ms))
    clients = []
    for record in newest:
        row = state.rows.get(record["email"])
        client = record_view(record, RECORD_RULES if panel.rules.embeds_clients else panel.rules)
        client["inboundIds"] = state.inbound_ids_of(record["email"])
        client["loaded"] = record["email"] in loaded
        client["online"] = record["email"] in online
        client["depleted"] = bool(row and is_depleted(row, now_ms))
        client["used"] = row["up"] + row["down"] if row else 0
        clients.append(client)
    return {
        "title": title,
        "flag": flag,
        "now": panel.now(),
        "version": panel.switches.version,
        "counts": {"clients": len(known), "online": len(online), "loaded": len(loaded)},
        "switches": panel.switches.as_json(),
        "inbounds": [inbound | {"clientCount": len(state.entries[id_])} for id_, inbound in state.inbounds.items()],
        "clients": clients,
        "traffic": [state.rows[record["email"]] for record in newest if record["email"] in state.rows],
        "runtime": _runtime(panel, limit),
    }


def embedded_records(panel: Panel) -> list[dict[str, Any]]:
    """Clients of a panel that keeps none apart, shaped like those of one that does; numbered like their rows."""
    found: dict[str, dict[str, Any]] = {}
    for id_ in sorted(panel.state.inbounds):
        for email, clients in panel.state.entries[id_].items():
            row = panel.state.rows.get(email, {"id": 0})
            found.setdefault(email, record_from(typed(clients[0]), row["id"]))
    return list(found.values())


def _runtime(panel: Panel, limit: int) -> dict[str, Any]:
    """The core's side: loaded users as [inbound tag, email]."""
    core, inbounds = panel.core, panel.state.inbounds
    users = sorted((inbounds[id_]["tag"], email) for id_, email in core.users if id_ in inbounds)
    return {
        "running": core.running,
        "restarts": core.restarts,
        "needsRestart": core.needs_restart,
        "users": users[: limit or None],
    }


def file_response(name: str) -> web.Response:
    """One file of the page. Raises HTTPNotFound for any other name."""
    if name not in FILES:
        raise web.HTTPNotFound
    body = (FOLDER / name).read_bytes()
    return web.Response(body=body, content_type=FILES[name], charset="utf-8", headers={"Cache-Control": "no-store"})

"""Inbounds on the wire, written as JSON text: most of it is clients and rows, whose text is kept until they change.

Up to 3.0 the nested settings travel as text that holds indented JSON, from 3.1 on as objects.
"""

import json
from collections.abc import Iterable
from functools import partial
from typing import Any

from ferryman_sandbox.xui.envelope import Reply
from ferryman_sandbox.xui.panel import Panel
from ferryman_sandbox.xui.shapes import row_view
from ferryman_sandbox.xui.versions import G3, Version

Document = dict[str, Any]

NESTED = ("settings", "streamSettings", "sniffing")

# In the order of the wire; what follows `clientStats` is listed apart.
SCALARS: dict[str, Version] = {
    "id": (2, 3, 0),
    "up": (2, 3, 0),
    "down": (2, 3, 0),
    "total": (2, 3, 0),
    "remark": (2, 3, 0),
    "subSortIndex": (3, 2, 0),
    "enable": (2, 3, 0),
    "expiryTime": (2, 3, 0),
    "trafficReset": (2, 8, 1),
}

dump = partial(json.dumps, ensure_ascii=False, separators=(",", ":"))


def list_all(panel: Panel) -> Reply:
    rows = _rows_by_inbound(panel) if panel.rules.embeds_clients else {}
    texts = [inbound_text(panel, inbound, _stats(panel, inbound["id"], rows)) for inbound in by_id(panel)]
    return Reply(obj_text=f"[{','.join(texts)}]")


def list_slim(panel: Panel) -> Reply:
    """As `list`, but of each client only what a table shows."""
    texts = []
    for inbound in by_id(panel):
        clients = [
            dump({name: client[name] for name in ("email", "enable", "comment") if client.get(name)})
            for client in panel.state.clients_of(inbound["id"])
        ]
        texts.append(inbound_text(panel, inbound, _stats(panel, inbound["id"], {}), f"[{','.join(clients)}]"))
    return Reply(obj_text=f"[{','.join(texts)}]")


def get(panel: Panel, inbound: Document) -> Reply:
    """One inbound. Its stats are there from 3.2.0 on; the panel's own name is not."""
    stats = _stats(panel, inbound["id"], {}) if panel.rules.since(3, 2, 0) else "null"
    return Reply(obj_text=inbound_text(panel, inbound, stats, is_alone=True))


def view(panel: Panel, inbound: Document) -> Document:
    """An inbound as the answer to a change shows it: without stats."""
    found: Document = json.loads(inbound_text(panel, inbound, is_alone=True))
    return found


def by_id(panel: Panel) -> list[Document]:
    return [inbound for _, inbound in sorted(panel.state.inbounds.items())]


def inbound_text(
    panel: Panel, inbound: Document, stats: str = "null", clients: str = "", *, is_alone: bool = False
) -> str:
    """`stats` and `clients` are JSON arrays; without `clients`, all that the inbound's settings hold."""
    rules = panel.rules
    fields = {name: dump(inbound[name]) for name, since in SCALARS.items() if rules.version >= since}
    if rules.counts_all_time:
        fields["allTime"] = dump(inbound.get("allTime", 0))
    if rules.since(3, 5, 0):
        fields["trafficResetDay"] = "1"
    if rules.since(2, 8, 1):
        fields["lastTrafficResetTime"] = dump(inbound["lastTrafficResetTime"])
    fields["clientStats"] = stats
    fields |= {name: dump(inbound[name]) for name in ("listen", "port", "protocol", "tag")}
    if inbound.get("nodeId") and rules.version >= G3:
        fields["nodeId"] = dump(inbound["nodeId"])
    if rules.since(3, 2, 0):
        fields |= {"shareAddrStrategy": '"node"', "shareAddr": '""'}
    if rules.since(3, 2, 0) and not is_alone:
        fields["originNodeGuid"] = dump(panel.state.meta["guid"])
    if rules.since(2, 4, 2) and not rules.since(2, 6, 7):
        fields["allocate"] = dump(inbound.get("allocate", ""))
    fields |= _nested(panel, inbound, clients)
    return _object(fields)


def _nested(panel: Panel, inbound: Document, clients: str) -> dict[str, str]:
    if not panel.rules.embeds_clients:
        texts = {name: dump(inbound[name]) for name in NESTED}
        if isinstance(inbound["settings"], dict):
            own = {name: dump(value) for name, value in inbound["settings"].items()}
            texts["settings"] = _object(own | {"clients": clients or _clients(panel, inbound["id"])})
        return texts
    texts = {name: dump(_indented(inbound[name])) for name in NESTED}
    if isinstance(inbound["settings"], dict) and "clients" in inbound["settings"]:
        texts["settings"] = dump(_indented_settings(panel, inbound))
    return texts


def _object(fields: dict[str, str]) -> str:
    return "{" + ",".join(f"{dump(name)}:{text}" for name, text in fields.items()) + "}"


def _clients(panel: Panel, inbound_id: int) -> str:
    entries, texts = panel.state.entries[inbound_id], panel.state.texts
    found = [
        texts.of(email, inbound_id, lambda clients=clients: dump(clients)[1:-1])  # type: ignore[misc]
        for email, clients in entries.items()
    ]
    return f"[{','.join(found)}]"


def _indented(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)


def _indented_settings(panel: Panel, inbound: Document) -> str:
    """The settings with their clients, two spaces a level: the clients' lines are kept, the rest is written anew."""
    entries, texts = panel.state.entries[inbound["id"]], panel.state.texts
    found = [
        texts.of(email, ("indented", inbound["id"]), lambda clients=clients: _lines(clients))  # type: ignore[misc]
        for email, clients in entries.items()
    ]
    frame = json.dumps(inbound["settings"] | {"clients": 0}, ensure_ascii=False, indent=2)
    listed = "[\n    " + ",\n    ".join(found) + "\n  ]" if found else "[]"
    return frame.replace('\n  "clients": 0', f'\n  "clients": {listed}', 1)


def _lines(clients: list[Document]) -> str:
    """Several clients, each as it stands at the second level of an indented text."""
    return ",\n    ".join(
        json.dumps(client, ensure_ascii=False, indent=2, sort_keys=True).replace("\n", "\n    ") for client in clients
    )


def _rows_by_inbound(panel: Panel) -> dict[int, list[Document]]:
    found: dict[int, list[Document]] = {}
    for row in panel.state.rows.values():
        found.setdefault(row["inboundId"], []).append(row)
    return found


def _stats(panel: Panel, inbound_id: int, rows: dict[int, list[Document]]) -> str:
    """`clientStats`: the rows of the emails listed in the inbound. Up to 3.0 the rows that name it, whether their
    client is still listed or not, and in 3.0 those of shared emails besides."""
    if not panel.rules.embeds_clients:
        return _row_texts(panel, inbound_id, panel.state.entries[inbound_id])
    own = [row["email"] for row in rows.get(inbound_id, ())]
    if panel.rules.shares_emails:
        known = set(own)
        own += [email for email in panel.state.entries[inbound_id] if email not in known]
    return _row_texts(panel, inbound_id, own)


def _row_texts(panel: Panel, inbound_id: int, emails: Iterable[str]) -> str:
    state, version = panel.state, panel.rules.version
    found = [
        state.texts.of(email, ("row", inbound_id, version), lambda email=email: _row(panel, inbound_id, email))  # type: ignore[misc]
        for email in emails
        if email in state.rows
    ]
    return f"[{','.join(found)}]"


def _row(panel: Panel, inbound_id: int, email: str) -> str:
    state = panel.state
    record = state.records.get(email)
    uuid, sub_id = (record["uuid"], record["subId"]) if record else ("", "")
    if panel.rules.embeds_clients and email in state.entries[inbound_id]:
        entry = state.entries[inbound_id][email][-1]
        uuid, sub_id = str(entry.get("id", "")), str(entry.get("subId", ""))
    return dump(row_view(state.rows[email], panel.rules, uuid, sub_id))

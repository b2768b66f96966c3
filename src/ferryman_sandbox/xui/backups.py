"""Copies of the panel's database, to be put back later: what an administrator does with last week's backup file."""

from typing import Any

from ferryman_sandbox.xui.generations import migrate
from ferryman_sandbox.xui.panel import Panel
from ferryman_sandbox.xui.state import DEVICE, ENTRY, INBOUND, IPS, RECORD, ROW, TOKEN

SNAPSHOT = "xui.snapshot"
KINDS = (INBOUND, ENTRY, RECORD, ROW, TOKEN, IPS, DEVICE)


def take(panel: Panel, name: str) -> dict[str, Any]:
    """Keep a copy under that name, replacing an older one; answers what it holds."""
    store = panel.state.store
    documents = {kind: [[id_, body] for id_, body in store.all(kind)] for kind in KINDS}
    snapshot = {"version": panel.switches.version, "taken": panel.now(), "documents": documents}
    store.put(SNAPSHOT, name, snapshot)
    return _about(name, snapshot)


def listed(panel: Panel) -> list[dict[str, Any]]:
    return [_about(name, snapshot) for name, snapshot in panel.state.store.all(SNAPSHOT)]


def _about(name: str, snapshot: dict[str, Any]) -> dict[str, Any]:
    rows = len(snapshot["documents"][ROW])
    return {"name": name, "version": snapshot["version"], "taken": snapshot["taken"], "rows": rows}


def put_back(panel: Panel, name: str) -> None:
    """Inbounds, clients, counters and tokens become those of the copy, and the core restarts; logins stay as they are.

    A copy made by an older version is upgraded. Raises LookupError when there is none of that name.
    """
    state = panel.state
    snapshot = state.store.get(SNAPSHOT, name)
    if snapshot is None:
        raise LookupError(name)
    drops = [(kind, id_, None) for kind in KINDS for id_, _ in state.store.all(kind)]
    puts = [(kind, id_, body) for kind in KINDS for id_, body in snapshot["documents"][kind]]
    state.store.put_all([*drops, *puts])
    state.meta["version"] = snapshot["version"]
    state.save_meta()
    state.load()
    migrate(panel)
    panel.core.restart(state)

"""Counters of clients that live inside inbounds: resets, the purge, and what the traffic job switches off or renews."""

from typing import Any

import ferryman_sandbox.xui.embedded as embedded
from ferryman_sandbox.xui.embedded_inbounds import drop
from ferryman_sandbox.xui.envelope import Crash
from ferryman_sandbox.xui.panel import Panel
from ferryman_sandbox.xui.shapes import is_depleted

Document = dict[str, Any]


def reset(panel: Panel, inbound_id: int, email: str) -> None:
    """Zero and enable the row, and load the client if its row was off and its entry is on.

    Where the flag shown is the entry's, the row never looks off, so nobody is loaded. Up to 2.8.0 an unknown email
    breaks the handler.
    """
    found = embedded.find_row(panel, email)
    if found is None:
        raise Crash
    row, client = found
    looks_on = embedded.is_enabled(client) if panel.rules.shows_entrys_flag else row["enable"]
    if not looks_on:
        panel.inbound(inbound_id)
        _load_if_enabled(panel, inbound_id, email)
    row.update(up=0, down=0, enable=True)
    panel.state.save_row(row)
    if panel.rules.shares_emails and inbound_id in panel.state.inbounds:
        panel.state.save_inbound(panel.state.inbounds[inbound_id] | {"lastTrafficResetTime": panel.now_ms})


def _load_if_enabled(panel: Panel, inbound_id: int, email: str) -> None:
    if any(embedded.is_enabled(client) for client in panel.state.entries[inbound_id].get(email, ())):
        panel.load_user(inbound_id, email)


def reset_all(panel: Panel, inbound_id: int) -> None:
    """All rows of an inbound, or of all with -1; the core restarts at its next check."""
    state = panel.state
    for row in list(state.rows.values()):
        if inbound_id in (-1, row["inboundId"]):
            state.save_row(row | {"up": 0, "down": 0, "enable": True})
    for inbound in list(state.inbounds.values()):
        if inbound_id in (-1, inbound["id"]) and panel.rules.finds_rows_through_inbound:
            state.save_inbound(inbound | {"lastTrafficResetTime": panel.now_ms})
    panel.core.needs_restart = True


def purge(panel: Panel, inbound_id: int) -> None:
    """Delete who ran out and does not renew, with the inbound itself when nobody would be left in it."""
    state, everywhere = panel.state, inbound_id < 0
    gone = [row for row in state.rows.values() if row["reset"] == 0 and _is_purged(panel, row)]
    if not panel.rules.shares_emails:
        gone = [row for row in gone if everywhere or row["inboundId"] == inbound_id]
    for id_ in list(state.inbounds):
        if everywhere or id_ == inbound_id:
            named = gone if panel.rules.shares_emails else [row for row in gone if row["inboundId"] == id_]
            _purge_inbound(panel, id_, {row["email"] for row in named})
    for row in gone:
        if everywhere or not state.inbound_ids_of(row["email"]):
            state.drop_row(row["email"])


def _is_purged(panel: Panel, row: Document) -> bool:
    return is_depleted(row, panel.now_ms) if panel.rules.purges_only_depleted else not row["enable"]


def _purge_inbound(panel: Panel, id_: int, emails: set[str]) -> None:
    listed = emails & panel.state.entries[id_].keys()
    if listed and len(listed) == len(panel.state.entries[id_]):
        drop(panel, id_)
        return
    for email in listed:
        panel.state.drop_entries(id_, email)


# What the traffic job does


def start_expiry(panel: Panel, row: Document, expiry: int) -> None:
    """A delayed expiry begins, in the row and in the inbound that the row names."""
    clients = panel.state.entries.get(row["inboundId"], {}).get(row["email"])
    if clients:
        row["expiryTime"] = expiry
        _change(panel, row["inboundId"], row["email"], {"expiryTime": expiry})


def renew(panel: Panel, row: Document, expiry: int) -> None:
    """A new period: counters to zero, and back on if it was off."""
    id_, email = row["inboundId"], row["email"]
    if email not in panel.state.entries.get(id_, {}):
        return
    was_off = not row["enable"]
    row.update(up=0, down=0, enable=True, expiryTime=expiry)
    panel.state.save_row(row)
    revives = was_off and panel.rules.disables_entries
    _change(panel, id_, email, {"expiryTime": expiry} | ({"enable": True} if revives else {}))
    if was_off:
        panel.load_user(id_, email)


def cut_off(panel: Panel, row: Document) -> None:
    """Off in the row and out of the core; from 2.9.4 off in the settings too, in 3.0 wherever the subId is the same."""
    state, email = panel.state, row["email"]
    state.save_row(row | {"enable": False})
    for id_ in _places(panel, row):
        panel.unload_user(id_, email)
        if panel.rules.disables_entries:
            _change(panel, id_, email, {"enable": False})


def _places(panel: Panel, row: Document) -> list[int]:
    """The inbounds where the row's client is cut off."""
    state, email = panel.state, row["email"]
    own = state.entries.get(row["inboundId"], {}).get(email)
    if not own:
        return []
    sub_id = embedded.sub_of(own[0])
    if not (panel.rules.shares_emails and sub_id):
        return [row["inboundId"]]
    return [id_ for id_ in state.inbound_ids_of(email) if embedded.sub_of(state.entries[id_][email][0]) == sub_id]


def _change(panel: Panel, id_: int, email: str, changes: Document) -> None:
    dated = {"updated_at": panel.now_ms // 1000 * 1000} if panel.rules.dates_clients else {}
    clients = [client | changes | dated for client in panel.state.entries[id_][email]]
    panel.state.save_entries(id_, email, clients)

"""`panel/api/inbounds/*` of 2.3 … 3.0: clients are added, changed, counted and removed through their inbound.

The same handlers answered under `panel/inbound/` up to 2.6; a seller has no use for those but may meet them.
"""

import json
import time
from dataclasses import replace
from typing import Any

import ferryman_sandbox.xui.embedded as embedded
import ferryman_sandbox.xui.embedded_inbounds as inbounds
import ferryman_sandbox.xui.embedded_usage as usage
from ferryman_sandbox.xui.binding import INT, INT64, STRING, bind_form
from ferryman_sandbox.xui.envelope import Refusal, Reply
from ferryman_sandbox.xui.inbound_body import inbound_id
from ferryman_sandbox.xui.inbounds import list_all, reset_all_traffics
from ferryman_sandbox.xui.links import links_of_client_on, links_of_sub
from ferryman_sandbox.xui.panel import Panel
from ferryman_sandbox.xui.routing import Call, Route
from ferryman_sandbox.xui.shapes import row_view
from ferryman_sandbox.xui.versions import G2, G4

Document = dict[str, Any]

_PAYLOAD = {"id": INT, "settings": STRING}


def add_clients(panel: Panel, call: Call) -> Reply:
    payload = _payload(call)
    embedded.add(panel, payload["id"], payload["settings"])
    return Reply(word="client_added")


def update_client(panel: Panel, call: Call) -> Reply:
    payload = _payload(call)
    embedded.update(panel, payload["id"], call.params["clientId"], payload["settings"])
    return Reply(word="client_updated")


def _payload(call: Call) -> Document:
    """Inbound id and settings text, by form or JSON. Raises Refusal in the words for an inbound."""
    try:
        return bind_form(call.body, _PAYLOAD) if call.is_form else call.json("Inbound", _PAYLOAD)
    except Refusal as refusal:
        raise Refusal(refusal.text, blame="inbound_updated") from refusal


def changed_inbound(call: Call) -> int:
    """Which inbound a call would write, 0 when it cannot be told."""
    try:
        return call.number("id") if "id" in call.params else int(_payload(call)["id"])
    except Refusal:
        return 0


def delete_client(panel: Panel, call: Call) -> Reply:
    embedded.delete(panel, inbound_id(call, "inbound_updated"), call.params["clientId"])
    return Reply(word="client_deleted")


def delete_by_email(panel: Panel, call: Call) -> Reply:
    embedded.delete_by_email(panel, inbound_id(call, "by_email"), call.params["email"])
    return Reply(word="client_deleted")


def traffic(panel: Panel, call: Call) -> Reply:
    found = embedded.find_row(panel, call.params["email"])
    return Reply(None if found is None else _row(panel, *found))


def traffic_by_id(panel: Panel, call: Call) -> Reply:
    """Rows of every client with that uuid; unlike by email, always with the flag of the settings."""
    wanted = call.params["id"]
    emails = {
        embedded.email_of(client)
        for id_ in panel.state.inbounds
        for client in panel.state.clients_of(id_)
        if client.get("id") == wanted
    }
    rows = sorted((panel.state.rows[email] for email in emails if email in panel.state.rows), key=lambda row: row["id"])
    return Reply([_reconciled(panel, row) for row in rows])


def _reconciled(panel: Panel, row: Document) -> Document:
    clients = panel.state.entries.get(row["inboundId"], {}).get(row["email"])
    if not clients or not panel.rules.finds_rows_through_inbound:
        return row_view(row, panel.rules)
    return _row(panel, row, clients[0]) | {"enable": embedded.is_enabled(clients[0])}


def _row(panel: Panel, row: Document, client: Document) -> Document:
    whole = embedded.typed(client)
    view = row_view(row, panel.rules, whole["id"], whole["subId"])
    return view | ({"enable": whole["enable"]} if panel.rules.shows_entrys_flag else {})


def reset_traffic(panel: Panel, call: Call) -> Reply:
    usage.reset(panel, inbound_id(call, "inbound_updated"), call.params["email"])
    return Reply(word="traffic_reset")


def reset_all_clients(panel: Panel, call: Call) -> Reply:
    usage.reset_all(panel, inbound_id(call, "inbound_updated"))
    return Reply(word="traffic_reset")


def delete_depleted(panel: Panel, call: Call) -> Reply:
    usage.purge(panel, inbound_id(call, "inbound_updated"))
    return Reply(word="depleted_deleted")


def onlines(panel: Panel, _: Call) -> Reply:
    return Reply(panel.core.active)


def last_online(panel: Panel, _: Call) -> Reply:
    return Reply({email: row["lastOnline"] for email, row in panel.state.rows.items()})


def addresses(panel: Panel, call: Call) -> Reply:
    """One sentence when there is none; else text that holds JSON, from 2.8.11 a list of lines."""
    seen = panel.state.ips.get(call.params["email"], {})
    newest_first = sorted(seen.items(), key=lambda one: -one[1])
    if not newest_first:
        return Reply("No IP Record")
    if panel.rules.lists_addresses:
        return Reply([f"{ip} ({time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(at))})" for ip, at in newest_first])
    if panel.rules.dates_addresses:
        return Reply(json.dumps([{"ip": ip, "timestamp": int(at)} for ip, at in newest_first]))
    return Reply(json.dumps([ip for ip, _ in newest_first]))


def clear_addresses(panel: Panel, call: Call) -> Reply:
    panel.state.drop_ips(call.params["email"])
    return Reply(word="log_cleared")


def set_counters(panel: Panel, call: Call) -> Reply:
    """Sets the counters outright; an unknown email is no error."""
    try:
        body = call.json("TrafficUpdateRequest", {"upload": INT64, "download": INT64})
    except Refusal as refusal:
        raise Refusal(refusal.text, blame="inbound_updated") from refusal
    row = panel.state.rows.get(call.params["email"])
    if row is not None:
        panel.state.save_row(row | {"up": body["upload"], "down": body["download"]})
    return Reply(word="client_updated")


def client_links(panel: Panel, call: Call) -> Reply:
    return Reply(links_of_client_on(panel, inbound_id(call, "get"), call.params["email"], call.host))


def sub_links(panel: Panel, call: Call) -> Reply:
    return Reply(links_of_sub(panel, call.params["subId"], call.host))


INBOUNDS = "panel/api/inbounds"
ALIAS = "panel/inbound"

_CHANGES = (
    Route("POST", "add", inbounds.add, changes=True),
    Route("POST", "del/:id", inbounds.delete, changes=True),
    Route("POST", "update/:id", inbounds.update, changes=True),
    Route("POST", "addClient", add_clients, changes=True, rewrites=True),
    Route("POST", ":id/delClient/:clientId", delete_client, changes=True, rewrites=True),
    Route("POST", "updateClient/:clientId", update_client, changes=True, rewrites=True),
    Route("POST", ":id/resetClientTraffic/:email", reset_traffic, changes=True),
    Route("POST", "resetAllClientTraffics/:id", reset_all_clients, changes=True),
    Route("POST", "delDepletedClients/:id", delete_depleted, changes=True),
    Route("POST", "clientIps/:email", addresses),
    Route("POST", "clearClientIps/:email", clear_addresses, changes=True),
    Route("POST", "onlines", onlines),
)

_BY_EMAIL = Route("POST", ":id/delClientByEmail/:email", delete_by_email, changes=True, rewrites=True)
_LATER = (
    Route("POST", "lastOnline", last_online, since=(2, 6, 8)),
    Route("POST", "updateClientTraffic/:email", set_counters, since=(2, 6, 3), changes=True),
    replace(_BY_EMAIL, since=(2, 8, 0), blame="by_email"),
    Route("GET", "getClientTraffics/:email", traffic, blame="traffic"),
    Route("GET", "getClientTrafficsById/:id", traffic_by_id, since=(2, 3, 11), blame="traffic"),
    Route("GET", "getSubLinks/:subId", sub_links, since=(3, 0, 1), blame="obtain"),
    Route("GET", "getClientLinks/:id/:email", client_links, since=(3, 0, 1), blame="obtain"),
)

ROUTES = (
    *(replace(route, path=f"{INBOUNDS}/{route.path}", before=G4) for route in (*_CHANGES, *_LATER)),
    *(replace(route, path=f"{ALIAS}/{route.path}", before=G2) for route in _CHANGES),
    Route("POST", f"{ALIAS}/list", list_all, blame="obtain", before=G2),
    Route("POST", f"{ALIAS}/resetAllTraffics", reset_all_traffics, changes=True, before=G2),
)

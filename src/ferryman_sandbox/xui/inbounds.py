"""`panel/api/inbounds/*`: reads for pickers and links, and the few writes an administrator makes, from 3.1 on."""

from typing import Any

import ferryman_sandbox.xui.clients as clients
import ferryman_sandbox.xui.inbound_views as views
from ferryman_sandbox.xui.binding import BOOL, bind_client, bind_form, parse_json
from ferryman_sandbox.xui.envelope import Reply, refuse
from ferryman_sandbox.xui.inbound_body import check_port, free_tag, inbound_id, read_body, stored, take_clients
from ferryman_sandbox.xui.panel import Panel
from ferryman_sandbox.xui.routing import Call, Route
from ferryman_sandbox.xui.shapes import CREDENTIAL_KEY, can_use_vision
from ferryman_sandbox.xui.versions import G3, G4

Document = dict[str, Any]


def list_all(panel: Panel, _: Call) -> Reply:
    return views.list_all(panel)


def list_slim(panel: Panel, _: Call) -> Reply:
    return views.list_slim(panel)


def get(panel: Panel, call: Call) -> Reply:
    return views.get(panel, panel.inbound(inbound_id(call, "get")))


def options(panel: Panel, _: Call) -> Reply:
    return Reply([_option(panel, inbound) for inbound in views.by_id(panel)])


def _option(panel: Panel, inbound: Document) -> Document:
    view = {name: inbound[name] for name in ("id", "remark", "tag", "protocol", "port")}
    view["tlsFlowCapable"] = can_use_vision(inbound)
    if panel.rules.since(3, 2, 0):
        view["ssMethod"] = ""
        view |= {"nodeId": inbound["nodeId"]} if inbound.get("nodeId") else {}
    if panel.rules.since(3, 5, 0):
        view["enable"] = inbound["enable"]
        view |= {"listen": inbound["listen"]} if inbound["listen"] else {}
    return view


def add(panel: Panel, call: Call) -> Reply:
    inbound = create(panel, read_body(panel, call, "inbound_added"))
    return Reply(views.view(panel, inbound), "inbound_added")


def create(panel: Panel, body: Document) -> Document:
    """Store a new inbound with its clients. Raises Refusal when the port is taken or the settings cannot be read."""
    check_port(panel, body, besides=0)
    _check_settings(panel, body["settings"])
    inbound = stored(body) | {"lastTrafficResetTime": 0}
    listed = _read_clients(panel, inbound)
    inbound["id"] = panel.state.next_id("xui.inbound")
    inbound["tag"] = free_tag(panel, inbound)
    panel.state.save_inbound(inbound)
    for client in listed:
        clients.put_on_inbound(panel, client, inbound["id"])
    return inbound


def _read_clients(panel: Panel, inbound: Document) -> list[Document]:
    """Take the clients out of the inbound, each read as one. Raises Refusal for one without credential."""
    listed = [bind_client(client, panel.rules.version) for client in take_clients(inbound)]
    if not all(client[CREDENTIAL_KEY.get(inbound["protocol"], "id")] for client in listed):
        raise refuse("empty client ID")
    return listed


def update(panel: Panel, call: Call) -> Reply:
    """Replaces everything, its clients too: those left out lose their row and are attached no more."""
    id_ = inbound_id(call, "inbound_updated")
    body = read_body(panel, call, "inbound_updated")
    old = panel.inbound(id_)
    check_port(panel, body, besides=id_)
    kept = {name: old[name] for name in ("up", "down", "lastTrafficResetTime", "nodeId") if name in old}
    inbound = stored(body) | kept | {"id": id_}
    inbound["tag"] = body["tag"] or (old["tag"] if panel.rules.since(3, 2, 0) else "")
    listed = _read_clients(panel, inbound)
    _replace_clients(panel, inbound, listed)
    return Reply(views.view(panel, inbound), "inbound_updated")


def _replace_clients(panel: Panel, inbound: Document, listed: list[Document]) -> None:
    state, id_ = panel.state, inbound["id"]
    staying = {client["email"] for client in listed}
    for email in list(state.entries[id_]):
        state.drop_entries(id_, email)
        panel.core.remove(id_, email)
        if email not in staying and not state.inbound_ids_of(email):
            state.drop_row(email)
    state.save_inbound(inbound)
    for client in listed:
        clients.put_on_inbound(panel, client, id_)


def delete(panel: Panel, call: Call) -> Reply:
    """Clients survive, attached to nothing. An unknown id is a success, except in 3.1.0."""
    id_ = inbound_id(call, "inbound_deleted")
    if not panel.rules.since(3, 2, 0):
        panel.inbound(id_)
    emails = list(panel.state.entries.get(id_, {}))
    for email in emails:
        panel.core.remove(id_, email)
    panel.state.drop_inbound(id_)
    if not panel.rules.keeps_rows_of_orphans:
        for email in emails:
            if not panel.state.inbound_ids_of(email):
                panel.state.drop_row(email)
    return Reply(id_, "inbound_deleted")


def set_enable(panel: Panel, call: Call) -> Reply:
    fields = {"enable": BOOL}
    wanted = bind_form(call.body, fields) if call.is_form else call.json("form", fields)
    inbound = panel.inbound(inbound_id(call, "inbound_updated"))
    panel.state.save_inbound(inbound | {"enable": wanted["enable"]})
    panel.core.rebuild(panel.state)
    return Reply(word="inbound_updated")


def reset_traffic(panel: Panel, call: Call) -> Reply:
    """The inbound's own counters only."""
    inbound = panel.inbound(inbound_id(call, "inbound_updated"))
    panel.state.save_inbound(inbound | {"up": 0, "down": 0, "lastTrafficResetTime": panel.now_ms})
    return Reply(word="traffic_reset")


def reset_all_traffics(panel: Panel, _: Call) -> Reply:
    """Every inbound's own counters; the core restarts at its next check."""
    for inbound in list(panel.state.inbounds.values()):
        panel.state.save_inbound(inbound | {"up": 0, "down": 0})
    panel.core.needs_restart = True
    return Reply(word="traffic_reset")


def _check_settings(panel: Panel, settings: Any) -> None:
    if not panel.rules.checks_settings_of_inbounds:
        return
    if settings is None or settings == "":
        raise refuse("inbound settings is empty")
    if isinstance(settings, str):
        parse_json(settings.encode())


INBOUNDS = "panel/api/inbounds"

ROUTES = (
    Route("GET", f"{INBOUNDS}/list", list_all, blame="obtain"),
    Route("GET", f"{INBOUNDS}/list/slim", list_slim, blame="obtain", since=G4),
    Route("GET", f"{INBOUNDS}/get/:id", get, blame="obtain"),
    Route("GET", f"{INBOUNDS}/options", options, blame="obtain", since=G4),
    Route("POST", f"{INBOUNDS}/add", add, changes=True, since=G4),
    Route("POST", f"{INBOUNDS}/update/:id", update, changes=True, since=G4),
    Route("POST", f"{INBOUNDS}/del/:id", delete, changes=True, since=G4),
    Route("POST", f"{INBOUNDS}/setEnable/:id", set_enable, changes=True, since=(2, 9, 4)),
    Route("POST", f"{INBOUNDS}/:id/resetTraffic", reset_traffic, changes=True, since=G3),
    Route("POST", f"{INBOUNDS}/resetAllTraffics", reset_all_traffics, changes=True),
)

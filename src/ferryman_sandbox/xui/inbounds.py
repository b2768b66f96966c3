"""`panel/api/inbounds/*`: reads for pickers and links, and the few writes an administrator makes."""

import json
from typing import Any

import ferryman_sandbox.xui.clients as clients
from ferryman_sandbox.xui.binding import (
    BOOL,
    CLIENT_FIELDS,
    INBOUND_FIELDS,
    bind,
    bind_form,
    invalid_body,
    parse_json,
    validate_inbound,
)
from ferryman_sandbox.xui.envelope import InvalidBody, Refusal, Reply, refuse
from ferryman_sandbox.xui.panel import Panel
from ferryman_sandbox.xui.routing import Call, Route
from ferryman_sandbox.xui.shapes import ANY_ADDRESS, can_use_vision, row_view

Document = dict[str, Any]

NESTED = ("settings", "streamSettings", "sniffing")
SCALARS = ("id", "up", "down", "total", "remark", "subSortIndex", "enable", "expiryTime", "trafficReset")
CREDENTIAL = {"trojan": "password", "shadowsocks": "email", "hysteria": "auth"}


def list_all(panel: Panel, _: Call) -> Reply:
    return Reply([inbound_view(panel, inbound) for inbound in _by_id(panel)])


def list_slim(panel: Panel, _: Call) -> Reply:
    """As `list`, but of each client only what a table shows."""
    found = []
    for inbound in _by_id(panel):
        view = inbound_view(panel, inbound)
        if isinstance(view["settings"], dict):
            view["settings"]["clients"] = [
                {name: client[name] for name in ("email", "enable", "comment") if client.get(name)}
                for client in panel.state.clients_of(inbound["id"])
            ]
        found.append(view)
    return Reply(found)


def get(panel: Panel, call: Call) -> Reply:
    view = inbound_view(panel, panel.inbound(_id(call, "get")))
    view.pop("originNodeGuid", None)
    if not panel.rules.since(3, 2, 0):
        view["clientStats"] = None
    return Reply(view)


def options(panel: Panel, _: Call) -> Reply:
    return Reply([_option(panel, inbound) for inbound in _by_id(panel)])


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


def _by_id(panel: Panel) -> list[Document]:
    return [inbound for _, inbound in sorted(panel.state.inbounds.items())]


def _id(call: Call, blame: str) -> int:
    try:
        return call.number("id")
    except Refusal as refusal:
        raise Refusal(refusal.text, blame="" if blame == "get" else blame) from refusal


def inbound_view(panel: Panel, inbound: Document, *, with_stats: bool = True) -> Document:
    """An inbound on the wire, its clients put back into `settings` and its traffic rows beside them."""
    state, rules = panel.state, panel.rules
    view = {name: inbound[name] for name in SCALARS if name != "subSortIndex" or rules.since(3, 2, 0)}
    if rules.since(3, 5, 0):
        view["trafficResetDay"] = 1
    view["lastTrafficResetTime"] = inbound["lastTrafficResetTime"]
    emails = state.entries[inbound["id"]]
    stats = [row_view(state.rows[email], state.records.get(email)) for email in emails if email in state.rows]
    view["clientStats"] = stats if with_stats else None
    view |= {name: inbound[name] for name in ("listen", "port", "protocol", "tag")}
    if inbound.get("nodeId"):
        view["nodeId"] = inbound["nodeId"]
    if rules.since(3, 2, 0):
        view |= {"shareAddrStrategy": "node", "shareAddr": "", "originNodeGuid": state.meta["guid"]}
    view |= {name: inbound[name] for name in NESTED}
    if isinstance(inbound["settings"], dict):
        view["settings"] = inbound["settings"] | {"clients": list(state.clients_of(inbound["id"]))}
    return view


def add(panel: Panel, call: Call) -> Reply:
    body = _read(panel, call, "inbound_added")
    inbound = create(panel, body)
    return Reply(inbound_view(panel, inbound, with_stats=False), "inbound_added")


def create(panel: Panel, body: Document) -> Document:
    """Store a new inbound with its clients. Raises Refusal when the port is taken or the settings cannot be read."""
    _check_port(panel, body, besides=0)
    _check_settings(panel, body["settings"])
    inbound_id = panel.state.next_id("xui.inbound")
    inbound = _stored(body) | {"id": inbound_id, "lastTrafficResetTime": 0}
    inbound["trafficReset"] = inbound["trafficReset"] or "never"
    inbound["tag"] = _tag(panel, inbound)
    listed = _take_clients(inbound)
    panel.state.save_inbound(inbound)
    for client in listed:
        clients.put_on_inbound(panel, client, inbound_id)
    return inbound


def update(panel: Panel, call: Call) -> Reply:
    """Replaces everything, its clients too: those left out lose their row and are attached no more."""
    inbound_id = _id(call, "inbound_updated")
    body = _read(panel, call, "inbound_updated")
    old = panel.inbound(inbound_id)
    _check_port(panel, body, besides=inbound_id)
    kept = {name: old[name] for name in ("up", "down", "lastTrafficResetTime", "nodeId") if name in old}
    inbound = _stored(body) | kept | {"id": inbound_id}
    inbound["tag"] = body["tag"] or (old["tag"] if panel.rules.since(3, 2, 0) else "")
    listed = _take_clients(inbound)
    _replace_clients(panel, inbound, listed)
    return Reply(inbound_view(panel, inbound, with_stats=False), "inbound_updated")


def _replace_clients(panel: Panel, inbound: Document, listed: list[Document]) -> None:
    state, inbound_id = panel.state, inbound["id"]
    staying = {client["email"] for client in listed}
    for email in list(state.entries[inbound_id]):
        state.drop_entries(inbound_id, email)
        panel.core.remove(inbound_id, email)
        if email not in staying and not state.inbound_ids_of(email):
            state.drop_row(email)
    state.save_inbound(inbound)
    for client in listed:
        clients.put_on_inbound(panel, client, inbound_id)


def delete(panel: Panel, call: Call) -> Reply:
    """Clients survive, attached to nothing. An unknown id is a success, except in 3.1.0."""
    inbound_id = _id(call, "inbound_deleted")
    if not panel.rules.since(3, 2, 0):
        panel.inbound(inbound_id)
    emails = list(panel.state.entries.get(inbound_id, {}))
    for email in emails:
        panel.core.remove(inbound_id, email)
    panel.state.drop_inbound(inbound_id)
    if not panel.rules.keeps_rows_of_orphans:
        for email in emails:
            if not panel.state.inbound_ids_of(email):
                panel.state.drop_row(email)
    return Reply(inbound_id, "inbound_deleted")


def set_enable(panel: Panel, call: Call) -> Reply:
    fields = {"enable": BOOL}
    wanted = bind_form(call.body, fields) if call.is_form else call.json("form", fields)
    inbound = panel.inbound(_id(call, "inbound_updated"))
    panel.state.save_inbound(inbound | {"enable": wanted["enable"]})
    panel.core.rebuild(panel.state)
    return Reply(word="inbound_updated")


def reset_traffic(panel: Panel, call: Call) -> Reply:
    """The inbound's own counters only."""
    inbound = panel.inbound(_id(call, "inbound_updated"))
    panel.state.save_inbound(inbound | {"up": 0, "down": 0, "lastTrafficResetTime": panel.now_ms})
    return Reply(word="traffic_reset")


def _read(panel: Panel, call: Call, blame: str) -> Document:
    """A form or JSON body. From 3.2.0 it is validated, and a failure lists its issues instead of a bracket."""
    try:
        if call.is_form:
            body = bind_form(call.body, INBOUND_FIELDS)
        else:
            body = bind(parse_json(call.body), INBOUND_FIELDS, ".alias")
        if panel.rules.validates_bodies:
            validate_inbound(body)
    except InvalidBody:
        raise
    except Refusal as refusal:
        if panel.rules.validates_bodies:
            raise invalid_body(refusal.text, []) from refusal
        raise Refusal(refusal.text, blame=blame) from refusal
    return body


def _stored(body: Document) -> Document:
    """Text that holds JSON becomes the JSON, empty text null, any other text stays text."""
    inbound = dict(body)
    for name in NESTED:
        inbound[name] = _opened(body[name])
    inbound["subSortIndex"] = body["subSortIndex"] or 1
    return inbound


def _opened(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value) if value.strip() else None
    except ValueError:
        return value


def _take_clients(inbound: Document) -> list[Document]:
    """Take `settings.clients` out of the inbound, each read as a client. Raises Refusal for one without credential."""
    if not isinstance(inbound["settings"], dict):
        return []
    listed = [bind(client, CLIENT_FIELDS, "Client") for client in inbound["settings"].get("clients") or []]
    inbound["settings"] = inbound["settings"] | {"clients": []}
    credential = CREDENTIAL.get(inbound["protocol"], "id")
    if not all(client[credential] for client in listed):
        raise refuse("empty client ID")
    return listed


def _check_port(panel: Panel, body: Document, *, besides: int) -> None:
    for other in panel.state.inbounds.values():
        apart = body["listen"] != other["listen"] and not {body["listen"], other["listen"]} & set(ANY_ADDRESS)
        if other["id"] == besides or other["port"] != body["port"] or apart or other.get("nodeId"):
            continue
        if not panel.rules.since(3, 2, 0):
            raise refuse("Port already exists:", str(body["port"]))
        where = "*" if other["listen"] in ANY_ADDRESS else other["listen"]
        name = f"'{other['remark'] or other['tag']}' (#{other['id']})"
        raise refuse(f"port {body['port']} (tcp) already used by inbound {name} on {where}")


def _check_settings(panel: Panel, settings: Any) -> None:
    if not panel.rules.checks_settings_of_inbounds:
        return
    if settings is None or settings == "":
        raise refuse("inbound settings is empty")
    if isinstance(settings, str):
        parse_json(settings.encode())


def _tag(panel: Panel, inbound: Document) -> str:
    """A free tag of the caller's is respected from 3.2.0; 3.1.0 forces its own."""
    taken = {other["tag"] for other in panel.state.inbounds.values()}
    if not panel.rules.since(3, 2, 0):
        listen = "" if inbound["listen"] in ANY_ADDRESS else f"{inbound['listen']}:"
        return f"inbound-{listen}{inbound['port']}"
    if inbound["tag"] and inbound["tag"] not in taken:
        return str(inbound["tag"])
    prefix = f"n{inbound['nodeId']}-" if inbound.get("nodeId") else ""
    tag = f"{prefix}in-{inbound['port']}-tcp"
    return next(free for free in (tag, *(f"{tag}-{n}" for n in range(2, 1000))) if free not in taken)


INBOUNDS = "panel/api/inbounds"

ROUTES = (
    Route("GET", f"{INBOUNDS}/list", list_all, blame="obtain"),
    Route("GET", f"{INBOUNDS}/list/slim", list_slim, blame="obtain"),
    Route("GET", f"{INBOUNDS}/get/:id", get, blame="obtain"),
    Route("GET", f"{INBOUNDS}/options", options, blame="obtain"),
    Route("POST", f"{INBOUNDS}/add", add, changes=True),
    Route("POST", f"{INBOUNDS}/update/:id", update, changes=True),
    Route("POST", f"{INBOUNDS}/del/:id", delete, changes=True),
    Route("POST", f"{INBOUNDS}/setEnable/:id", set_enable, changes=True),
    Route("POST", f"{INBOUNDS}/:id/resetTraffic", reset_traffic, changes=True),
)

"""`panel/api/clients/*` for one client, and the reads over all of them."""

import time
from functools import partial
from typing import Any

import ferryman_sandbox.xui.clients as clients
import ferryman_sandbox.xui.devices as devices
from ferryman_sandbox.xui.binding import INT64, INTS, OBJECT, bind_client, parse_json
from ferryman_sandbox.xui.envelope import Refusal, Reply
from ferryman_sandbox.xui.inbound_views import dump
from ferryman_sandbox.xui.links import links_of_client, links_of_sub
from ferryman_sandbox.xui.paging import list_page
from ferryman_sandbox.xui.panel import Panel
from ferryman_sandbox.xui.routing import Call, Route
from ferryman_sandbox.xui.shapes import record_view, row_view
from ferryman_sandbox.xui.versions import G4, G5

Document = dict[str, Any]


def get(panel: Panel, call: Call) -> Reply:
    return Reply(client_view(panel, call.params["email"]))


def get_by_tg_id(panel: Panel, call: Call) -> Reply:
    tg_id = call.number("tgId")
    if tg_id <= 0:
        raise Refusal("tg_id must be a positive integer")
    found = [email for email, record in panel.state.records.items() if record["tgId"] == tg_id]
    return Reply([client_view(panel, email) for email in found])


def client_view(panel: Panel, email: str) -> Document:
    record, row = panel.record(email), panel.state.rows.get(email)
    view: Document = {
        "client": record_view(record | {"flow": clients.effective_flow(panel, email)}, panel.rules),
        "inboundIds": panel.state.inbound_ids_of(email),
    }
    if panel.rules.since(3, 4, 0):
        view["externalLinks"] = []
    if panel.rules.shows_used_traffic:
        view["usedTraffic"] = row["up"] + row["down"] if row else 0
    return view


def list_all(panel: Panel, _: Call) -> Reply:
    texts, version = panel.state.texts, panel.rules.version
    emails = sorted(panel.state.records, key=lambda email: panel.state.records[email]["id"])
    found = [texts.of(email, ("listed", version), partial(_listed, panel, email)) for email in emails]
    return Reply(obj_text=f"[{','.join(found)}]")


def _listed(panel: Panel, email: str) -> str:
    state, rules = panel.state, panel.rules
    view = record_view(state.records[email], rules) | {"inboundIds": state.inbound_ids_of(email) or None}
    if email in state.rows:
        view["traffic"] = row_view(state.rows[email], rules)
    return dump(view)


def list_paged(panel: Panel, call: Call) -> Reply:
    return Reply(list_page(panel, call.query))


def traffic(panel: Panel, call: Call) -> Reply:
    email = call.params["email"]
    row = clients.find_row(panel, email)
    if row is None:
        return Reply(None)
    record = panel.state.records.get(email, {"uuid": "", "subId": ""})
    return Reply(row_view(row, panel.rules, record["uuid"], record["subId"]))


def add(panel: Panel, call: Call) -> Reply:
    body = call.json("ClientCreatePayload", {"client": OBJECT, "inboundIds": INTS})
    client = bind_client(body["client"] or {}, panel.rules.version, "Client.client")
    clients.add(panel, client, body["inboundIds"])
    return Reply(panel.pending_nodes(body["inboundIds"]), "client_added")


def update(panel: Panel, call: Call) -> Reply:
    client = bind_client(parse_json(call.body), panel.rules.version)
    only: list[int] = []
    if panel.rules.filters_update_by_inbound:
        only = [int(part) for part in call.query.get("inboundIds", "").split(",") if part.strip().isdigit()]
    clients.update(panel, call.params["email"], client, only)
    pending = panel.pending_nodes(panel.state.inbound_ids_of(client["email"]))
    return Reply(pending, "client_updated")


def delete(panel: Panel, call: Call) -> Reply:
    clients.delete(panel, call.params["email"], keep_traffic=call.query.get("keepTraffic") == "1")
    return Reply(word="client_deleted")


def attach(panel: Panel, call: Call) -> Reply:
    inbound_ids = call.json("attachDetachBody", {"inboundIds": INTS})["inboundIds"]
    clients.attach(panel, call.params["email"], inbound_ids)
    return Reply(panel.pending_nodes(inbound_ids), "client_added")


def detach(panel: Panel, call: Call) -> Reply:
    inbound_ids = call.json("attachDetachBody", {"inboundIds": INTS})["inboundIds"]
    clients.detach(panel, call.params["email"], inbound_ids)
    return Reply(panel.pending_nodes(inbound_ids), "client_deleted")


def reset_traffic(panel: Panel, call: Call) -> Reply:
    clients.reset_traffic(panel, call.params["email"])
    return Reply(word="traffic_reset")


def update_traffic(panel: Panel, call: Call) -> Reply:
    """Sets the counters outright; an unknown email is no error."""
    body = call.json("trafficUpdateRequest", {"upload": INT64, "download": INT64})
    row = panel.state.rows.get(call.params["email"])
    if row is not None:
        panel.state.save_row(row | {"up": body["upload"], "down": body["download"]})
    return Reply(word="client_updated")


def onlines(panel: Panel, _: Call) -> Reply:
    """3.1.0 answers null until somebody has been online."""
    return Reply(panel.core.online(panel.now_ms) if panel.core.seen_ms or panel.rules.since(3, 2, 0) else None)


def last_online(panel: Panel, _: Call) -> Reply:
    return Reply({email: row["lastOnline"] for email, row in panel.state.rows.items()})


def ips(panel: Panel, call: Call) -> Reply:
    """From 3.4.0 objects, before that lines of text or one sentence when there is none."""
    seen = panel.state.ips.get(call.params["email"], {})
    newest_first = sorted(seen.items(), key=lambda one: -one[1])
    times = [(ip, time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))) for ip, at in newest_first]
    if panel.rules.since(3, 4, 0):
        return Reply([{"ip": ip, "time": at, "node": ""} for ip, at in times])
    return Reply([f"{ip} ({at})" for ip, at in times] or "No IP Record")


def clear_ips(panel: Panel, call: Call) -> Reply:
    panel.state.drop_ips(call.params["email"])
    return Reply(word="log_cleared")


def list_devices(panel: Panel, call: Call) -> Reply:
    return Reply(devices.known(panel, panel.record(call.params["email"])["subId"]))


def clear_devices(panel: Panel, call: Call) -> Reply:
    devices.forget(panel, panel.record(call.params["email"])["subId"])
    return Reply(word="device_deleted")


def delete_device(panel: Panel, call: Call) -> Reply:
    sub_id = panel.record(call.params["email"])["subId"]
    devices.forget(panel, sub_id, call.number("id"))
    return Reply(word="device_deleted")


def client_links(panel: Panel, call: Call) -> Reply:
    return Reply(links_of_client(panel, call.params["email"], call.host))


def sub_links(panel: Panel, call: Call) -> Reply:
    return Reply(links_of_sub(panel, call.params["subId"], call.host))


CLIENTS = "panel/api/clients"

ROUTES = (
    Route("GET", f"{CLIENTS}/get/:email", get, blame="obtain", since=G4),
    Route("GET", f"{CLIENTS}/get/tgId/:tgId", get_by_tg_id, blame="obtain", since=(3, 6, 0)),
    Route("GET", f"{CLIENTS}/list", list_all, blame="obtain", since=G4),
    Route("GET", f"{CLIENTS}/list/paged", list_paged, blame="obtain", since=G4),
    Route("GET", f"{CLIENTS}/traffic/:email", traffic, blame="traffic", since=G4),
    Route("GET", f"{CLIENTS}/links/:email", client_links, blame="obtain", since=G4),
    Route("GET", f"{CLIENTS}/subLinks/:subId", sub_links, blame="obtain", since=G4),
    Route("POST", f"{CLIENTS}/add", add, changes=True, since=G4),
    Route("POST", f"{CLIENTS}/update/:email", update, changes=True, since=G4),
    Route("POST", f"{CLIENTS}/del/:email", delete, changes=True, since=G4),
    Route("POST", f"{CLIENTS}/:email/attach", attach, changes=True, since=G4),
    Route("POST", f"{CLIENTS}/:email/detach", detach, changes=True, since=G4),
    Route("POST", f"{CLIENTS}/resetTraffic/:email", reset_traffic, changes=True, since=G4),
    Route("POST", f"{CLIENTS}/updateTraffic/:email", update_traffic, changes=True, since=G4),
    Route("POST", f"{CLIENTS}/onlines", onlines, since=G4),
    Route("POST", f"{CLIENTS}/lastOnline", last_online, since=G4),
    Route("POST", f"{CLIENTS}/ips/:email", ips, since=G4),
    Route("POST", f"{CLIENTS}/clearIps/:email", clear_ips, changes=True, since=G4),
    Route("POST", f"{CLIENTS}/hwids/:email", list_devices, since=G5, blame="obtain"),
    Route("DELETE", f"{CLIENTS}/hwids/:email", clear_devices, since=G5, changes=True),
    Route("DELETE", f"{CLIENTS}/hwids/:email/:id", delete_device, since=G5, changes=True),
)

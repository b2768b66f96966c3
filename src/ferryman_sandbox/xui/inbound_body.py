"""Bodies of inbounds: read, checked, and taken apart into what is stored and the clients listed in it."""

import json
from typing import Any

from ferryman_sandbox.xui.binding import INBOUND_FIELDS, bind, bind_form, invalid_body, parse_json, validate_inbound
from ferryman_sandbox.xui.envelope import InvalidBody, Refusal, refuse
from ferryman_sandbox.xui.inbound_views import NESTED
from ferryman_sandbox.xui.panel import Panel
from ferryman_sandbox.xui.routing import Call
from ferryman_sandbox.xui.shapes import ANY_ADDRESS

Document = dict[str, Any]

# In JSON bodies of 2.x and 3.0 the nested settings are text and nothing else.
TEXT_FIELDS = INBOUND_FIELDS | dict.fromkeys(NESTED, "string")


def inbound_id(call: Call, blame: str) -> int:
    try:
        return call.number("id")
    except Refusal as refusal:
        raise Refusal(refusal.text, blame="" if blame == "get" else blame) from refusal


def read_body(panel: Panel, call: Call, blame: str) -> Document:
    """A form or JSON body. From 3.2.0 it is validated, and a failure lists its issues instead of a bracket."""
    try:
        if call.is_form:
            body = bind_form(call.body, INBOUND_FIELDS)
        elif panel.rules.embeds_clients:
            body = bind(parse_json(call.body), TEXT_FIELDS, "Inbound")
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


def stored(body: Document) -> Document:
    """Text that holds JSON becomes the JSON, empty text null, any other text stays text."""
    inbound = dict(body)
    for name in NESTED:
        inbound[name] = _opened(body[name])
    inbound["subSortIndex"] = body["subSortIndex"] or 1
    inbound["trafficReset"] = body["trafficReset"] or "never"
    return inbound


def _opened(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value) if value.strip() else None
    except ValueError:
        return value


def take_clients(inbound: Document) -> list[Document]:
    """Take `settings.clients` out of the inbound, as they are."""
    settings = inbound["settings"]
    if not isinstance(settings, dict):
        return []
    listed = settings.get("clients") or []
    if "clients" in settings:
        inbound["settings"] = settings | {"clients": []}
    return [client for client in listed if isinstance(client, dict)] if isinstance(listed, list) else []


def check_port(panel: Panel, body: Document, *, besides: int) -> None:
    for other in panel.state.inbounds.values():
        apart = body["listen"] != other["listen"] and not {body["listen"], other["listen"]} & set(ANY_ADDRESS)
        if other["id"] == besides or other["port"] != body["port"] or apart or other.get("nodeId"):
            continue
        if not panel.rules.since(3, 2, 0):
            raise refuse("Port already exists:", str(body["port"]))
        where = "*" if other["listen"] in ANY_ADDRESS else other["listen"]
        name = f"'{other['remark'] or other['tag']}' (#{other['id']})"
        raise refuse(f"port {body['port']} (tcp) already used by inbound {name} on {where}")


def old_tag(inbound: Document) -> str:
    """The tag up to 3.1.0, whatever the caller asked for."""
    listen = "" if inbound["listen"] in ANY_ADDRESS else f"{inbound['listen']}:"
    return f"inbound-{listen}{inbound['port']}"


def free_tag(panel: Panel, inbound: Document) -> str:
    """A free tag of the caller's is respected from 3.2.0; 3.1.0 forces its own."""
    taken = {other["tag"] for other in panel.state.inbounds.values()}
    if not panel.rules.since(3, 2, 0):
        return old_tag(inbound)
    if inbound["tag"] and inbound["tag"] not in taken:
        return str(inbound["tag"])
    prefix = f"n{inbound['nodeId']}-" if inbound.get("nodeId") else ""
    tag = f"{prefix}in-{inbound['port']}-tcp"
    return next(free for free in (tag, *(f"{tag}-{n}" for n in range(2, 1000))) if free not in taken)

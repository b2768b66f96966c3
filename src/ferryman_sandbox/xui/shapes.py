"""The shapes a client takes: as written, as an inbound's settings hold it, as read back, and its traffic row."""

from collections.abc import Mapping
from typing import Any

from ferryman_sandbox.xui.versions import Rules

Document = dict[str, Any]

# The numeric fields an inbound's settings always carry, even when zero; the rest disappears when empty.
ALWAYS = ("security", "email", "limitIp", "totalGB", "expiryTime", "enable", "tgId", "subId", "comment", "reset")

RECORD_FIELDS: Mapping[str, tuple[int, int, int]] = {
    "id": (3, 1, 0),
    "email": (3, 1, 0),
    "subId": (3, 1, 0),
    "uuid": (3, 1, 0),
    "password": (3, 1, 0),
    "auth": (3, 1, 0),
    "flow": (3, 1, 0),
    "security": (3, 1, 0),
    "privateKey": (3, 4, 2),
    "publicKey": (3, 4, 2),
    "allowedIPs": (3, 4, 2),
    "preSharedKey": (3, 4, 2),
    "keepAlive": (3, 4, 2),
    "secret": (3, 5, 0),
    "adTag": (3, 5, 0),
    "limitIp": (3, 1, 0),
    "totalGB": (3, 1, 0),
    "expiryTime": (3, 1, 0),
    "enable": (3, 1, 0),
    "tgId": (3, 1, 0),
    "group": (3, 2, 0),
    "comment": (3, 1, 0),
    "reset": (3, 1, 0),
    "createdAt": (3, 1, 0),
    "updatedAt": (3, 1, 0),
    "reverse": (3, 1, 0),
}

ANY_ADDRESS = ("", "0.0.0.0", "::", "::0")  # noqa: S104 - compared with, never bound

# Write name → record name, where they differ.
RENAMED = {"id": "uuid", "created_at": "createdAt", "updated_at": "updatedAt"}


def entry_from(client: Document) -> Document:
    """A client as `settings.clients[]` holds it."""
    return {name: value for name, value in client.items() if value or name in ALWAYS}


def record_from(client: Document, record_id: int) -> Document:
    """The client's record: same facts, its own names."""
    record: Document = {RENAMED.get(name, name): value for name, value in client.items()}
    record["allowedIPs"] = ",".join(client["allowedIPs"])
    record["id"] = record_id
    return record


def client_from(record: Document) -> Document:
    """A record as it would be written back."""
    client = {name: value for name, value in record.items() if name != "id"}
    for written, read in RENAMED.items():
        client[written] = client.pop(read)
    client["allowedIPs"] = [part for part in record["allowedIPs"].split(",") if part]
    return client


def record_view(record: Document, rules: Rules) -> Document:
    return {name: record[name] for name, since in RECORD_FIELDS.items() if rules.version >= since}


def new_row(row_id: int, inbound_id: int, client: Document) -> Document:
    return {
        "id": row_id,
        "inboundId": inbound_id,
        "enable": client["enable"],
        "email": client["email"],
        "up": 0,
        "down": 0,
        "expiryTime": client["expiryTime"],
        "total": client["totalGB"],
        "reset": client["reset"],
        "lastOnline": 0,
    }


def limits_to_row(row: Document, client: Document) -> None:
    row["enable"] = client["enable"]
    row["expiryTime"] = client["expiryTime"]
    row["total"] = client["totalGB"]
    row["reset"] = client["reset"]


def row_view(row: Document, record: Document | None = None) -> Document:
    """A traffic row on the wire; rows inside `clients/list` carry no uuid and no subId."""
    view = {name: row[name] for name in ("id", "inboundId", "enable", "email")}
    view["uuid"] = record["uuid"] if record else ""
    view["subId"] = record["subId"] if record else ""
    return view | {name: row[name] for name in ("up", "down", "expiryTime", "total", "reset", "lastOnline")}


def is_depleted(row: Document, now_ms: int) -> bool:
    """Out of traffic or out of time, by the row's own numbers."""
    exhausted = row["total"] > 0 and row["up"] + row["down"] >= row["total"]
    return bool(exhausted or 0 < row["expiryTime"] <= now_ms)


def can_use_vision(inbound: Document) -> bool:
    """Vision works on VLESS over plain TCP under TLS or REALITY."""
    stream = inbound["streamSettings"]
    if inbound["protocol"] != "vless" or not isinstance(stream, dict):
        return False
    return stream.get("network") in ("tcp", "raw") and stream.get("security") in ("tls", "reality")

"""The shapes a client takes: as written, as an inbound's settings hold it, as read back, and its traffic row."""

from collections.abc import Mapping
from typing import Any

from ferryman_sandbox.xui.binding import CLIENT_FIELDS, zero
from ferryman_sandbox.xui.versions import Rules

Document = dict[str, Any]

# What a record names otherwise than a written client.
RENAMED = {"id": "uuid", "created_at": "createdAt", "updated_at": "updatedAt"}

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
    "limitHwid": (3, 7, 0),
    "totalGB": (3, 1, 0),
    "expiryTime": (3, 1, 0),
    "enable": (3, 1, 0),
    "tgId": (3, 1, 0),
    "group": (3, 2, 0),
    "comment": (3, 1, 0),
    "reset": (3, 1, 0),
    "resetDay": (3, 7, 0),
    "resetMax": (3, 7, 0),
    "trafficReset": (3, 7, 0),
    "trafficResetDay": (3, 7, 0),
    "createdAt": (3, 1, 0),
    "updatedAt": (3, 1, 0),
    "reverse": (3, 1, 0),
}

# What `:clientId` and an inbound's own check look at; every other protocol has its uuid.
CREDENTIAL_KEY = {"trojan": "password", "shadowsocks": "email", "hysteria": "auth", "hysteria2": "auth"}

ANY_ADDRESS = ("", "0.0.0.0", "::", "::0")  # noqa: S104 - compared with, never bound

LATER_DEFAULTS = {"trafficReset": "never", "trafficResetDay": 1}


def entry_from(client: Document) -> Document:
    """A client as `settings.clients[]` holds it; how many devices it may have is on its record only."""
    entry = {name: value for name, value in client.items() if value or name in ALWAYS}
    entry.pop("limitHwid", None)
    if entry.get("trafficReset") == "never":
        del entry["trafficReset"]
        entry.pop("trafficResetDay", None)
    return entry


def record_from(client: Document, record_id: int) -> Document:
    """The client's record: same facts, its own names."""
    record: Document = {RENAMED.get(name, name): value for name, value in client.items()}
    record["allowedIPs"] = ",".join(client["allowedIPs"])
    record["id"] = record_id
    return record


def client_from(record: Document) -> Document:
    """A record as it would be written back, fields it was kept without zero."""
    client: Document = {name: zero(kind) for name, kind in CLIENT_FIELDS.items() if name not in RENAMED}
    client |= {name: value for name, value in record.items() if name != "id"}
    for written, read in RENAMED.items():
        client[written] = client.pop(read)
    client["allowedIPs"] = [part for part in record["allowedIPs"].split(",") if part]
    return client


def record_view(record: Document, rules: Rules) -> Document:
    """A record kept by an older version lacks what later ones know: zero, or the default."""
    return {
        name: record.get(name, LATER_DEFAULTS.get(name, 0))
        for name, since in RECORD_FIELDS.items()
        if rules.version >= since
    }


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
        "resetDay": client["resetDay"],
        "resetMax": client["resetMax"],
        "lastOnline": 0,
    }


def limits_to_row(row: Document, client: Document) -> None:
    row["enable"] = client["enable"]
    row["expiryTime"] = client["expiryTime"]
    row["total"] = client["totalGB"]
    row["reset"] = client["reset"]
    row["resetDay"], row["resetMax"] = client["resetDay"], client["resetMax"]


def row_view(row: Document, rules: Rules, uuid: str = "", sub_id: str = "") -> Document:
    """A traffic row on the wire; rows inside `clients/list` carry no uuid and no subId."""
    view = {name: row[name] for name in ("id", "inboundId", "enable", "email")}
    if rules.since(2, 8, 3):
        view |= {"uuid": uuid, "subId": sub_id}
    view |= {"up": row["up"], "down": row["down"]}
    if rules.counts_all_time:
        view["allTime"] = row.get("allTime", 0)
    view |= {name: row[name] for name in ("expiryTime", "total", "reset")}
    if rules.limits_devices:
        view |= {name: row.get(name, 0) for name in ("resetDay", "resetMax", "resetCount")}
    if rules.since(2, 6, 8):
        view["lastOnline"] = row["lastOnline"]
    return view | ({"lastSubFetch": row.get("lastSubFetch", 0)} if rules.limits_devices else {})


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

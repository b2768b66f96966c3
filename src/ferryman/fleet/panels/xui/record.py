"""The panel's two shapes of a client, and ours.

What is read (a record) is not what may be written: the credential is `uuid` there and `id` here, and an update clears
every field it does not name. So a write is made from a fresh record with our fields laid over it.
"""

import re
from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from ferryman.fleet.panel import Access, Seen
from ferryman.fleet.panels.xui.clients import Record
from ferryman.kit.errors import Refused

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)

# The record's own row id, its timestamps, and lists that the panel joins to text.
_NOT_WRITTEN_AS_READ = frozenset({"id", "uuid", "createdAt", "updatedAt", "allowedIPs", "tgId"})
# Since 3.2.5 the panel refuses white space and slashes; `>` has always cut traffic accounting short, `,` its purges.
_UNFIT = re.compile(r"[\s/\\>,\x00-\x1f\x7f]")


def require_storable(host: str, access: Access) -> None:
    """Raises Refused for what no panel would keep as it is."""
    for name, value in (("email", access.email), ("sub_id", access.sub_id)):
        if not value or _UNFIT.search(value):
            raise Refused(f"{host} cannot keep the {name} {value!r}: use letters, digits, dots and dashes.")
    if not access.inbounds:
        raise Refused(f"{access.email} has no inbound on {host}: choose at least one for this node.")


def owed(access: Access, flow: str, protocols: frozenset[str], record: Record | None) -> dict[str, Any]:
    """Our fields, in the shape of a write. The panel's own renewal is off: only we decide how long a client lasts."""
    fields: dict[str, Any] = {
        "email": access.email,
        "id": access.uuid,
        "password": access.password,
        "subId": access.sub_id,
        "enable": access.enabled,
        "totalGB": access.traffic_bytes,
        "expiryTime": milliseconds(access.ends_at),
        "limitIp": access.devices,
        "flow": flow,
        "reset": 0,
    }
    if record is not None and "resetDay" in record.fields:
        fields["resetDay"] = 0
    if record is not None and "limitHwid" in record.fields:
        fields["limitHwid"] = access.devices
    if access.comment:
        fields["comment"] = access.comment
    if protocols & {"hysteria", "hysteria2"}:
        fields["auth"] = access.password
    return fields


def as_write(record: Record | None, ours: Mapping[str, Any]) -> dict[str, Any]:
    """The whole client to be written: everything that was there, kept or mapped, under everything that is ours."""
    given: Mapping[str, Any] = record.fields if record is not None else {}
    kept = {name: value for name, value in given.items() if name not in _NOT_WRITTEN_AS_READ and value is not None}
    if given.get("createdAt"):
        kept["created_at"] = given["createdAt"]
    if given.get("allowedIPs"):
        kept["allowedIPs"] = [part.strip() for part in str(given["allowedIPs"]).split(",") if part.strip()]
    # A number, or the whole body is refused; older records may hold a text.
    telegram = given.get("tgId")
    return {**kept, "tgId": telegram if isinstance(telegram, int) else 0, **ours}


def differences(record: Record, ours: Mapping[str, Any], ignored: Collection[str] = ()) -> list[str]:
    """Names of our fields that the record holds otherwise."""
    return [name for name in differs({**record.fields, "id": record.fields.get("uuid")}, ours) if name not in ignored]


def differs(held: Mapping[str, Any], ours: Mapping[str, Any]) -> list[str]:
    """Names of our fields that are held otherwise; absent and null are the same as empty."""
    return [name for name, value in ours.items() if (held.get(name) or type(value)()) != value]


def is_ours(record: Record, access: Access) -> bool:
    return record.fields.get("uuid") == access.uuid or record.fields.get("subId") == access.sub_id


def is_spent(access: Access, used: int, now: datetime) -> bool:
    """Past its end or its quota: the panel switches such a client off by itself, however often it is switched on."""
    ended = access.ends_at is not None and access.ends_at <= now
    return ended or 0 < access.traffic_bytes <= used


def used_bytes(traffic: Mapping[str, Any]) -> int:
    return int(traffic.get("up") or 0) + int(traffic.get("down") or 0)


def row_differences(record: Record, traffic: Mapping[str, Any]) -> list[str]:
    """Names of the limits that the row of counters, which the panel enforces, holds otherwise than the record."""
    if not traffic:
        return []
    pairs = (("total", "totalGB"), ("expiryTime", "expiryTime"))
    return [theirs for ours, theirs in pairs if (traffic.get(ours) or 0) != (record.fields.get(theirs) or 0)]


def as_seen(record: Record, traffic: Mapping[str, Any], flawed: str = "") -> Seen:
    fields = record.fields
    return Seen(
        email=str(fields.get("email") or ""),
        uuid=str(fields.get("uuid") or ""),
        password=str(fields.get("password") or ""),
        sub_id=str(fields.get("subId") or ""),
        enabled=bool(fields.get("enable")),
        ends_at=moment(int(fields.get("expiryTime") or 0)),
        traffic_bytes=int(fields.get("totalGB") or 0),
        devices=int(fields.get("limitIp") or 0),
        inbounds=record.inbounds,
        up=int(traffic.get("up") or 0),
        down=int(traffic.get("down") or 0),
        flawed=flawed,
    )


def milliseconds(ends_at: datetime | None) -> int:
    """The panel's unit, rounded up: paid time is never shortened. 0 = never ends."""
    return 0 if ends_at is None else -((EPOCH - ends_at) // MILLISECOND)


def moment(expiry_ms: int) -> datetime | None:
    """None = never. A negative number, a span that starts with the first traffic, has no moment yet either."""
    return EPOCH + expiry_ms * MILLISECOND if expiry_ms > 0 else None

"""One reading of a panel's inbounds: who has entries where, and what was counted for them.

An entry says what a client may do on one inbound. Beside the entries the panel keeps a row of counters per email, with
a copy of the limits, and switches the row off when they are used up; before 2.9.4 the entry then still says enabled.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ferryman.fleet.panel import PanelInbound, Seen
from ferryman.fleet.panels.xui.inbounds import as_object, read_inbound
from ferryman.fleet.panels.xui.naming import is_nobody, owner_of
from ferryman.fleet.panels.xui.record import milliseconds, moment, used_bytes

_SHARED = ("id", "password", "subId", "totalGB", "expiryTime", "limitIp")
_KEYS = {"trojan": "password", "shadowsocks": "email", "hysteria": "auth", "hysteria2": "auth"}


@dataclass(frozen=True, slots=True)
class Entry:
    inbound: int
    protocol: str
    fields: Mapping[str, Any]

    @property
    def email(self) -> str:
        return str(self.fields.get("email") or "")

    @property
    def key(self) -> str:
        """What the panel finds it by, "" when it has none: the credential, by protocol."""
        return str(self.fields.get(_KEYS.get(self.protocol, "id")) or "")

    @property
    def is_enabled(self) -> bool:
        return bool(self.fields.get("enable"))


class Book:
    """Raises AttributeError, TypeError or ValueError when the panel lists what we cannot read."""

    def __init__(self, listed: Iterable[Mapping[str, Any]], now: datetime) -> None:
        self.now = now
        self._now_ms = milliseconds(now)
        self.inbounds: list[PanelInbound] = []
        self.on: dict[int, list[Entry]] = {}
        self.of: dict[str, list[Entry]] = defaultdict(list)
        self.rows: dict[str, Mapping[str, Any]] = {}
        for raw in listed:
            self._read(raw)

    def _read(self, raw: Mapping[str, Any]) -> None:
        inbound = read_inbound(raw)
        self.inbounds.append(inbound)
        entries = self.on[inbound.panel_id] = [
            Entry(inbound.panel_id, inbound.protocol, fields)
            for fields in as_object(raw.get("settings")).get("clients") or ()
            if isinstance(fields, dict)
        ]
        for entry in entries:
            if entry.email and not is_nobody(entry.email):
                self.of[owner_of(entry.email, entry.inbound)].append(entry)
        for row in raw.get("clientStats") or ():
            self.rows[str(row.get("email"))] = row

    def entries_of(self, email: str) -> Sequence[Entry]:
        return self.of.get(email, ())

    def seen(self, email: str) -> Seen | None:
        entries = self.entries_of(email)
        return self._joined(email, entries) if entries else None

    def everyone(self) -> Iterable[Seen]:
        return (self._joined(email, entries) for email, entries in self.of.items())

    def is_live(self, entry: Entry) -> bool:
        row = self.rows.get(entry.email)
        return entry.is_enabled and (row is None or bool(row.get("enable")))

    def is_rowless(self, entry: Entry) -> bool:
        return entry.email not in self.rows

    def shares_key(self, entry: Entry) -> bool:
        """A client of another name in the same inbound has the same key: a write might hit that one."""
        return any(other.key == entry.key and other.email != entry.email for other in self.on[entry.inbound])

    def row_lacks(self, entry: Entry) -> list[str]:
        """Names of the limits that the row holds otherwise than the entry."""
        row = self.rows.get(entry.email)
        if row is None:
            return ["counters"]
        pairs = (("total", "totalGB"), ("expiryTime", "expiryTime"))
        return [theirs for ours, theirs in pairs if (row.get(ours) or 0) != (entry.fields.get(theirs) or 0)]

    def used(self, entries: Sequence[Entry]) -> int:
        return sum(used_bytes(self.rows.get(email, {})) for email in {entry.email for entry in entries})

    def _joined(self, email: str, entries: Sequence[Entry]) -> Seen:
        """Values are those of the entry with the name itself, or else of the first; one that is live speaks for all."""
        fields = next((entry.fields for entry in entries if entry.email == email), entries[0].fields)
        rows = [self.rows[name] for name in {entry.email for entry in entries} if name in self.rows]
        total, ends_at = int(fields.get("totalGB") or 0), int(fields.get("expiryTime") or 0)
        up, down = sum(int(row.get("up") or 0) for row in rows), sum(int(row.get("down") or 0) for row in rows)
        is_spent = 0 < total <= up + down or 0 < ends_at <= self._now_ms
        return Seen(
            email=email,
            uuid=str(fields.get("id") or ""),
            password=str(fields.get("password") or ""),
            sub_id=str(fields.get("subId") or ""),
            enabled=any(self.is_live(entry) for entry in entries),
            ends_at=moment(ends_at),
            traffic_bytes=total,
            devices=int(fields.get("limitIp") or 0),
            inbounds=tuple(sorted({entry.inbound for entry in entries})),
            up=up,
            down=down,
            flawed=self._flaw(entries, is_spent),
        )

    def _flaw(self, entries: Sequence[Entry], is_spent: bool) -> str:
        if len(entries) > 1:
            first = entries[0].fields
            if len({entry.inbound for entry in entries}) < len(entries):
                return "twice in one inbound"
            if any(entry.fields.get(name) != first.get(name) for entry in entries[1:] for name in _SHARED):
                return "its inbounds disagree"
            if not is_spent and len({self.is_live(entry) for entry in entries}) > 1:
                return "on in some inbounds and off in others"
        wrong = sorted({name for entry in entries for name in self.row_lacks(entry)})
        return f"its counters disagree: {', '.join(wrong)}" if wrong else ""

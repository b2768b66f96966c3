"""Which writes lead from the entries that are there to the client that is owed.

Updates come first and removals last: the client is on some inbound all the time, and on 3.0, where all entries of one
email share a row, its counters are kept.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ferryman.fleet.panel import Access, PanelInbound
from ferryman.fleet.panels.xui.inbounds import VISION, carries_vision
from ferryman.fleet.panels.xui.legacy.book import Book, Entry
from ferryman.fleet.panels.xui.naming import part_of
from ferryman.fleet.panels.xui.record import differs, is_spent, owed
from ferryman.kit.errors import Conflict


@dataclass(frozen=True)
class Update:
    entry: Entry
    fields: Mapping[str, Any]


@dataclass(frozen=True)
class Rebuild:
    """Entries that no update can mend: the name is twice in the inbound, has no row, or shares its key."""

    entries: tuple[Entry, ...]
    fields: Mapping[str, Any]


@dataclass(frozen=True)
class Add:
    inbound: int
    fields: Mapping[str, Any]


@dataclass(frozen=True)
class Remove:
    entries: tuple[Entry, ...]


Move = Update | Rebuild | Add | Remove


@dataclass(frozen=True)
class Rules:
    """What this release allows: one email on several inbounds (3.0), counters set, deletion by name."""

    shares_names: bool
    sets_counters: bool
    deletes_by_name: bool


def require_ours(host: str, access: Access, entries: Iterable[Entry]) -> None:
    """Raises Conflict for somebody else's client."""
    for entry in entries:
        if entry.fields.get("id") != access.uuid and entry.fields.get("subId") != access.sub_id:
            raise Conflict(
                f"{host} has a client {entry.email} that is not ours (other uuid, other subId): rename or delete it "
                "there."
            )


class Plan:
    """The moves of one client on one reading."""

    def __init__(self, book: Book, access: Access, rules: Rules) -> None:
        self._book = book
        self._access = access
        self._rules = rules
        self._entries = list(book.entries_of(access.email))
        self._is_spent = access.enabled and is_spent(access, book.used(self._entries), book.now)

    def moves(self) -> list[Move]:
        by_inbound: dict[int, list[Entry]] = {}
        for entry in self._entries:
            by_inbound.setdefault(entry.inbound, []).append(entry)
        wanted = sorted((one for one in self._book.inbounds if one.panel_id in self._access.inbounds), key=_number)
        changes = [self._change(one, by_inbound[one.panel_id]) for one in wanted if one.panel_id in by_inbound]
        removals = [Remove(tuple(gone)) for at, gone in sorted(by_inbound.items()) if at not in self._access.inbounds]
        missing = [one for one in wanted if one.panel_id not in by_inbound]
        return [*(change for change in changes if change), *self._additions(missing), *removals]

    def lacking(self) -> list[str]:
        """Names of what still differs, for an error."""
        named = {Update: "values", Rebuild: "a sound entry", Add: "an entry", Remove: "an inbound too many"}
        return sorted({named[type(move)] for move in self.moves()})

    def _additions(self, inbounds: list[PanelInbound]) -> list[Move]:
        is_free = not any(entry.email == self._access.email for entry in self._entries)
        additions: list[Move] = []
        for inbound in inbounds:
            takes_it = is_free or self._rules.shares_names
            name = self._access.email if takes_it else part_of(self._access.email, inbound.panel_id)
            additions.append(Add(inbound.panel_id, {"tgId": 0, **self._owed(inbound, name)}))
            is_free = False
        return additions

    def _change(self, inbound: PanelInbound, entries: list[Entry]) -> Move | None:
        first = entries[0]
        wanted = self._owed(inbound, first.email)
        fields = {**first.fields, **wanted}
        if len(entries) > 1 or self._book.is_rowless(first) or not first.key:
            return Rebuild(tuple(entries), fields)
        lacks = set(differs(first.fields, wanted)) | set(self._book.row_lacks(first))
        # 2.6 and older switch the row on with every write, whatever the entry says; off is what the entry says.
        if self._access.enabled and not self._book.is_live(first):
            lacks.add("enable")
        if self._is_spent:
            lacks.discard("enable")
        if not lacks:
            return None
        return Rebuild((first,), fields) if self._book.shares_key(first) else Update(first, fields)

    def _owed(self, inbound: PanelInbound, name: str) -> dict[str, Any]:
        flow = VISION if carries_vision(inbound) else ""
        return {**owed(self._access, flow, frozenset({inbound.protocol}), None), "email": name}


def _number(inbound: PanelInbound) -> int:
    return inbound.panel_id

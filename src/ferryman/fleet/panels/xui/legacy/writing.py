"""How the moves are made on a panel that loses what it does not expect.

The panel does not let the last client of an inbound go: nobody's client takes its place first. That one is off without
an end or a quota and with a renewal in a hundred years, so that neither the panel's renewals nor its purges of used-up
clients, which take whole inbounds with them, ever choose it.
"""

import secrets
import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ferryman.fleet.panels.xui.legacy.book import Book, Entry
from ferryman.fleet.panels.xui.legacy.moves import Add, Move, Rebuild, Remove, Rules, Update
from ferryman.fleet.panels.xui.legacy.routes import Routes
from ferryman.fleet.panels.xui.naming import nobody_on, owner_of
from ferryman.fleet.panels.xui.wording import LastClient
from ferryman.kit.errors import Refused

NEVER_PURGED_DAYS = 36500


class Writer:
    """No two of its calls may run at a time on one panel."""

    def __init__(self, routes: Routes, rules: Rules, host: str) -> None:
        self._routes = routes
        self._rules = rules
        self._host = host

    async def apply(self, book: Book, moves: Sequence[Move]) -> None:
        """The moves of one client, in their order, and its counters kept."""
        for move in moves:
            await self._make(book, move)
        if self._rules.sets_counters:
            await self._carry_counters(book, moves)

    async def add(self, inbound: int, clients: Sequence[Mapping[str, Any]]) -> None:
        await self._routes.add(inbound, clients)

    async def remove(self, book: Book, entries: Sequence[Entry]) -> None:
        """Entries of one client on one inbound."""
        at = entries[0].inbound
        if all(entry in entries for entry in book.on[at]):
            await self._add_nobody(at)
        for email in sorted({entry.email for entry in entries}):
            await self._delete(book, [entry for entry in entries if entry.email == email])

    async def _make(self, book: Book, move: Move) -> None:
        match move:
            case Update(entry, fields):
                await self._routes.update(entry.inbound, entry.key, fields)
            case Add(inbound, fields):
                await self._routes.add(inbound, [fields])
            case Remove(entries):
                await self.remove(book, entries)
            case Rebuild(entries, fields):
                await self.remove(book, entries)
                await self._routes.add(entries[0].inbound, [fields])

    async def _delete(self, book: Book, entries: Sequence[Entry]) -> None:
        first = entries[0]
        by_key = len({entry.key for entry in entries}) == 1 and bool(first.key) and not book.shares_key(first)
        if not by_key and not self._rules.deletes_by_name:
            raise Refused(
                f"{self._host} has another client with the key of {first.email} in inbound {first.inbound}: delete one "
                "of them there, or update the panel."
            )
        if book.is_rowless(first) and by_key:
            await self._give_a_way_out(first)
        try:
            await self._delete_once(first, by_key)
        except LastClient:
            await self._add_nobody(first.inbound)
            await self._delete_once(first, by_key)

    async def _delete_once(self, entry: Entry, by_key: bool) -> None:
        # By key where possible: by name, 3.0 leaves a client connected that is on other inbounds too.
        if by_key:
            await self._routes.delete(entry.inbound, entry.key)
        else:
            await self._routes.delete_by_name(entry.inbound, entry.email)

    async def _give_a_way_out(self, entry: Entry) -> None:
        """An entry without a row cannot be deleted: 3.0 makes one with a second entry, 2.x asks none of a nameless."""
        if self._rules.shares_names:
            await self._routes.add(entry.inbound, [entry.fields])
        else:
            await self._routes.update(entry.inbound, entry.key, {**entry.fields, "email": "", "enable": False})

    async def _add_nobody(self, inbound: int) -> None:
        await self._routes.add(inbound, [nobody(inbound)])

    async def _carry_counters(self, book: Book, moves: Sequence[Move]) -> None:
        """What was counted for entries that are gone is added to one that stays, for no traffic may be forgotten.

        The panel can only be told a sum; what it counts in between is lost to the customer's advantage.
        """
        for email, (up, down) in carried(book, moves).items():
            await self._routes.set_counters(email, up, down)


def carried(book: Book, moves: Iterable[Move]) -> dict[str, tuple[int, int]]:
    """The counters to set, by email, when these moves of one client are made."""
    gone: list[Entry] = []
    made: list[str] = []
    for move in moves:
        match move:
            case Remove(entries):
                gone.extend(entries)
            case Rebuild(entries, fields):
                gone.extend(entries)
                made.append(str(fields["email"]))
            case Add(_, fields):
                made.append(str(fields["email"]))
    if not gone:
        return {}
    family = book.entries_of(owner_of(gone[0].email, gone[0].inbound))
    staying = {entry.email for entry in family if entry not in gone}
    lost = {entry.email for entry in gone} - staying
    heirs = [*made, *sorted(staying)]
    sums: dict[str, tuple[int, int]] = {}
    for email in sorted(lost) if heirs else ():
        heir = email if email in made else heirs[0]
        base = sums.get(heir) or (_counted(book, heir) if heir not in lost else (0, 0))
        up, down = _counted(book, email)
        sums[heir] = (base[0] + up, base[1] + down)
    return {email: both for email, both in sums.items() if any(both)}


def _counted(book: Book, email: str) -> tuple[int, int]:
    row = book.rows.get(email, {})
    return int(row.get("up") or 0), int(row.get("down") or 0)


def nobody(inbound: int) -> dict[str, Any]:
    """A client whose keys nobody knows."""
    return {
        "email": nobody_on(inbound),
        "id": str(uuid.uuid4()),
        "password": secrets.token_hex(16),
        "auth": secrets.token_hex(16),
        "subId": secrets.token_hex(16),
        "enable": False,
        "totalGB": 0,
        "expiryTime": 0,
        "limitIp": 0,
        "tgId": 0,
        "flow": "",
        "reset": NEVER_PURGED_DAYS,
        "comment": "keeps this inbound from being without clients",
    }

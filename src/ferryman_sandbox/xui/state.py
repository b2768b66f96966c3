"""What a panel remembers: inbounds, client entries inside them, client records, traffic rows, tokens, IPs.

Everything is held in memory and written through to the store one small document at a time, so that a mutation costs the
same with ten thousand clients as with ten. Entries of an inbound's `settings.clients[]` are kept apart from the inbound
and stored as they were written: older dialects keep clients nowhere else, and store unknown keys verbatim.

Documents written several times within one call are stored once, at its end (`together`). JSON of what is often listed
is kept beside it (`texts`) until it changes.
"""

import secrets
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ferryman_sandbox.store import Store

Document = dict[str, Any]

META, INBOUND, ENTRY, RECORD, ROW, TOKEN, IPS, RATE, DEVICE = (
    "xui.meta",
    "xui.inbound",
    "xui.entry",
    "xui.record",
    "xui.row",
    "xui.token",
    "xui.ips",
    "xui.rate",
    "xui.device",
)


class Texts:
    """JSON that was written already, by what it is of, then by email and a key of the writer's."""

    def __init__(self) -> None:
        self._kept: dict[str, dict[Any, str]] = {}

    def of(self, email: str, key: Any, write: Callable[[], str]) -> str:
        """The kept text, written now if there is none. The key must tell apart whatever is not a saved document."""
        kept = self._kept.setdefault(email, {})
        if key not in kept:
            kept[key] = write()
        return kept[key]

    def forget(self, email: str) -> None:
        self._kept.pop(email, None)

    def clear(self) -> None:
        self._kept.clear()


class PanelState:
    """The documents of one panel. Callers change a dict in place and then call the matching `save_…`."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.texts = Texts()
        self._together = False
        self._waiting: dict[tuple[str, str], Document] = {}
        self._gone: dict[tuple[str, str], None] = {}
        self.load()

    @contextmanager
    def together(self) -> Iterator[None]:
        """What is saved inside reaches the store at the end, each document once."""
        self._together = True
        try:
            yield
        finally:
            self._together = False
            self._flush()

    def _flush(self) -> None:
        """Drops go first: what was dropped and saved again keeps its new place in the order."""
        waiting, gone = self._waiting, self._gone
        self._waiting, self._gone = {}, {}
        if waiting or gone:
            drops = [(kind, id_, None) for kind, id_ in gone]
            self.store.put_all([*drops, *((kind, id_, body) for (kind, id_), body in waiting.items())])

    def _put(self, kind: str, id_: str | int, body: Document) -> None:
        self._waiting[kind, str(id_)] = body
        if not self._together:
            self._flush()

    def _drop(self, kind: str, id_: str | int) -> None:
        self._waiting.pop((kind, str(id_)), None)
        self._gone[kind, str(id_)] = None
        if not self._together:
            self._flush()

    def load(self) -> None:
        """Read everything back from the store; used at start, after a reset and when a backup was put back."""
        self.texts.clear()
        kept = self.store.get(META, "panel")
        self.meta: Document = kept if kept is not None else self._new_meta()
        self.inbounds: dict[int, Document] = {int(id_): body for id_, body in self.store.all(INBOUND)}
        self.records: dict[str, Document] = dict(self.store.all(RECORD))
        self.rows: dict[str, Document] = dict(self.store.all(ROW))
        self.tokens: dict[int, Document] = {int(id_): body for id_, body in self.store.all(TOKEN)}
        self.ips: dict[str, Document] = dict(self.store.all(IPS))
        self.rates: dict[str, Document] = dict(self.store.all(RATE))
        self.devices: dict[int, Document] = {int(id_): body for id_, body in self.store.all(DEVICE)}
        self.entries: dict[int, dict[str, list[Document]]] = {id_: {} for id_ in self.inbounds}
        self._entry_spellings: dict[str, dict[str, int]] = {}
        for body in (body for _, body in self.store.all(ENTRY)):
            self.entries.setdefault(body["inbound"], {})[body["email"]] = body["clients"]
            self._spell(body["email"], 1)
        self._emails_by_sub: dict[str, set[str]] = {}
        self._emails_by_lower: dict[str, set[str]] = {}
        self._sub_by_email: dict[str, str] = {}
        for record in self.records.values():
            self._index(record)

    def _new_meta(self) -> Document:
        meta = {"guid": str(uuid.uuid4()), "secret": secrets.token_hex(32), "epoch": 0, "seeded": False}
        self.store.put(META, "panel", meta)
        return meta

    def save_meta(self) -> None:
        self._put(META, "panel", self.meta)

    # Inbounds and the entries inside them

    def save_inbound(self, inbound: Document) -> None:
        self.inbounds[inbound["id"]] = inbound
        self.entries.setdefault(inbound["id"], {})
        self._put(INBOUND, inbound["id"], inbound)

    def drop_inbound(self, inbound_id: int) -> None:
        for email in list(self.entries.get(inbound_id, {})):
            self.drop_entries(inbound_id, email)
        self.entries.pop(inbound_id, None)
        self.inbounds.pop(inbound_id, None)
        self._drop(INBOUND, inbound_id)

    def save_entries(self, inbound_id: int, email: str, clients: list[Document]) -> None:
        """Raises nothing for an empty list, which is as good as dropping them."""
        if not clients:
            self.drop_entries(inbound_id, email)
            return
        if email not in self.entries[inbound_id]:
            self._spell(email, 1)
        self.entries[inbound_id][email] = clients
        self.texts.forget(email)
        body = {"inbound": inbound_id, "email": email, "clients": clients}
        self._put(ENTRY, f"{inbound_id}/{email}", body)

    def drop_entries(self, inbound_id: int, email: str) -> None:
        if self.entries[inbound_id].pop(email, None) is not None:
            self._spell(email, -1)
            self.texts.forget(email)
            self._drop(ENTRY, f"{inbound_id}/{email}")

    def clients_of(self, inbound_id: int) -> Iterator[Document]:
        """The entries of `settings.clients[]` in order."""
        for clients in self.entries[inbound_id].values():
            yield from clients

    def replace_entries(self, inbound_id: int, entries: dict[str, list[Document]]) -> None:
        """Make the inbound's entries exactly these, as somebody does who writes the whole of what it once read."""
        for email in set(self.entries[inbound_id]) - set(entries):
            self.drop_entries(inbound_id, email)
        for email, clients in entries.items():
            if self.entries[inbound_id].get(email) is not clients:
                self.save_entries(inbound_id, email, clients)

    def entry_spellings(self, email: str) -> list[str]:
        """Every email of an entry that equals this one but for case."""
        return list(self._entry_spellings.get(email.lower(), ()))

    def _spell(self, email: str, change: int) -> None:
        known = self._entry_spellings.setdefault(email.lower(), {})
        known[email] = known.get(email, 0) + change
        if not known[email]:
            del known[email]

    def inbound_ids_of(self, email: str) -> list[int]:
        """Where the email is attached, by ascending id."""
        return sorted(id_ for id_, clients in self.entries.items() if email in clients)

    # Records and their indexes

    def save_record(self, record: Document) -> None:
        self._unindex(record["email"])
        self.texts.forget(record["email"])
        self.records[record["email"]] = record
        self._index(record)
        self._put(RECORD, record["email"], record)

    def drop_record(self, email: str) -> None:
        self._unindex(email)
        self.texts.forget(email)
        if self.records.pop(email, None) is not None:
            self._drop(RECORD, email)

    def owner_of_sub(self, sub_id: str, *, besides: str) -> str:
        """Another email with that subId, or "" when there is none."""
        return next((email for email in sorted(self._emails_by_sub.get(sub_id, ())) if email != besides), "")

    def emails_of_sub(self, sub_id: str) -> list[str]:
        return sorted(self._emails_by_sub.get(sub_id, ()))

    def spellings(self, email: str) -> set[str]:
        """Every known email equal to this one but for case."""
        return self._emails_by_lower.get(email.lower(), set())

    def _index(self, record: Document) -> None:
        self._emails_by_sub.setdefault(record["subId"], set()).add(record["email"])
        self._emails_by_lower.setdefault(record["email"].lower(), set()).add(record["email"])
        self._sub_by_email[record["email"]] = record["subId"]

    def _unindex(self, email: str) -> None:
        sub_id = self._sub_by_email.pop(email, None)
        if sub_id is not None:
            self._emails_by_sub[sub_id].discard(email)
            self._emails_by_lower[email.lower()].discard(email)

    # Rows, tokens, IPs, devices, simulated use

    def save_row(self, row: Document) -> None:
        self.texts.forget(row["email"])
        self.rows[row["email"]] = row
        self._put(ROW, row["email"], row)

    def drop_row(self, email: str) -> None:
        self.texts.forget(email)
        if self.rows.pop(email, None) is not None:
            self._drop(ROW, email)

    def save_token(self, token: Document) -> None:
        self.tokens[token["id"]] = token
        self._put(TOKEN, token["id"], token)

    def drop_token(self, token_id: int) -> None:
        if self.tokens.pop(token_id, None) is not None:
            self._drop(TOKEN, token_id)

    def save_ips(self, email: str, seen: Document) -> None:
        self.ips[email] = seen
        self._put(IPS, email, seen)

    def drop_ips(self, email: str) -> None:
        if self.ips.pop(email, None) is not None:
            self._drop(IPS, email)

    def save_rate(self, email: str, rate: Document) -> None:
        self.rates[email] = rate
        self._put(RATE, email, rate)

    def save_device(self, device: Document) -> None:
        self.devices[device["id"]] = device
        self._put(DEVICE, device["id"], device)

    def drop_device(self, device_id: int) -> None:
        if self.devices.pop(device_id, None) is not None:
            self._drop(DEVICE, device_id)

    def next_id(self, kind: str) -> int:
        return self.store.next_number(kind)

"""What a panel remembers: inbounds, client entries inside them, client records, traffic rows, tokens, IPs.

Everything is held in memory and written through to the store one small document at a time, so that a mutation costs the
same with ten thousand clients as with ten. Entries of an inbound's `settings.clients[]` are kept apart from the inbound
and stored as they were written: older dialects keep clients nowhere else, and store unknown keys verbatim.
"""

import secrets
import uuid
from collections.abc import Iterator
from typing import Any

from ferryman_sandbox.store import Store

Document = dict[str, Any]

META, INBOUND, ENTRY, RECORD, ROW, TOKEN, IPS, RATE = (
    "xui.meta",
    "xui.inbound",
    "xui.entry",
    "xui.record",
    "xui.row",
    "xui.token",
    "xui.ips",
    "xui.rate",
)


class PanelState:
    """The documents of one panel. Callers change a dict in place and then call the matching `save_…`."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.load()

    def load(self) -> None:
        """Read everything back from the store; used at start and after a reset."""
        kept = self.store.get(META, "panel")
        self.meta: Document = kept if kept is not None else self._new_meta()
        self.inbounds: dict[int, Document] = {int(id_): body for id_, body in self.store.all(INBOUND)}
        self.records: dict[str, Document] = dict(self.store.all(RECORD))
        self.rows: dict[str, Document] = dict(self.store.all(ROW))
        self.tokens: dict[int, Document] = {int(id_): body for id_, body in self.store.all(TOKEN)}
        self.ips: dict[str, Document] = dict(self.store.all(IPS))
        self.rates: dict[str, Document] = dict(self.store.all(RATE))
        self.entries: dict[int, dict[str, list[Document]]] = {id_: {} for id_ in self.inbounds}
        for body in (body for _, body in self.store.all(ENTRY)):
            self.entries.setdefault(body["inbound"], {})[body["email"]] = body["clients"]
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
        self.store.put(META, "panel", self.meta)

    # Inbounds and the entries inside them

    def save_inbound(self, inbound: Document) -> None:
        self.inbounds[inbound["id"]] = inbound
        self.entries.setdefault(inbound["id"], {})
        self.store.put(INBOUND, inbound["id"], inbound)

    def drop_inbound(self, inbound_id: int) -> None:
        for email in list(self.entries.get(inbound_id, {})):
            self.drop_entries(inbound_id, email)
        self.entries.pop(inbound_id, None)
        self.inbounds.pop(inbound_id, None)
        self.store.drop(INBOUND, inbound_id)

    def save_entries(self, inbound_id: int, email: str, clients: list[Document]) -> None:
        self.entries[inbound_id][email] = clients
        body = {"inbound": inbound_id, "email": email, "clients": clients}
        self.store.put(ENTRY, f"{inbound_id}/{email}", body)

    def drop_entries(self, inbound_id: int, email: str) -> None:
        if self.entries[inbound_id].pop(email, None) is not None:
            self.store.drop(ENTRY, f"{inbound_id}/{email}")

    def clients_of(self, inbound_id: int) -> Iterator[Document]:
        """The entries of `settings.clients[]` in order."""
        for clients in self.entries[inbound_id].values():
            yield from clients

    def inbound_ids_of(self, email: str) -> list[int]:
        """Where the email is attached, by ascending id."""
        return sorted(id_ for id_, clients in self.entries.items() if email in clients)

    # Records and their indexes

    def save_record(self, record: Document) -> None:
        self._unindex(record["email"])
        self.records[record["email"]] = record
        self._index(record)
        self.store.put(RECORD, record["email"], record)

    def drop_record(self, email: str) -> None:
        self._unindex(email)
        if self.records.pop(email, None) is not None:
            self.store.drop(RECORD, email)

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

    # Rows, tokens, IPs, simulated use

    def save_row(self, row: Document) -> None:
        self.rows[row["email"]] = row
        self.store.put(ROW, row["email"], row)

    def drop_row(self, email: str) -> None:
        if self.rows.pop(email, None) is not None:
            self.store.drop(ROW, email)

    def save_token(self, token: Document) -> None:
        self.tokens[token["id"]] = token
        self.store.put(TOKEN, token["id"], token)

    def drop_token(self, token_id: int) -> None:
        if self.tokens.pop(token_id, None) is not None:
            self.store.drop(TOKEN, token_id)

    def save_ips(self, email: str, seen: Document) -> None:
        self.ips[email] = seen
        self.store.put(IPS, email, seen)

    def drop_ips(self, email: str) -> None:
        if self.ips.pop(email, None) is not None:
            self.store.drop(IPS, email)

    def save_rate(self, email: str, rate: Document) -> None:
        self.rates[email] = rate
        self.store.put(RATE, email, rate)

    def next_id(self, kind: str) -> int:
        return self.store.next_number(kind)

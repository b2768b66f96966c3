"""The client routes of 3.1 and newer: JSON bodies, a client named by its email."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ferryman.fleet.panels.xui.session import Session
from ferryman.kit.errors import NotFound, Unreachable

# The most the panel gives.
PAGE = 200


@dataclass(frozen=True)
class Record:
    """A client as the panel shows it: its fields, and the ids of the inbounds it is attached to."""

    fields: Mapping[str, Any]
    inbounds: tuple[int, ...]


@dataclass(frozen=True)
class Listed:
    record: Record
    traffic: Mapping[str, Any]


class Clients:
    def __init__(self, session: Session) -> None:
        self._session = session

    async def get(self, email: str) -> Record | None:
        """By exact spelling; None when there is none."""
        try:
            found = await self._session.get("clients", "get", email)
        except NotFound:
            return None
        if not isinstance(found, dict) or not isinstance(found.get("client"), dict):
            raise Unreachable(f"{self._session.host} described the client {email} in a way we cannot read.")
        return Record(found["client"], tuple(sorted(found.get("inboundIds") or ())))

    async def traffic(self, email: str) -> Mapping[str, Any]:
        """The counters, empty when the panel keeps none: null since 3.2.8, a failure before.

        3.1 also fails for a client that has left the inbound it was made on, though it counts on; its list still tells.
        """
        try:
            found = await self._session.get("clients", "traffic", email)
        except NotFound:
            found = None
        return found if isinstance(found, dict) else await self._listed_traffic(email)

    async def _listed_traffic(self, email: str) -> Mapping[str, Any]:
        return next((item.traffic for item in await self.search(email) if item.record.fields.get("email") == email), {})

    async def listed(self) -> Iterator[Listed]:
        """All clients with their counters, in one answer of about 850 bytes for each."""
        return self._items(await self._session.get("clients", "list", long=True))

    async def page(self, number: int) -> tuple[list[Listed], int]:
        """Up to 200 clients, oldest first, without keys and flow; and how many there are in all."""
        query = {"page": str(number), "pageSize": str(PAGE), "sort": "createdAt", "order": "ascend"}
        found = await self._session.get("clients", "list", "paged", query=query)
        total = int(found.get("total") or 0) if isinstance(found, dict) else 0
        return list(self._items(found.get("items") if isinstance(found, dict) else found)), total

    async def total(self) -> int:
        found = await self._session.get("clients", "list", "paged", query={"pageSize": "1"})
        return int(found.get("total") or 0) if isinstance(found, dict) else 0

    async def search(self, text: str) -> list[Listed]:
        """The first 200 that have the text in their name or notes, without keys and flow."""
        page = await self._session.get("clients", "list", "paged", query={"search": text, "pageSize": str(PAGE)})
        return list(self._items(page.get("items") if isinstance(page, dict) else None))

    def _items(self, found: Any) -> Iterator[Listed]:
        if not isinstance(found, list | None):
            raise Unreachable(f"{self._session.host} listed its clients in a way we cannot read.")
        for item in found or ():
            inbounds, traffic = tuple(sorted(set(item.get("inboundIds") or ()))), item.get("traffic")
            yield Listed(Record(item, inbounds), traffic if isinstance(traffic, dict) else {})

    async def add(self, client: Mapping[str, Any], inbounds: Iterable[int]) -> None:
        """Create it, enabled whatever it says; not atomic over several inbounds.

        With the email and subId of an existing client it is attached to further inbounds. Never name an inbound it is
        on already: before 3.5 that fails or leaves a second entry.
        """
        await self._session.change("clients", "add", body=_new(client, inbounds))

    async def add_many(self, clients: Iterable[tuple[Mapping[str, Any], Iterable[int]]]) -> None:
        """As `add` for each (3.2); the answer names what was skipped, which a later look finds too."""
        await self._session.change("clients", "bulkCreate", body=[_new(*one) for one in clients])

    async def update(self, email: str, client: Mapping[str, Any]) -> None:
        """Replace all of it, on every inbound it is attached to; whatever is left out is cleared."""
        await self._session.change("clients", "update", email, body=dict(client))

    async def attach(self, email: str, inbounds: Sequence[int]) -> None:
        await self._session.change("clients", email, "attach", body={"inboundIds": list(inbounds)})

    async def detach(self, email: str, inbounds: Sequence[int]) -> None:
        await self._session.change("clients", email, "detach", body={"inboundIds": list(inbounds)})

    async def delete(self, email: str) -> None:
        """Off every inbound, with its counters. Raises NotFound."""
        await self._session.change("clients", "del", email)

    async def delete_many(self, emails: Sequence[str]) -> Mapping[str, str]:
        """As `delete` for each (3.2); answers why, for those that are still there."""
        found = await self._session.change("clients", "bulkDel", body={"emails": list(emails), "keepTraffic": False})
        skipped = (found.get("skipped") if isinstance(found, dict) else None) or ()
        reasons = {str(one.get("email")): str(one.get("reason")) for one in skipped if isinstance(one, dict)}
        return {email: reason for email, reason in reasons.items() if "not found" not in reason.lower()}

    async def set_counters(self, email: str, up: int, down: int) -> None:
        await self._session.change("clients", "updateTraffic", email, body={"upload": up, "download": down})

    async def online(self) -> Sequence[str]:
        found = (await self._session.poll("clients", "onlines")).obj
        return [str(email) for email in found] if isinstance(found, list) else []


def _new(client: Mapping[str, Any], inbounds: Iterable[int]) -> dict[str, Any]:
    return {"client": dict(client), "inboundIds": sorted(inbounds)}

"""The client routes of 3.1 and newer: JSON bodies, a client named by its email."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ferryman.fleet.panels.xui.session import Session
from ferryman.kit.errors import NotFound, Unreachable


@dataclass(frozen=True)
class Record:
    """A client as `clients/get` shows it: its fields, and the ids of the inbounds it is attached to."""

    fields: Mapping[str, Any]
    inbounds: tuple[int, ...]


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
        page = await self._session.get("clients", "list", "paged", query={"search": email, "pageSize": "200"})
        for item in (page.get("items") if isinstance(page, dict) else None) or ():
            if isinstance(item, dict) and item.get("email") == email and isinstance(item.get("traffic"), dict):
                counters: Mapping[str, Any] = item["traffic"]
                return counters
        return {}

    async def add(self, client: Mapping[str, Any], inbounds: Iterable[int]) -> None:
        """Create it, enabled whatever it says; not atomic over several inbounds.

        With the email and subId of an existing client it is attached to further inbounds. Never name an inbound it is
        on already: before 3.5 that fails or leaves a second entry.
        """
        body = {"client": dict(client), "inboundIds": sorted(inbounds)}
        await self._session.change("clients", "add", body=body)

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

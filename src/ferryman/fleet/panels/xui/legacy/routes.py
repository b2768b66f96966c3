"""The client routes of 2.3 to 3.0. Each write reads an inbound whole, edits it and stores it whole, without a lock.

So no two writes may be under way at a time; whoever uses this class sees to that.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ferryman.fleet.panels.xui.session import Session
from ferryman.kit.errors import Unreachable


class Routes:
    def __init__(self, session: Session) -> None:
        self._session = session

    async def listed(self) -> list[dict[str, Any]]:
        """Every inbound with its entries and rows."""
        listed = await self._session.get("inbounds", "list", long=True)
        if not isinstance(listed, list | None):
            raise Unreachable(f"{self._session.host} listed its inbounds in a way we cannot read.")
        return [raw for raw in listed or () if isinstance(raw, dict) and "id" in raw]

    async def add(self, inbound: int, clients: Sequence[Mapping[str, Any]]) -> None:
        """All or none. A row of counters left under the same email stays as it is, limits and all."""
        await self._session.change("inbounds", "addClient", body=_body(inbound, clients))

    async def update(self, inbound: int, key: str, client: Mapping[str, Any]) -> None:
        """Replace the first entry with that key, and the limits in its row, which is switched on with it."""
        await self._session.change("inbounds", "updateClient", key, body=_body(inbound, [client]))

    async def delete(self, inbound: int, key: str) -> None:
        """Every entry with that key. Fails for an entry without a row, and for the last client of an inbound."""
        await self._session.change("inbounds", str(inbound), "delClient", key)

    async def delete_by_name(self, inbound: int, email: str) -> None:
        await self._session.change("inbounds", str(inbound), "delClientByEmail", email)

    async def set_counters(self, email: str, up: int, down: int) -> None:
        await self._session.change("inbounds", "updateClientTraffic", email, body={"upload": up, "download": down})

    async def online(self) -> Sequence[str]:
        found = (await self._session.poll("inbounds", "onlines")).obj
        return [str(email) for email in found] if isinstance(found, list) else []


def _body(inbound: int, clients: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {"id": inbound, "settings": json.dumps({"clients": list(clients)})}

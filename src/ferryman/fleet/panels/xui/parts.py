"""Clients that were several on 2.x and are still several after the panel was updated to 3.1 or newer.

There a client is one record on several inbounds; what stood for it on the others (`naming`) is now a client of its own,
with the same key. It is taken back into the one, or the key would work on after that one is gone.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

from ferryman.fleet.panel import Access, Seen
from ferryman.fleet.panels.xui.clients import Clients
from ferryman.fleet.panels.xui.naming import MARK, owner_of
from ferryman.fleet.panels.xui.record import as_seen, is_ours
from ferryman.kit.errors import NotFound

FLAW = "in parts, as 2.x kept it"


class Parts:
    """Looked for once, and again in every list of all clients."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients
        self._known: dict[str, set[str]] | None = None

    def learn(self, emails: Iterable[str]) -> None:
        """All names on the panel that may be parts."""
        known: dict[str, set[str]] = defaultdict(set)
        for email in emails:
            if (owner := owner_of(email)) != email:
                known[owner].add(email)
        self._known = dict(known)

    def forget(self, email: str) -> None:
        if self._known is not None:
            self._known.pop(email, None)

    async def of(self, email: str) -> Sequence[str]:
        if self._known is None:
            self.learn(str(one.record.fields.get("email")) for one in await self._clients.search(MARK))
        return sorted((self._known or {}).get(email, ()))

    def flaw(self, email: str) -> str:
        return FLAW if email in (self._known or {}) else ""

    async def seen(self, email: str) -> Seen | None:
        """What is left of a client whose own record is gone."""
        for part in await self.of(email):
            record = await self._clients.get(part)
            if record is not None:
                return replace(as_seen(record, await self._clients.traffic(part)), email=email, flawed=FLAW)
        return None

    async def absorb(self, access: Access) -> tuple[int, int]:
        """Delete the parts that are ours; what was counted for them, up and down, is the caller's to add."""
        up = down = 0
        for part in await self.of(access.email):
            record = await self._clients.get(part)
            if record is None or not is_ours(record, access):
                continue
            traffic = await self._clients.traffic(part)
            try:
                await self._clients.delete(part)
            except NotFound:
                continue
            up, down = up + int(traffic.get("up") or 0), down + int(traffic.get("down") or 0)
        self.forget(access.email)
        return up, down

"""Clients that stand twice in one inbound: what a repeated add left there, from 3.2 until 3.4.

The record of a client does not show it, only the inbounds do. So they are looked through with every list of all clients
on such a panel, and once on a newer one that may have been such a panel before.
"""

from collections import Counter

import ferryman.fleet.panels.xui.version as version
from ferryman.fleet.panels.xui.catalogue import Catalogue
from ferryman.fleet.panels.xui.inbounds import as_object

FLAW = "twice in one inbound"


class Doubles:
    def __init__(self, catalogue: Catalogue, release: version.Version) -> None:
        self._catalogue = catalogue
        self._can_grow = version.HAS_BULK <= release < version.SKIPS_REPEATED_ADDS
        self._looked = release < version.HAS_BULK
        self._found: dict[str, set[int]] = {}

    async def look(self) -> None:
        if self._looked and not self._can_grow:
            return
        found: dict[str, set[int]] = {}
        for raw in await self._catalogue.names():
            entries = as_object(raw.get("settings")).get("clients") or ()
            counted = Counter(str(entry.get("email")) for entry in entries if isinstance(entry, dict))
            for email, times in counted.items():
                if times > 1:
                    found.setdefault(email, set()).add(int(raw["id"]))
        self._found, self._looked = found, True

    def of(self, email: str) -> frozenset[int]:
        """Inbounds it stood in twice when last looked."""
        return frozenset(self._found.get(email, ()))

    def flaw(self, email: str) -> str:
        return FLAW if email in self._found else ""

    def forget(self, email: str) -> None:
        self._found.pop(email, None)

"""The flow of each client on each inbound, from the inbounds themselves.

Needed before 3.3.1, where the record of a client shows the flow of whichever of its inbounds was written last.
"""

from ferryman.fleet.panels.xui.catalogue import Catalogue
from ferryman.fleet.panels.xui.clients import Record
from ferryman.fleet.panels.xui.inbounds import VISION, as_object
from ferryman.fleet.panels.xui.writing import Goal


class Flows:
    """Read at most once, for it is megabytes on a large panel."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._held: dict[tuple[int, str], str] | None = None

    async def differ(self, goal: Goal, record: Record) -> bool:
        held = self._held if self._held is not None else await self._read()
        return any(
            held.get((number, goal.access.email), "") != (VISION if number in goal.vision else "")
            for number in goal.inbounds
            if number in record.inbounds
        )

    async def _read(self) -> dict[tuple[int, str], str]:
        self._held = {
            (int(raw["id"]), str(entry.get("email"))): str(entry.get("flow") or "")
            for raw in await self._catalogue.with_clients()
            for entry in as_object(raw.get("settings")).get("clients") or ()
            if isinstance(entry, dict)
        }
        return self._held

"""The inbounds of a panel of 3.1 or newer, remembered for a minute, since clients are written more often."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from ferryman.fleet.panel import Access, PanelInbound
from ferryman.fleet.panels.xui.inbounds import read_inbound
from ferryman.fleet.panels.xui.session import Session
from ferryman.kit.clock import Clock
from ferryman.kit.errors import Refused, Unreachable

# Inbounds change by hand.
KEPT = timedelta(seconds=60)


class Catalogue:
    def __init__(self, session: Session, clock: Clock) -> None:
        self._session = session
        self._clock = clock
        self._kept: tuple[datetime, Sequence[PanelInbound]] | None = None

    async def read(self) -> Sequence[PanelInbound]:
        """Afresh."""
        try:
            inbounds = [read_inbound(raw) for raw in await self.names()]
        except (AttributeError, TypeError, ValueError) as error:
            raise Unreachable(f"{self._session.host} described an inbound in a way we cannot read.") from error
        self._kept = (self._clock.now(), inbounds)
        return inbounds

    @property
    def known(self) -> Sequence[PanelInbound]:
        """As last read, however long ago."""
        return self._kept[1] if self._kept is not None else ()

    async def fitting(self, *accesses: Access) -> Sequence[PanelInbound]:
        """All inbounds, read afresh when one that is asked for is not among those remembered."""
        kept = self._kept
        fresh = kept is not None and self._clock.now() - kept[0] < KEPT
        inbounds = kept[1] if kept is not None and fresh else await self.read()
        wanted = {number for access in accesses for number in access.inbounds}
        if fresh and not wanted <= {inbound.panel_id for inbound in inbounds}:
            inbounds = await self.read()
        return inbounds

    async def names(self) -> list[dict[str, Any]]:
        """The panel's own shape, with no more than the names of the clients of every inbound."""
        return await self._listed("list", "slim")

    async def with_clients(self) -> list[dict[str, Any]]:
        """The panel's own shape, with every client of every inbound; megabytes on a large panel."""
        return await self._listed("list")

    async def _listed(self, *path: str) -> list[dict[str, Any]]:
        listed = await self._session.get("inbounds", *path, long=True)
        if not isinstance(listed, list | None):
            raise Unreachable(f"{self._session.host} listed its inbounds in a way we cannot read.")
        return [raw for raw in listed or () if isinstance(raw, dict) and "id" in raw]


def require_known(host: str, access: Access, inbounds: Sequence[PanelInbound]) -> None:
    """Raises Refused when the panel has no such inbound."""
    present = sorted(inbound.panel_id for inbound in inbounds)
    unknown = sorted(set(access.inbounds) - set(present))
    if unknown:
        raise Refused(
            f"{host} has no inbound {', '.join(map(str, unknown))}: choose among "
            f"{', '.join(map(str, present)) or 'none, create one first'}."
        )

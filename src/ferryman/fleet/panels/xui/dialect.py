"""What each generation of panels is spoken to by; the verbs are those of the port."""

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from ferryman.fleet.panel import Access, PanelInbound, Seen
from ferryman.kit.errors import FerrymanError


class Dialect(Protocol):
    """Every verb raises RouteMissing when the panel turns out to be of another generation."""

    async def inbounds(self) -> Sequence[PanelInbound]: ...

    async def see(self, email: str) -> Seen | None: ...

    async def put(self, access: Access) -> Seen: ...

    async def drop(self, email: str) -> None: ...

    def everyone(self) -> AsyncIterator[Sequence[Seen]]: ...

    async def put_many(self, accesses: Sequence[Access]) -> Sequence[Seen | FerrymanError]: ...

    async def drop_many(self, emails: Sequence[str]) -> Sequence[FerrymanError | None]: ...

    async def online(self) -> frozenset[str]: ...

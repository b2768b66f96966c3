"""The port's verbs on 3X-UI: find out what is there, speak its dialect, and find out again when it has changed."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import ClassVar, TypeVar

import ferryman.fleet.panels.xui.version as version
from ferryman.fleet.panel import Access, NewInbound, PanelAccess, PanelInbound, PanelReport, PanelTools, Seen
from ferryman.fleet.panels.xui.detection import KEPT, Found, detect
from ferryman.fleet.panels.xui.dialect import Dialect
from ferryman.fleet.panels.xui.legacy.moves import Rules
from ferryman.fleet.panels.xui.legacy.verbs import Legacy
from ferryman.fleet.panels.xui.modern import Modern
from ferryman.fleet.panels.xui.opening import opened
from ferryman.fleet.panels.xui.session import CHANGES_AT_ONCE, RouteMissing, Session, Timeouts
from ferryman.kit.errors import FerrymanError

T = TypeVar("T")


class Xui:
    """One 3X-UI panel, 2.3 or newer. Keep one instance per panel: it holds the session.

    Raises Misconfigured when made with an address, pin or credentials that cannot be right.
    """

    kind: ClassVar[str] = "xui"

    def __init__(self, access: PanelAccess, tools: PanelTools, *, timeouts: Timeouts | None = None) -> None:
        self._session = Session(access, tools, timeouts or Timeouts())
        self._clock = tools.clock
        self._found: Found | None = None
        self._spoken: Dialect | None = None
        self._detecting = asyncio.Lock()
        self._writing = asyncio.Lock()

    async def probe(self) -> PanelReport:
        """One read of a panel that is known. Raises Busy for one that has just started."""
        async with self._detecting:
            return (await self._detect()).report

    async def inbounds(self) -> Sequence[PanelInbound]:
        return await self._speak(lambda dialect: dialect.inbounds())

    async def see(self, email: str) -> Seen | None:
        """`ends_at` is None also for a client whose time starts with its first traffic; ours never do."""
        return await self._speak(lambda dialect: dialect.see(email))

    async def put(self, access: Access) -> Seen:
        """As the port says; a repeated put of the same access makes reads only.

        Counters are never reset. An `enabled` client past its end or quota is left as the panel left it: switched off.
        """
        return await self._speak(lambda dialect: dialect.put(access))

    async def drop(self, email: str) -> None:
        await self._speak(lambda dialect: dialect.drop(email))

    async def everyone(self) -> AsyncIterator[Sequence[Seen]]:
        dialect, begun = await self._dialect(), False
        try:
            async for page in dialect.everyone():
                begun = True
                yield page
            return
        except RouteMissing:
            if begun or not await self._has_changed(dialect):
                raise
        async for page in (await self._dialect()).everyone():
            yield page

    async def put_many(self, accesses: Sequence[Access]) -> Sequence[Seen | FerrymanError]:
        return await self._speak(lambda dialect: dialect.put_many(accesses))

    async def drop_many(self, emails: Sequence[str]) -> Sequence[FerrymanError | None]:
        return await self._speak(lambda dialect: dialect.drop_many(emails))

    async def online(self) -> frozenset[str]:
        return await self._speak(lambda dialect: dialect.online())

    async def open_inbound(self, wanted: NewInbound) -> PanelInbound:
        return await self._speak(lambda dialect: opened(self._session, self._generation, dialect, wanted))

    async def _speak(self, verb: Callable[[Dialect], Awaitable[T]]) -> T:
        """Verbs lead to the same state when repeated, so they are, in the new dialect, once the panel has changed."""
        dialect = await self._dialect()
        try:
            return await verb(dialect)
        except RouteMissing:
            if not await self._has_changed(dialect):
                raise
        return await verb(await self._dialect())

    async def _dialect(self) -> Dialect:
        async with self._detecting:
            known = self._found
            if known is None or self._clock.now() - known.at >= KEPT:
                await self._detect()
            assert self._spoken is not None
            return self._spoken

    async def _has_changed(self, since: Dialect) -> bool:
        async with self._detecting:
            if self._spoken is since:
                await self._detect()
            return self._spoken is not since

    async def _detect(self) -> Found:
        found = await detect(self._session, self._clock, self._found)
        if self._spoken is None or not found.is_like(self._found):
            self._spoken = self._made_for(found)
        self._found = found
        return found

    def _made_for(self, found: Found) -> Dialect:
        self._session.allow_changes(CHANGES_AT_ONCE if found.release >= version.WRITES_IN_TURN else 1)
        if found.release >= version.HAS_RECORDS:
            return Modern(self._session, self._clock, found.release)
        rules = Rules(
            shares_names=found.generation == 3,
            sets_counters=found.release >= version.SETS_COUNTERS,
            deletes_by_name=found.release >= version.DELETES_BY_NAME,
        )
        return Legacy(self._session, self._clock, rules, self._writing)

    @property
    def _generation(self) -> int:
        return self._found.generation if self._found is not None else 4

"""The port's verbs on 3X-UI 2.3 to 3.0: read all inbounds, make the moves, read again; the last reading is what counts.

These panels store an inbound whole after editing it in memory, without a lock. Two writes at once lose one of them, so
here one client is written after another, and what is missing from the reading after it is written again.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence

from ferryman.fleet.panel import Access, PanelInbound, Seen
from ferryman.fleet.panels.xui.catalogue import require_known
from ferryman.fleet.panels.xui.legacy.book import Book
from ferryman.fleet.panels.xui.legacy.moves import Add, Move, Plan, Rules, require_ours
from ferryman.fleet.panels.xui.legacy.routes import Routes
from ferryman.fleet.panels.xui.legacy.writing import Writer
from ferryman.fleet.panels.xui.naming import owner_of
from ferryman.fleet.panels.xui.record import require_storable
from ferryman.fleet.panels.xui.session import RouteMissing, Session
from ferryman.kit.clock import Clock
from ferryman.kit.errors import AccessDenied, Busy, FerrymanError, Refused, Retry, Unreachable

# A row left behind takes one more write after the first, an update lost to another writer or to the panel's own job one
# more; a panel that still shows something else is left to the next run.
ROUNDS = 3
# Clients in one call; each call rewrites the whole inbound.
BATCH = 200
PAGE = 500


class Legacy:
    """`lock` is the one for all writes of this process to this panel."""

    def __init__(self, session: Session, clock: Clock, rules: Rules, lock: asyncio.Lock) -> None:
        self._session = session
        self._clock = clock
        self._rules = rules
        self._lock = lock
        self._routes = Routes(session)
        self._writer = Writer(self._routes, rules, session.host)

    async def inbounds(self) -> Sequence[PanelInbound]:
        return (await self._read()).inbounds

    async def see(self, email: str) -> Seen | None:
        return (await self._read()).seen(email)

    async def put(self, access: Access) -> Seen:
        """As the port says; a repeated put of the same access makes one read only.

        Counters are never reset. An `enabled` client past its end or quota is left as the panel left it: switched off.
        """
        require_storable(self._session.host, access)
        async with self._lock:
            return await self._put(access)

    async def drop(self, email: str) -> None:
        async with self._lock:
            trouble = await self._remove(await self._read(), email)
            book = await self._read()
            if trouble is None and book.entries_of(email):
                trouble = await self._remove(book, email)
                book = await self._read()
            if book.entries_of(email):
                raise trouble or Busy(f"{self._session.host} still has the client {email} after deleting it.")

    async def everyone(self) -> AsyncIterator[Sequence[Seen]]:
        clients = list((await self._read()).everyone())
        for start in range(0, len(clients), PAGE):
            yield clients[start : start + PAGE]

    async def online(self) -> frozenset[str]:
        return frozenset(owner_of(email) for email in await self._routes.online())

    async def put_many(self, accesses: Sequence[Access]) -> Sequence[Seen | FerrymanError]:
        """New clients are added many at a time; what is there already takes a call for each of its inbounds.

        A client that is not as owed after that is put by itself, which also finds the words for why not.
        """
        outcomes: dict[int, Seen | FerrymanError] = {}
        for start in range(0, len(accesses), BATCH):
            part = dict(enumerate(accesses[start : start + BATCH], start))
            async with self._lock:
                outcomes.update(await self._put_part(part))
        return [outcomes[index] for index in range(len(accesses))]

    async def drop_many(self, emails: Sequence[str]) -> Sequence[FerrymanError | None]:
        outcomes: list[FerrymanError | None] = []
        for start in range(0, len(emails), BATCH):
            part = emails[start : start + BATCH]
            async with self._lock:
                outcomes += await self._drop_part(part)
        return outcomes

    async def _put(self, access: Access) -> Seen:
        trouble: Retry | Refused | None = None
        for _ in range(ROUNDS):
            book = await self._read()
            moves = self._moves(book, access)
            if not moves:
                return self._shown(book, access)
            trouble = await self._attempt(book, moves)
            if trouble is not None:
                break
        return self._settled(await self._read(), access, trouble)

    async def _put_part(self, accesses: dict[int, Access]) -> dict[int, Seen | FerrymanError]:
        book = await self._read()
        outcomes: dict[int, Seen | FerrymanError] = {}
        planned: dict[int, list[Move]] = {}
        for index, access in accesses.items():
            try:
                require_storable(self._session.host, access)
                planned[index] = self._moves(book, access)
            except Refused as error:
                outcomes[index] = error
        await self._make_many(book, [accesses[index] for index in planned], list(planned.values()))
        book = await self._read() if any(planned.values()) else book
        for index in planned:
            outcomes[index] = await self._outcome(book, accesses[index])
        return outcomes

    async def _outcome(self, book: Book, access: Access) -> Seen | FerrymanError:
        """Raises what would stop all the others too."""
        try:
            return self._shown(book, access) if not self._moves(book, access) else await self._put(access)
        except (AccessDenied, RouteMissing, Unreachable):
            raise
        except FerrymanError as error:
            return error

    async def _make_many(self, book: Book, accesses: Sequence[Access], plans: Sequence[list[Move]]) -> None:
        """Whatever fails here is found out by the reading after it."""
        additions: dict[int, list[Add]] = {}
        named: set[str] = set()
        for access, moves in zip(accesses, plans, strict=True):
            if access.email in named or not moves:
                continue
            named.add(access.email)
            if all(isinstance(move, Add) for move in moves):
                for move in moves:
                    if isinstance(move, Add):
                        additions.setdefault(move.inbound, []).append(move)
            else:
                await self._attempt(book, moves)
        for inbound, several in sorted(additions.items()):
            try:
                await self._writer.add(inbound, [move.fields for move in several])
            except (AccessDenied, RouteMissing):
                raise
            except (Retry, Refused):
                continue

    async def _drop_part(self, emails: Sequence[str]) -> list[FerrymanError | None]:
        book = await self._read()
        troubles = {email: await self._remove(book, email) for email in dict.fromkeys(emails)}
        book = await self._read()
        left = {email: book.entries_of(email) for email in emails}
        return [
            (troubles[email] or Busy(f"{self._session.host} still has the client {email} after deleting it."))
            if left[email]
            else None
            for email in emails
        ]

    async def _remove(self, book: Book, email: str) -> Retry | Refused | None:
        entries = book.entries_of(email)
        trouble: Retry | Refused | None = None
        for inbound in sorted({entry.inbound for entry in entries}):
            there = [entry for entry in entries if entry.inbound == inbound]
            try:
                await self._writer.remove(book, there)
            except (AccessDenied, RouteMissing):
                raise
            except (Retry, Refused) as error:
                trouble = error
        return trouble

    async def _attempt(self, book: Book, moves: Sequence[Move]) -> Retry | Refused | None:
        """The error that stopped it; the answer may be lost and the effect not, so only a reading tells its meaning."""
        try:
            await self._writer.apply(book, moves)
        except (AccessDenied, RouteMissing):
            raise
        except (Retry, Refused) as error:
            return error
        return None

    def _moves(self, book: Book, access: Access) -> list[Move]:
        require_known(self._session.host, access, book.inbounds)
        require_ours(self._session.host, access, book.entries_of(access.email))
        return Plan(book, access, self._rules).moves()

    def _settled(self, book: Book, access: Access, trouble: Retry | Refused | None) -> Seen:
        """Raises `trouble`, or Busy naming what differs, unless the panel now holds the client."""
        if not self._moves(book, access):
            return self._shown(book, access)
        lacking = ", ".join(Plan(book, access, self._rules).lacking())
        raise trouble or Busy(f"{self._session.host} took the client {access.email} and does not keep it: {lacking}.")

    def _shown(self, book: Book, access: Access) -> Seen:
        seen = book.seen(access.email)
        if seen is None:
            raise Busy(f"{self._session.host} took the client {access.email} and does not have it.")
        return seen

    async def _read(self) -> Book:
        listed = await self._routes.listed()
        try:
            return Book(listed, self._clock.now())
        except (AttributeError, TypeError, ValueError) as error:
            raise Unreachable(f"{self._session.host} described an inbound in a way we cannot read.") from error

"""A VPN panel in memory with the port's exact semantics, and knobs that spoil it as people and the weather do.

`Panels` stands in for an installed panel type: put it under a name into `tools.connections.kinds`, and every node of
that type gets the panel of its address. What it does not model: inbounds' inner shape, sign-in, clients switched off
by their end or quota.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from ferryman.fleet.panel import Access, NewInbound, PanelAccess, PanelInbound, PanelReport, PanelTools, Seen
from ferryman.kit.errors import Conflict, FerrymanError, Refused, Unreachable

Hook = Callable[[str, Sequence[str]], Awaitable[None]]


@dataclass
class Failure:
    """`times` calls of a verb ("" = any) end with `error`; `after` says that the effect has happened all the same."""

    error: FerrymanError
    verb: str = ""
    times: int = 1
    after: bool = False


@dataclass
class MemoryPanel:
    """`clients` is what the panel holds. `calls` counts by verb, `named` lists what was written under which name.

    `seconds` is how long a call takes, `page` how many clients one holds. `before` and `after` are awaited at each
    call, with the verb and the names: a test may hold a call there, or change the world beneath it.
    """

    kind: ClassVar[str] = "memory"

    host: str = "panel.test"
    inbound_ids: tuple[int, ...] = (1,)
    version: str = "3.6.0"
    clients: dict[str, Seen] = field(default_factory=dict)
    online_now: frozenset[str] = frozenset()
    calls: Counter[str] = field(default_factory=Counter)
    named: list[tuple[str, str]] = field(default_factory=list)
    refusals: dict[str, FerrymanError] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    down: FerrymanError | None = None
    core_running: bool = True
    clock_skew: float | None = 0.0
    seconds: float = 0.0
    page: int = 500
    before: Hook | None = None
    after: Hook | None = None

    # The port.

    async def probe(self) -> PanelReport:
        return await self._call("probe", (), lambda: PanelReport(self.version, self.core_running, self.clock_skew))

    async def inbounds(self) -> Sequence[PanelInbound]:
        return await self._call("inbounds", (), lambda: [_inbound(number) for number in self.inbound_ids])

    async def see(self, email: str) -> Seen | None:
        return await self._call("see", (email,), lambda: self.clients.get(email))

    async def put(self, access: Access) -> Seen:
        return await self._call("put", (access.email,), lambda: self._put(access))

    async def drop(self, email: str) -> None:
        await self._call("drop", (email,), lambda: self._drop(email))

    async def everyone(self) -> AsyncIterator[Sequence[Seen]]:
        names = list(self.clients)
        for start in range(0, max(len(names), 1), self.page):
            part = names[start : start + self.page]
            yield await self._call("everyone", part, lambda part=part: self._those(part))  # type: ignore[misc]

    async def put_many(self, accesses: Sequence[Access]) -> Sequence[Seen | FerrymanError]:
        names = [access.email for access in accesses]
        return await self._call("put_many", names, lambda: [_tried(self._put, access) for access in accesses])

    async def drop_many(self, emails: Sequence[str]) -> Sequence[FerrymanError | None]:
        return await self._call("drop_many", emails, lambda: [_tried(self._drop, email) for email in emails])

    async def online(self) -> frozenset[str]:
        return await self._call("online", (), lambda: self.online_now & self.clients.keys())

    async def open_inbound(self, wanted: NewInbound) -> PanelInbound:
        if wanted.port in self.inbound_ids:
            raise Refused(f"{self.host}: port {wanted.port} is taken.")
        self.inbound_ids = (*self.inbound_ids, wanted.port)
        return _inbound(wanted.port)

    # Knobs.

    def fail(self, error: FerrymanError, verb: str = "", times: int = 1, *, after: bool = False) -> None:
        self.failures.append(Failure(error, verb, times, after))

    def go_down(self) -> None:
        self.down = Unreachable(f"{self.host} does not answer.")

    def come_back(self) -> None:
        self.down = None

    def lose(self, email: str) -> None:
        """Somebody deleted the client by hand."""
        del self.clients[email]

    def spoil(self, email: str, **changes: Any) -> None:
        """Somebody changed the client by hand: limits, end, uuid, `enabled`, `inbounds`, `flawed`, counters."""
        self.clients[email] = replace(self.clients[email], **changes)

    def rename(self, email: str, new: str) -> None:
        self.clients[new] = replace(self.clients.pop(email), email=new)

    def stranger(self, email: str = "made-by-hand", **more: Any) -> Seen:
        """A client that is not ours."""
        fresh = Seen(email, f"uuid-of-{email}", "theirs", f"sub-of-{email}", True, None, 0, 0, self.inbound_ids)
        self.clients[email] = replace(fresh, **more)
        return self.clients[email]

    def use(self, email: str, up: int = 0, down: int = 0) -> None:
        one = self.clients[email]
        self.clients[email] = replace(one, up=one.up + up, down=one.down + down)

    def snapshot(self) -> dict[str, Seen]:
        """What a backup would hold; `clients = snapshot` restores it."""
        return dict(self.clients)

    @property
    def written(self) -> int:
        """Calls that were meant to change something."""
        return sum(self.calls[verb] for verb in ("put", "drop", "put_many", "drop_many"))

    async def _call(self, verb: str, names: Sequence[str], effect: Callable[[], Any]) -> Any:
        self.calls[verb] += 1
        self.named += [(verb, name) for name in names]
        if self.before is not None:
            await self.before(verb, names)
        await asyncio.sleep(self.seconds)
        failure = self._next_failure(verb)
        if failure is not None and not failure.after:
            raise failure.error
        answer = effect()
        if self.after is not None:
            await self.after(verb, names)
        if failure is not None:
            raise failure.error
        return answer

    def _next_failure(self, verb: str) -> Failure | None:
        if self.down is not None:
            return Failure(self.down)
        for failure in self.failures:
            if failure.verb in ("", verb) and failure.times > 0:
                failure.times -= 1
                return failure
        return None

    def _put(self, access: Access) -> Seen:
        if access.email in self.refusals:
            raise self.refusals[access.email]
        unknown = [str(number) for number in access.inbounds if number not in self.inbound_ids]
        if unknown or not access.inbounds:
            raise Refused(f"{self.host} has no inbound {', '.join(unknown) or 'to put a client on'}.")
        there = self.clients.get(access.email)
        if there is not None and there.uuid != access.uuid and there.sub_id != access.sub_id:
            raise Conflict(f"{self.host} has another client called {access.email}.")
        promised = {name: value for name, value in vars(access).items() if name != "comment"}
        up, down = (there.up, there.down) if there is not None else (0, 0)
        self.clients[access.email] = Seen(**promised, up=up, down=down)
        return self.clients[access.email]

    def _drop(self, email: str) -> None:
        if email in self.refusals:
            raise self.refusals[email]
        self.clients.pop(email, None)

    def _those(self, names: Sequence[str]) -> list[Seen]:
        return [self.clients[name] for name in names if name in self.clients]


@dataclass
class Panels:
    """Every panel of a test by its address; made when first asked for."""

    by_url: dict[str, MemoryPanel] = field(default_factory=dict)

    def __call__(self, access: PanelAccess, tools: PanelTools) -> MemoryPanel:
        return self.at(access.url)

    def at(self, url: str) -> MemoryPanel:
        return self.by_url.setdefault(url, MemoryPanel(host=url.partition("://")[2].strip("/")))


def _tried(verb: Callable[..., Any], about: Any) -> Any:
    try:
        return verb(about)
    except FerrymanError as error:
        return error


def _inbound(number: int) -> PanelInbound:
    return PanelInbound(number, "vless", "tcp", "reality", 20000 + number, f"inbound {number}", enabled=True)

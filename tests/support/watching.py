"""Watches a fleet's panels after every single call, and knows what a fleet at rest must look like."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from ferryman.flows.keys import following, lifecycle, placing, provisioning
from ferryman.flows.tools import Tools
from ferryman.kit.errors import FerrymanError
from ferryman.subscriptions.subscription import Subscription
from tests.support.fleet import Fleet


@dataclass
class Watch:
    """After every call of any panel: which identities of a subscription work, and where."""

    fleet: Fleet
    email: str
    identities: list[set[str]] = field(default_factory=list)
    nodes: list[set[str]] = field(default_factory=list)

    def begin(self) -> "Watch":
        for panel in self.fleet.panels.values():
            panel.after = self._look
        return self

    async def _look(self, verb: str, names: Sequence[str]) -> None:
        working = {
            name: panel.clients[self.email].uuid
            for name, panel in self.fleet.panels.items()
            if self.email in panel.clients and panel.clients[self.email].enabled
        }
        self.identities.append(set(working.values()))
        self.nodes.append(set(working))

    @property
    def places(self) -> list[set[str]]:
        """As `nodes`, by location."""
        return [{name.partition("-")[0] for name in nodes} for nodes in self.nodes]


async def now(fleet: Fleet, which: Subscription) -> Subscription:
    """The row as it stands."""
    async with fleet.tools.db.unit() as session:
        return await session.get_one(Subscription, which.id)


async def come_round(fleet: Fleet, rounds: int = 4) -> None:
    """Jobs run, time passes, and every sweep comes round, a few times over."""
    for _ in range(rounds):
        await fleet.work()
        await following.sweep(fleet.tools)
        await fleet.work()
        fleet.tools.clock.advance(seconds=61)  # type: ignore[attr-defined]
        await placing.sweep(fleet.tools)
        await provisioning.sweep(fleet.tools)
        await lifecycle.sweep(fleet.tools)
        await fleet.work()


async def off(fleet: Fleet, which: Subscription) -> list[str]:
    """What is not as it should be: rows not in order, panels that hold other than what is owed, tombstones."""
    one = await now(fleet, which)
    wrong = [f"{node}: {standing}" for node, standing in (await fleet.keys(one)).items() if standing != "ready"]
    wanted = set(await fleet.keys(one))
    for name, panel in fleet.panels.items():
        there = panel.clients.get(one.email)
        if (there is not None) != (name in wanted):
            wrong.append(f"{name}: {'holds' if there else 'lacks'} the client")
        if there is not None:
            owed = {
                "uuid": one.uuid, "password": one.password, "sub_id": one.sub_id, "enabled": one.enabled,
                "ends_at": one.ends_at, "traffic_bytes": one.traffic_bytes, "devices": one.devices,
            }  # fmt: skip
            wrong += [f"{name}: {field}" for field, value in owed.items() if getattr(there, field) != value]
    graves = await fleet.value("SELECT count(*) FROM tombstones")
    waits = [] if one.replacing_since is None else ["being replaced"]
    return wrong + waits + [f"{graves} tombstones"] * bool(graves)


class Killed(BaseException):
    """The process ended here."""


class Guillotine:
    """Ends whatever runs at the `at`-th transaction boundary: before the transaction, or, `late`, after its commit."""

    def __init__(self, tools: Tools, at: int, *, late: bool) -> None:
        self.tools, self.at, self.late = tools, at, late
        self.count = 0
        self._unit = tools.db.unit

    @asynccontextmanager
    async def unit(self) -> AsyncIterator[AsyncSession]:
        self.count += 1
        mine = self.count == self.at
        if mine and not self.late:
            raise Killed
        async with self._unit() as session:
            yield session
        if mine:
            raise Killed

    async def run(self, *steps: Callable[[], Awaitable[Any]]) -> bool:
        """Every step by itself, as jobs run; whether one of them was killed."""
        self.tools.db.unit = self.unit  # type: ignore[method-assign]
        try:
            for step in steps:
                with suppress(Killed, FerrymanError):
                    await step()
        finally:
            self.tools.db.unit = self._unit  # type: ignore[method-assign]
        return self.count >= self.at

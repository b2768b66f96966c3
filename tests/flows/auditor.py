"""A fleet on panels in memory whose panels are audited, and what tests ask about it."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from ferryman.fleet.node import Node
from ferryman.flows.keys import auditing
from ferryman.flows.tools import Tools
from ferryman.subscriptions.subscription import Subscription
from tests.support.fleet import Fleet
from tests.support.panel import MemoryPanel


@dataclass
class Audited:
    fleet: Fleet

    @property
    def tools(self) -> Tools:
        return self.fleet.tools

    @property
    def panel(self) -> MemoryPanel:
        return self.fleet.panels["de-1"]

    async def begin(self, people: int = 3, **fields: Any) -> list[Subscription]:
        """One node and a few people who have their keys there."""
        await self.fleet.node("de-1")
        found = [await self.fleet.subscription(**fields) for _ in range(people)]
        await self.fleet.work()
        return found

    async def audit(self, name: str = "de-1", *, mended: bool = True) -> None:
        """A minute passes and a node is audited; then what it found is worked off."""
        self.tools.clock.advance(seconds=61)  # type: ignore[attr-defined]
        await auditing.audit_node(self.tools, self.fleet.ids[name])
        if mended:
            await self.fleet.work()

    async def plan(self, name: str = "de-1") -> dict[str, object]:
        """What `drift` says: why by name."""
        found = await auditing.drift(self.tools, name)
        return {
            **{put.access.email: put.why for put in found.put},
            **{drop.seen.email: drop.why for drop in found.drop},
            **{client.email: "conflict" for client in found.conflict},
        }

    async def fresh(self, one: Subscription) -> Subscription:
        async with self.tools.db.unit() as session:
            return await session.get_one(Subscription, one.id)

    async def node(self, name: str = "de-1") -> Node:
        async with self.tools.db.unit() as session:
            return (await session.scalars(select(Node).where(Node.name == name))).one()

    async def found(self) -> list[tuple[str, str]]:
        """What audits wrote into the history, oldest first: what, and why."""
        rows = await self.fleet.rows("SELECT what, why FROM key_events WHERE what IN ('drifted', 'stray') ORDER BY id")
        return [(what, why) for what, why in rows]

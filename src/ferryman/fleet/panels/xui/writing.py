"""Which calls lead from the client that is there to the client that is owed.

Flow is what makes this long. One client has one flow for all of its inbounds in what we may write, yet only some
inbounds can carry it. From 3.2.5 the panel leaves it out where it does not fit, and one write serves all. Before, a
mixed set is written in two groups, each with its own flow.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ferryman.fleet.panel import Access, PanelInbound
from ferryman.fleet.panels.xui.clients import Clients, Record
from ferryman.fleet.panels.xui.inbounds import VISION, carries_vision
from ferryman.fleet.panels.xui.record import as_write, owed

# Four petabytes; the panel's own numbers are exact below 2**53.
UNLIMITED_IN_EFFECT = 2**52


@dataclass(frozen=True)
class Goal:
    """A client that is owed, and which of its inbounds carry Vision."""

    access: Access
    vision: frozenset[int]
    plain: frozenset[int]
    protocols: frozenset[str]

    @property
    def inbounds(self) -> frozenset[int]:
        return self.vision | self.plain

    @property
    def flow(self) -> str:
        return VISION if self.vision else ""

    @property
    def mixed(self) -> bool:
        return bool(self.vision and self.plain)

    def fields(self, record: Record | None, flow: str | None = None) -> dict[str, Any]:
        fields = owed(self.access, self.flow if flow is None else flow, self.protocols, record)
        # Panels that do not know this limit ignore it.
        return fields if record is not None else {**fields, "limitHwid": self.access.devices}


def goal_of(access: Access, inbounds: Sequence[PanelInbound]) -> Goal:
    wanted = [inbound for inbound in inbounds if inbound.panel_id in access.inbounds]
    vision = frozenset(inbound.panel_id for inbound in wanted if carries_vision(inbound))
    plain = frozenset(inbound.panel_id for inbound in wanted) - vision
    return Goal(access, vision, plain, frozenset(inbound.protocol for inbound in wanted))


class Writer:
    """The order of calls is such that a client is never off all of its inbounds: 3.1 would drop its counters."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    async def create(self, goal: Goal, *, in_groups: bool) -> None:
        """`add` enables whatever it is told, so a client owed as disabled takes a second write."""
        groups = [(goal.vision, VISION), (goal.plain, "")] if in_groups else [(goal.inbounds, goal.flow)]
        for inbounds, flow in groups:
            await self._add(goal, None, inbounds, flow)
        if not goal.access.enabled:
            await self._clients.update(goal.access.email, as_write(None, goal.fields(None, "" if in_groups else None)))

    async def create_many(self, goals: Sequence[Goal]) -> None:
        """Enabled clients, where one flow fits all of each one's inbounds or the panel sees to it."""
        await self._clients.add_many((as_write(None, goal.fields(None)), goal.inbounds) for goal in goals)

    async def rejoin(self, email: str, inbounds: Iterable[int]) -> None:
        """Off each and on again, one by one: what stood there twice stands there once, and its counters are kept."""
        for inbound in sorted(inbounds):
            await self._clients.detach(email, [inbound])
            await self._clients.attach(email, [inbound])

    async def stir(self, goal: Goal, record: Record) -> None:
        """Write something else for a moment: the panel skips a write that changes no entry, its row included."""
        fields = goal.fields(record)
        more = {"totalGB": fields["totalGB"] + 1 if fields["totalGB"] else UNLIMITED_IN_EFFECT}
        await self._clients.update(goal.access.email, as_write(record, {**fields, **more}))

    async def correct(self, goal: Goal, record: Record, *, stale: bool) -> None:
        """One flow fits all, or the panel sees to it."""
        attached, email = frozenset(record.inbounds), goal.access.email
        if missing := goal.inbounds - attached:
            await self._clients.attach(email, sorted(missing))
        if surplus := attached - goal.inbounds:
            await self._clients.detach(email, sorted(surplus))
        if stale:
            await self._clients.update(email, as_write(record, goal.fields(record)))

    async def correct_in_groups(self, goal: Goal, record: Record, *, stale: bool) -> None:
        """A mixed set before 3.2.5: update what carries the one flow alone, then add the rest again with the other."""
        if not goal.access.enabled:
            await self._disable(goal, record)
            return
        attached, email = frozenset(record.inbounds), goal.access.email
        anchor, rest = (goal.vision, goal.plain) if goal.vision else (goal.plain, frozenset[int]())
        staying = anchor if stale else anchor | rest
        await self._add(goal, record, anchor - attached, goal.flow)
        if leaving := attached - staying:
            await self._clients.detach(email, sorted(leaving))
        if stale:
            await self._clients.update(email, as_write(record, goal.fields(record)))
        await self._add(goal, record, rest - (attached & staying), "")

    async def _disable(self, goal: Goal, record: Record) -> None:
        """One write for all: the core is not told of disabled clients, so their flow harms nobody meanwhile."""
        email, attached = goal.access.email, frozenset(record.inbounds)
        missing = sorted(goal.inbounds - attached)
        # An update of a client that is on no inbound is answered with success and changes nothing.
        if not attached:
            await self._clients.attach(email, missing)
        await self._clients.update(email, as_write(record, goal.fields(record, "" if goal.mixed else None)))
        if attached and missing:
            await self._clients.attach(email, missing)
        if surplus := attached - goal.inbounds:
            await self._clients.detach(email, sorted(surplus))

    async def _add(self, goal: Goal, record: Record | None, inbounds: frozenset[int], flow: str) -> None:
        if inbounds:
            await self._clients.add(as_write(record, goal.fields(record, flow)), inbounds)

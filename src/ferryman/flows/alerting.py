"""Telling the staff of trouble: once per change, never every minute, and less when a node comes and goes.

What the staff were told last stands in the node's row beside what is so; a sweep says the difference. Nothing is lost
with a process that dies in between, and nothing is said twice.
"""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from ferryman.fleet import health
from ferryman.fleet.node import IN_USE, FleetEpoch, Node, NodeState
from ferryman.flows.announcing import announce
from ferryman.flows.tools import Tools
from ferryman.kit import log
from ferryman.messaging import alerts
from ferryman.messaging.notice import Notice
from ferryman.people import staff

_log = log.get("alerting")

# At most one trouble and one recovery of a node are told in this time; what comes on top is called flapping, once.
DAMPING = timedelta(minutes=10)
FLAPPING = "flapping"
# After none had answered, the nodes come back one by one; which of them does not is only known after a while.
SETTLING = timedelta(minutes=3)


@dataclass(frozen=True)
class Told:
    """What the staff were told of a node last, and when they last heard that it fell ill."""

    state: str = NodeState.HEALTHY
    at: datetime | None = None


async def alert(tools: Tools, session: AsyncSession, what: Notice, dedup: str) -> None:
    """In the caller's transaction: tell everybody of the staff who wants to know, once per `dedup`."""
    for customer_id in await staff.listening(session):
        await announce(tools, session, customer_id, what, f"alert:{dedup}:{customer_id}")


async def sweep(tools: Tools) -> None:
    """Say of each node what has changed. While no node answers at all, that was said already and is enough."""
    now = tools.clock.now()
    async with tools.db.unit() as session:
        fleet = await session.get_one(FleetEpoch, 1)
        changes = select(Node.id).where(IN_USE, Node.told_state != Node.state).order_by(Node.id)
        changed = [] if _is_settling(fleet, now) else list(await session.scalars(changes))
    for node_id in changed:
        async with tools.db.unit() as session:
            await _tell(tools, session, await health.held(session, node_id), now)


def news(state: str, since: datetime, told: Told, now: datetime) -> tuple[str, Told]:
    """What is to be said of a node that has been in a state for some time ("" = nothing), and what is told then."""
    if told.state == FLAPPING:
        if now - since < DAMPING:
            return "", told
        return state, Told(state, told.at if state == NodeState.HEALTHY else now)
    if state == told.state:
        return "", told
    if state == NodeState.HEALTHY:
        return state, Told(state, told.at)
    if told.state == NodeState.HEALTHY:
        if told.at is not None and now - told.at < DAMPING:
            return FLAPPING, Told(FLAPPING, told.at)
        return state, Told(state, now)
    # Worse is news, better is not until it is well: "degraded" after "down" would promise too much.
    return (state, Told(state, told.at)) if state == NodeState.DOWN else ("", told)


def _is_settling(fleet: FleetEpoch, now: datetime) -> bool:
    if fleet.sure_since is None:
        return True
    return fleet.told_at is not None and fleet.told_at < fleet.sure_since and now - fleet.sure_since < SETTLING


async def _tell(tools: Tools, session: AsyncSession, node: Node, now: datetime) -> None:
    before = Told(node.told_state, node.told_at)
    what, told = news(node.state, node.state_since, before, now)
    node.told_state, node.told_at = told.state, told.at
    if what:
        dedup = f"node:{node.id}:{what}:{node.state_since.timestamp():.0f}"
        await alert(tools, session, _notice(tools, node, what, before, now), dedup)
        _log.info("staff_told", node=node.name, of=str(what))


def _notice(tools: Tools, node: Node, what: str, before: Told, now: datetime) -> Notice:
    detail = node.trouble or ""
    if what == FLAPPING:
        return alerts.NodeFlapping(node.name, node.flag, DAMPING // timedelta(minutes=1))
    if what == NodeState.DOWN:
        return alerts.NodeDown(node.name, node.flag, detail)
    if what == NodeState.DEGRADED:
        return alerts.NodeDegraded(node.name, node.flag, node.ailment, detail)
    ill_for = max(1, round((now - (before.at or now)) / timedelta(minutes=1)))
    returns_in = math.ceil(tools.settings.return_minutes) if node.quarantined_at else 0
    return alerts.NodeBack(node.name, node.flag, ill_for, returns_in)

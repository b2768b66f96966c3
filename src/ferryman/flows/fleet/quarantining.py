"""Quarantine: a node that stays down is taken out, so that others serve its customers; well again, it comes back.

The last node that serves is never taken out, and when all go down at once nobody is moved: our own network is the
likelier cause. Nothing here calls a panel.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from ferryman.fleet import census, diagnosis
from ferryman.fleet.node import IN_USE, FleetEpoch, Node, NodeMode, NodeState
from ferryman.flows import alerting
from ferryman.flows.tools import Tools
from ferryman.kit import log
from ferryman.kit.db import LOCK
from ferryman.messaging import alerts

_log = log.get("quarantine")


@dataclass(frozen=True)
class Patience:
    """How long a node serves nobody before it is taken out, and well before it comes back."""

    down: timedelta
    well: timedelta


@dataclass(frozen=True)
class Verdict:
    """What is to be done. `in_doubt`: no node of several answers."""

    out: tuple[Node, ...] = ()
    back: tuple[Node, ...] = ()
    in_doubt: bool = False


async def sweep(tools: Tools) -> None:
    """Take out what has been down for too long, take back what is well, and notice when none answers."""
    now = tools.clock.now()
    async with tools.db.unit() as session:
        verdict, fleet = await _judged(tools, session, now)
        if not _is_news(verdict, fleet):
            return
    async with tools.db.unit() as session:
        # Judged again under locks, nodes first: meanwhile another worker may have done it, or a node have come back.
        locked = select(Node.id).where(IN_USE).order_by(Node.id).with_for_update(of=Node, **LOCK)
        await session.execute(locked)
        await session.get_one(FleetEpoch, 1, with_for_update=LOCK)
        verdict, fleet = await _judged(tools, session, now)
        await _carry_out(tools, session, verdict, fleet, now)


def judge(nodes: Sequence[Node], sure_since: datetime | None, patience: Patience, now: datetime) -> Verdict:
    """The verdict over all nodes in use. `sure_since` is when nodes began to answer after none had."""
    if len(nodes) > 1 and all(node.state == NodeState.DOWN for node in nodes):
        return Verdict(in_doubt=True)
    lost = [node for node in nodes if _serves_nobody(node)]
    serves = any(
        node.mode == NodeMode.ACTIVE and node.quarantined_at is None and not _serves_nobody(node) for node in nodes
    )
    well = [node for node in nodes if node.quarantined_at is not None and node.state == NodeState.HEALTHY]
    if not serves:
        # Nobody else could take anybody, so what is well need not prove it for long.
        return Verdict(back=tuple(well))
    begun = sure_since or now
    out = [node for node in lost if not node.quarantined_at and now - max(node.state_since, begun) >= patience.down]
    back = [node for node in well if now - node.state_since >= patience.well]
    return Verdict(tuple(out), tuple(back))


def _serves_nobody(node: Node) -> bool:
    """Down, or its panel answers and the core behind it does not run."""
    return node.state == NodeState.DOWN or node.ailment == diagnosis.CORE


async def _judged(tools: Tools, session: AsyncSession, now: datetime) -> tuple[Verdict, FleetEpoch]:
    fleet = await session.get_one(FleetEpoch, 1, populate_existing=True)
    found = await session.scalars(
        select(Node).where(IN_USE).order_by(Node.id), execution_options={"populate_existing": True}
    )
    settings = tools.settings
    patience = Patience(timedelta(minutes=settings.quarantine_minutes), timedelta(minutes=settings.return_minutes))
    return judge(list(found), fleet.sure_since, patience, now), fleet


def _is_news(verdict: Verdict, fleet: FleetEpoch) -> bool:
    return bool(verdict.out or verdict.back) or verdict.in_doubt is (fleet.sure_since is not None)


async def _carry_out(tools: Tools, session: AsyncSession, verdict: Verdict, fleet: FleetEpoch, now: datetime) -> None:
    if verdict.in_doubt is (fleet.sure_since is not None):
        await _doubt(tools, session, fleet, now, begins=verdict.in_doubt)
    for node in verdict.out:
        node.quarantined_at = now
        minutes = round((now - node.state_since) / timedelta(minutes=1))
        what = alerts.NodeQuarantined(node.name, node.flag, minutes, round(tools.settings.return_minutes))
        await alerting.alert(tools, session, what, f"quarantine:{node.id}:{now.timestamp():.0f}")
        _log.error("node_quarantined", node=node.name, minutes=minutes)
    for node in verdict.back:
        node.quarantined_at = None
        _log.info("node_returned", node=node.name)
    if verdict.out or verdict.back:
        await census.changed(session)


async def _doubt(tools: Tools, session: AsyncSession, fleet: FleetEpoch, now: datetime, *, begins: bool) -> None:
    """None answers any more, or the first does again. Said at most once in ten minutes; its end once per time."""
    states = list(await session.scalars(select(Node.state).where(IN_USE)))
    if begins:
        fleet.sure_since = None
        _log.error("fleet_in_doubt", nodes=len(states))
        if fleet.told_at is None or now - fleet.told_at >= alerting.DAMPING:
            fleet.told_at = now
            await alerting.alert(tools, session, alerts.FleetInDoubt(len(states)), f"fleet:{now.timestamp():.0f}")
        return
    fleet.sure_since = now
    answering = sum(state != NodeState.DOWN for state in states)
    _log.info("fleet_answers", nodes=len(states), answering=answering)
    if fleet.told_at is not None:
        what = alerts.FleetAnswers(answering, len(states))
        await alerting.alert(tools, session, what, f"fleet-answers:{fleet.told_at.timestamp():.0f}")

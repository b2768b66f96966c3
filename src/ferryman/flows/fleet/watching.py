"""Watching the nodes: a look at each every half minute, and what it means for the node, its inbounds and its history.

A look is one cheap call to the panel and a TCP connection to each port of the node's customers; every few minutes it
also lists the inbounds, counts who is online, and leaves a sample. Whether a panel in trouble may be called is decided
by the breaker in fleet/health.py, for all processes together.
"""

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from ferryman.fleet import census, diagnosis, health, keyring, reach
from ferryman.fleet.diagnosis import Signs
from ferryman.fleet.health import Look
from ferryman.fleet.key import Key
from ferryman.fleet.node import IN_USE, Inbound, Node, NodeSample
from ferryman.fleet.panel import PanelInbound
from ferryman.fleet.upkeep import course
from ferryman.flows import alerting
from ferryman.flows.fleet import quarantining
from ferryman.flows.tools import Tools
from ferryman.flows.waking import wake
from ferryman.kit import log
from ferryman.kit.errors import FerrymanError

_log = log.get("watching")

SAMPLE_EVERY = timedelta(minutes=5)
SAMPLES_KEPT = timedelta(days=30)
# A job that was doubled or comes late finds a look this fresh and leaves it at that; a share of the period.
FRESH = 0.5

_chance = random.SystemRandom()


@dataclass(frozen=True)
class Found:
    """What a look brought; `inbounds` and `online` are None when it did not ask for them or got no answer."""

    look: Look
    inbounds: Sequence[PanelInbound] | None = None
    online: int | None = None


async def sweep(tools: Tools) -> None:
    """Have every node looked at whose time has come, then act on what the looks have shown."""
    async with tools.db.unit() as session:
        for node_id in await _due(session, tools.clock.now(), tools.settings.probe_seconds):
            lane = f"probe:{node_id}"
            await tools.jobs.defer(session, "probe_node", lock=lane, once=lane, node_id=node_id)
    await quarantining.sweep(tools)
    await alerting.sweep(tools)


async def probe_node(tools: Tools, node_id: int) -> None:
    """Look at one node and write down what was seen. Does nothing when somebody has just done so, or is at it."""
    log.bind(node=node_id)
    now = tools.clock.now()
    async with tools.db.unit() as session:
        node = await session.get(Node, node_id, populate_existing=True)
        if node is None or _is_fresh(node, now, tools.settings.probe_seconds):
            return
        if not await health.claim(session, node_id, now):
            return
        last = await _last_sample(session, node_id)
    fully = last is None or now - last.at >= SAMPLE_EVERY or any(one.missing_since for one in node.inbounds)
    found = await _look(tools, node, fully=fully)
    await _record(tools, node, found)
    if found.inbounds is not None:
        await follow_inbounds(tools, node, found.inbounds)
    if last is None or now - last.at >= SAMPLE_EVERY:
        await _sample(tools, node_id, found.online or 0, last)


async def prune(tools: Tools) -> None:
    """Forget samples that are older than thirty days."""
    async with tools.db.unit() as session:
        await session.execute(delete(NodeSample).where(NodeSample.at < tools.clock.now() - SAMPLES_KEPT))


async def _due(session: AsyncSession, now: datetime, period: float) -> list[int]:
    """Nodes to be looked at. The period is drawn anew each time, so that looks spread out by themselves."""
    before = now - timedelta(seconds=period * _chance.uniform(0.9, 1.1))
    found = await session.scalars(
        select(Node.id)
        .where(IN_USE, or_(Node.checked_at.is_(None), Node.checked_at <= before))
        .where(or_(Node.try_at.is_(None), Node.try_at <= now))
        .order_by(Node.id)
    )
    return list(found)


def _is_fresh(node: Node, now: datetime, period: float) -> bool:
    return node.checked_at is not None and now - node.checked_at < timedelta(seconds=period * FRESH)


async def _last_sample(session: AsyncSession, node_id: int) -> NodeSample | None:
    latest = select(NodeSample).where(NodeSample.node_id == node_id).order_by(NodeSample.at.desc()).limit(1)
    return (await session.scalars(latest)).one_or_none()


async def _look(tools: Tools, node: Node, *, fully: bool) -> Found:
    """Ask the panel, and then the ports. A panel of another version than before is looked at fully."""
    started = time.perf_counter()
    inbounds, online = None, None
    try:
        panel = tools.connections.to(node)
        report = await panel.probe()
        latency = round((time.perf_counter() - started) * 1000)
        if fully or report.version != node.panel_version:
            inbounds = await panel.inbounds()
            online = len(await panel.online())
    except FerrymanError as error:
        return Found(diagnosis.of_error(node.name, error))
    gone = [] if inbounds is None else diagnosis.missing(node.inbounds, inbounds)
    refusals = await _refusals(tools, node, [one for one in node.inbounds if one not in gone])
    return Found(diagnosis.of_signs(node.name, Signs(report, latency, gone, refusals)), inbounds, online)


async def _refusals(tools: Tools, node: Node, inbounds: Sequence[Inbound]) -> dict[int, str]:
    """Ports that accept no connection from here, with why."""
    if not tools.settings.probe_ports:
        return {}
    ports = diagnosis.tcp_ports(inbounds)
    answers = await asyncio.gather(*(reach.refusal(node.address, port) for port in ports))
    return {port: why for port, why in zip(ports, answers, strict=True) if why}


async def _record(tools: Tools, before: Node, found: Found) -> None:
    """The look goes into the node's row; what was held back while its breaker was open comes at once."""
    now = tools.clock.now()
    async with tools.db.unit() as session:
        node = await health.held(session, before.id)
        if not node.in_use:
            return
        was_open, version = node.try_at is not None, node.panel_version
        health.take(node, found.look, now)
        if found.look.version and version and found.look.version != version:
            # Another release may show and keep clients differently: everything there is compared soon.
            node.audited_at = None
            _log.warning("panel_changed", node=node.name, was=version, now=found.look.version)
        closes = was_open and node.try_at is None
    if closes:
        await _wake(tools, before.id)
    if found.look.trouble:
        _log.warning("node_ails", sign=found.look.sign.value, ailment=found.look.ailment, why=found.look.trouble)


async def follow_inbounds(tools: Tools, before: Node, seen: Sequence[PanelInbound]) -> None:
    """Take in what the panel shows of the inbounds chosen, and let keys follow when one came or went."""
    now = tools.clock.now()
    if not course(before.inbounds, seen, now):
        return
    async with tools.db.unit() as session:
        fresh = await session.get_one(Node, before.id, populate_existing=True)
        if course(fresh.inbounds, seen, now).moved:
            # Keys before the node's row, as everywhere.
            await keyring.doubt(session, before.id, now)
        node = await health.held(session, before.id)
        step = course(node.inbounds, seen, now)
        moved = step.moved
        step.follow(now)
        follows = bool(moved) and node.in_use
        if follows:
            await census.changed(session)
            _log.warning("inbounds_changed", node=node.name, inbounds=moved)
    if follows:
        await _wake(tools, before.id)


async def _wake(tools: Tools, node_id: int) -> None:
    """Apart from what holds the node's row: whoever puts in the same job waits for the other's commit, and runs of the
    node do so before they take its row. A wake that is lost is made up for by the sweep of keys."""
    async with tools.db.unit() as session:
        await wake(tools, session, node_id)


async def _sample(tools: Tools, node_id: int, online: int, last: NodeSample | None) -> None:
    """One line of the node's history; bytes are those that its keys have used since the line before."""
    totals = select(
        func.count().filter(Key.wanted),
        func.coalesce(func.sum(Key.used_up), 0),
        func.coalesce(func.sum(Key.used_down), 0),
    ).where(Key.node_id == node_id)
    async with tools.db.unit() as session:
        node = await session.get_one(Node, node_id)
        clients, up, down = (int(value) for value in (await session.execute(totals)).one())
        sample = NodeSample(node_id=node_id, at=tools.clock.now(), state=node.state, clients=clients, online=online)
        sample.latency_ms = node.latency_ms if node.try_at is None else None
        sample.used_up, sample.used_down = up, down
        # Keys that left took their sums with them.
        sample.up = max(up - last.used_up, 0) if last else 0
        sample.down = max(down - last.used_down, 0) if last else 0
        session.add(sample)

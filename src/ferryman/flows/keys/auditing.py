"""Auditing a node: one listing of its panel a minute, for everybody's traffic and for what was changed there by hand.

listing      pages come in one after the other; each is counted and compared in a transaction of its own, then forgotten
confirming   what seems to be off is looked at again, one by one: a listing is read while the panel lives on
writing      keys that are off are in doubt from now on, and clients that must go get tombstones; the node's own run
             (provisioning) mends both. Nothing is written to a panel from here.

Killed anywhere, an audit leaves counted pages behind and nothing else; the next one finds the rest. Two at a time find
the same, and whoever writes second changes nothing.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from ferryman.fleet import diagnosis, findings, health, usage
from ferryman.fleet.access import MISSING, Drop, Moves
from ferryman.fleet.findings import Stray
from ferryman.fleet.node import IN_USE, Node
from ferryman.fleet.panel import Seen, VpnPanel
from ferryman.flows import waking
from ferryman.flows.fleet import watching
from ferryman.flows.keys import comparing, confirming, limits
from ferryman.flows.keys.comparing import Compared, Place, Standing
from ferryman.flows.keys.confirming import Suspect
from ferryman.flows.tools import Tools
from ferryman.kit import log
from ferryman.kit.errors import FerrymanError, NotFound

_log = log.get("auditing")

# Clients that one transaction compares and counts.
AT_ONCE = 500
# Audits are up to this share of their period later than due, so that nodes do not stay in step.
SPREAD = 0.2


@dataclass
class _Round:
    """What one listing has come to so far. Clients in order leave nothing here but their numbers."""

    began: datetime
    place: Place
    met: list[int] = field(default_factory=list)
    strangers: int = 0
    counted: usage.Counted = field(default_factory=usage.Counted)
    suspects: dict[int, Suspect] = field(default_factory=dict)
    strays: list[tuple[Drop, int]] = field(default_factory=list)

    def take(self, found: Compared) -> None:
        """Keep what seems to be off and is nobody's business already."""
        self.met += found.met
        self.strangers += len(found.moves.leave)
        for put in found.moves.put:
            self._suspect(found.by_email[put.access.email], put.why)
        for client in found.moves.conflict:
            self._suspect(found.by_email[client.email], (findings.CONFLICT,))
        for drop in found.moves.drop:
            whose = found.behind(drop)
            leaving = whose is not None and whose.access.email == drop.seen.email and whose.key is not None
            if whose is not None and not (leaving and not whose.owed):
                self.strays.append((drop, whose.subscription_id))

    def _suspect(self, whose: Standing, why: tuple[str, ...]) -> None:
        if whose.settled(self.began):
            self.suspects[whose.subscription_id] = Suspect(whose.subscription_id, whose.access, why)


async def sweep(tools: Tools) -> None:
    """Have every node audited whose time has come; one that is at it, or waits for it, is left to that."""
    now, period = tools.clock.now(), tools.settings.audit_seconds
    async with tools.db.unit() as session:
        nodes = await session.execute(select(Node.id, Node.audited_at, Node.try_at).where(IN_USE).order_by(Node.id))
        for node_id, audited_at, try_at in nodes.all():
            resting = try_at is not None and try_at > now
            if not resting and (audited_at is None or audited_at + later(node_id, period) <= now):
                await wake(tools, session, node_id)


async def wake(tools: Tools, session: AsyncSession, node_id: int) -> None:
    """In the caller's transaction: have a node audited. At most one audit at a time, at most one waiting."""
    lane = f"audit:{node_id}"
    await tools.jobs.defer(session, "audit_node", lock=lane, once=lane, node_id=node_id)


def later(node_id: int, period: float) -> timedelta:
    """How long after an audit the next one of this node is due."""
    return timedelta(seconds=period * (1 + SPREAD * zlib.crc32(str(node_id).encode()) / 2**32))


async def audit_node(tools: Tools, node_id: int) -> None:
    """List one node's clients, count, compare, and have mended what is off. Not while its breaker is open."""
    log.bind(node=node_id)
    began = tools.clock.now()
    async with tools.db.unit() as session:
        node = await session.get(Node, node_id, populate_existing=True)
        if node is None or not await health.claim(session, node_id, began):
            return
    try:
        panel = tools.connections.to(node)
        found = await _listed(tools, panel, _Round(began, place_of(node, began)))
        held = await _inbounds_gone(tools, panel, node, found)
        suspects = [] if held else await confirming.suspects(panel, list(found.suspects.values()), found.place.now)
        strays = await confirming.strays(panel, found.strays)
    except FerrymanError as error:
        _log.warning("audit_failed", node=node.name, why=str(error))
        async with tools.db.unit() as session:
            await health.noted(session, node_id, [error], tools.clock.now())
        return
    await _write(tools, node, found, suspects, strays)


async def drift(tools: Tools, name: str) -> Moves:
    """What the node's panel holds otherwise than it is owed now, and what would be done about it; nothing is.

    Shows also what is under way already. Raises NotFound for a node that is not there, and whatever its panel raises.
    """
    now = tools.clock.now()
    async with tools.db.unit() as session:
        node = await session.scalar(select(Node).where(Node.name == name))
    if node is None:
        raise NotFound(f"There is no node {name!r}.")
    place, plan, met = place_of(node, now), Moves(), list[int]()
    async for part in tools.connections.to(node).everyone():
        async with tools.db.unit() as session:
            found = await comparing.page(session, place, part)
        # A name that somebody else's credentials stand under is put once that client is gone: said at the end.
        named = {one.email for one in part} - {drop.seen.email for drop in found.moves.drop}
        plan += replace(found.moves, put=tuple(one for one in found.moves.put if one.access.email in named))
        met += found.met
    after, more = 0, True
    while more:
        async with tools.db.unit() as session:
            found, after = await comparing.rest(session, place, met, after)
        plan, more = plan + found.moves, after > 0
    return plan


def place_of(node: Node, now: datetime) -> Place:
    """Ends and quotas are judged by the panel's clock, for that is what switches clients off."""
    inbounds = tuple(inbound.panel_id for inbound in node.inbounds if inbound.enabled)
    return Place(node.id, inbounds, now + timedelta(seconds=node.clock_skew or 0))


async def _listed(tools: Tools, panel: VpnPanel, found: _Round) -> _Round:
    async for part in panel.everyone():
        answered = tools.clock.now()
        for start in range(0, len(part), AT_ONCE):
            await _take(tools, found, part[start : start + AT_ONCE], answered)
    after, more = 0, True
    while more:
        async with tools.db.unit() as session:
            absent, after = await comparing.rest(session, found.place, found.met, after)
        found.take(absent)
        more = after > 0
    return found


async def _take(tools: Tools, found: _Round, part: Sequence[Seen], answered: datetime) -> None:
    """Compare and count a few hundred clients."""
    async with tools.db.unit() as session:
        compared = await comparing.page(session, found.place, part)
        counted = await usage.count(session, found.place.node_id, compared.readings, found.began, answered)
        await limits.review(tools, session, counted.grown)
        returned = await comparing.retired(session, compared)
    found.take(compared)
    found.strays += [(drop, compared.by_email[drop.seen.email].subscription_id) for drop in returned]
    found.counted += replace(counted, grown=())


async def _inbounds_gone(tools: Tools, panel: VpnPanel, node: Node, found: _Round) -> bool:
    """Whether clients are off because an inbound is: then putting them again would only fail, client by client. What
    becomes of the inbound is up to the watch, which is told."""
    telling = {MISSING, "inbounds"}
    if not any(telling & set(one.why) for one in found.suspects.values()):
        return False
    shown = await panel.inbounds()
    await watching.follow_inbounds(tools, node, shown)
    gone = diagnosis.missing([one for one in node.inbounds if one.enabled], shown)
    if gone:
        _log.error(
            "inbounds_gone",
            node=node.name,
            inbounds=[one.panel_id for one in gone],
            fix="Switch it on in the panel, or choose the node's inbounds anew.",
        )
    return bool(gone)


async def _write(
    tools: Tools, node: Node, found: _Round, suspects: Sequence[Suspect], strays: Sequence[tuple[Drop, int]]
) -> None:
    """Put what is off in doubt, bury what must go, and wake the node; a few hundred rows to a transaction."""
    now = tools.clock.now()
    doubted = buried = 0
    for start in range(0, len(suspects), AT_ONCE):
        reasons = {one.subscription_id: one.why for one in suspects[start : start + AT_ONCE]}
        async with tools.db.unit() as session:
            doubted += await findings.doubt(session, node.id, reasons, found.began, now)
            await waking.wake(tools, session, node.id)
    async with tools.db.unit() as session:
        graves = [Stray(whose, drop.seen, drop.why) for drop, whose in strays]
        buried += await findings.bury(session, node.id, graves, now)
        if buried:
            # Before the node's row, as everywhere.
            await waking.wake(tools, session, node.id)
        await health.noted(session, node.id, [None], now)
        (await session.get_one(Node, node.id)).audited_at = now
    say = _log.warning if doubted or buried else _log.info
    say(
        "node_audited",
        node=node.name,
        clients=len(found.met),
        strangers=found.strangers,
        up=found.counted.up,
        down=found.counted.down,
        drifted=doubted,
        strays=buried,
    )

"""One node, looked at by the doctor: everything that is off with it at once, each with its fix. Changes nothing."""

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession
from yarl import URL

from ferryman.catalog.plan import GIGABYTE
from ferryman.fleet import certificate, diagnosis, reach
from ferryman.fleet.key import Key, Tombstone
from ferryman.fleet.keyring import OWED
from ferryman.fleet.node import Node, NodeMode
from ferryman.fleet.panel import PanelAccess, PanelInbound, PanelReport
from ferryman.flows.fleet import inspecting, surveying
from ferryman.flows.fleet.surveying import NodeView
from ferryman.flows.tools import Tools
from ferryman.kit.errors import AccessDenied, FerrymanError, Misconfigured, Retry

# A panel's certificate is to be renewed with this much time left.
RENEWAL = timedelta(days=14)
# Work that waits for longer than this is not merely busy.
LONG = timedelta(minutes=10)
# So long after its quarantine began a node's return is nobody's surprise any more.
LONG_QUARANTINE = timedelta(hours=1)
# Audits that were due so many times over.
AUDITS_MISSED = 10
FULL = 0.9


@dataclass(frozen=True)
class Finding:
    """One thing looked at. `fix` is empty when there is nothing to do; well and with a fix, it is advice."""

    what: str
    well: bool
    found: str
    fix: str = ""

    @property
    def icon(self) -> str:
        if not self.well:
            return "❌"
        return "⚠️ " if self.fix else "✅"


async def node(tools: Tools, one: Node) -> AsyncIterator[Finding]:
    """What is off with a node and what is advised, the worst first; when nothing is off, what was found instead."""
    what = f"node {one.name}"
    if not one.in_use:
        yield Finding(what, True, "retired" if one.mode == NodeMode.RETIRED else "switched off")
        return
    found = [*await _seen(tools, one, what), *await _kept(tools, one, what)]
    ill = [finding for finding in found if not finding.well]
    for finding in ill:
        yield finding
    for finding in found:
        if finding.well and (finding.fix or not ill):
            yield finding


async def _seen(tools: Tools, one: Node, what: str) -> list[Finding]:
    """What the panel, its certificate and the ports show now."""
    try:
        access = one.access(tools.vault)
    except Misconfigured as error:
        return [Finding(what, False, error.why, error.fix)]
    found = [*await _way_in(tools, access, one, what)]
    try:
        panel = tools.connections.to(one)
        report = await panel.probe()
        inbounds = await panel.inbounds()
    except FerrymanError as error:
        return [*found, await _kept_out(access, one, what, error)]
    found += [*_panel(report, what), *_inbounds(one, inbounds, what), *await _ports(tools, one, inbounds, what)]
    there = sum(inbound.enabled for inbound in inbounds)
    return [Finding(what, True, f"panel {report.version}, {there} inbounds"), *found]


async def _kept_out(access: PanelAccess, one: Node, what: str, error: FerrymanError) -> Finding:
    try:
        await inspecting.blame_certificate(access)
    except Misconfigured as untrusted:
        return Finding(what, False, untrusted.why, f"{untrusted.fix} `ferryman node edit {one.name} --pin …`")
    if isinstance(error, Misconfigured):
        return Finding(what, False, error.why, error.fix)
    if isinstance(error, Retry):
        return Finding(what, False, str(error), "Look whether it runs and can be reached from here, then ask again.")
    if isinstance(error, AccessDenied):
        fix = f"Correct its address and credentials: `ferryman node edit {one.name}`, or in the shop file."
        return Finding(what, False, str(error), fix)
    return Finding(what, False, str(error), f"Mend that in the panel, or correct it: `ferryman node edit {one.name}`.")


async def _way_in(tools: Tools, access: PanelAccess, one: Node, what: str) -> list[Finding]:
    """The address, the certificate, and whether secrets travel in the clear."""
    found = []
    try:
        inspecting.require_safe_way(tools, access)
        await inspecting.require_public(tools, one.address)
    except Misconfigured as error:
        found.append(Finding(what, False, error.why, error.fix))
    if URL(access.url).scheme != "https":
        return found
    try:
        shown = await certificate.shown_by(access.url, access.ca)
    except FerrymanError:
        return found
    left = shown.expires_at - tools.clock.now()
    # A pin holds longer than the certificate's own date, and `insecure` holds always.
    if not shown.flaw and not access.pin and left < RENEWAL:
        when = f"the certificate of its panel expires on {shown.expires_at:%d %B}"
        found.append(Finding(what, True, when, "Renew it there; after that day we are locked out."))
    return found


def _panel(report: PanelReport, what: str) -> Iterator[Finding]:
    for trouble in inspecting.troubles_of(report):
        yield Finding(what, False, _lowered(trouble.why), trouble.fix)


def _inbounds(one: Node, inbounds: Sequence[PanelInbound], what: str) -> Iterator[Finding]:
    gone = diagnosis.missing(one.inbounds, inbounds)
    if gone:
        numbers = ", ".join(str(inbound.panel_id) for inbound in gone)
        fix = f"Enable it in the panel, apply the shop file again, or `ferryman node inbounds {one.name} --choose all`."
        yield Finding(what, False, f"inbound {numbers} is gone or disabled", fix)
    if not any(inbound.enabled for inbound in one.inbounds):
        fix = f"`ferryman node inbounds {one.name} --choose all`, or have one made: `--open PORT --target HOST`."
        yield Finding(what, False, "it has no inbound that keys are put on", fix)
    chosen = {inbound.panel_id for inbound in one.inbounds if inbound.enabled}
    for offer in (inspecting.offered(each, one.address) for each in inbounds if each.panel_id in chosen):
        if offer.no_link:
            fix = f"Mend it in the panel, then `ferryman node inbounds {one.name} --refresh`."
            yield Finding(what, False, f"inbound {offer} is of no use to customers: {offer.no_link}", fix)


async def _ports(tools: Tools, one: Node, inbounds: Sequence[PanelInbound], what: str) -> list[Finding]:
    if not tools.settings.probe_ports:
        return []
    there = {each.panel_id for each in inbounds if each.enabled}
    ports = diagnosis.tcp_ports([each for each in one.inbounds if each.panel_id in there])
    refused = [f"{port} ({why})" for port in ports if (why := await reach.refusal(one.address, port))]
    if not refused:
        return []
    fix = "Open it in the firewalls there, or look at Xray's log; customers may be as locked out as we are."
    return [Finding(what, False, f"no connection to {one.address} port {', '.join(refused)}", fix)]


async def _kept(tools: Tools, one: Node, what: str) -> list[Finding]:
    """What our own books say of it."""
    now = tools.clock.now()
    async with tools.db.unit() as session:
        (view,) = await surveying.nodes(session, now, one.name)
        late = await _late(session, one, now)
    found = [*_quarantine(one, now, what), *_drain(one, view, what), *_room(view, what), *_audit(tools, one, now, what)]
    if late:
        fix = "Is a worker running? If so, its log says why: look for this node in `key_failed`."
        found.append(Finding(what, False, late, fix))
    return found


async def _late(session: AsyncSession, one: Node, now: datetime) -> str:
    """Keys and deletions that have waited for long, as one sentence; "" when there are none."""
    owed = select(func.count(), func.max(Key.error)).where(
        Key.node_id == one.id, OWED, (Key.failures > 0) | (Key.try_at < now - LONG), Key.created_at < now - LONG
    )
    buried = select(func.count(), func.max(Tombstone.error)).where(
        Tombstone.node_id == one.id, Tombstone.created_at < now - LONG
    )
    said = []
    for query, kind in ((owed, "keys wait to be put there"), (buried, "old clients wait to be deleted there")):
        count, error = (await session.execute(query)).one()
        if count:
            said.append(f"{count} {kind}" + (f" ({error.rstrip('.')})" if error else ""))
    return "; ".join(said)


def _quarantine(one: Node, now: datetime, what: str) -> Iterator[Finding]:
    if one.quarantined_at is None:
        return
    since = f"out of service since {one.quarantined_at:%d %B %H:%M} UTC; others serve its customers"
    fix = f"It comes back by itself when it is well; for good: `ferryman node drain {one.name}`, then retire."
    yield Finding(what, now - one.quarantined_at < LONG_QUARANTINE, since, fix)


def _drain(one: Node, view: NodeView, what: str) -> Iterator[Finding]:
    if one.mode != NodeMode.DRAINING:
        return
    if view.keys + view.owed + view.graves == 0:
        fix = f"`ferryman node retire {one.name}`, or take it back: `ferryman node undrain {one.name}`."
        yield Finding(what, True, "drained and empty", fix)
        return
    left = f"being drained, {max(view.keys, view.owed)} keys left"
    yield Finding(what, True, left, f"`ferryman node drain {one.name}` says what holds them.")


def _room(view: NodeView, what: str) -> Iterator[Finding]:
    limits = [
        (view.keys, view.capacity_clients, f"{view.keys} keys of {view.capacity_clients}"),
        (
            view.used_bytes,
            view.capacity_bytes,
            f"{view.used_bytes / GIGABYTE:.0f} GB of {view.capacity_bytes / GIGABYTE:.0f} in thirty days",
        ),
    ]
    for used, limit, text in limits:
        if limit and used >= limit * FULL:
            full = "over its capacity" if used > limit else "nearly full"
            fix = f"Add a node in {view.location}, or raise the limit: `ferryman node edit {view.name}`."
            yield Finding(what, True, f"{full}: {text}", fix)


def _audit(tools: Tools, one: Node, now: datetime, what: str) -> Iterator[Finding]:
    patience = max(timedelta(seconds=tools.settings.audit_seconds) * AUDITS_MISSED, LONG)
    last = one.audited_at or one.created_at
    if now - last > patience:
        when = "never" if one.audited_at is None else f"not since {last:%d %B %H:%M} UTC"
        fix = "Is a worker running? Until it is, traffic is not counted and nobody sees what is changed by hand."
        yield Finding(what, False, f"compared with our books {when}", fix)


def _lowered(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:].rstrip(".")

"""The port's verbs on 3X-UI: look, do what is missing, look again; the second look is what counts."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, ClassVar

import ferryman.fleet.panels.xui.version as version
from ferryman.fleet.panel import Access, PanelAccess, PanelInbound, PanelReport, PanelTools, Seen
from ferryman.fleet.panels.xui.clients import Clients, Record
from ferryman.fleet.panels.xui.inbounds import VISION, flow_on, read_inbound
from ferryman.fleet.panels.xui.record import as_seen, differences, is_ours, is_spent, require_storable, used_bytes
from ferryman.fleet.panels.xui.session import Session, Timeouts
from ferryman.fleet.panels.xui.writing import Goal, Writer, goal_of
from ferryman.kit.errors import Busy, Conflict, NotFound, Refused, Retry, Unreachable

# Inbounds change by hand and the list of a large panel is long; a panel is updated by hand too.
INBOUNDS_KEPT = timedelta(seconds=60)
VERSION_KEPT = timedelta(minutes=10)


class Xui:
    """One 3X-UI panel, 3.1 or newer. Keep one instance per panel: it holds the session.

    Raises Misconfigured when made with an address, pin or credentials that cannot be right.
    """

    kind: ClassVar[str] = "xui"

    def __init__(self, access: PanelAccess, tools: PanelTools, *, timeouts: Timeouts | None = None) -> None:
        self._session = Session(access, tools, timeouts or Timeouts())
        self._clients = Clients(self._session)
        self._writer = Writer(self._clients)
        self._clock = tools.clock
        self._inbounds: tuple[datetime, list[PanelInbound]] | None = None
        self._release: tuple[datetime, version.Version] | None = None

    async def probe(self) -> PanelReport:
        """One read. Raises Refused for a panel older than 3.1, Busy for one that has just started."""
        asked = self._clock.now()
        reply = await self._session.ask("server", "status")
        if not isinstance(reply.obj, dict):
            raise Busy(f"{self._session.host} has just started and knows nothing about itself yet.")
        named = str(reply.obj.get("panelVersion") or "")
        # Every panel from 3.1 on tells its version.
        if not named or version.parse(named) < version.OLDEST:
            raise Refused(version.too_old(self._session.host, named))
        self._release = (self._clock.now(), version.parse(named))
        xray = reply.obj.get("xray")
        running = isinstance(xray, dict) and xray.get("state") == "running"
        return PanelReport(named, running, clock_skew(reply.headers, asked, self._clock.now()))

    async def inbounds(self) -> Sequence[PanelInbound]:
        try:
            inbounds = [read_inbound(raw) for raw in await self._listed()]
        except (AttributeError, TypeError, ValueError) as error:
            raise Unreachable(f"{self._session.host} described an inbound in a way we cannot read.") from error
        self._inbounds = (self._clock.now(), inbounds)
        return inbounds

    async def see(self, email: str) -> Seen | None:
        """`ends_at` is None also for a client whose time starts with its first traffic; ours never do."""
        record = await self._clients.get(email)
        return None if record is None else as_seen(record, await self._clients.traffic(email))

    async def put(self, access: Access) -> Seen:
        """As the port says; a repeated put of the same access makes reads only.

        Counters are never reset. An `enabled` client past its end or quota is left as the panel left it: switched off.
        """
        require_storable(self._session.host, access)
        goal = await self._goal(access)
        record = await self._clients.get(access.email)
        lacking: list[str] = []
        if record is not None:
            traffic = await self._clients.traffic(access.email)
            lacking = await self._lacking(goal, record, traffic)
            if not lacking:
                return as_seen(record, traffic)
        trouble: Retry | Conflict | None = None
        try:
            await self._write(goal, record, lacking)
        except (Retry, Conflict) as error:
            # The answer may be lost and the effect not; or somebody else was faster. The second look tells.
            trouble = error
        return await self._read_back(goal, trouble)

    async def drop(self, email: str) -> None:
        trouble: Retry | None = None
        try:
            await self._clients.delete(email)
        except NotFound:
            return
        except Retry as error:
            trouble = error
        if await self._clients.get(email) is not None:
            raise trouble or Busy(f"{self._session.host} still has the client {email} after deleting it.")

    async def _read_back(self, goal: Goal, trouble: Retry | Conflict | None) -> Seen:
        """Raises `trouble`, or Busy naming what differs, unless the panel now holds the client."""
        email = goal.access.email
        record = await self._clients.get(email)
        if record is None:
            raise trouble or Busy(f"{self._session.host} took the client {email} and does not have it.")
        traffic = await self._clients.traffic(email)
        lacking = await self._lacking(goal, record, traffic)
        if lacking:
            raise trouble or Busy(f"{self._session.host} kept other values for {email}: {', '.join(lacking)}.")
        return as_seen(record, traffic)

    async def _goal(self, access: Access) -> Goal:
        """Raises Refused when the panel has no such inbound, after asking it afresh."""
        known = self._inbounds
        fresh = known is not None and self._clock.now() - known[0] < INBOUNDS_KEPT
        inbounds = known[1] if known is not None and fresh else await self.inbounds()
        if fresh and not set(access.inbounds) <= {inbound.panel_id for inbound in inbounds}:
            inbounds = await self.inbounds()
        present = sorted(inbound.panel_id for inbound in inbounds)
        unknown = sorted(set(access.inbounds) - set(present))
        if unknown:
            raise Refused(
                f"{self._session.host} has no inbound {', '.join(map(str, unknown))}: choose among "
                f"{', '.join(map(str, present)) or 'none, create one first'}."
            )
        return goal_of(access, inbounds)

    async def _write(self, goal: Goal, record: Record | None, lacking: Sequence[str]) -> None:
        grouped = await self._needs_groups(goal, record)
        if record is None:
            await self._writer.create(goal, in_groups=grouped)
        elif grouped:
            await self._writer.correct_in_groups(goal, record, stale=bool(set(lacking) - {"inbounds"}))
        else:
            # What is attached anew takes the record's flow, which may be that of another inbound.
            doubtful = bool(goal.inbounds - set(record.inbounds)) and await self._is_flow_unsure(goal)
            await self._writer.correct(goal, record, stale=doubtful or bool(set(lacking) - {"inbounds"}))

    async def _lacking(self, goal: Goal, record: Record, traffic: Mapping[str, Any]) -> list[str]:
        """Names of what differs from the goal. Raises Conflict for somebody else's client."""
        access = goal.access
        if not is_ours(record, access):
            raise Conflict(
                f"{self._session.host} has a client {access.email} that is not ours (other uuid, other subId): rename "
                "or delete it there."
            )
        unsure = await self._is_flow_unsure(goal)
        ignored = {"flow"} if unsure else set()
        if access.enabled and is_spent(access, used_bytes(traffic), self._clock.now()):
            ignored.add("enable")
        lacking = differences(record, goal.fields(record), ignored)
        if not lacking and unsure and access.enabled and await self._flows_differ(goal, record):
            lacking.append("flow")
        return lacking if set(record.inbounds) == goal.inbounds else [*lacking, "inbounds"]

    async def _is_flow_unsure(self, goal: Goal) -> bool:
        return goal.mixed and not await self._since(version.SHOWS_EFFECTIVE_FLOW)

    async def _flows_differ(self, goal: Goal, record: Record) -> bool:
        """Asks the inbounds themselves; needed where the record's flow is that of whichever was written last."""
        for raw in await self._listed():
            if raw["id"] not in goal.inbounds or raw["id"] not in record.inbounds:
                continue
            if (flow_on(raw, goal.access.email) or "") != (VISION if raw["id"] in goal.vision else ""):
                return True
        return False

    async def _needs_groups(self, goal: Goal, record: Record | None) -> bool:
        """Whether inbounds of both kinds are touched on a panel that would put a flow on all of them."""
        touched = goal.inbounds | set(record.inbounds if record is not None else ())
        vision = {inbound.panel_id for inbound in (self._inbounds or (None, []))[1] if inbound.link["flow"]}
        mixed = bool(touched & vision) and bool(touched - vision)
        return mixed and not await self._since(version.DROPS_UNFIT_FLOWS)

    async def _since(self, release: version.Version) -> bool:
        known = self._release
        if known is None or self._clock.now() - known[0] >= VERSION_KEPT:
            await self.probe()
            known = self._release
        return known is not None and known[1] >= release

    async def _listed(self) -> list[dict[str, Any]]:
        listed = await self._session.get("inbounds", "list")
        if not isinstance(listed, list | None):
            raise Unreachable(f"{self._session.host} listed its inbounds in a way we cannot read.")
        return [raw for raw in listed or () if isinstance(raw, dict) and "id" in raw]


def clock_skew(headers: Mapping[str, str], asked: datetime, answered: datetime) -> float | None:
    """The panel's clock minus ours in seconds, from the `Date` header, which is cut to whole seconds."""
    try:
        said = parsedate_to_datetime(headers["Date"])
    except (KeyError, ValueError):
        return None
    if asked - timedelta(seconds=1) <= said <= answered:
        return 0.0
    return round((said + timedelta(seconds=0.5) - answered).total_seconds(), 1)

"""What is at the other end: its generation, told by two or three reads that change nothing.

G1  2.3 – 2.6   clients inside inbounds; the status is a POST outside the API
G2  2.7 – 2.9   clients inside inbounds
G3  3.0         clients inside inbounds; CSRF, API tokens, one email may be on several inbounds
G4  3.1 –       clients are records with routes of their own; tells its version
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import ferryman.fleet.panels.xui.version as version
from ferryman.fleet.panel import PanelReport
from ferryman.fleet.panels.xui.login import said_at
from ferryman.fleet.panels.xui.session import Reply, RouteMissing, Session
from ferryman.kit.clock import Clock
from ferryman.kit.errors import Busy

# A panel is updated by hand, and its login page is long.
KEPT = timedelta(minutes=10)


@dataclass(frozen=True)
class Found:
    """`release` is the oldest it can be where the panel does not tell."""

    generation: int
    release: version.Version
    report: PanelReport
    at: datetime
    told_at: datetime

    def is_like(self, other: "Found | None") -> bool:
        """Whether what was built for the one fits the other."""
        return other is not None and (self.generation, self.release) == (other.generation, other.release)


async def detect(session: Session, clock: Clock, last: Found | None = None) -> Found:
    """`last` is what it was before: where it is still that, one read is enough.

    Raises Busy for a panel that has just started, RouteMissing for what is no 3X-UI.
    """
    asked = clock.now()
    generation, reply = await _status(session, last)
    answered = clock.now()
    if not isinstance(reply.obj, dict):
        raise Busy(f"{session.host} has just started and knows nothing about itself yet.")
    told, told_at = str(reply.obj.get("panelVersion") or ""), answered
    if told:
        generation = 4
    elif last is not None and last.generation == generation and answered - last.told_at < KEPT:
        told, told_at = last.report.version, last.told_at
    elif generation < 3:
        told = version.in_login_page(await session.login_page())
    xray = reply.obj.get("xray")
    running = isinstance(xray, dict) and xray.get("state") == "running"
    report = PanelReport(told or _UNTOLD[generation], running, clock_skew(reply.headers, asked, answered))
    return Found(generation, _release(generation, told), report, answered, told_at)


_UNTOLD = {1: "2.3 to 2.6", 2: "2.7 to 2.9", 3: "3.0"}
_OLDEST = {1: version.OLDEST, 2: version.OLDEST_WITH_API_STATUS, 3: version.OLDEST_WITH_TOKENS}


def _release(generation: int, told: str) -> version.Version:
    told = "" if told in _UNTOLD.values() else told
    return version.parse(told) if told else _OLDEST[generation]


async def _status(session: Session, last: Found | None) -> tuple[int, Reply]:
    if last is not None and last.generation == 1:
        try:
            return 1, await session.poll("server", "status", root=())
        except RouteMissing:
            pass
    try:
        reply = await session.ask("server", "status")
    except RouteMissing:
        try:
            return 1, await session.poll("server", "status", root=())
        except RouteMissing:
            pass
        raise
    return (3 if session.csrf else 2), reply


def clock_skew(headers: Mapping[str, str], asked: datetime, answered: datetime) -> float | None:
    """The panel's clock minus ours in seconds, from the `Date` header, which is cut to whole seconds."""
    said = said_at(headers)
    if said is None:
        return None
    if asked - timedelta(seconds=1) <= said <= answered:
        return 0.0
    return round((said + timedelta(seconds=0.5) - answered).total_seconds(), 1)

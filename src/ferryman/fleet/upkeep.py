"""What becomes of a node's inbounds when somebody changes them in the panel by hand."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ferryman.fleet.node import Inbound
from ferryman.fleet.panel import PanelInbound

# Keys are taken off an inbound only when a second look misses it too: a panel may once answer with half a list.
GONE_AFTER = timedelta(seconds=20)


@dataclass(frozen=True)
class Course:
    """`shown` differ from what is kept, `missed` are newly missing, `given_up` have been for long enough."""

    shown: Sequence[tuple[Inbound, PanelInbound]]
    missed: Sequence[Inbound]
    given_up: Sequence[Inbound]

    def __bool__(self) -> bool:
        return bool(self.shown or self.missed or self.given_up)

    @property
    def moved(self) -> list[int]:
        """Panel ids of the inbounds that keys have to come to or to go from."""
        back = [one.panel_id for one, _ in self.shown if not one.enabled]
        return sorted([*back, *(one.panel_id for one in self.given_up)])

    def follow(self, now: datetime) -> None:
        for one in self.missed:
            one.missing_since = now
        for one in self.given_up:
            one.enabled = False
        for one, shown in self.shown:
            one.take(shown)


def course(inbounds: Sequence[Inbound], seen: Sequence[PanelInbound], now: datetime) -> Course:
    """What to do about the inbounds that were chosen for keys; those that were not are none of ours.

    One that was deleted or switched off by hand is given up after a while and comes back by itself. The last one of a
    node stays: a key that is nowhere helps nobody.
    """
    there = {inbound.panel_id: inbound for inbound in seen if inbound.enabled}
    chosen = [one for one in inbounds if one.enabled or one.missing_since is not None]
    lacking = [one for one in chosen if one.panel_id not in there]
    overdue = [one for one in lacking if one.enabled and one.missing_since and now - one.missing_since >= GONE_AFTER]
    present = [(one, there[one.panel_id]) for one in chosen if one.panel_id in there]
    return Course(
        [(one, shown) for one, shown in present if one.missing_since is not None or not one.shows(shown)],
        [one for one in lacking if one.missing_since is None],
        overdue if present else [],
    )

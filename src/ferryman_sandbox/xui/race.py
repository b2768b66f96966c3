"""Overlapping changes of one inbound in 2.x and 3.0: each reads the whole, edits it, and writes the whole back."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from ferryman_sandbox.xui.envelope import Reply, nothing
from ferryman_sandbox.xui.panel import Panel

# Between reading and writing back; wide enough that calls sent together overlap.
WINDOW_SECONDS = 0.03


@dataclass
class Race:
    """`inside` counts the changes that have read each inbound and not written it yet."""

    panel: Panel
    inside: dict[int, int] = field(default_factory=dict)

    async def run(self, inbound_id: int, answer: Callable[[], tuple[Reply, bool]]) -> tuple[Reply, bool]:
        """Answer a change on what the inbound was when the change began: whatever came in between is lost.

        Traffic rows are written apart and stay. Before 3.0 all but the last of several break off with an empty 500
        after writing their row, as seen on a running 2.8.11.
        """
        state = self.panel.state
        read = dict(state.entries.get(inbound_id, {}))
        self.inside[inbound_id] = self.inside.get(inbound_id, 0) + 1
        await asyncio.sleep(WINDOW_SECONDS)
        self.inside[inbound_id] -= 1
        if inbound_id not in state.entries:
            return answer()
        current = dict(state.entries[inbound_id])
        breaks_off = self.inside[inbound_id] > 0 and self.panel.rules.loses_answers_in_a_race
        if not breaks_off:
            state.replace_entries(inbound_id, read)
        reply, committed = answer()
        if (breaks_off or not committed) and inbound_id in state.entries:
            state.replace_entries(inbound_id, current)
        return (nothing(500), False) if breaks_off and committed else (reply, committed)

"""How fast we may speak: Telegram advises about 30 messages a second and enforces it with 429."""

import asyncio
from collections.abc import Callable

from ferryman.kit.errors import Busy

PER_SECOND = 25.0
# Longer than this and the caller had better come back than hold a worker's slot.
LONGEST_WAIT = 1.0
# Telegram counts in whole seconds; coming back at the very moment it named earns another 429.
MARGIN = 1.0


class Pace:
    """One for each bot and process. `monotonic` answers seconds that never go back."""

    def __init__(self, monotonic: Callable[[], float], per_second: float = PER_SECOND) -> None:
        self._monotonic = monotonic
        self._gap = 1 / per_second
        self._free_at = 0.0

    async def turn(self) -> None:
        """Wait for the next slot. Raises Busy, with the seconds to wait, when that is more than a moment away."""
        now = self._monotonic()
        wait = self._free_at - now
        if wait > LONGEST_WAIT:
            raise Busy("Sending is paused, as Telegram asked.", wait)
        self._free_at = max(self._free_at, now) + self._gap
        if wait > 0:
            await asyncio.sleep(wait)

    def pause(self, seconds: float) -> float:
        """Telegram said 429: nothing leaves for that long. Answers the seconds until the next slot."""
        self._free_at = max(self._free_at, self._monotonic() + seconds + MARGIN)
        return self._free_at - self._monotonic()

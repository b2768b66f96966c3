"""The emulators' clock: real time plus an offset that a test or a person may push forward."""

import time

from ferryman_sandbox.store import Store


class Clock:
    """Unix seconds. The offset is kept in the store, so a restarted world does not travel back in time."""

    def __init__(self, store: Store) -> None:
        self._store = store
        kept = store.get("clock", "offset")
        self._offset = 0.0 if kept is None else float(kept["seconds"])

    def now(self) -> float:
        return time.time() + self._offset

    def advance(self, seconds: float) -> float:
        """Push time forward (never back); answers the new now."""
        if seconds < 0:
            raise ValueError("the clock only goes forward")
        self._offset += seconds
        self._store.put("clock", "offset", {"seconds": self._offset})
        return self.now()

"""Sending limits: about 30 messages a second for a bot, one a second for a chat with a short burst.

`off` counts nothing, `advisory` notes what would have been refused, `strict` answers 429 with `retry_after`. The size
of the burst is not published; three is a guess on the careful side. Buckets are forgotten at a restart.
"""

import math
from dataclasses import dataclass

from ferryman_sandbox.store import Store
from ferryman_sandbox.telegram.answers import too_many

MODES = ("off", "advisory", "strict")
BOT_RATE = 30.0
CHAT_RATE = 1.0
CHAT_BURST = 3.0
SET_WEBHOOK_GAP = 1.0


@dataclass
class _Bucket:
    rate: float
    size: float
    tokens: float
    at: float

    def wait(self, now: float) -> float:
        """Seconds until the next token is there; 0 when one is."""
        self.tokens = min(self.size, self.tokens + (now - self.at) * self.rate)
        self.at = now
        return max(0.0, (1 - self.tokens) / self.rate)


class Limits:
    def __init__(self, store: Store) -> None:
        self._store = store
        self.forget()

    def forget(self) -> None:
        self._buckets: dict[str, _Bucket] = {}
        self.noted = 0

    @property
    def mode(self) -> str:
        return str((self._store.get("setting", "limits") or {"mode": "off"})["mode"])

    def switch(self, mode: str) -> None:
        """Raises ValueError for an unknown mode."""
        if mode not in MODES:
            raise ValueError(f"limits are one of {', '.join(MODES)}")
        self._store.put("setting", "limits", {"mode": mode})
        self.forget()

    def send(self, bot_id: int, user_id: int, now: float) -> None:
        """Count one message or edit. Raises ApiError 429 in strict mode when it comes too soon."""
        self._take(
            now,
            self._bucket(f"bot:{bot_id}", BOT_RATE, BOT_RATE, now),
            self._bucket(f"chat:{bot_id}:{user_id}", CHAT_RATE, CHAT_BURST, now),
        )

    def set_webhook(self, bot_id: int, now: float) -> None:
        self._take(now, self._bucket(f"webhook:{bot_id}", 1 / SET_WEBHOOK_GAP, 1.0, now))

    def _bucket(self, name: str, rate: float, size: float, now: float) -> _Bucket:
        return self._buckets.setdefault(name, _Bucket(rate, size, size, now))

    def _take(self, now: float, *buckets: _Bucket) -> None:
        mode = self.mode
        if mode == "off":
            return
        wait = max(bucket.wait(now) for bucket in buckets)
        if wait > 0:
            self.noted += 1
            if mode == "strict":
                raise too_many(max(1, math.ceil(wait)))
        for bucket in buckets:
            bucket.tokens -= 1

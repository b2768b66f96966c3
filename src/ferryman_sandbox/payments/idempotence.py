"""Idempotence keys: one key, one request, one effect, for 24 hours of the emulator's clock."""

import hashlib
import json
from collections.abc import Callable
from typing import Any

from ferryman_sandbox.payments.api import Json, Refusal
from ferryman_sandbox.store import Store

LIFETIME = 24 * 3600.0


class Keys:
    """Remembers what a call was answered. `conflict()` is the refusal of a known key with another request."""

    def __init__(self, store: Store, now: Callable[[], float], conflict: Callable[[], Refusal]) -> None:
        self._store = store
        self._now = now
        self._conflict = conflict

    def recall(self, key: str, path: str, body: Any) -> Json | None:
        """The first answer to this very request, None for a new key. Raises the conflict."""
        kept = self._store.get("idempotence", key)
        if kept is None or self._now() - kept["at"] >= LIFETIME:
            return None
        if kept["hash"] != _hash(path, body):
            raise self._conflict()
        answer: Json = kept["answer"]
        return answer

    def remember(self, key: str, path: str, body: Any, answer: Json) -> None:
        self._store.put("idempotence", key, {"at": self._now(), "hash": _hash(path, body), "answer": answer})


def _hash(path: str, body: Any) -> str:
    return hashlib.sha256(f"{path}\n{json.dumps(body, sort_keys=True)}".encode()).hexdigest()

"""Idempotence keys: one key, one body, one effect, for 24 hours of the emulator's clock."""

import hashlib
import json
from collections.abc import Callable
from typing import Any

from ferryman_sandbox.store import Store
from ferryman_sandbox.yookassa.errors import invalid

LIFETIME = 24 * 3600.0


class Keys:
    """Remembers the answer of each successful POST. Refusals are not remembered: they had no effect."""

    def __init__(self, store: Store, now: Callable[[], float]) -> None:
        self._store = store
        self._now = now

    def recall(self, key: str, path: str, body: Any) -> dict[str, Any] | None:
        """The first answer to this very request, None for a new key. Raises ApiError 400 for another body."""
        kept = self._store.get("idempotence", key)
        if kept is None or self._now() - kept["at"] >= LIFETIME:
            return None
        if kept["hash"] != _hash(path, body):
            raise invalid("Idempotence-Key", "Idempotence key duplicated")
        answer: dict[str, Any] = kept["answer"]
        return answer

    def remember(self, key: str, path: str, body: Any, answer: dict[str, Any]) -> None:
        record = {"at": self._now(), "hash": _hash(path, body), "answer": answer}
        self._store.put("idempotence", key, record)


def _hash(path: str, body: Any) -> str:
    return hashlib.sha256(f"{path}\n{json.dumps(body, sort_keys=True)}".encode()).hexdigest()

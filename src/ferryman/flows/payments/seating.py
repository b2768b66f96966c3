"""How many questions one provider is asked at a time by a worker: one that hangs must leave room for the others."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from ferryman.flows.tools import Tools

# Seconds until a question that found no seat is asked again.
COME_AGAIN = 5.0

_taken: Counter[str] = Counter()


@contextmanager
def seat(tools: Tools, provider: str) -> Iterator[bool]:
    """Whether there is room for one more question; it counts until the block ends. A quarter is kept for the others."""
    concurrency = tools.settings.worker_concurrency
    free = _taken[provider] < max(1, concurrency - concurrency // 4)
    _taken[provider] += free
    try:
        yield free
    finally:
        _taken[provider] -= free

"""What time alone moves: an invoice that runs out, a transfer that the network confirms."""

from collections.abc import Callable


class Deadlines:
    """`overdue(id)` is called for each whose moment has passed; it takes the deadline away, or sets the next one."""

    def __init__(self, now: Callable[[], float], overdue: Callable[[str], object]) -> None:
        self._now = now
        self._overdue = overdue
        self._due: dict[str, float] = {}

    def set(self, id_: str, moment: float | None) -> None:
        """In Unix seconds of the emulator's clock; None = time does nothing to it."""
        if moment is None:
            self._due.pop(id_, None)
        else:
            self._due[id_] = moment

    def let_time_pass(self) -> None:
        now = self._now()
        for id_ in [id_ for id_, moment in self._due.items() if moment <= now]:
            self._overdue(id_)

    def next(self) -> float | None:
        return min(self._due.values(), default=None)

    def forget(self) -> None:
        """The store was emptied."""
        self._due.clear()

"""The running Xray core as far as a panel can see it: who is loaded where, and the bytes not yet collected.

Not modelled: the core's own configuration, routing, other users' protocols, and real connections.
"""

from dataclasses import dataclass, field

from ferryman_sandbox.xui.state import PanelState

ONLINE_WINDOW_MS = 20_000
RESTART_CHECK_MS = 30_000


@dataclass
class Core:
    """Users are (inbound id, email). Only a loaded user can produce traffic.

    `active` is who moved bytes between the last two polls, as older panels report it; None where they answer null.
    """

    running: bool = True
    users: set[tuple[int, str]] = field(default_factory=set)
    counters: dict[str, list[int]] = field(default_factory=dict)
    sighted: set[str] = field(default_factory=set)
    seen_ms: dict[str, int] = field(default_factory=dict)
    active: list[str] | None = None
    fresh: bool = False
    needs_restart: bool = False
    restarts: int = 0
    checked_ms: int = 0

    def add(self, inbound_id: int, email: str) -> None:
        """Load a user live; with the core down, the change waits for the next check."""
        if self.running:
            self.users.add((inbound_id, email))
        else:
            self.needs_restart = True

    def remove(self, inbound_id: int, email: str) -> None:
        if self.running:
            self.users.discard((inbound_id, email))
        else:
            self.needs_restart = True

    def is_loaded(self, email: str, state: PanelState) -> bool:
        return any((inbound_id, email) in self.users for inbound_id in state.entries)

    def loaded_emails(self) -> set[str]:
        return {email for _, email in self.users}

    def use(self, email: str, up: int, down: int) -> None:
        """Bytes that passed through the core since the last poll."""
        counter = self.counters.setdefault(email, [0, 0])
        counter[0] += up
        counter[1] += down

    def collect(self, *, from_first_sight: bool, empties: bool = False) -> dict[str, tuple[int, int]]:
        """Bytes since the last poll of every client that ever connected since the core's start, zeros included.

        Without `from_first_sight`, a counter that is new to the panel is only remembered, and so are all of them at
        the first poll after a restart of the core. With `empties`, the panel reads the counters and sets them to zero,
        so that it knows no first sight.
        """
        counted = {
            email: (up, down)
            for email, (up, down) in self.counters.items()
            if empties or email in self.sighted or (from_first_sight and not self.fresh)
        }
        self.sighted = set(self.counters)
        self.fresh = False
        for counter in self.counters.values():
            counter[:] = [0, 0]
        return counted

    def online(self, now_ms: int) -> list[str]:
        return [email for email, seen in self.seen_ms.items() if now_ms - seen <= ONLINE_WINDOW_MS]

    def rebuild(self, state: PanelState) -> None:
        """Load what the stored configuration says: enabled inbounds, entries and rows."""
        self.users = {
            (inbound_id, email)
            for inbound_id, entries in state.entries.items()
            if state.inbounds[inbound_id]["enable"]
            for email, clients in entries.items()
            if any(client.get("enable", True) for client in clients) and _row_enabled(state, email)
        }
        self.needs_restart = False

    def restart(self, state: PanelState) -> None:
        """A full restart: every session drops and uncollected bytes are lost."""
        self.counters = {}
        self.sighted = set()
        self.fresh = True
        self.restarts += 1
        self.running = True
        self.rebuild(state)

    def apply_pending(self, state: PanelState, now_ms: int, *, live: bool) -> None:
        """The 30-second check of a change that could not be applied at once."""
        if now_ms - self.checked_ms < RESTART_CHECK_MS:
            return
        self.checked_ms = now_ms
        if not self.needs_restart or not self.running:
            return
        if live:
            self.rebuild(state)
        else:
            self.restart(state)


def _row_enabled(state: PanelState, email: str) -> bool:
    row = state.rows.get(email)
    return row is None or bool(row["enable"])

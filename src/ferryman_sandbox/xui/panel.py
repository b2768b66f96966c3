"""One panel seen from inside: its memory, its core, its clock, and the rules of its version."""

from collections.abc import Callable
from dataclasses import dataclass

from ferryman_sandbox.xui.core import Core
from ferryman_sandbox.xui.envelope import record_not_found
from ferryman_sandbox.xui.state import Document, PanelState
from ferryman_sandbox.xui.switches import Switches
from ferryman_sandbox.xui.versions import Rules, rules_of


@dataclass
class Panel:
    """What every route module works on. `read_clock` answers Unix seconds of the world's clock."""

    state: PanelState
    core: Core
    switches: Switches
    read_clock: Callable[[], float]
    base_path: str = "/"
    username: str = "admin"
    password: str = "admin"

    @property
    def rules(self) -> Rules:
        return rules_of(self.switches.version)

    def now(self) -> float:
        """Unix seconds by the panel's own clock, which may be wrong."""
        return self.read_clock() + self.switches.clock_skew

    @property
    def now_ms(self) -> int:
        return int(self.now() * 1000)

    def inbound(self, inbound_id: int) -> Document:
        """Raises Refusal (`record not found`) for an unknown id."""
        if inbound_id not in self.state.inbounds:
            raise record_not_found()
        return self.state.inbounds[inbound_id]

    def record(self, email: str) -> Document:
        """By exact spelling. Raises Refusal (`record not found`)."""
        if email not in self.state.records:
            raise record_not_found()
        return self.state.records[email]

    def is_on_offline_node(self, inbound_id: int) -> bool:
        inbound = self.state.inbounds.get(inbound_id)
        return bool(self.switches.node_offline and inbound and inbound.get("nodeId"))

    def pending_nodes(self, inbound_ids: list[int]) -> Document | None:
        """The note in an answer that a change waits for a node to come back."""
        if self.rules.reports_pending_nodes and any(map(self.is_on_offline_node, inbound_ids)):
            return {"nodePending": True}
        return None

    def emails_of_sub(self, sub_id: str) -> list[str]:
        """Every email with that subId, sorted."""
        if not self.rules.embeds_clients:
            return self.state.emails_of_sub(sub_id)
        found = {
            email
            for entries in self.state.entries.values()
            for email, clients in entries.items()
            if any(client.get("subId") == sub_id for client in clients)
        }
        return sorted(found)

    def load_user(self, inbound_id: int, email: str) -> None:
        """Let the core serve the client there, if its inbound is on and reachable."""
        if self.is_on_offline_node(inbound_id):
            self.core.needs_restart = True
        elif self.state.inbounds[inbound_id]["enable"]:
            self.core.add(inbound_id, email)

    def unload_user(self, inbound_id: int, email: str) -> None:
        if self.is_on_offline_node(inbound_id):
            self.core.needs_restart = True
        else:
            self.core.remove(inbound_id, email)

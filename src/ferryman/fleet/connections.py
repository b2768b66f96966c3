"""One open connection per panel and process, so that its session, its limits and its caches are shared."""

from collections.abc import Mapping

from ferryman.fleet.node import Node
from ferryman.fleet.panel import PanelTools, VpnPanel
from ferryman.kit.errors import Misconfigured
from ferryman.kit.secrets import Vault


class Connections:
    """Panels by node, made anew when the node's stored access changes. `kinds` are the installed panel types."""

    def __init__(self, kinds: Mapping[str, type[VpnPanel]], vault: Vault, tools: PanelTools) -> None:
        self.kinds = kinds
        self._vault = vault
        self._tools = tools
        self._open: dict[int, tuple[bytes, VpnPanel]] = {}

    def to(self, node: Node) -> VpnPanel:
        """The node's panel, ready to be asked. Raises Misconfigured when its type is not installed."""
        known = self._open.get(node.id)
        if known is not None and known[0] == node.sealed_access:
            return known[1]
        panel = self.kind(node.panel)(node.access(self._vault), self._tools)
        self._open[node.id] = (node.sealed_access, panel)
        return panel

    def kind(self, name: str) -> type[VpnPanel]:
        kind = self.kinds.get(name)
        if kind is None:
            raise Misconfigured(
                f"No panel type {name!r} is installed.", f"Installed are: {', '.join(sorted(self.kinds))}."
            )
        return kind

    def trial(self, kind: str, node: Node) -> VpnPanel:
        """A connection of its own for checking credentials before they are kept."""
        return self.kind(kind)(node.access(self._vault), self._tools)

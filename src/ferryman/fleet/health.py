"""How a node does, from what its calls came to."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from ferryman.fleet.node import Node, NodeState
from ferryman.kit import log
from ferryman.kit.db import LOCK
from ferryman.kit.errors import AccessDenied, FerrymanError, Misconfigured, Unreachable

_log = log.get("health")

# A node is called down after this many rounds in a row in which its panel gave no answer.
DOWN_AFTER = 3
_PANEL_TROUBLE = (Unreachable, AccessDenied, Misconfigured)


async def noted(session: AsyncSession, node_id: int, outcomes: Sequence[FerrymanError | None], now: datetime) -> None:
    """Take in one round of calls: any answer is a sign of life; trouble with single clients is not the node's."""
    node = await session.get_one(Node, node_id, with_for_update=LOCK)
    troubles = [error for error in outcomes if isinstance(error, _PANEL_TROUBLE)]
    node.checked_at = now
    if troubles and len(troubles) == len(outcomes):
        node.failures += 1
        node.trouble = str(troubles[0])[:300]
        if node.failures >= DOWN_AFTER and node.state == NodeState.HEALTHY:
            node.state = NodeState.DOWN
            _log.error("node_down", node=node.name, why=node.trouble)
        return
    if node.state == NodeState.DOWN:
        node.state = NodeState.HEALTHY
        _log.info("node_back", node=node.name)
    node.failures = 0
    node.trouble = None

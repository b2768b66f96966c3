"""How a node does, from what its calls came to."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from ferryman.fleet.node import Node, NodeState
from ferryman.kit import log
from ferryman.kit.db import LOCK
from ferryman.kit.errors import AccessDenied, FerrymanError, Misconfigured, Unreachable

_log = log.get("health")

# A node is called down after this many rounds in a row in which its panel gave no answer.
DOWN_AFTER = 3
# Seconds between two tries of a panel in trouble: 2, 4, 8 … up to this, however many keys wait for it.
LONGEST_PAUSE = 60.0
_PANEL_TROUBLE = (Unreachable, AccessDenied, Misconfigured)


async def noted(session: AsyncSession, node_id: int, outcomes: Sequence[FerrymanError | None], now: datetime) -> None:
    """Take in one round of calls: any answer is a sign of life; trouble with single clients is not the node's."""
    node = await session.get_one(Node, node_id, with_for_update=LOCK)
    troubles = [error for error in outcomes if isinstance(error, _PANEL_TROUBLE)]
    node.checked_at = now
    if troubles and len(troubles) == len(outcomes):
        node.failures += 1
        node.try_at = now + timedelta(seconds=min(2.0 ** min(node.failures, 10), LONGEST_PAUSE))
        node.trouble = str(troubles[0])[:300]
        if node.failures >= DOWN_AFTER and node.state != NodeState.DOWN:
            node.state = NodeState.DOWN
            _log.error("node_down", node=node.name, why=node.trouble)
        return
    if node.state == NodeState.DOWN:
        node.state = NodeState.HEALTHY
        _log.info("node_back", node=node.name)
    node.failures = 0
    node.trouble = None
    node.try_at = None


def resting(node: Node, now: datetime) -> bool:
    """Whether a panel in trouble is left alone for now; what is owed on it waits with it."""
    return node.try_at is not None and node.try_at > now

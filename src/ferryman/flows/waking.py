"""Have a node reconciled."""

from sqlalchemy.ext.asyncio import AsyncSession

from ferryman.flows.tools import Tools


async def wake(tools: Tools, session: AsyncSession, node_id: int, after: float = 0.0) -> None:
    """In the caller's transaction. At most one run of a node at a time, at most one waiting."""
    lane = f"node:{node_id}"
    await tools.jobs.defer(session, "reconcile_node", lock=lane, once=lane, after=after, node_id=node_id)

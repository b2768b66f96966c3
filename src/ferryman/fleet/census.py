"""The fleet as placement wants to know it: every node with what it has room for, and the epoch, in one statement."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from ferryman.fleet.node import FleetEpoch, NodeMode, NodeState
from ferryman.fleet.placement import Candidate, Placement, Weights

TRAFFIC_COUNTS_FOR = timedelta(days=30)

# What is not limited is not counted.
_CENSUS = text(
    """
    SELECT n.id, n.name, l.code AS location, n.priority, n.latency_ms, n.capacity_clients, n.capacity_bytes, n.mode,
           n.state, n.quarantined_at IS NOT NULL AS quarantined,
           EXISTS (SELECT FROM inbounds i WHERE i.node_id = n.id AND i.enabled) AS has_inbounds,
           CASE WHEN n.capacity_clients > 0 AND n.mode = 'active'
                THEN (SELECT count(*) FROM keys k WHERE k.node_id = n.id AND k.wanted) ELSE 0 END AS clients,
           CASE WHEN n.capacity_bytes > 0 AND n.mode = 'active'
                THEN (SELECT coalesce(sum(s.up + s.down), 0) FROM node_samples s
                      WHERE s.node_id = n.id AND s.at > :since) ELSE 0 END AS used_bytes
    FROM nodes n JOIN locations l ON l.id = n.location_id
    ORDER BY n.position, n.id
    """
)


@dataclass
class Census:
    """`modes` and `locations` (codes) are of all nodes, by id; the placement knows those in use."""

    epoch: int
    modes: dict[int, str]
    locations: dict[int, str]
    placement: Placement

    def names(self, nodes: Collection[int]) -> list[str]:
        return [one.name for one in self.placement.by_id.values() if one.id in nodes]


async def taken(session: AsyncSession, weights: Weights, now: datetime) -> Census:
    """Read everything anew; the epoch first, so that a change during the reading is seen as one still to come."""
    epoch = await current_epoch(session)
    rows = list(await session.execute(_CENSUS, {"since": now - TRAFFIC_COUNTS_FOR}))
    in_use = [_candidate(row) for row in rows if row.mode in (NodeMode.ACTIVE, NodeMode.DRAINING)]
    modes, locations = {row.id: row.mode for row in rows}, {row.id: row.location for row in rows}
    return Census(epoch, modes, locations, Placement(in_use, weights))


def _candidate(row: Row[Any]) -> Candidate:
    return Candidate(
        id=row.id,
        name=row.name,
        location=row.location,
        priority=row.priority,
        latency_ms=row.latency_ms,
        clients=row.clients,
        capacity_clients=row.capacity_clients,
        used_bytes=int(row.used_bytes),
        capacity_bytes=row.capacity_bytes,
        # On a node without inbounds no client can be.
        health=row.state if row.has_inbounds else NodeState.DOWN,
        leaving=row.mode == NodeMode.DRAINING,
        quarantined=row.quarantined,
    )


async def current_epoch(session: AsyncSession) -> int:
    epoch: int = await session.scalar(text("SELECT epoch FROM fleet_epoch"))
    return epoch


async def changed(session: AsyncSession) -> None:
    """Begin a new epoch in the caller's transaction: whoever changes what placement looks at says so."""
    await session.execute(
        update(FleetEpoch).values(epoch=FleetEpoch.epoch + 1), execution_options={"synchronize_session": False}
    )

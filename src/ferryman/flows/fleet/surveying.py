"""The fleet at a glance: every node with what is on it, what it lacks, and how it does. Asks no panel."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from ferryman.fleet.census import TRAFFIC_COUNTS_FOR
from ferryman.fleet.key import Key, Tombstone
from ferryman.fleet.keyring import OWED
from ferryman.fleet.node import Node, NodeMode, NodeSample

QUARANTINED = "quarantined"


@dataclass(frozen=True)
class NodeView:
    """One node. `standing` is its one-word summary: the state while it is in use, else the mode or "quarantined".

    `keys` are those it is to have, `owed` those that are not there yet, or not gone yet; `graves` clients that must be
    deleted there. `used_bytes` are of the last thirty days, counted only where a limit is set. Times are ISO 8601.
    """

    name: str
    flag: str
    location: str
    country: str
    title: dict[str, Any]
    panel: str
    version: str
    address: str
    mode: str
    state: str
    standing: str
    since: str
    trouble: str
    inbounds: list[dict[str, Any]]
    keys: int
    owed: int
    graves: int
    priority: int
    capacity_clients: int
    capacity_bytes: int
    used_bytes: int
    latency_ms: int | None
    clock_skew: int | None
    checked_at: str | None
    audited_at: str | None
    quarantined_at: str | None

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


async def nodes(session: AsyncSession, now: datetime, name: str = "") -> list[NodeView]:
    """Every node in the operator's order, or the one of that name."""
    query = select(Node).order_by(Node.position, Node.id)
    found = list(await session.scalars(query.where(Node.name == name) if name else query))
    ids = [node.id for node in found]
    counts = [
        await _by_node(session, _counts(Key.node_id.in_(ids), Key.node_id, Key.wanted)),
        await _by_node(session, _counts(Key.node_id.in_(ids), Key.node_id, OWED)),
        await _by_node(session, _counts(Tombstone.node_id.in_(ids), Tombstone.node_id)),
        await _by_node(session, _traffic([node.id for node in found if node.capacity_bytes], now)),
    ]
    return [_view(node, *(part.get(node.id, 0) for part in counts)) for node in found]


async def _by_node(session: AsyncSession, query: Any) -> dict[int, int]:
    return {node_id: int(number) for node_id, number in await session.execute(query)}


def standing(node: Node) -> str:
    """One word for how a node is, whichever of the two, the operator's wish or what we see, says more."""
    if node.mode in (NodeMode.OFF, NodeMode.RETIRED):
        return node.mode
    if node.quarantined_at is not None:
        return QUARANTINED
    return node.mode if node.mode == NodeMode.DRAINING else node.state


def _counts(where: Any, by: Any, *which: Any) -> Any:
    return select(by, func.count()).where(where, *which).group_by(by)


def _traffic(limited: list[int], now: datetime) -> Any:
    """Only where somebody set a limit: a busy fleet has a million samples a month."""
    recent = (NodeSample.node_id.in_(limited), NodeSample.at > now - TRAFFIC_COUNTS_FOR)
    query = select(NodeSample.node_id, func.sum(NodeSample.up + NodeSample.down))
    return query.where(*recent).group_by(NodeSample.node_id)


def _view(node: Node, keys: int, owed: int, graves: int, used: int) -> NodeView:
    return NodeView(
        name=node.name,
        flag=node.flag,
        location=node.location.code,
        country=node.location.country,
        title=node.title,
        panel=node.panel,
        version=node.panel_version,
        address=node.address,
        mode=node.mode,
        state=node.state,
        standing=standing(node),
        since=node.state_since.isoformat(),
        trouble=node.trouble or "",
        inbounds=[
            {
                "id": one.panel_id,
                "protocol": one.protocol,
                "transport": one.transport,
                "security": one.security,
                "port": one.port,
                "remark": one.remark,
                "tags": list(one.tags),
                "missing": one.missing_since is not None,
            }
            for one in node.inbounds
            if one.enabled or one.missing_since is not None
        ],
        keys=keys,
        owed=owed,
        graves=graves,
        priority=node.priority,
        capacity_clients=node.capacity_clients,
        capacity_bytes=node.capacity_bytes,
        used_bytes=used,
        latency_ms=node.latency_ms,
        clock_skew=node.clock_skew,
        checked_at=_iso(node.checked_at),
        audited_at=_iso(node.audited_at),
        quarantined_at=_iso(node.quarantined_at),
    )


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()

"""Locations as a customer may choose among them: which take new keys, and how busy they are."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from ferryman.fleet.key import Key
from ferryman.fleet.location import Location
from ferryman.fleet.node import Node
from ferryman.fleet.placement import Candidate, Placement


@dataclass(frozen=True)
class Place:
    """`open`: some node there takes new keys now. `load`: the share of its room that is taken, 0 to 1."""

    code: str
    flag: str
    title: dict[str, Any]
    open: bool
    load: float


async def offered(session: AsyncSession, fleet: Placement, codes: Collection[str]) -> list[Place]:
    """Locations with a node in use, in the operator's order; only those of `codes`, when there are any."""
    locations = await session.scalars(select(Location).order_by(Location.position, Location.id))
    return [
        _place(one, fleet.locations[one.code])
        for one in locations
        if one.code in fleet.locations and (not codes or one.code in codes)
    ]


async def codes_of_keys(session: AsyncSession, subscription_id: int) -> list[str]:
    """Codes of the locations where a subscription's keys are wanted, longest wanted first."""
    found = select(Location.code).join(Node, Node.location_id == Location.id).join(Key, Key.node_id == Node.id)
    return list(await session.scalars(found.where(Key.subscription_id == subscription_id, Key.wanted).order_by(Key.id)))


def _place(location: Location, nodes: Sequence[Candidate]) -> Place:
    # A new key goes where there is most room.
    room = max((node.room for node in nodes if node.taking), default=0.0)
    return Place(location.code, location.flag, location.title, room > 0, 1.0 - room)

"""Taking clients away from panels: only what is ours, and only believed when the panel no longer shows it."""

import asyncio
from collections.abc import Sequence

from ferryman.fleet import graves, health, history
from ferryman.fleet.history import Happened
from ferryman.fleet.key import Tombstone
from ferryman.fleet.node import Node
from ferryman.fleet.panel import Seen, VpnPanel
from ferryman.flows.tools import Tools
from ferryman.kit import log
from ferryman.kit.errors import AccessDenied, Busy, FerrymanError, Misconfigured, Unreachable

_log = log.get("provisioning")

AT_ONCE = 4


async def remove(panel: VpnPanel, email: str, uuid: str, sub_id: str) -> Seen | None:
    """Make the panel hold no client of that name and either identity; answers what there was of that name. When that
    is not ours, it stays.

    Raises Busy when ours is still there afterwards, and whatever the panel raises.
    """
    there = await panel.see(email)
    if there is None or not is_ours(there, uuid, sub_id):
        return there
    await panel.drop(email)
    if await panel.see(email) is not None:
        raise Busy(f"The panel still shows {email} after deleting it.")
    return there


def is_ours(client: Seen, uuid: str, sub_id: str) -> bool:
    """Whether a client carries either identity. Some protocols have none: being without one alike proves nothing."""
    if (client.uuid, client.sub_id) == (uuid, sub_id):
        return True
    return client.uuid == uuid != "" or client.sub_id == sub_id != ""


async def clear(tools: Tools, node: Node, stones: Sequence[Tombstone]) -> bool:
    """Take away what the tombstones of a node name, and them with it; whether the panel goes on answering."""
    outcomes: list[bool | FerrymanError] = []
    for start in range(0, len(stones), AT_ONCE):
        part = stones[start : start + AT_ONCE]
        outcomes += await asyncio.gather(*(_try(tools, node, stone) for stone in part))
        if _silent(outcomes):
            break
    tried = list(zip(stones, outcomes, strict=False))
    now = tools.clock.now()
    async with tools.db.unit() as session:
        await graves.closed(session, [stone.id for stone, outcome in tried if isinstance(outcome, bool)])
        errors = [(stone.id, str(outcome)) for stone, outcome in tried if not isinstance(outcome, bool)]
        await graves.failed(session, errors, now)
        events = [event for stone, outcome in tried if (event := _event(node, stone, outcome)) is not None]
        await history.note(session, events, now)
        noted = [None if isinstance(outcome, bool) else outcome for outcome in outcomes]
        await health.noted(session, node.id, noted, now)
    for stone, outcome in tried:
        say = _log.info if isinstance(outcome, bool) else _log.warning
        say("tombstone_tried", tombstone=stone.id, subscription=stone.subscription_id, outcome=_word(outcome))
    return not _silent(outcomes)


async def _try(tools: Tools, node: Node, stone: Tombstone) -> bool | FerrymanError:
    """Whether the client is gone, or is not ours."""
    try:
        there = await remove(tools.connections.to(node), stone.email, stone.uuid, stone.sub_id)
        return there is None or is_ours(there, stone.uuid, stone.sub_id)
    except FerrymanError as error:
        return error


def _silent(outcomes: Sequence[bool | FerrymanError]) -> bool:
    return any(isinstance(one, (Unreachable, AccessDenied, Misconfigured)) for one in outcomes)


def _event(node: Node, stone: Tombstone, outcome: bool | FerrymanError) -> Happened | None:
    if stone.subscription_id is None:
        return None
    if isinstance(outcome, FerrymanError):
        held = Happened(stone.subscription_id, node.id, history.HELD, str(outcome)[:300])
        return None if stone.failures else held
    why = stone.why if outcome else "somebody else's client has that name, and stays"
    return Happened(stone.subscription_id, node.id, history.DROPPED, why)


def _word(outcome: bool | FerrymanError) -> str:
    return str(outcome) if isinstance(outcome, FerrymanError) else "gone" if outcome else "not ours"

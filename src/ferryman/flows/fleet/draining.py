"""Taking a node out of service for good, without a change of anybody's link: drain, look how far it is, retire.

Draining only says that nobody's keys are wanted there any more; placing moves them in its own batches, and each old key
goes when the new ones are there. It can be taken back until the node is retired, which is the last step.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, case, delete, func, literal, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from ferryman.fleet import census, health, history
from ferryman.fleet.history import Happened
from ferryman.fleet.key import Key, Tombstone
from ferryman.fleet.node import FleetEpoch, Node, NodeMode, NodeState
from ferryman.flows.tools import Tools
from ferryman.kit import log
from ferryman.kit.errors import Misconfigured, NotFound, Refused
from ferryman.subscriptions.subscription import Subscription

_log = log.get("draining")

# How many keys that are held back are named; the rest is counted.
NAMED = 20
# Key rows that one transaction forgets, so that nobody waits long for one of them.
BATCH = 2000


@dataclass(frozen=True)
class Held:
    """One key that is still on the node, and why."""

    subscription: str
    why: str


@dataclass(frozen=True)
class Progress:
    """How far a node is drained: `were` keys on it at the start, `remain` now. `why` counts what remains by reason."""

    node: str
    mode: str
    were: int
    remain: int
    tombstones: int
    why: dict[str, int]
    held: tuple[Held, ...]

    @property
    def moved(self) -> int:
        return max(self.were - self.remain, 0)

    @property
    def done(self) -> bool:
        return self.remain == 0 and self.tombstones == 0


async def drain(tools: Tools, name: str, actor: str) -> Progress:
    """Have everybody on a node served by others. Draining it again changes nothing.

    Raises NotFound, Refused for a node that is not in use, Misconfigured when no other could take anybody.
    """
    async with tools.db.unit() as session:
        node = await _locked(session, name)
        if not node.in_use:
            raise Refused(f"Node {name} is {node.mode}: only one that is in use can be drained.")
        if node.mode == NodeMode.ACTIVE:
            await _require_others(session, node)
            node.mode, node.draining_from = NodeMode.DRAINING, await _keys_on(session, node.id)
            await census.changed(session)
            _log.info("drain_begun", node=name, keys=node.draining_from, actor=actor)
    return await progress(tools, name)


async def undrain(tools: Tools, name: str, actor: str) -> None:
    """Let a node that is being drained take customers again; those who have left come back as their plans say.

    Raises NotFound, Refused when it is not being drained.
    """
    async with tools.db.unit() as session:
        node = await _locked(session, name)
        if node.mode != NodeMode.DRAINING:
            raise Refused(f"Node {name} is {node.mode}, not being drained.")
        node.mode, node.draining_from = NodeMode.ACTIVE, None
        await census.changed(session)
        _log.info("drain_taken_back", node=name, actor=actor)


async def progress(tools: Tools, name: str) -> Progress:
    """How far the draining of a node is, and what holds the rest. Raises NotFound."""
    async with tools.db.unit() as session:
        node = await _named(session, name)
        reason = _reason(node, await session.scalar(select(FleetEpoch.epoch)) or 0)
        mine = select(Key).join(Subscription, Subscription.id == Key.subscription_id).where(Key.node_id == node.id)
        counted = mine.with_only_columns(reason, func.count(), maintain_column_froms=True).group_by(reason)
        why = {str(text): int(count) for text, count in await session.execute(counted)}
        named = mine.with_only_columns(Subscription.ref, reason, maintain_column_froms=True)
        held = await session.execute(named.order_by(Key.try_at.desc(), Key.id).limit(NAMED))
        graves = await session.scalar(select(func.count()).where(Tombstone.node_id == node.id)) or 0
        remain = sum(why.values())
        were = remain if node.draining_from is None else max(node.draining_from, remain)
        return Progress(name, node.mode, were, remain, graves, why, tuple(Held(ref, str(text)) for ref, text in held))


async def retire(tools: Tools, name: str, actor: str, *, force: bool = False) -> None:
    """The last step: a node that is drained goes for good. Its panel is never called again, its access is forgotten.

    `force` retires one that is down for good, with the keys that cannot be taken off it: then nothing is owed there
    any more, and whatever its panel holds stays there. Raises NotFound, Refused while anything is left on it.
    """
    async with tools.db.unit() as session:
        node = await _locked(session, name)
        if node.mode != NodeMode.RETIRED:
            await _require_empty(session, node, force=force)
            _retire(tools, node)
            await census.changed(session)
            _log.warning("node_retired", node=name, actor=actor, forced=force)
        node_id = node.id
    await _forget(tools, node_id, actor)


async def sweep(tools: Tools) -> None:
    """What somebody chose a retired node for while it was being retired is forgotten too."""
    async with tools.db.unit() as session:
        left = (
            select(Node.id)
            .where(Node.mode == NodeMode.RETIRED)
            .where(
                select(Key.id).where(Key.node_id == Node.id).exists()
                | select(Tombstone.id).where(Tombstone.node_id == Node.id).exists()
            )
        )
        node_ids = list(await session.scalars(left.order_by(Node.id)))
    for node_id in node_ids:
        await _forget(tools, node_id, "system")


async def _named(session: AsyncSession, name: str) -> Node:
    node = await session.scalar(select(Node).where(Node.name == name))
    if node is None:
        raise NotFound(f"There is no node {name!r}.")
    return node


async def _locked(session: AsyncSession, name: str) -> Node:
    return await health.held(session, (await _named(session, name)).id)


async def _require_others(session: AsyncSession, node: Node) -> None:
    others = [
        Node.id != node.id,
        Node.mode == NodeMode.ACTIVE,
        Node.state != NodeState.DOWN,
        Node.quarantined_at.is_(None),
    ]
    if await session.scalar(select(Node.id).where(*others).limit(1)) is None:
        raise Misconfigured(
            f"Node {node.name} cannot be drained: no other node that is in use and not down could take its customers.",
            "Add another node first.",
        )


async def _require_empty(session: AsyncSession, node: Node, *, force: bool) -> None:
    """Raises Refused."""
    keys = await _keys_on(session, node.id)
    graves = await session.scalar(select(func.count()).where(Tombstone.node_id == node.id)) or 0
    if force and (node.state == NodeState.DOWN or not node.in_use):
        return
    if force and keys + graves:
        raise Refused(
            f"Node {node.name} answers, so its {keys} keys can be taken off it: drain it, and retire it when it is "
            "empty."
        )
    if keys + graves:
        raise Refused(
            f"Node {node.name} has {keys} keys and {graves} clients to be deleted yet: wait until it is drained, or "
            "retire it by force if it is down for good."
        )
    if node.mode == NodeMode.ACTIVE:
        raise Refused(f"Node {node.name} is in use: drain it first.")


def _retire(tools: Tools, node: Node) -> None:
    node.mode, node.draining_from, node.quarantined_at = NodeMode.RETIRED, None, None
    node.sealed_access = tools.vault.seal({"url": ""})
    health.forgive(node)


async def _keys_on(session: AsyncSession, node_id: int) -> int:
    return int(await session.scalar(select(func.count()).where(Key.node_id == node_id)) or 0)


def _reason(node: Node, epoch: int) -> ColumnElement[str]:
    """Why a key is still there, as SQL: a failure says so itself, else it is somebody's turn."""
    if node.state == NodeState.DOWN:
        return literal(node.trouble or f"{node.name} does not answer.")
    failing = and_(Key.failures > 0, Key.error.is_not(None))
    other = aliased(Key)
    coming = (
        select(other.id)
        .where(
            other.subscription_id == Key.subscription_id,
            other.id != Key.id,
            other.wanted,
            other.seen_revision.is_(None),
        )
        .correlate(Key)
        .exists()
    )
    return case(
        (failing, Key.error),
        (~Key.wanted, literal("about to be deleted")),
        (Subscription.placed_epoch < epoch, literal("its turn to be moved has not come yet")),
        (coming, literal("waits until the key that replaces it is there")),
        else_=literal("no other node can take it: none of its plan is healthy and has room"),
    )


async def _forget(tools: Tools, node_id: int, actor: str) -> None:
    """Delete a retired node's key rows and tombstones, in batches, each noted in its key's history."""
    now = tools.clock.now()
    async with tools.db.unit() as session:
        await session.execute(delete(Tombstone).where(Tombstone.node_id == node_id))
    while await _forget_some(tools, node_id, actor, now):
        pass


async def _forget_some(tools: Tools, node_id: int, actor: str, now: datetime) -> int:
    async with tools.db.unit() as session:
        # In the order of subscriptions, as everywhere.
        some = select(Key.id).where(Key.node_id == node_id).order_by(Key.subscription_id).limit(BATCH)
        ids: Sequence[int] = list(await session.scalars(some.with_for_update()))
        gone = delete(Key).where(Key.id.in_(ids)).returning(Key.subscription_id)
        events = [
            Happened(subscription_id, node_id, history.DROPPED, "the node is retired")
            for subscription_id in sorted(await session.scalars(gone))
        ]
        await history.note(session, events, now, actor)
        return len(events)

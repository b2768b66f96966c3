"""Keys follow what is owed: subscriptions on one side, nodes on the other, and the customer told when they agree.

Level-triggered: a job looks at the truth, does what is missing, reads back, records what it saw, and ends. Nothing is
replayed; a job that is lost, doubled or late changes nothing but time.

Few keys are put one by one, many in bulk; and while many are on their way, those that somebody waits for overtake them.
"""

import asyncio
import random
from collections.abc import Awaitable, Sequence
from datetime import datetime, timedelta
from time import monotonic
from typing import TypeVar

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from ferryman.fleet import keyring
from ferryman.fleet.key import Key
from ferryman.fleet.node import Node
from ferryman.fleet.panel import Seen, VpnPanel
from ferryman.flows.keys import burying, owed, recording
from ferryman.flows.keys.owed import Debt, Tried, Work
from ferryman.flows.tools import Tools
from ferryman.flows.waking import wake
from ferryman.kit import log
from ferryman.kit.db import LOCK
from ferryman.kit.errors import AccessDenied, FerrymanError, Misconfigured, Unreachable
from ferryman.kit.steps import Step, reached
from ferryman.messaging import notice
from ferryman.subscriptions.subscription import Grant, Subscription

__all__ = ["reconcile_node", "sweep", "wake"]

# Calls in flight per panel: 3X-UI serialises client changes anyway, and more would only queue inside it.
CALLS_PER_PANEL = 4
# Keys of one bulk call: so many that it takes about so many seconds, within bounds.
SMALLEST_BATCH, FIRST_BATCH, LARGEST_BATCH, BATCH_SECONDS = 10, 100, 400, 1.5
# While a bulk call lasts, urgent keys are looked for this often.
LOOK_SECONDS = 0.05
# One run of a node's job ends after so many seconds: a worker that stops does not wait much longer for it.
RUN_SECONDS = 15.0
# A customer hears that the key is ready at the latest this long after the first node has it, whatever the others do.
TELL_ANYWAY_AFTER = timedelta(seconds=5)
SILENCE = (Unreachable, AccessDenied, Misconfigured)

JITTER = 0.2

T = TypeVar("T")

_chance = random.SystemRandom()


async def reconcile_node(tools: Tools, node_id: int) -> None:
    """Make this node hold what is owed there; ends early, with a successor, when the panel does not answer."""
    log.bind(node=node_id)
    began, size = monotonic(), FIRST_BATCH
    while monotonic() - began < RUN_SECONDS:
        work = await owed.work(tools, node_id, size)
        if work is None:
            break
        started = monotonic()
        if not await _work_off(tools, work):
            break
        size = _next_size(size, len(work.debts), monotonic() - started)
    await _successor(tools, node_id)


def _next_size(size: int, done: int, seconds: float) -> int:
    if done < size:
        return size
    return max(SMALLEST_BATCH, min(LARGEST_BATCH, 2 * size, int(size * BATCH_SECONDS / max(seconds, 0.01))))


async def _work_off(tools: Tools, work: Work) -> bool:
    """Whether the panel goes on answering."""
    if work.graves:
        return await burying.clear(tools, work.node, work.graves)
    urgent = [debt for debt in work.debts if debt.key.urgent]
    debts = urgent or work.debts
    if len(debts) <= CALLS_PER_PANEL:
        return await _settle(tools, work.node, debts)
    bulk = asyncio.ensure_future(_settle(tools, work.node, debts))
    try:
        while not (await asyncio.wait({bulk}, timeout=LOOK_SECONDS))[0]:
            await _let_overtake(tools, work.node, debts)
        return bulk.result()
    finally:
        bulk.cancel()


async def _let_overtake(tools: Tools, node: Node, in_flight: Sequence[Debt]) -> None:
    """Put the keys that somebody waits for now, beside the many that are under way."""
    async with tools.db.unit() as session:
        taken = [debt.key.id for debt in in_flight]
        urgent = await owed.debts(session, node, tools.clock.now(), CALLS_PER_PANEL, urgent=True, but=taken)
    if urgent:
        await _settle(tools, node, urgent)


async def _settle(tools: Tools, node: Node, debts: Sequence[Debt]) -> bool:
    """Do what is owed, and record what came of it; whether the panel answered."""
    asked = tools.clock.now()
    reached(Step.KEYS_CHOSEN)
    tried = await _try_all(tools, node, debts)
    reached(Step.KEYS_PUT)
    await recording.record(tools, node, tried, asked)
    reached(Step.KEYS_RECORDED)
    return not _silent(tried)


async def _try_all(tools: Tools, node: Node, debts: Sequence[Debt]) -> list[Tried]:
    try:
        panel = tools.connections.to(node)
        if len(debts) <= CALLS_PER_PANEL:
            return list(await asyncio.gather(*(_try(panel, debt) for debt in debts)))
        return await _try_many(panel, debts)
    except FerrymanError as error:
        return [Tried(debt, error=error) for debt in debts]


async def _try(panel: VpnPanel, debt: Debt) -> Tried:
    try:
        if debt.key.wanted:
            return Tried(debt, seen=await panel.put(debt.access))
        access = debt.access
        there = await burying.remove(panel, access.email, access.uuid, access.sub_id)
        ours = there is not None and burying.is_ours(there, access.uuid, access.sub_id)
        return Tried(debt, last=there if ours else None)
    except FerrymanError as error:
        return Tried(debt, error=error)


async def _try_many(panel: VpnPanel, debts: Sequence[Debt]) -> list[Tried]:
    """Bulk calls for what is certainly ours. What is to go, and was never seen or is in doubt, may be somebody else's
    of that name: it is looked at first."""
    puts = [debt for debt in debts if debt.key.wanted]
    drops = [debt for debt in debts if not debt.key.wanted and debt.key.seen_revision]
    unsure = [debt for debt in debts if not debt.key.wanted and not debt.key.seen_revision]
    tried: list[Tried] = []
    if drops:
        dropped = await _of_all(panel.drop_many([debt.access.email for debt in drops]), len(drops))
        tried += [Tried(debt, error=error) for debt, error in zip(drops, dropped, strict=True)]
    if puts and not _silent(tried):
        put = await _of_all(panel.put_many([debt.access for debt in puts]), len(puts))
        tried += [_outcome(debt, outcome) for debt, outcome in zip(puts, put, strict=True)]
    while unsure and not _silent(tried):
        part, unsure = unsure[:CALLS_PER_PANEL], unsure[CALLS_PER_PANEL:]
        tried += await asyncio.gather(*(_try(panel, debt) for debt in part))
    return tried


async def _of_all(call: Awaitable[Sequence[T | FerrymanError]], count: int) -> Sequence[T | FerrymanError]:
    try:
        return await call
    except FerrymanError as error:
        return [error] * count


def _outcome(debt: Debt, outcome: Seen | FerrymanError) -> Tried:
    return Tried(debt, error=outcome) if isinstance(outcome, FerrymanError) else Tried(debt, seen=outcome)


def _silent(tried: Sequence[Tried]) -> bool:
    return any(isinstance(one.error, SILENCE) for one in tried)


async def _successor(tools: Tools, node_id: int) -> None:
    """When something is left, come back when the first of it is due; not all nodes at the same moment."""
    async with tools.db.unit() as session:
        due = await keyring.next_try(session, node_id)
        if due is not None:
            seconds = max((due - tools.clock.now()).total_seconds(), 0.5)
            await wake(tools, session, node_id, after=seconds * (1 + JITTER * _chance.random()))


async def sweep(tools: Tools) -> None:
    """Wake nodes that have debts, and tell those who have waited long enough."""
    now = tools.clock.now()
    async with tools.db.unit() as session:
        untold = await _untold(session, now)
        for node_id in await keyring.nodes_with_debts(session, now):
            await wake(tools, session, node_id)
    for subscription_id in untold:
        async with tools.db.unit() as session:
            await session.get_one(Subscription, subscription_id, with_for_update=LOCK)
            await recording.tell(tools, session, [subscription_id], late=True)


async def _untold(session: AsyncSession, now: datetime) -> list[int]:
    """Subscriptions granted a moment ago that have a key somewhere and whose customer has not heard of it."""
    told = (
        select(notice.QueuedNotice.id)
        .where(notice.QueuedNotice.dedup_key == func.concat("key-ready:", Grant.id))
        .exists()
    )
    has_key = select(Key.id).where(Key.subscription_id == Grant.subscription_id, ~keyring.OWED).exists()
    found = await session.scalars(
        select(Grant.subscription_id)
        .where(Grant.created_at < now - TELL_ANYWAY_AFTER, Grant.created_at > now - timedelta(days=2), ~told, has_key)
        .limit(500)
    )
    return sorted(set(found))

"""What a run of a node came to, written down in a few statements, and those told whose keys are ready."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from ferryman.fleet import graves, health, history, keyring, usage
from ferryman.fleet.graves import Grave
from ferryman.fleet.history import Happened
from ferryman.fleet.keyring import Sight
from ferryman.fleet.location import Location
from ferryman.fleet.node import Node
from ferryman.fleet.usage import Reading
from ferryman.flows.announcing import announce
from ferryman.flows.keys import limits, placing
from ferryman.flows.keys.owed import Debt, Tried
from ferryman.flows.tools import Tools
from ferryman.kit import log
from ferryman.messaging import notice
from ferryman.subscriptions.subscription import Subscription

_log = log.get("provisioning")

# More keys than this are logged as one line; their history has them all.
ONE_BY_ONE = 4

# Of those who are untold: whose keys are in order, and on how many nodes nothing has been tried yet.
_STANDING = text(
    """
    SELECT s.id, s.customer_id, g.id AS grant_id,
           count(*) FILTER (WHERE k.seen_revision IS DISTINCT FROM k.wanted_revision AND k.failures = 0
                                  AND n.quarantined_at IS NULL) AS untried,
           jsonb_agg(jsonb_build_object('country', l.country, 'title', l.title) ORDER BY n.position, n.id)
               FILTER (WHERE k.seen_revision = k.wanted_revision AND n.quarantined_at IS NULL) AS ready
    FROM subscriptions s
    JOIN LATERAL (SELECT id FROM grants WHERE subscription_id = s.id ORDER BY id DESC LIMIT 1) g ON true
    JOIN keys k ON k.subscription_id = s.id AND k.wanted
    JOIN nodes n ON n.id = k.node_id AND n.mode IN ('active', 'draining')
    JOIN locations l ON l.id = n.location_id
    WHERE s.id = ANY(:ids) AND NOT EXISTS (SELECT FROM notices WHERE dedup_key = 'key-ready:' || g.id)
    GROUP BY s.id, g.id
    ORDER BY s.id
    """
)


async def record(tools: Tools, node: Node, tried: Sequence[Tried], asked: datetime) -> None:
    """One transaction: what was seen, what failed, what is gone, what was used, who hears of it, how the node does."""
    now = tools.clock.now()
    subscriptions = sorted({one.debt.key.subscription_id for one in tried})
    async with tools.db.unit() as session:
        # Rows are locked in one order everywhere, or two nodes that finish together could wait for each other.
        rows = select(Subscription.id, Subscription.moving).where(Subscription.id.in_(subscriptions))
        held = await session.execute(rows.order_by(Subscription.id).with_for_update(key_share=True))
        moving = [subscription_id for subscription_id, is_moving in held if is_moving]
        if len(tried) > 1:
            await keyring.locked(session, [one.debt.key.id for one in tried])
        # Before the rows of those that are gone are.
        counted = await usage.count(session, node.id, _readings(tried), asked, now)
        await limits.review(tools, session, counted.grown)
        await _outcomes(session, node, tried, now)
        if moving:
            waiting = list(await session.scalars(select(Subscription).where(Subscription.id.in_(moving))))
            await placing.place_all(tools, session, waiting, urgent=True)
        await tell(tools, session, subscriptions)
        await health.noted(session, node.id, [one.error for one in tried], now)
    _say(node, tried)


def _readings(tried: Sequence[Tried]) -> list[Reading]:
    shown = ((one.debt.key.subscription_id, one.seen or one.last) for one in tried)
    return [Reading(subscription_id, seen.up, seen.down) for subscription_id, seen in shown if seen is not None]


async def _outcomes(session: AsyncSession, node: Node, tried: Sequence[Tried], now: datetime) -> None:
    seen = [one for one in tried if one.seen is not None]
    absent = [one for one in tried if one.seen is None and one.error is None]
    sights = [Sight(one.debt.key.id, one.debt.key.wanted_revision, one.debt.key.seen_at) for one in seen]
    standing = await keyring.saw(session, sights, now)
    await keyring.failed(session, [(one.debt.key.id, str(one.error)) for one in tried if one.error], now)
    dropped = await keyring.gone(session, [one.debt.key.id for one in absent], now)
    # A slow run may have put a client whose row was dropped meanwhile: nobody would ever take it away.
    stray = [_grave(node, one.debt) for one in seen if one.debt.key.id not in standing]
    await graves.dig(session, stray, "put by a run that was overtaken", now)
    happened = [event for one in tried if (event := _event(node, one, dropped)) is not None]
    await history.note(session, happened, now)


def _grave(node: Node, debt: Debt) -> Grave:
    access = debt.access
    return Grave(node.id, debt.key.subscription_id, access.email, access.uuid, access.sub_id)


def _event(node: Node, one: Tried, dropped: set[int]) -> Happened | None:
    """The line that is worth writing: what changed, never what was so already."""
    key = one.debt.key
    if one.error is not None:
        what = history.FAILED if key.wanted else history.HELD
        return None if key.failures else Happened(key.subscription_id, node.id, what, str(one.error)[:300])
    if one.seen is None:
        return Happened(key.subscription_id, node.id, history.DROPPED) if key.id in dropped else None
    if key.seen_revision is None:
        return Happened(key.subscription_id, node.id, history.READY)
    if keyring.IN_DOUBT < key.seen_revision < key.wanted_revision:
        return Happened(key.subscription_id, node.id, history.CHANGED, detail={"revision": key.wanted_revision})
    return None


async def tell(tools: Tools, session: AsyncSession, subscriptions: Sequence[int], *, late: bool = False) -> None:
    """Queue "your key is ready" once per grant: when no node is left untried, or `late` and at least one has it.

    The caller holds the subscriptions' rows.
    """
    for row in await session.execute(_STANDING, {"ids": list(subscriptions)}):
        if row.ready and (late or not row.untried):
            said = notice.KeyReady(row.id, [_location(one) for one in row.ready])
            await announce(tools, session, row.customer_id, said, f"key-ready:{row.grant_id}")


def _location(one: dict[str, Any]) -> dict[str, Any]:
    return {"flag": Location(country=one["country"]).flag, "title": one["title"]}


def _say(node: Node, tried: Sequence[Tried]) -> None:
    errors = [one for one in tried if one.error is not None]
    if len(tried) > ONE_BY_ONE:
        _log.info("keys_settled", node=node.name, keys=len(tried), failed=len(errors))
    else:
        for one in tried:
            if one.error is None:
                what = "key_ready" if one.seen is not None else "key_dropped"
                _log.info(what, key=one.debt.key.id, subscription=one.debt.key.subscription_id)
    for one in errors[:ONE_BY_ONE]:
        _log.warning("key_failed", key=one.debt.key.id, subscription=one.debt.key.subscription_id, why=str(one.error))

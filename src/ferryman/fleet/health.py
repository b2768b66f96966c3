"""How a node does: a state with hysteresis, and a circuit breaker that every process shares through the node's row.

The state follows from signs in a row, never from one alone. The breaker opens when a panel gives no answer or keeps us
out: nobody calls it before `try_at`; then exactly one caller may, by `claim`, and what comes of that call closes the
breaker or opens it for longer.
"""

import enum
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from ferryman.fleet.node import IN_USE, Node, NodeState
from ferryman.kit import log
from ferryman.kit.db import LOCK
from ferryman.kit.errors import AccessDenied, Busy, FerrymanError, Misconfigured, Retry, Unreachable

_log = log.get("health")

# A node is called down after this many rounds in a row in which its panel gave no answer,
DOWN_AFTER = 3
# degraded after this many looks that showed something wrong with it,
DEGRADED_AFTER = 2
# and well again after this many that showed nothing.
WELL_AFTER = 2
# Seconds between two tries of a silent panel: 2, 4, 8 … up to the second number, however many keys wait for it. One
# that refuses our credentials is asked less often: 3X-UI locks a name out after five failures in five minutes.
SILENT_PAUSES = (2.0, 60.0)
DENIED_PAUSES = (60.0, 600.0)
# Pauses are up to this much shorter, by chance, so that nodes lost together are not tried together.
SPREAD = 0.2
# Longer than the calls of one claimed try can last; a claimer that was killed holds the others off for this long.
LEASE = timedelta(seconds=60)
LONGEST_TROUBLE = 300
# The share of the newest measurement in the remembered latency.
NEWEST = 0.3

_chance = random.SystemRandom()


class Sign(enum.Enum):
    """What one look at a node, or one round of calls to it, says about it."""

    WELL = "well"
    AILING = "ailing"
    DENIED = "denied"
    SILENT = "silent"


@dataclass(frozen=True)
class Standing:
    """Signs in a row: `failures` without an answer, `ailing` with something wrong, `successes` with nothing wrong."""

    state: str = NodeState.HEALTHY
    failures: int = 0
    ailing: int = 0
    successes: int = 0


@dataclass(frozen=True)
class Look:
    """One look at a node. `ailment` and `trouble` are empty when it is well; the rest is unknown when it is silent."""

    sign: Sign
    ailment: str = ""
    trouble: str = ""
    version: str = ""
    latency_ms: int | None = None
    clock_skew: int | None = None


def after(standing: Standing, sign: Sign) -> Standing:
    """The standing once one more sign has been seen."""
    if sign is Sign.WELL:
        successes = standing.successes + 1
        proven = standing.state == NodeState.HEALTHY or successes >= WELL_AFTER
        return Standing(NodeState.HEALTHY if proven else standing.state, successes=successes)
    if sign is Sign.SILENT:
        failures = standing.failures + 1
        state = NodeState.DOWN if failures >= DOWN_AFTER else standing.state
        return replace(standing, state=state, failures=failures, successes=0)
    ailing = standing.ailing + 1
    return Standing(NodeState.DEGRADED if ailing >= DEGRADED_AFTER else standing.state, ailing=ailing)


def pause(sign: Sign, standing: Standing, luck: float) -> float:
    """Seconds until the panel may be tried again, for `luck` between 0 and 1; 0 when nothing keeps anybody off."""
    if sign not in (Sign.SILENT, Sign.DENIED):
        return 0.0
    first, longest = SILENT_PAUSES if sign is Sign.SILENT else DENIED_PAUSES
    times = standing.failures if sign is Sign.SILENT else standing.ailing
    return float(min(first * 2.0 ** min(times - 1, 10), longest)) * (1 - SPREAD * luck)


def sign_of(error: FerrymanError) -> Sign:
    """What a failed probe says: nothing usable came back, or the panel is there and keeps us out."""
    return Sign.SILENT if isinstance(error, Retry) else Sign.DENIED


def sign_of_round(outcomes: Sequence[FerrymanError | None], *, in_doubt: bool) -> Sign | None:
    """What one round of ordinary calls says; None when it says nothing.

    Any answer is a sign of life. One client that the panel cannot handle (500) is not the node's trouble, unless the
    node is in doubt already or every one of several clients met with it.
    """
    kept_out = any(isinstance(error, (AccessDenied, Misconfigured)) for error in outcomes)
    silent = any(isinstance(error, Unreachable) for error in outcomes)
    if any(not isinstance(error, (Retry, AccessDenied, Misconfigured)) for error in outcomes):
        return Sign.WELL
    if kept_out:
        return Sign.DENIED
    busy = [error for error in outcomes if isinstance(error, Busy)]
    return Sign.SILENT if silent or len(busy) > 1 or (busy and in_doubt) else None


def resting(node: Node, now: datetime) -> bool:
    """Whether a panel in trouble is left alone for now; what is owed on it waits with it."""
    return node.try_at is not None and (
        node.try_at > now or (node.trying_until is not None and node.trying_until > now)
    )


async def claim(session: AsyncSession, node_id: int, now: datetime) -> bool:
    """Whether the caller may call this node's panel now, and must then tell `noted` or `take` what came of it.

    Anybody may while nothing is wrong, nobody while the breaker is open; once `try_at` has come, one caller, who has
    it to themselves for the lease. Never for a node that is not in use.
    """
    mine = (
        update(Node)
        .where(Node.id == node_id, IN_USE, Node.try_at <= now)
        .where(or_(Node.trying_until.is_(None), Node.trying_until <= now))
        .values(trying_until=now + LEASE)
        .returning(Node.id)
        .execution_options(synchronize_session=False)
    )
    if await session.scalar(mine) is not None:
        return True
    closed = select(Node.id).where(Node.id == node_id, IN_USE, Node.try_at.is_(None))
    return await session.scalar(closed) is not None


async def noted(session: AsyncSession, node_id: int, outcomes: Sequence[FerrymanError | None], now: datetime) -> None:
    """Take in one round of ordinary calls, an outcome for each; none at all gives a claim back.

    Calls that work close the breaker, but only looks (`take`) make a node healthy again: they see more of it.
    """
    node = await held(session, node_id)
    sign = sign_of_round(outcomes, in_doubt=node.try_at is not None)
    if sign is Sign.WELL:
        node.failures, node.try_at, node.trying_until = 0, None, None
        if node.state == NodeState.HEALTHY and not node.ailing:
            node.trouble, node.ailment = None, ""
    elif sign is not None:
        trouble = next(str(error) for error in outcomes if error is not None)
        _suffer(node, Look(sign, ailment_of(sign), f"{node.name}: {trouble}"), now)
    else:
        node.trying_until = None


def take(node: Node, look: Look, now: datetime) -> None:
    """Take in one look at a node; the caller holds the row's lock."""
    node.checked_at = now
    if look.version:
        node.panel_version = look.version
    if look.latency_ms is not None:
        known = node.latency_ms
        node.latency_ms = look.latency_ms if known is None else round(NEWEST * look.latency_ms + (1 - NEWEST) * known)
    if look.clock_skew is not None:
        node.clock_skew = look.clock_skew
    if look.sign in (Sign.SILENT, Sign.DENIED):
        _suffer(node, look, now)
        return
    node.try_at, node.trying_until = None, None
    _move(node, look.sign, now)
    well = node.state == NodeState.HEALTHY and look.sign is Sign.WELL
    if well or look.trouble:
        node.trouble, node.ailment = look.trouble[:LONGEST_TROUBLE] or None, look.ailment


async def held(session: AsyncSession, node_id: int) -> Node:
    """The node's row as it is now, locked until the transaction ends; its location's is left alone."""
    return await session.get_one(Node, node_id, with_for_update={**LOCK, "of": Node}, populate_existing=True)


def forgive(node: Node) -> None:
    """Somebody has just looked at the panel and found it in order: what was held against it before is forgotten."""
    node.failures, node.ailing, node.try_at, node.trying_until = 0, 0, None, None
    node.trouble, node.ailment = None, ""


def ailment_of(sign: Sign) -> str:
    return "refused" if sign is Sign.DENIED else "silent"


def _suffer(node: Node, look: Look, now: datetime) -> None:
    """The breaker opens, for longer each time. What was begun before it opened proves nothing new and is not counted:
    three calls that fail together are one failure."""
    if node.try_at is not None and node.try_at > now:
        return
    standing = _move(node, look.sign, now)
    node.try_at = now + timedelta(seconds=pause(look.sign, standing, _chance.random()))
    node.trying_until = None
    node.trouble, node.ailment = look.trouble[:LONGEST_TROUBLE], look.ailment


def _move(node: Node, sign: Sign, now: datetime) -> Standing:
    standing = after(Standing(node.state, node.failures, node.ailing, node.successes), sign)
    node.failures, node.ailing, node.successes = standing.failures, standing.ailing, standing.successes
    if standing.state != node.state:
        say = _log.info if standing.state == NodeState.HEALTHY else _log.error
        say("node_state", node=node.name, was=node.state, now=str(standing.state), after_sign=sign.value)
        node.state, node.state_since = standing.state, now
    return standing

"""One change of one subscription, by somebody, for a reason: the frame that every such story shares.

A story holds the subscription's row, changes it, writes its history, and wakes whatever must follow, in one
transaction. Killed before the commit, nothing happened; killed after it, the jobs and the sweeps carry on.
"""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from ferryman.fleet import history
from ferryman.fleet.history import Happened
from ferryman.fleet.key import KeyEvent
from ferryman.flows.keys import placing
from ferryman.flows.tools import Tools
from ferryman.flows.waking import wake
from ferryman.kit import log
from ferryman.kit.errors import NotFound
from ferryman.subscriptions import adjusting
from ferryman.subscriptions.subscription import Subscription

_log = log.get("keys")

SYSTEM = "system"
# Seconds until a change of several steps is looked at again: doubles from the one to the other.
FIRST_LOOK, LONGEST_PAUSE = 0.4, 10.0


@dataclass(frozen=True)
class Cause:
    """Who wants it ("operator:cli", "customer:7", "system") and why.

    `tap` names the wish itself: the same one again, after a double press or a lost answer, is not done again.
    """

    actor: str
    why: str = ""
    tap: str = ""


@dataclass
class Change:
    """A transaction that holds `subscription`'s row."""

    tools: Tools
    session: AsyncSession
    subscription: Subscription
    cause: Cause
    now: datetime
    noted: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    async def repeated(self) -> bool:
        """Whether this very wish has been fulfilled before."""
        if not self.cause.tap:
            return False
        done = select(KeyEvent.id).where(
            KeyEvent.subscription_id == self.subscription.id, KeyEvent.detail["tap"].astext == self.cause.tap
        )
        return await self.session.scalar(done.limit(1)) is not None

    async def note(self, what: str, node_id: int | None = None, **detail: Any) -> None:
        """A line of the history."""
        kept = {**detail, "tap": self.cause.tap} if self.cause.tap else detail
        line = Happened(self.subscription.id, node_id, what, self.cause.why, kept)
        await history.note(self.session, [line], self.now, self.cause.actor)
        self.noted.append((what, detail))

    async def explain(self, what: str, because: str, ended_before: datetime) -> None:
        """Write down why the subscription ends at another time than before, if it does."""
        held, cause = self.subscription, self.cause
        if held.ends_at != ended_before:
            await adjusting.record(
                self.session, held, what, because, ended_before, by=cause.actor, why=cause.why, now=self.now
            )

    async def follow(self) -> None:
        """The panels must follow: a new revision, owed wherever its keys belong now."""
        self.subscription.revision += 1
        await self.session.flush()
        await self.place()

    async def place(self) -> None:
        await placing.place(self.tools, self.session, self.subscription)

    async def wake(self, nodes: Iterable[int]) -> None:
        for node_id in sorted(nodes):
            await wake(self.tools, self.session, node_id)

    async def soon(self, tries: int = 0) -> None:
        """Have a change of several steps carried on: a moment later, then ever less often."""
        spread = 1 + self.subscription.id % 5 / 20
        after = min(FIRST_LOOK * 2.0 ** min(tries, 10), LONGEST_PAUSE) * spread
        number = self.subscription.id
        await self.tools.jobs.defer(
            self.session, "carry_on", once=f"carry:{number}", after=after, subscription_id=number, tries=tries
        )


@asynccontextmanager
async def changing(tools: Tools, which: str | int, cause: Cause) -> AsyncIterator[Change]:
    """The frame: `which` is a subscription's ref or id. Raises NotFound when there is none."""
    column = Subscription.id if isinstance(which, int) else Subscription.ref
    async with tools.db.unit() as session:
        held = await session.scalar(select(Subscription).where(column == which).with_for_update(key_share=True))
        if held is None:
            raise NotFound(f"There is no subscription {which!r}.")
        change = Change(tools, session, held, cause, tools.clock.now())
        ended_before = held.ends_at
        yield change
        what = change.noted[-1][0] if change.noted else "changed"
        await change.explain(what, f"{held.ref}@{held.revision}", ended_before)
    for what, detail in change.noted:
        _log.info("key_changed", what=what, subscription=held.id, actor=cause.actor, why=cause.why, **detail)

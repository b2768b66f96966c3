"""Changing the location of a subscription whose plan gives one of the customer's choice.

choices     what there is to choose from, where the key is now, and when it may be changed again
switch      the choice is written down; placing withdraws the old key, and wants the new one when the old one is gone
stay        changed their mind while the old node is silent: the old key is wanted again
(following) carries it on, tells the customer, and lets an operator force it past a node that is silent
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from ferryman.fleet import census, keyring, places, withdrawing
from ferryman.fleet.key import KeyEvent
from ferryman.fleet.placement import Weights
from ferryman.fleet.places import Place
from ferryman.fleet.withdrawing import Left
from ferryman.flows.keys.handling import Cause, Change, changing
from ferryman.flows.tools import Tools
from ferryman.kit.errors import NotFound, Refused
from ferryman.subscriptions.subscription import Subscription

SWITCHED = "switched"


class CannotSwitch(Refused):
    """`reason`: "fixed" (the plan leaves no choice), "resting" (not active now), "busy" (another change goes on),
    "same", "soon" (not again yet), "full" (no room there), or "gone" (no such place)."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"The location cannot be changed: {reason}.")
        self.reason = reason


@dataclass(frozen=True)
class Choices:
    """`phase`: "settled", "closing" (the old key is being taken away), "held" (its node does not answer: `waiting`),
    or "opening" (the new key is being made). `current` is where the key is, or is to be.
    """

    subscription: Subscription
    places: Sequence[Place]
    current: str | None
    every_hours: int
    next_at: datetime | None
    phase: str = "settled"
    waiting: Sequence[Left] = ()

    def place(self, code: str | None) -> Place | None:
        return next((one for one in self.places if one.code == code), None)


def may_choose(one: Subscription) -> bool:
    """Whether its plan leaves the location to the customer."""
    return bool(one.places["rule"] == "one")


async def choices(tools: Tools, customer_id: int, ref: str) -> Choices:
    """Raises NotFound when the customer holds no such subscription, CannotSwitch when its plan leaves no choice."""
    async with tools.db.unit() as session:
        one = await session.scalar(
            select(Subscription).where(Subscription.ref == ref, Subscription.customer_id == customer_id)
        )
        if one is None:
            raise NotFound("The customer holds no such subscription.")
        if not may_choose(one):
            raise CannotSwitch("fixed")
        return await _choices(tools, session, one, tools.clock.now())


async def look(tools: Tools, customer_id: int, ref: str, code: str) -> Choices:
    """As `choices`, and raises CannotSwitch when `switch` to this place would."""
    found = await choices(tools, customer_id, ref)
    _check(found.subscription, found, code, tools.clock.now())
    return found


async def switch(tools: Tools, customer_id: int, ref: str, code: str, tap: str) -> Choices:
    """Write the choice down and withdraw the old key; the same `tap` again only shows how it stands.

    Raises NotFound when the customer holds no such subscription, CannotSwitch when it cannot be.
    """
    cause = Cause(f"customer:{customer_id}", tap=tap)
    async with changing(tools, ref, cause) as change:
        one = change.subscription
        if one.customer_id != customer_id:
            raise NotFound("The customer holds no such subscription.")
        if not await change.repeated():
            before = await _choices(tools, change.session, one, change.now)
            _check(one, before, code, change.now)
            await _begin(change, before, code)
        return await _choices(tools, change.session, one, change.now)


async def _begin(change: Change, before: Choices, code: str) -> None:
    one = change.subscription
    switched_at = one.switched_at.isoformat() if one.switched_at else None
    await change.note("switching", None, **{"from": before.current, "to": code, "switched_at": switched_at})
    one.location, one.switched_at, one.untold = code, change.now, SWITCHED
    await change.follow()
    await change.soon()


async def go_on(change: Change) -> list[Left]:
    """Where the old key may still work. When it does nowhere, the new one is wanted by now, or will be here."""
    one, session = change.subscription, change.session
    waiting = await withdrawing.left(session, one.id)
    if not waiting and not await arrived(session, one):
        await change.place()
    return waiting


async def arrived(session: AsyncSession, one: Subscription) -> bool:
    """Whether its key is wanted where the customer chose."""
    return one.location in await places.codes_of_keys(session, one.id)


async def stay(tools: Tools, customer_id: int, ref: str) -> Choices:
    """Call a switch off for as long as no new key is there; the time until the next one counts as before it.

    Raises NotFound when the customer holds no such subscription, CannotSwitch when there is nothing to call off.
    """
    async with changing(tools, ref, Cause(f"customer:{customer_id}")) as change:
        one, session = change.subscription, change.session
        if one.customer_id != customer_id:
            raise NotFound("The customer holds no such subscription.")
        if one.untold != SWITCHED or one.replacing_since is not None or await arrived(session, one):
            raise CannotSwitch("busy")
        was = await _last_switch(session, one.id)
        since = was.get("switched_at")
        one.location, one.untold = was.get("from"), None
        if one.location is not None:
            await withdrawing.take_back(session, one.id, one.location, change.now)
        one.switched_at = datetime.fromisoformat(since) if since else None
        await change.note("stayed", to=one.location)
        await change.follow()
        return await _choices(tools, session, one, change.now)


async def _last_switch(session: AsyncSession, subscription_id: int) -> dict[str, Any]:
    found: dict[str, Any] | None = await session.scalar(
        select(KeyEvent.detail)
        .where(KeyEvent.subscription_id == subscription_id, KeyEvent.what == "switching")
        .order_by(KeyEvent.id.desc())
        .limit(1)
    )
    return found or {}


def _check(one: Subscription, choices: Choices, code: str, now: datetime) -> None:
    place = choices.place(code)
    if not may_choose(one):
        raise CannotSwitch("fixed")
    if one.ended(now) or not one.enabled:
        raise CannotSwitch("resting")
    if one.replacing_since is not None or choices.phase != "settled":
        raise CannotSwitch("busy")
    if place is None:
        raise CannotSwitch("gone")
    if choices.current == code:
        raise CannotSwitch("same")
    if choices.next_at is not None:
        raise CannotSwitch("soon")
    if not place.open:
        raise CannotSwitch("full")


async def _choices(tools: Tools, session: AsyncSession, one: Subscription, now: datetime) -> Choices:
    fleet = await census.taken(session, Weights(*tools.settings.placement_weights), now)
    hours = int(one.places.get("switch_hours", 0))
    next_at = one.switched_at + timedelta(hours=hours) if one.switched_at else None
    at = await places.codes_of_keys(session, one.id)
    phase, waiting = await _phase(session, one, at)
    return Choices(
        subscription=one,
        places=await places.offered(session, fleet.placement, one.places.get("codes", [])),
        current=one.location if one.location in at or not at else at[0],
        every_hours=hours,
        next_at=next_at if next_at and next_at > now else None,
        phase=phase,
        waiting=waiting,
    )


async def _phase(session: AsyncSession, one: Subscription, at: Sequence[str]) -> tuple[str, Sequence[Left]]:
    if one.untold != SWITCHED:
        return "settled", ()
    if one.location in at:
        ready = (await keyring.readiness(session, one.id)).ready
        return ("settled" if ready else "opening"), ()
    waiting = await withdrawing.left(session, one.id)
    silent = [one for one in waiting if one.failures]
    return ("held", silent) if silent else ("closing" if waiting else "opening", waiting)

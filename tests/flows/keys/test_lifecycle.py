"""What operators do with a key: each does its work once, in any weather, and takes nothing away that was paid for."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from itertools import combinations_with_replacement
from typing import Any

import pytest

from ferryman.flows.keys import following, lifecycle, provisioning, replacing
from ferryman.flows.keys.handling import Cause
from ferryman.flows.tools import Tools
from ferryman.kit.errors import NotFound, Refused, Unreachable
from ferryman.subscriptions import changing as rules
from ferryman.subscriptions.subscription import Subscription
from tests.support.fleet import Fleet
from tests.support.watching import Guillotine, come_round, now, off

DAY = timedelta(days=1)
BY = Cause("operator:cli", "because of a test")

Verb = Callable[[Tools, str, Cause], Awaitable[Any]]
VERBS: dict[str, Verb] = {
    "extend": lambda tools, ref, by: lifecycle.extend(tools, ref, 7, by),
    "limit": lambda tools, ref, by: lifecycle.limit(tools, ref, by, traffic_bytes=10**9, devices=9),
    "freeze": lifecycle.freeze,
    "disable": lifecycle.disable,
    "replace": replacing.replace,
    "move": lambda tools, ref, by: lifecycle.move(tools, ref, "de-1", "de-2", by),
    "delete": lambda tools, ref, by: lifecycle.delete(tools, ref, by, forced=True),
}


def done(name: str, before: Subscription, after: Subscription, nodes: set[str]) -> bool:
    """Whether the verb has had its effect."""
    return {
        "extend": after.ends_at == before.ends_at + 7 * DAY,
        "limit": (after.traffic_bytes, after.devices) == (10**9, 9),
        "freeze": after.frozen_at is not None,
        "disable": after.disabled_why == BY.why,
        "replace": after.uuid != before.uuid and after.token != before.token,
        "move": "de-2" in nodes and "de-1" not in nodes,
        "delete": nodes == set() and after.ends_at < before.ends_at,
    }[name]


@pytest.fixture
def fleet(tools: Tools) -> Fleet:
    return Fleet(tools)


async def settled(fleet: Fleet, **fields: Any) -> Subscription:
    """Somebody with a key on de-1 and one on nl-1, both ready; de-2 has room as well."""
    await fleet.node("de-1")
    await fleet.node("nl-1")
    one = await fleet.subscription(**fields)
    await fleet.work()
    await fleet.node("de-2")
    await come_round(fleet, 1)
    assert await fleet.keys(one) == {"de-1": "ready", "nl-1": "ready"}
    return await now(fleet, one)


async def has_had_its_effect(fleet: Fleet, name: str, before: Subscription) -> None:
    after = await now(fleet, before)
    assert done(name, before, after, set(await fleet.keys(before)))
    assert await off(fleet, before) == []


@pytest.mark.parametrize("name", VERBS)
async def test_each_does_its_work_and_the_panels_follow(fleet: Fleet, name: str) -> None:
    before = await settled(fleet)
    await VERBS[name](fleet.tools, before.ref, BY)
    await come_round(fleet, 2)
    await has_had_its_effect(fleet, name, before)


@pytest.mark.parametrize("name", VERBS)
async def test_asked_twice_with_one_wish_it_is_done_once(fleet: Fleet, name: str) -> None:
    before = await settled(fleet)
    wish = Cause(BY.actor, BY.why, tap="one wish")
    await asyncio.gather(*(VERBS[name](fleet.tools, before.ref, wish) for _ in range(3)))
    await come_round(fleet, 2)
    await VERBS[name](fleet.tools, before.ref, wish)
    await come_round(fleet, 2)
    await has_had_its_effect(fleet, name, before)
    lines = await fleet.rows("SELECT what FROM key_events WHERE detail->>'tap' = 'one wish'")
    assert len(lines) == 1


@pytest.mark.parametrize("name", VERBS)
async def test_a_node_that_is_silent_holds_its_part_and_follows_when_it_returns(fleet: Fleet, name: str) -> None:
    before = await settled(fleet)
    fleet.panels["de-1"].go_down()
    await VERBS[name](fleet.tools, before.ref, BY)
    await come_round(fleet, 2)
    there = fleet.panels["de-1"].clients[before.email]
    assert (there.uuid, there.enabled) == (before.uuid, True), "nothing could be done there yet"
    assert await off(fleet, before)
    fleet.panels["de-1"].come_back()
    await come_round(fleet)
    await has_had_its_effect(fleet, name, before)


@pytest.mark.parametrize("name", VERBS)
async def test_answers_that_are_lost_after_the_effect_change_nothing(fleet: Fleet, name: str) -> None:
    before = await settled(fleet)
    for panel in fleet.panels.values():
        panel.fail(Unreachable("The answer was lost."), "put", times=2, after=True)
        panel.fail(Unreachable("The answer was lost."), "drop", times=2, after=True)
    await VERBS[name](fleet.tools, before.ref, BY)
    await come_round(fleet, 5)
    await has_had_its_effect(fleet, name, before)


# Extend, limit, freeze and disable share one frame, and an edge is as good as the next one's: one of each is tried.
@pytest.mark.parametrize(
    ("name", "late"),
    [("extend", False), ("disable", True), ("replace", False), ("replace", True), ("delete", False), ("move", True)],
)
async def test_a_kill_at_any_boundary_is_made_up_for(fleet: Fleet, name: str, late: bool) -> None:
    """Each boundary in its turn, on one subscription after the other."""
    await settled(fleet)
    reached, at = True, 0
    while reached:
        at += 1
        one = await fleet.subscription()
        await come_round(fleet, 1)
        before = await now(fleet, one)
        here = "de-1" if "de-1" in await fleet.keys(one) else "de-2"
        blade = Guillotine(fleet.tools, at, late=late)
        reached = await blade.run(
            lambda: _verb(name, here)(fleet.tools, one.ref, Cause(BY.actor, BY.why, "tap")),  # noqa: B023
            *(lambda node=node: provisioning.reconcile_node(fleet.tools, node) for node in fleet.ids.values()),
            lambda: following.carry_on(fleet.tools, one.id),  # noqa: B023
            *(lambda node=node: provisioning.reconcile_node(fleet.tools, node) for node in fleet.ids.values()),
            lambda: following.carry_on(fleet.tools, one.id),  # noqa: B023
        )
        # Whoever asked saw no answer, and asks again.
        await _verb(name, here)(fleet.tools, one.ref, Cause(BY.actor, BY.why, "tap"))
        await come_round(fleet, 2)
        after = await now(fleet, one)
        nodes = set(await fleet.keys(one))
        if name == "move":
            assert here not in nodes and len(nodes) == 2, f"killed at {at}"
        else:
            assert done(name, before, after, nodes), f"killed at {at}"
        assert await off(fleet, one) == [], f"killed at {at}"
    assert at > 3


def _verb(name: str, here: str) -> Verb:
    if name != "move":
        return VERBS[name]
    there = "de-2" if here == "de-1" else "de-1"
    return lambda tools, ref, by: lifecycle.move(tools, ref, here, there, by)


@pytest.mark.parametrize(("first", "second"), list(combinations_with_replacement(VERBS, 2)))
async def test_any_two_at_once_both_have_their_effect(fleet: Fleet, first: str, second: str) -> None:
    before = await settled(fleet)
    outcomes = await asyncio.gather(
        VERBS[first](fleet.tools, before.ref, BY),
        VERBS[second](fleet.tools, before.ref, Cause("operator:2", BY.why)),
        return_exceptions=True,
    )
    refused = [one for one in outcomes if isinstance(one, BaseException)]
    assert all(isinstance(one, Refused) for one in refused), refused
    await come_round(fleet, 3)
    assert await off(fleet, before) == []
    after = await now(fleet, before)
    if "delete" not in (first, second) and first != second and not refused:
        nodes = set(await fleet.keys(before))
        for name in {first, second} - {"extend", "freeze"}:
            assert done(name, before, after, nodes), name
    if "delete" not in (first, second):
        assert after.ends_at >= before.ends_at


async def test_days_given_away_are_told_from_days_that_were_paid(fleet: Fleet) -> None:
    one = await settled(fleet)
    with pytest.raises(Refused, match="reason"):
        await lifecycle.extend(fleet.tools, one.ref, 7, Cause("operator:cli"))
    await lifecycle.extend(fleet.tools, one.ref, 7, Cause("operator:cli", "an outage on Sunday"))
    assert await fleet.value("SELECT count(*) FROM grants") == 0
    (row,) = await fleet.rows("SELECT why, actor, detail FROM key_events WHERE what = 'extended'")
    assert (row.why, row.actor, row.detail["days"]) == ("an outage on Sunday", "operator:cli", 7)
    assert row.detail["before"] < row.detail["after"]


async def test_a_frozen_key_is_off_on_every_node_and_the_time_comes_back_whole(fleet: Fleet) -> None:
    one = await settled(fleet)
    await lifecycle.freeze(fleet.tools, one.ref, BY)
    await come_round(fleet, 1)
    assert fleet.holders(one) == set()
    fleet.tools.clock.advance(days=40)  # type: ignore[attr-defined]
    await come_round(fleet, 1)
    frozen = await now(fleet, one)
    assert not frozen.ended(fleet.tools.clock.now())
    await lifecycle.unfreeze(fleet.tools, one.ref, BY)
    await come_round(fleet, 2)
    assert fleet.holders(one) == {"de-1", "nl-1"}
    thawed = await now(fleet, one)
    assert frozen.frozen_at is not None
    left = thawed.ends_at - fleet.tools.clock.now()
    assert one.ends_at - frozen.frozen_at - left < timedelta(minutes=10)
    assert await off(fleet, one) == []


async def test_time_does_not_stand_still_for_ever(fleet: Fleet) -> None:
    one = await settled(fleet)
    await lifecycle.freeze(fleet.tools, one.ref, BY)
    fleet.tools.clock.advance(days=rules.FROZEN_AT_MOST.days, minutes=-5)  # type: ignore[attr-defined]
    await lifecycle.sweep(fleet.tools)
    assert (await now(fleet, one)).frozen_at is not None
    fleet.tools.clock.advance(days=2)  # type: ignore[attr-defined]
    await come_round(fleet, 2)
    thawed = await now(fleet, one)
    assert thawed.frozen_at is None
    assert thawed.days_left(fleet.tools.clock.now()) >= 29, "what was frozen is whole, however late it was noticed"
    assert fleet.holders(one) == {"de-1", "nl-1"}


async def test_a_key_that_is_switched_off_works_again_when_it_is_switched_on(fleet: Fleet) -> None:
    one = await settled(fleet)
    await lifecycle.disable(fleet.tools, one.ref, BY)
    await come_round(fleet, 1)
    assert fleet.holders(one) == set()
    await lifecycle.enable(fleet.tools, one.ref, BY)
    await come_round(fleet, 1)
    assert fleet.holders(one) == {"de-1", "nl-1"}
    assert (await now(fleet, one)).ends_at == one.ends_at


async def test_paid_time_is_deleted_only_by_force_and_with_a_reason(fleet: Fleet) -> None:
    one = await settled(fleet)
    with pytest.raises(Refused, match="30 paid days left"):
        await lifecycle.delete(fleet.tools, one.ref, BY)
    with pytest.raises(Refused, match="reason"):
        await lifecycle.delete(fleet.tools, one.ref, Cause("operator:cli"), forced=True)
    await come_round(fleet, 1)
    assert fleet.holders(one) == {"de-1", "nl-1"}


async def test_what_was_deleted_begins_anew_with_the_next_extension(fleet: Fleet) -> None:
    one = await settled(fleet)
    await lifecycle.delete(fleet.tools, one.ref, BY, forced=True)
    await come_round(fleet, 2)
    assert await fleet.keys(one) == {}
    await lifecycle.extend(fleet.tools, one.ref, 3, BY)
    await come_round(fleet, 2)
    assert len(fleet.holders(one)) == 2
    assert (await now(fleet, one)).uuid == one.uuid


async def test_a_moved_key_keeps_its_identity_and_stays_where_it_was_put(fleet: Fleet) -> None:
    one = await settled(fleet)
    await lifecycle.move(fleet.tools, one.ref, "de-1", "de-2", BY)
    await come_round(fleet)
    await fleet.change("de-1", priority=100)
    await come_round(fleet)
    assert fleet.holders(one) == {"de-2", "nl-1"}
    assert (await now(fleet, one)).uuid == one.uuid


@pytest.mark.parametrize(
    ("origin", "target", "why"),
    [
        ("de-1", "nl-1", "location"),
        ("de-1", "de-1", "another node"),
        ("de-2", "de-1", "no key on"),
        ("de-1", "xx-9", "no node"),
    ],
)
async def test_a_key_is_not_moved_where_it_does_not_belong(fleet: Fleet, origin: str, target: str, why: str) -> None:
    one = await settled(fleet)
    with pytest.raises((Refused, NotFound), match=why):
        await lifecycle.move(fleet.tools, one.ref, origin, target, BY)
    await come_round(fleet, 1)
    assert fleet.holders(one) == {"de-1", "nl-1"}


async def test_a_key_is_not_moved_to_a_node_that_takes_none(fleet: Fleet) -> None:
    one = await settled(fleet)
    await fleet.change("de-2", state="down")
    with pytest.raises(Refused, match="takes no new keys"):
        await lifecycle.move(fleet.tools, one.ref, "de-1", "de-2", BY)


async def test_nobody_is_changed_who_is_not_there(fleet: Fleet) -> None:
    for name, verb in VERBS.items():
        with pytest.raises(NotFound, match="no subscription"):
            await verb(fleet.tools, f"nobody-{name}", BY)

"""Changing the location of a one-location plan: the old key is gone before the new one works, whatever happens."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from ferryman.flows.keys import following, lifecycle, placing, replacing, switching
from ferryman.flows.keys.handling import Cause
from ferryman.flows.keys.switching import CannotSwitch, Choices
from ferryman.flows.tools import Tools
from ferryman.kit.errors import NotFound, Unreachable
from ferryman.subscriptions.subscription import Subscription
from tests.support.fleet import ALL, Fleet
from tests.support.messages import Outbox
from tests.support.watching import Watch, come_round, now, off

DAILY: dict[str, Any] = {"rule": "one", "codes": ["de", "nl", "fi"], "switch_hours": 24}
FREELY: dict[str, Any] = {"rule": "one", "switch_hours": 0}
BY = Cause("operator:cli", "because of a test")


@pytest.fixture
async def fleet(tools: Tools) -> Fleet:
    made = Fleet(tools)
    await made.nodes("de-1", "nl-1", "fi-1")
    return made


async def settled(fleet: Fleet, places: dict[str, Any] = DAILY, **fields: Any) -> Subscription:
    one = await fleet.subscription(places, **{"location": "de", **fields})
    await come_round(fleet, 1)
    return await now(fleet, one)


async def switch(fleet: Fleet, one: Subscription, code: str, tap: str = "a tap") -> Choices:
    return await switching.switch(fleet.tools, one.customer_id, one.ref, code, tap)


async def choices(fleet: Fleet, one: Subscription) -> Choices:
    return await switching.choices(fleet.tools, one.customer_id, one.ref)


async def refusal(fleet: Fleet, one: Subscription, code: str, tap: str = "another tap") -> str:
    with pytest.raises(CannotSwitch) as caught:
        await switch(fleet, one, code, tap)
    return caught.value.reason


async def test_the_key_is_in_the_new_place_and_in_no_two_at_any_moment(fleet: Fleet) -> None:
    one = await settled(fleet)
    assert fleet.holders(one) == {"de-1"}
    watch = Watch(fleet, one.email).begin()
    begun = await switch(fleet, one, "nl")
    assert (begun.phase, begun.current) == ("closing", "nl")
    await come_round(fleet, 2)
    assert fleet.holders(one) == {"nl-1"}
    assert await off(fleet, one) == []
    assert all(len(nodes) <= 1 for nodes in watch.nodes)
    after = await now(fleet, one)
    assert (after.uuid, after.token, after.ends_at) == (one.uuid, one.token, one.ends_at)
    assert (await choices(fleet, one)).phase == "settled"


@pytest.mark.parametrize("after", [False, True], ids=["before the effect", "after the effect"])
@pytest.mark.parametrize("verb", ["see", "drop", "put"])
async def test_nor_in_two_in_bad_weather(fleet: Fleet, verb: str, after: bool) -> None:
    one = await settled(fleet)
    watch = Watch(fleet, one.email).begin()
    for panel in fleet.panels.values():
        panel.fail(Unreachable("No answer."), verb, times=2, after=after)
    await switch(fleet, one, "nl")
    await come_round(fleet, 5)
    assert fleet.holders(one) == {"nl-1"}
    assert await off(fleet, one) == []
    assert all(len(nodes) <= 1 for nodes in watch.nodes)


async def test_a_silent_old_node_holds_the_switch_visibly(fleet: Fleet) -> None:
    one = await settled(fleet)
    watch = Watch(fleet, one.email).begin()
    fleet.panels["de-1"].go_down()
    await switch(fleet, one, "nl")
    await come_round(fleet, 2)
    held = await choices(fleet, one)
    assert held.phase == "held"
    assert [left.node for left in held.waiting] == ["de-1"]
    assert fleet.holders(one) == {"de-1"}
    fleet.panels["de-1"].come_back()
    await come_round(fleet, 4)
    assert fleet.holders(one) == {"nl-1"}
    assert all(len(nodes) <= 1 for nodes in watch.nodes)


async def test_who_does_not_want_to_wait_stays_where_they_were(fleet: Fleet) -> None:
    one = await settled(fleet)
    watch = Watch(fleet, one.email).begin()
    fleet.panels["de-1"].go_down()
    await switch(fleet, one, "nl")
    await come_round(fleet, 2)
    back = await switching.stay(fleet.tools, one.customer_id, one.ref)
    assert (back.current, back.phase, back.next_at) == ("de", "settled", None)
    await come_round(fleet, 2)
    fleet.panels["de-1"].come_back()
    await come_round(fleet, 4)
    assert fleet.holders(one) == {"de-1"}
    assert await off(fleet, one) == []
    assert all(len(nodes) <= 1 for nodes in watch.nodes)
    await switch(fleet, one, "fi", "a later tap")
    await come_round(fleet, 3)
    assert fleet.holders(one) == {"fi-1"}


async def test_there_is_no_way_back_once_the_new_key_is_there(fleet: Fleet) -> None:
    one = await settled(fleet)
    with pytest.raises(CannotSwitch):
        await switching.stay(fleet.tools, one.customer_id, one.ref)
    await switch(fleet, one, "nl")
    await come_round(fleet, 3)
    with pytest.raises(CannotSwitch):
        await switching.stay(fleet.tools, one.customer_id, one.ref)
    assert fleet.holders(one) == {"nl-1"}


async def test_an_operator_may_force_it_and_the_old_client_goes_when_its_node_returns(fleet: Fleet) -> None:
    one = await settled(fleet)
    fleet.panels["de-1"].go_down()
    await switch(fleet, one, "nl")
    await come_round(fleet, 2)
    await following.force(fleet.tools, one.ref, BY)
    await come_round(fleet, 2)
    assert fleet.panels["nl-1"].clients[one.email].enabled
    assert await fleet.value("SELECT count(*) FROM tombstones") == 1
    fleet.panels["de-1"].come_back()
    await come_round(fleet, 4)
    assert fleet.holders(one) == {"nl-1"}
    assert await off(fleet, one) == []


async def test_a_double_tap_is_one_switch(fleet: Fleet) -> None:
    one = await settled(fleet, FREELY)
    await asyncio.gather(*(switch(fleet, one, "nl", "one tap") for _ in range(5)))
    await come_round(fleet, 3)
    await switch(fleet, one, "nl", "one tap")
    assert (await fleet.history(one)).count("switching") == 1
    assert fleet.holders(one) == {"nl-1"}


async def test_two_taps_on_two_places_lead_to_one_of_them(fleet: Fleet) -> None:
    one = await settled(fleet, FREELY)
    watch = Watch(fleet, one.email).begin()
    outcomes = await asyncio.gather(
        switch(fleet, one, "nl", "tap 1"), switch(fleet, one, "fi", "tap 2"), return_exceptions=True
    )
    assert [one.reason for one in outcomes if isinstance(one, CannotSwitch)] == ["busy"]
    await come_round(fleet, 3)
    assert len(fleet.holders(one)) == 1
    assert all(len(nodes) <= 1 for nodes in watch.nodes)


async def test_the_next_switch_waits_for_its_time(fleet: Fleet) -> None:
    one = await settled(fleet)
    await switch(fleet, one, "nl")
    await come_round(fleet, 3)
    assert await refusal(fleet, one, "fi") == "soon"
    found = await choices(fleet, one)
    assert found.next_at is not None
    assert timedelta(hours=23) < found.next_at - fleet.tools.clock.now() <= timedelta(hours=24)
    fleet.tools.clock.advance(hours=24)  # type: ignore[attr-defined]
    assert (await choices(fleet, one)).next_at is None
    await switch(fleet, one, "fi", "the next day")
    await come_round(fleet, 3)
    assert fleet.holders(one) == {"fi-1"}


async def test_what_cannot_be_chosen_is_refused_with_its_reason(fleet: Fleet) -> None:
    one = await settled(fleet)
    await fleet.node("us-1")
    await fleet.change("fi-1", state="down")
    assert await refusal(fleet, one, "us") == "gone", "not in the plan"
    assert await refusal(fleet, one, "xx") == "gone"
    assert await refusal(fleet, one, "de") == "same"
    assert await refusal(fleet, one, "fi") == "full"
    await lifecycle.freeze(fleet.tools, one.ref, BY)
    assert await refusal(fleet, one, "nl") == "resting"
    await lifecycle.unfreeze(fleet.tools, one.ref, BY)
    await replacing.replace(fleet.tools, one.ref, BY)
    assert await refusal(fleet, one, "nl") == "busy"
    await come_round(fleet, 3)
    fleet.tools.clock.advance(days=40)  # type: ignore[attr-defined]
    assert await refusal(fleet, one, "nl") == "resting"


async def test_a_plan_that_leaves_no_choice_says_so(fleet: Fleet) -> None:
    one = await settled(fleet, ALL)
    assert await refusal(fleet, one, "nl") == "fixed"
    with pytest.raises(CannotSwitch, match="fixed"):
        await choices(fleet, one)


async def test_nobody_switches_what_is_somebody_elses(fleet: Fleet) -> None:
    one, other = await settled(fleet), await settled(fleet)
    for story in (
        switching.choices(fleet.tools, other.customer_id, one.ref),
        switching.switch(fleet.tools, other.customer_id, one.ref, "nl", "tap"),
        switching.stay(fleet.tools, other.customer_id, one.ref),
        switching.choices(fleet.tools, one.customer_id, "nosuchref"),
    ):
        with pytest.raises(NotFound):
            await story
    assert fleet.holders(one) == {"de-1"}


async def test_places_show_their_room(fleet: Fleet) -> None:
    one = await settled(fleet)
    await fleet.change("nl-1", capacity_clients=4)
    for _ in range(3):
        await settled(fleet, location="nl")
    await fleet.change("fi-1", mode="draining")
    found = {place.code: (place.open, place.load) for place in (await choices(fleet, one)).places}
    assert found == {"de": (True, 0.0), "nl": (True, 0.75), "fi": (False, 1.0)}
    assert (await choices(fleet, one)).current == "de"


async def test_the_customer_hears_of_it_once_when_it_works(fleet: Fleet, outbox: Outbox) -> None:
    one = await settled(fleet)
    await switch(fleet, one, "nl")
    assert outbox.sent == []
    await come_round(fleet, 4)
    (sent,) = outbox.sent
    assert "Локация изменена" in sent.text
    assert "Место nl" in sent.text
    assert "Обновите подписку" in sent.text


async def test_a_lost_job_is_found_by_the_sweeps(fleet: Fleet, outbox: Outbox) -> None:
    one = await settled(fleet)
    await switch(fleet, one, "nl")
    await fleet.rows("DELETE FROM procrastinate_jobs RETURNING id")
    await come_round(fleet, 4)
    assert fleet.holders(one) == {"nl-1"}
    assert len(outbox.sent) == 1


@pytest.mark.parametrize("held", [False, True], ids=["all is well", "the old node is silent"])
async def test_what_comes_in_the_middle_opens_no_second_key(fleet: Fleet, held: bool) -> None:
    one = await settled(fleet)
    watch = Watch(fleet, one.email).begin()
    if held:
        fleet.panels["de-1"].go_down()
    await switch(fleet, one, "nl")
    await lifecycle.extend(fleet.tools, one.ref, 30, BY)
    await fleet.change("fi-1", priority=99)
    await placing.sweep(fleet.tools)
    await come_round(fleet, 2)
    fleet.panels["de-1"].come_back()
    await come_round(fleet, 4)
    assert fleet.holders(one) == {"nl-1"}
    assert (await now(fleet, one)).ends_at == one.ends_at + timedelta(days=30)
    assert await off(fleet, one) == []
    assert all(len(nodes) <= 1 for nodes in watch.nodes)


async def test_a_replacement_in_the_middle_ends_in_the_new_place_with_a_new_identity(fleet: Fleet) -> None:
    one = await settled(fleet)
    watch = Watch(fleet, one.email).begin()
    await switch(fleet, one, "nl")
    await replacing.replace(fleet.tools, one.ref, BY)
    await come_round(fleet, 4)
    assert fleet.holders(one) == {"nl-1"}
    assert (await now(fleet, one)).uuid != one.uuid
    assert await off(fleet, one) == []
    assert all(len(nodes) <= 1 for nodes in watch.nodes)

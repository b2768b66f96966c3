"""Replacing a leaked key: the link dies at once, and no moment has an old client and a new one that both work."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import pytest
from sqlalchemy import select

from ferryman.fleet.key import Tombstone
from ferryman.fleet.node import Node
from ferryman.flows.keys import burying, following, lifecycle, profile, provisioning, replacing
from ferryman.flows.keys.handling import Cause
from ferryman.flows.keys.replacing import CUSTOMERS_MAY_AGAIN_AFTER, TooSoon
from ferryman.flows.tools import Tools
from ferryman.kit.errors import Refused, Unreachable
from ferryman.subscriptions.subscription import Subscription
from tests.support.fleet import ONE, Fleet
from tests.support.messages import Outbox
from tests.support.watching import Watch, come_round, now, off

BY = Cause("operator:cli", "it was posted in a group")


@pytest.fixture
def fleet(tools: Tools) -> Fleet:
    return Fleet(tools)


async def settled(fleet: Fleet) -> Subscription:
    await fleet.nodes("de-1", "nl-1", "fi-1")
    one = await fleet.subscription()
    await come_round(fleet, 1)
    assert fleet.holders(one) == {"de-1", "nl-1", "fi-1"}
    return await now(fleet, one)


async def test_at_no_moment_an_old_and_a_new_client_both_work(fleet: Fleet) -> None:
    before = await settled(fleet)
    watch = Watch(fleet, before.email).begin()
    await replacing.replace(fleet.tools, before.ref, BY)
    await come_round(fleet, 3)
    after = await now(fleet, before)
    assert await off(fleet, before) == []
    assert {before.uuid} in watch.identities
    assert {after.uuid} in watch.identities
    assert all(len(working) <= 1 for working in watch.identities), "old and new at the same time"


@pytest.mark.parametrize("verb", ["see", "drop", "put"])
@pytest.mark.parametrize("after", [False, True], ids=["before the effect", "after the effect"])
async def test_nor_in_any_weather(fleet: Fleet, verb: str, after: bool) -> None:
    before = await settled(fleet)
    watch = Watch(fleet, before.email).begin()
    for panel in fleet.panels.values():
        panel.fail(Unreachable("No answer."), verb, times=3, after=after)
    await replacing.replace(fleet.tools, before.ref, BY)
    await come_round(fleet, 6)
    assert await off(fleet, before) == []
    assert all(len(working) <= 1 for working in watch.identities)


async def test_one_silent_node_holds_it_and_says_so(fleet: Fleet) -> None:
    before = await settled(fleet)
    watch = Watch(fleet, before.email).begin()
    fleet.panels["nl-1"].go_down()
    await replacing.replace(fleet.tools, before.ref, BY)
    await come_round(fleet, 3)
    held = await now(fleet, before)
    assert held.replacing_since is not None
    assert held.uuid == before.uuid
    assert await fleet.keys(before) == {"nl-1": "going"}
    assert "held nl-1" in await fleet.history(before)
    assert await fleet.value("SELECT moving FROM subscriptions")
    fleet.panels["nl-1"].come_back()
    await come_round(fleet, 4)
    assert await off(fleet, before) == []
    assert all(len(working) <= 1 for working in watch.identities)


async def test_the_old_link_dies_at_once_and_the_new_one_says_what_goes_on(fleet: Fleet) -> None:
    before = await settled(fleet)
    fleet.panels["nl-1"].go_down()
    await replacing.replace(fleet.tools, before.ref, BY)
    held = await now(fleet, before)
    assert await profile.of_token(fleet.tools, before.token) is None
    shown = await profile.of_token(fleet.tools, held.token)
    assert shown is not None
    assert shown.entries == ()
    assert "Ключ заменяется" in " ".join(shown.notices)
    fleet.panels["nl-1"].come_back()
    await come_round(fleet, 4)
    ready = await profile.of_token(fleet.tools, held.token)
    assert ready is not None
    assert len(ready.entries) == 3


async def test_an_operator_may_force_it_past_a_silent_node(fleet: Fleet) -> None:
    before = await settled(fleet)
    fleet.panels["nl-1"].go_down()
    await replacing.replace(fleet.tools, before.ref, BY)
    await come_round(fleet, 2)
    (left,) = await following.force(fleet.tools, before.ref, Cause("operator:cli", "nl-1 burns"))
    assert left.node == "nl-1"
    await come_round(fleet, 2)
    after = await now(fleet, before)
    assert after.uuid != before.uuid
    assert fleet.panels["de-1"].clients[before.email].uuid == after.uuid
    assert fleet.panels["nl-1"].clients[before.email].uuid == before.uuid
    assert await fleet.value("SELECT uuid FROM tombstones") == before.uuid
    watch = Watch(fleet, before.email).begin()
    fleet.panels["nl-1"].come_back()
    await come_round(fleet, 4)
    assert await off(fleet, before) == []
    gone = [working for working in watch.identities if before.uuid in working]
    assert watch.identities.index({after.uuid}) >= len(gone), "on the node that returned, the old client went first"


async def test_to_force_needs_a_reason_and_something_that_waits(fleet: Fleet) -> None:
    one = await settled(fleet)
    with pytest.raises(Refused, match="No change"):
        await following.force(fleet.tools, one.ref, BY)
    await replacing.replace(fleet.tools, one.ref, BY)
    with pytest.raises(Refused, match="reason"):
        await following.force(fleet.tools, one.ref, Cause("operator:cli"))


async def test_the_customer_gets_the_new_link_once_when_it_works(fleet: Fleet, outbox: Outbox) -> None:
    before = await settled(fleet)
    await replacing.replace(fleet.tools, before.ref, BY)
    assert outbox.sent == []
    await come_round(fleet, 4)
    after = await now(fleet, before)
    (sent,) = outbox.sent
    assert sent.png
    assert "новый ключ готов" in sent.text
    assert after.token in sent.text
    assert before.token not in sent.text


async def test_a_replacement_of_a_frozen_key_is_told_when_it_works_again(fleet: Fleet, outbox: Outbox) -> None:
    one = await settled(fleet)
    await lifecycle.freeze(fleet.tools, one.ref, BY)
    await replacing.replace(fleet.tools, one.ref, BY)
    await come_round(fleet, 3)
    assert outbox.sent == []
    assert (await now(fleet, one)).uuid != one.uuid
    await lifecycle.unfreeze(fleet.tools, one.ref, BY)
    await come_round(fleet, 2)
    assert len(outbox.sent) == 1


async def test_a_key_that_has_ended_is_replaced_too(fleet: Fleet) -> None:
    before = await settled(fleet)
    fleet.tools.clock.advance(days=31)  # type: ignore[attr-defined]
    await replacing.replace(fleet.tools, before.ref, BY)
    await come_round(fleet, 2)
    assert (await now(fleet, before)).uuid != before.uuid
    assert not any(before.email in panel.clients for panel in fleet.panels.values())
    await lifecycle.extend(fleet.tools, before.ref, 5, BY)
    await come_round(fleet, 2)
    assert await off(fleet, before) == []
    assert len(fleet.holders(before)) == 3


async def test_a_customer_may_replace_once_a_day(fleet: Fleet) -> None:
    one = await settled(fleet)
    by = Cause(f"customer:{one.customer_id}", tap="press 1")
    await replacing.replace(fleet.tools, one.ref, by, rest=CUSTOMERS_MAY_AGAIN_AFTER)
    await come_round(fleet, 3)
    first = await now(fleet, one)
    await replacing.replace(fleet.tools, one.ref, by, rest=CUSTOMERS_MAY_AGAIN_AFTER)
    assert (await now(fleet, one)).token == first.token, "the same press again"
    again = Cause(f"customer:{one.customer_id}", tap="press 2")
    with pytest.raises(TooSoon):
        await replacing.replace(fleet.tools, one.ref, again, rest=CUSTOMERS_MAY_AGAIN_AFTER)
    fleet.tools.clock.advance(days=1)  # type: ignore[attr-defined]
    await replacing.replace(fleet.tools, one.ref, again, rest=CUSTOMERS_MAY_AGAIN_AFTER)
    assert (await now(fleet, one)).token != first.token


async def test_days_that_come_in_the_middle_are_added_and_wake_no_key(fleet: Fleet) -> None:
    before = await settled(fleet)
    watch = Watch(fleet, before.email).begin()
    fleet.panels["nl-1"].go_down()
    await replacing.replace(fleet.tools, before.ref, BY)
    await come_round(fleet, 1)
    await lifecycle.extend(fleet.tools, before.ref, 30, BY)
    await come_round(fleet, 2)
    assert fleet.holders(before) - {"nl-1"} == set()
    fleet.panels["nl-1"].come_back()
    await come_round(fleet, 4)
    assert (await now(fleet, before)).ends_at == before.ends_at + timedelta(days=30)
    assert await off(fleet, before) == []
    assert all(len(working) <= 1 for working in watch.identities)


async def test_a_change_of_the_fleet_in_the_middle_makes_no_key(fleet: Fleet) -> None:
    before = await settled(fleet)
    watch = Watch(fleet, before.email).begin()
    fleet.panels["nl-1"].go_down()
    await replacing.replace(fleet.tools, before.ref, BY)
    await fleet.node("us-1")
    watch.begin()
    await come_round(fleet, 2)
    assert fleet.holders(before) == {"nl-1"}
    fleet.panels["nl-1"].come_back()
    await come_round(fleet, 2)
    await fleet.change("nl-1", state="healthy")
    await come_round(fleet, 2)
    assert len(fleet.holders(before)) == 4
    assert all(len(working) <= 1 for working in watch.identities)


async def test_a_lost_job_is_found_by_the_sweep(fleet: Fleet) -> None:
    before = await settled(fleet)
    await replacing.replace(fleet.tools, before.ref, BY)
    await fleet.rows("DELETE FROM procrastinate_jobs RETURNING id")
    await come_round(fleet, 4)
    assert (await now(fleet, before)).uuid != before.uuid
    assert await off(fleet, before) == []


async def test_ten_at_once_make_one_new_identity(fleet: Fleet) -> None:
    before = await settled(fleet)
    await asyncio.gather(*(replacing.replace(fleet.tools, before.ref, BY) for _ in range(10)))
    await fleet.work()
    await asyncio.gather(*(following.carry_on(fleet.tools, before.id) for _ in range(5)))
    await come_round(fleet, 3)
    history = await fleet.history(before)
    assert (history.count("replacing"), history.count("replaced"), history.count("told")) == (1, 1, 1)


async def test_a_client_that_the_audit_found_astray_is_waited_for(fleet: Fleet) -> None:
    """A tombstone names the identity that is being replaced: its client may still let somebody in."""
    before = await settled(fleet)
    await fleet.node("us-1", mode="draining")
    fleet.panels["us-1"].clients[before.email] = fleet.panels["de-1"].clients[before.email]
    fleet.panels["us-1"].go_down()
    await fleet.rows(
        """INSERT INTO tombstones (node_id, subscription_id, email, uuid, sub_id, why, try_at)
           SELECT n.id, s.id, :email, s.uuid, s.sub_id, 'astray', now() FROM nodes n, subscriptions s
           WHERE n.name = 'us-1' RETURNING id""",
        email=before.email,
    )
    watch = Watch(fleet, before.email).begin()
    await replacing.replace(fleet.tools, before.ref, BY)
    await come_round(fleet, 2)
    assert (await now(fleet, before)).replacing_since is not None
    fleet.panels["us-1"].come_back()
    await come_round(fleet, 4)
    assert (await now(fleet, before)).uuid != before.uuid
    assert all(len(working) <= 1 for working in watch.identities)


@pytest.mark.parametrize("chosen", ["nl", None])
async def test_a_one_location_key_is_replaced_in_its_place(fleet: Fleet, chosen: str | None) -> None:
    await fleet.node("nl-1")
    one = await fleet.subscription(ONE, location=chosen)
    await come_round(fleet, 1)
    await fleet.node("de-1", priority=100)
    before = await now(fleet, one)
    await replacing.replace(fleet.tools, one.ref, BY)
    await come_round(fleet, 3)
    assert fleet.holders(one) == {"nl-1"}
    assert (await now(fleet, one)).uuid != before.uuid


async def test_an_old_client_that_a_slow_run_leaves_behind_goes_without_an_audit(fleet: Fleet) -> None:
    await fleet.node("de-1")
    before = await fleet.subscription()
    await fleet.work()
    panel = fleet.panels["de-1"]
    await fleet.alter(before, devices=3)

    async def overtaken(verb: str, _: Sequence[str]) -> None:
        if verb != "put":
            return
        panel.before = None
        await replacing.replace(fleet.tools, before.ref, BY)
        await following.force(fleet.tools, before.ref, BY)
        async with fleet.tools.db.unit() as session:
            node = await session.get_one(Node, fleet.ids["de-1"])
            stones = list(await session.scalars(select(Tombstone)))
        assert await burying.clear(fleet.tools, node, stones)

    panel.before = overtaken
    await provisioning.reconcile_node(fleet.tools, fleet.ids["de-1"])
    await fleet.work()
    after = await now(fleet, before)
    assert panel.clients[before.email].uuid == after.uuid != before.uuid
    assert await off(fleet, before) == []


async def test_a_replacement_that_is_held_for_days_goes_on_being_looked_at(fleet: Fleet) -> None:
    before = await settled(fleet)
    fleet.panels["nl-1"].go_down()
    await replacing.replace(fleet.tools, before.ref, BY)
    await come_round(fleet, 1)
    await fleet.rows("DELETE FROM procrastinate_jobs WHERE task_name = 'carry_on' RETURNING id")
    await following.carry_on(fleet.tools, before.id, 5000)
    assert await fleet.value("SELECT count(*) FROM procrastinate_jobs WHERE task_name = 'carry_on'") == 1

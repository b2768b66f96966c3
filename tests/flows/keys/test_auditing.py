"""An audit counts everybody's traffic, finds what was changed by hand, and has it mended; it writes to no panel."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from ferryman.flows.keys import auditing, placing, provisioning
from ferryman.flows.tools import Tools
from ferryman.kit.errors import NotFound
from ferryman.subscriptions.subscription import Subscription
from tests.flows.auditor import Audited
from tests.support.fleet import Fleet

GIGABYTE = 10**9


@pytest.fixture
def world(tools: Tools) -> Audited:
    return Audited(Fleet(tools))


async def test_traffic_is_counted_for_everybody_and_summed_over_nodes(world: Audited) -> None:
    one, other, _ = await world.begin()
    await world.fleet.node("nl-1")
    await world.fleet.round()
    for name, panel in world.fleet.panels.items():
        panel.use(one.email, up=10, down=100)
        await world.audit(name)
    fresh = await world.fresh(one)
    assert (fresh.used_up, fresh.used_down) == (20, 200)
    assert (await world.fresh(other)).used == 0


async def test_an_audit_of_a_node_in_order_changes_nothing_and_says_when_it_was(world: Audited) -> None:
    people = await world.begin()
    world.panel.stranger()
    before, written = world.panel.snapshot(), world.panel.written
    for _ in range(2):
        await world.audit()
    assert (world.panel.snapshot(), world.panel.written) == (before, written)
    assert await world.found() == []
    assert [await world.fleet.keys(one) for one in people] == [{"de-1": "ready"}] * 3
    assert (await world.node()).audited_at == pytest.approx(world.tools.clock.now(), abs=timedelta(seconds=30))


@pytest.mark.parametrize(
    "state",
    [
        {},
        {"traffic_bytes": 5 * GIGABYTE, "devices": 4},
        {"frozen_at": "now"},
        {"disabled_at": "now"},
        {"exhausted_at": "now", "traffic_bytes": 1, "used_up": 1},
    ],
    ids=["plain", "limited", "frozen", "disabled", "used up"],
)
async def test_what_provisioning_puts_is_what_an_audit_expects(world: Audited, state: dict[str, Any]) -> None:
    now = world.tools.clock.now()
    (one,) = await world.begin(1)
    await world.fleet.alter(one, **{name: now if value == "now" else value for name, value in state.items()})
    await world.fleet.work()
    await world.audit()
    assert await world.plan() == {}
    assert await world.found() == []


@pytest.mark.parametrize(
    "changes",
    [
        {"enabled": False},
        {"ends_at": None},
        {"traffic_bytes": 1},
        {"devices": 99},
        {"uuid": "another"},
        {"sub_id": "another"},
        {"flawed": "twice on inbound 1"},
    ],
    ids=str,
)
async def test_a_client_changed_by_hand_is_put_right_within_one_audit(world: Audited, changes: dict[str, Any]) -> None:
    one, *_ = await world.begin()
    right = world.panel.clients[one.email]
    world.panel.spoil(one.email, **changes)
    await world.audit()
    assert world.panel.clients[one.email] == right
    assert await world.fleet.keys(one) == {"de-1": "ready"}
    ((what, why),) = await world.found()
    assert what == "drifted"
    assert next(iter(changes)) in why


async def test_a_client_deleted_by_hand_comes_back_within_one_audit(world: Audited) -> None:
    one, *_ = await world.begin()
    right = world.panel.clients[one.email]
    world.panel.lose(one.email)
    await world.audit()
    assert world.panel.clients[one.email] == right
    assert await world.found() == [("drifted", "missing")]


async def test_bytes_before_and_after_a_client_was_made_anew_both_count(world: Audited) -> None:
    one, *_ = await world.begin()
    world.panel.use(one.email, down=700)
    await world.audit()
    world.panel.lose(one.email)
    await world.audit()
    world.panel.use(one.email, down=50)
    await world.audit()
    assert (await world.fresh(one)).used == 750


async def test_a_renamed_client_gets_its_name_back(world: Audited) -> None:
    one, *_ = await world.begin()
    right = world.panel.clients[one.email]
    world.panel.rename(one.email, "bobs-phone")
    await world.audit()
    await world.audit()
    assert "bobs-phone" not in world.panel.clients
    assert world.panel.clients[one.email] == right
    assert await world.plan() == {}


async def test_a_copy_of_a_client_goes_and_the_client_stays(world: Audited) -> None:
    one, *_ = await world.begin()
    right = world.panel.clients[one.email]
    world.panel.clients["copy"] = replace(right, email="copy", sub_id="fresh")
    await world.audit()
    assert "copy" not in world.panel.clients
    assert world.panel.clients[one.email] == right
    assert [what for what, _ in await world.found()] == ["stray"]


async def test_a_client_that_has_left_its_node_does_not_come_back_with_a_backup(world: Audited) -> None:
    one, *_ = await world.begin()
    backup = world.panel.snapshot()
    await world.fleet.rows("DELETE FROM keys WHERE subscription_id = :id RETURNING id", id=one.id)
    world.panel.lose(one.email)
    world.panel.clients = backup
    await world.audit()
    assert one.email not in world.panel.clients
    assert await world.found() == [("stray", "not owed here")]


async def test_a_client_that_is_wanted_again_while_the_audit_looks_is_not_taken_for_a_stray(world: Audited) -> None:
    one, *_ = await world.begin()
    await world.fleet.rows("DELETE FROM keys WHERE subscription_id = :id RETURNING id", id=one.id)

    async def comes_back(verb: str, _: Sequence[str]) -> None:
        if verb == "see":
            world.panel.before = None
            async with world.tools.db.unit() as session:
                await placing.place(world.tools, session, await session.get_one(Subscription, one.id))
            await world.fleet.work()

    world.panel.before = comes_back
    await world.audit()
    assert one.email in world.panel.clients
    assert await world.fleet.keys(one) == {"de-1": "ready"}
    assert await world.found() == []


async def test_clients_of_the_operator_and_of_other_shops_are_left_alone(world: Audited) -> None:
    one, *_ = await world.begin()
    theirs = [
        world.panel.stranger("made-by-hand"),
        world.panel.stranger("fm-of-another-shop", uuid="", flawed="twice on inbound 1"),
        world.panel.stranger(one.email.upper()),
    ]
    for _ in range(2):
        await world.audit()
    assert [world.panel.clients[client.email] for client in theirs] == theirs
    assert await world.found() == []


async def test_our_name_on_somebody_elses_client_is_said_once_and_never_overwritten(world: Audited) -> None:
    one, other, _ = await world.begin()
    stolen = world.panel.stranger(one.email)
    for _ in range(4):
        await world.audit()
    assert world.panel.clients[one.email] == stolen
    assert await world.found() == [("drifted", "a client of that name that is not ours")]
    assert "another client" in (await world.fleet.keys(one))["de-1"]
    assert await world.fleet.keys(other) == {"de-1": "ready"}
    assert (await world.plan())[one.email] == "conflict"


async def test_a_key_written_while_the_listing_is_read_is_not_drift(world: Audited) -> None:
    one, *_ = await world.begin()
    world.panel.page = 1
    old = world.panel.clients[one.email]

    async def meanwhile(verb: str, _names: object) -> None:
        if verb != "everyone":
            return
        world.panel.after = None
        # The page with the old limits is on its way; a change is made, put and recorded before it arrives.
        await world.fleet.alter(one, devices=5)
        await provisioning.reconcile_node(world.tools, world.fleet.ids["de-1"])

    world.panel.after = meanwhile
    await world.audit(mended=False)
    assert world.panel.clients[one.email] == replace(old, devices=5)
    assert await world.fleet.keys(one) == {"de-1": "ready"}
    assert await world.found() == []


async def test_what_a_listing_shows_and_a_second_look_does_not_is_not_drift(world: Audited) -> None:
    people = await world.begin(20)
    true = world.panel.snapshot()

    async def lie(verb: str, names: Any) -> None:
        if verb == "everyone":
            for name in names:
                world.panel.spoil(name, uuid="stale")

    async def truth(verb: str, _names: Any) -> None:
        if verb == "everyone":
            world.panel.clients = dict(true)

    world.panel.before, world.panel.after = lie, truth
    written = world.panel.written
    await world.audit()
    assert (await world.found(), world.panel.written) == ([], written)
    assert await world.fleet.keys(people[0]) == {"de-1": "ready"}


async def test_a_few_that_are_always_listed_wrongly_do_not_hide_one_that_is_off(world: Audited) -> None:
    people = await world.begin(20)
    liars, gone = people[:-1], people[-1]
    world.panel.lose(gone.email)
    right, told = world.panel._those, {one.email for one in liars}
    world.panel._those = lambda names: [  # type: ignore[method-assign]
        replace(one, devices=9) if one.email in told else one for one in right(names)
    ]
    for _ in range(60):
        await world.audit()
        if gone.email in world.panel.clients:
            return
    pytest.fail("It was never looked at.")


async def test_two_audits_of_one_node_at_once_count_once_and_report_once(world: Audited) -> None:
    one, other, _ = await world.begin()
    world.panel.use(one.email, up=5, down=7)
    world.panel.lose(other.email)
    world.tools.clock.advance(seconds=61)  # type: ignore[attr-defined]
    world.panel.seconds = 0.05
    await asyncio.gather(*(auditing.audit_node(world.tools, world.fleet.ids["de-1"]) for _ in range(3)))
    await world.fleet.work()
    assert (await world.fresh(one)).used == 12
    assert await world.found() == [("drifted", "missing")]
    assert other.email in world.panel.clients


async def test_the_plan_of_a_node_is_shown_and_not_carried_out(world: Audited) -> None:
    one, other, third = await world.begin()
    world.panel.lose(one.email)
    world.panel.spoil(other.email, devices=9)
    world.panel.rename(third.email, "renamed")
    world.panel.stranger()
    before = world.panel.snapshot()
    assert await world.plan() == {
        one.email: ("missing",),
        other.email: ("devices",),
        third.email: ("missing",),
        "renamed": "carries an identity of ours under another name",
    }
    await world.fleet.work()
    assert world.panel.snapshot() == before
    assert await world.found() == []


async def test_the_plan_of_a_node_that_is_not_there_is_refused(world: Audited) -> None:
    with pytest.raises(NotFound, match="no node 'xx-1'"):
        await auditing.drift(world.tools, "xx-1")


async def test_each_node_is_audited_once_a_minute_and_never_twice_at_a_time(world: Audited) -> None:
    await world.fleet.nodes("de-1", "nl-1", "fi-1", "se-1")
    await world.fleet.change("fi-1", mode="off")
    await world.fleet.change("se-1", try_at=world.tools.clock.now() + timedelta(minutes=5))
    for _ in range(3):
        await auditing.sweep(world.tools)
    waiting = "SELECT count(*) FROM procrastinate_jobs WHERE task_name = 'audit_node' AND status = 'todo'"
    assert await world.fleet.value(waiting) == 2
    await world.fleet.work()
    assert [panel.calls["everyone"] for panel in world.fleet.panels.values()] == [1, 1, 0, 0]
    await auditing.sweep(world.tools)
    assert await world.fleet.value(waiting) == 0
    world.tools.clock.advance(seconds=75)  # type: ignore[attr-defined]
    await auditing.sweep(world.tools)
    assert await world.fleet.value(waiting) == 2


def test_nodes_come_round_at_their_own_moments_within_a_fifth_of_the_period() -> None:
    spans = [auditing.later(node_id, 60).total_seconds() for node_id in range(1, 200)]
    assert 60 <= min(spans) < 62
    assert 70 < max(spans) <= 72
    assert len({round(span) for span in spans}) > 8


async def test_a_node_out_of_use_or_gone_is_not_called(world: Audited) -> None:
    await world.begin(1)
    await world.fleet.change("de-1", mode="retired")
    called = world.panel.calls.total()
    await world.audit()
    await auditing.audit_node(world.tools, 10**6)
    assert world.panel.calls.total() == called

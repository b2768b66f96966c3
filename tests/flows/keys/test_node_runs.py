"""One run of a node: few keys or many, drops and tombstones, what overtakes what, and what is written down of it."""

import asyncio
import uuid
from collections.abc import Sequence
from typing import Any

import pytest

from ferryman.fleet import health, keyring
from ferryman.fleet.key import Tombstone
from ferryman.fleet.node import Inbound
from ferryman.fleet.panel import Seen
from ferryman.flows.fleet import watching
from ferryman.flows.keys import burying, placing, provisioning
from ferryman.flows.tools import Tools
from ferryman.kit.errors import AccessDenied, Busy, Refused, Unreachable
from ferryman.subscriptions.subscription import Subscription
from tests.support.chat import until
from tests.support.fleet import Fleet

MANY = 30
INBOUND: dict[str, Any] = {
    "panel_id": 2,
    "protocol": "vless",
    "transport": "tcp",
    "security": "reality",
    "port": 8443,
    "remark": "",
    "link": {},
}


@pytest.fixture
async def fleet(tools: Tools) -> Fleet:
    fleet = Fleet(tools)
    await fleet.node("de-1")
    return fleet


async def crowd(fleet: Fleet, count: int = MANY) -> list[Subscription]:
    return [await fleet.subscription() for _ in range(count)]


async def standing(fleet: Fleet) -> dict[str, int]:
    rows = await fleet.rows(
        """SELECT CASE WHEN NOT wanted THEN 'going' WHEN seen_revision = wanted_revision THEN 'ready'
                       WHEN failures > 0 THEN 'failing' ELSE 'owed' END, count(*) FROM keys GROUP BY 1"""
    )
    return dict(map(tuple, rows))


async def run(fleet: Fleet, name: str = "de-1") -> None:
    await provisioning.reconcile_node(fleet.tools, fleet.ids[name])


async def let_go(fleet: Fleet, *people: Subscription) -> None:
    """Their keys are to go, as if they had moved elsewhere; nothing places them again."""
    ids = [one.id for one in people]
    await fleet.rows(
        "UPDATE keys SET wanted = false, try_at = created_at WHERE subscription_id = ANY(:ids) RETURNING id", ids=ids
    )


async def bury(fleet: Fleet, somebody: Subscription, **identity: str) -> None:
    """An older client of theirs has to go."""
    async with fleet.tools.db.unit() as session:
        stone = Tombstone(
            node_id=fleet.ids["de-1"],
            subscription_id=somebody.id,
            email=somebody.email,
            uuid=identity.get("uuid", somebody.uuid),
            sub_id=identity.get("sub_id", somebody.sub_id),
            why="replaced",
            try_at=fleet.tools.clock.now(),
        )
        session.add(stone)


async def test_few_keys_are_put_one_by_one_and_many_in_bulk(fleet: Fleet) -> None:
    panel = fleet.panels["de-1"]
    await crowd(fleet, 3)
    await run(fleet)
    assert dict(panel.calls) == {"put": 3}
    people = await crowd(fleet)
    await fleet.rows("UPDATE keys SET urgent = false RETURNING id")
    panel.calls.clear()
    await run(fleet)
    assert dict(panel.calls) == {"put_many": 1}
    assert await standing(fleet) == {"ready": MANY + 3}
    assert {one.email for one in people} <= panel.clients.keys()


async def test_many_that_are_to_go_go_in_bulk_and_their_rows_with_them(fleet: Fleet) -> None:
    panel, people = fleet.panels["de-1"], await crowd(fleet)
    await run(fleet)
    panel.calls.clear()
    panel.refusals[people[0].email] = Busy("database is locked")
    await let_go(fleet, *people[:-1])
    await run(fleet)
    assert dict(panel.calls) == {"drop_many": 1}
    assert panel.clients.keys() == {people[0].email, people[-1].email}
    assert await standing(fleet) == {"ready": 1, "going": 1}
    assert await fleet.history(people[0]) == ["wanted de-1", "ready de-1", "held de-1"]
    assert await fleet.history(people[1]) == ["wanted de-1", "ready de-1", "dropped de-1"]


async def test_one_that_the_panel_refuses_does_not_hold_up_the_others_of_a_bulk_call(fleet: Fleet) -> None:
    panel, people = fleet.panels["de-1"], await crowd(fleet)
    panel.refusals[people[3].email] = Refused("no such inbound")
    for _ in range(3):
        await run(fleet)
        fleet.tools.clock.advance(seconds=61)  # type: ignore[attr-defined]
    assert await standing(fleet) == {"ready": MANY - 1, "failing": 1}
    assert await fleet.history(people[3]) == ["wanted de-1", "failed de-1"]
    assert (await fleet.keys(people[3]))["de-1"] == "no such inbound"


@pytest.mark.parametrize("error", [Unreachable("silence"), AccessDenied("wrong token")], ids=["silent", "denied"])
async def test_a_panel_that_answers_nobody_is_called_once_and_then_tried_with_one_key(
    fleet: Fleet, error: Exception
) -> None:
    panel = fleet.panels["de-1"]
    await crowd(fleet)
    panel.down = error  # type: ignore[assignment]
    await run(fleet)
    assert panel.calls.total() == 1
    panel.calls.clear()
    await run(fleet)
    assert panel.calls.total() == 0, "it rests"
    fleet.tools.clock.advance(seconds=700)  # type: ignore[attr-defined]
    await run(fleet)
    assert dict(panel.calls) == {"put": 1}
    fleet.tools.clock.advance(seconds=700)  # type: ignore[attr-defined]
    panel.come_back()
    await run(fleet)
    assert await standing(fleet) == {"ready": MANY}


async def test_of_two_workers_one_tries_a_panel_in_trouble(fleet: Fleet) -> None:
    panel = fleet.panels["de-1"]
    await crowd(fleet)
    panel.go_down()
    await run(fleet)
    fleet.tools.clock.advance(seconds=700)  # type: ignore[attr-defined]
    panel.calls.clear()
    panel.seconds = 0.1
    await asyncio.gather(*(run(fleet) for _ in range(4)))
    assert panel.calls.total() == 1


async def test_a_lost_answer_to_a_bulk_call_costs_one_more_look(fleet: Fleet) -> None:
    panel = fleet.panels["de-1"]
    await crowd(fleet)
    await fleet.rows("UPDATE keys SET urgent = false RETURNING id")
    panel.fail(Unreachable("the answer is lost"), "put_many", after=True)
    await run(fleet)
    assert (len(panel.clients), await standing(fleet)) == (MANY, {"failing": MANY})
    fleet.tools.clock.advance(seconds=61)  # type: ignore[attr-defined]
    await run(fleet)
    assert (len(panel.clients), await standing(fleet)) == (MANY, {"ready": MANY})


async def test_a_purchase_overtakes_a_bulk_call_that_is_under_way(fleet: Fleet) -> None:
    panel = fleet.panels["de-1"]
    await crowd(fleet)
    await fleet.rows("UPDATE keys SET urgent = false RETURNING id")
    let_through = asyncio.Event()

    async def hold(verb: str, names: Any) -> None:
        if verb == "put_many":
            await let_through.wait()

    panel.before = hold
    full_sync = asyncio.create_task(run(fleet))
    await until(lambda: panel.calls["put_many"] == 1, "the bulk call")
    anna = await fleet.subscription()
    await until(lambda: anna.email in panel.clients, "the purchase's key")
    assert len(panel.clients) == 1
    let_through.set()
    await full_sync
    assert await standing(fleet) == {"ready": MANY + 1}


async def test_among_many_that_wait_those_whom_somebody_waits_for_are_first(fleet: Fleet) -> None:
    panel = fleet.panels["de-1"]
    await crowd(fleet)
    await fleet.rows("UPDATE keys SET urgent = false RETURNING id")
    anna = await fleet.subscription()
    await run(fleet)
    assert panel.named[0] == ("put", anna.email)


async def test_a_key_that_is_under_way_in_bulk_is_not_put_twice_at_once(fleet: Fleet) -> None:
    panel = fleet.panels["de-1"]
    people = await crowd(fleet)
    await fleet.rows("UPDATE keys SET urgent = false RETURNING id")
    held = asyncio.Event()

    async def renew(verb: str, names: Any) -> None:
        if verb == "put_many" and not held.is_set():
            held.set()
            await fleet.alter(people[0], devices=7)
            await asyncio.sleep(4 * provisioning.LOOK_SECONDS)

    panel.before = renew
    await run(fleet)
    assert panel.clients[people[0].email].devices == 7
    assert panel.named.count(("put", people[0].email)) == 1
    assert await standing(fleet) == {"ready": MANY}


async def test_a_slow_run_whose_key_was_dropped_meanwhile_leaves_no_client_behind(fleet: Fleet) -> None:
    panel = fleet.panels["de-1"]
    anna = await fleet.subscription()
    dropped = asyncio.Event()

    async def drop_it_first(verb: str, names: Any) -> None:
        if verb == "put" and not dropped.is_set():
            dropped.set()
            await let_go(fleet, anna)
            await provisioning.reconcile_node(fleet.tools, fleet.ids["de-1"])

    panel.before = drop_it_first
    await run(fleet)
    assert (await fleet.keys(anna), set(panel.clients)) == ({}, set())
    assert await fleet.value("SELECT count(*) FROM tombstones") == 0


async def test_a_key_wanted_again_while_it_is_dropped_is_made_anew(fleet: Fleet) -> None:
    panel = fleet.panels["de-1"]
    anna = await fleet.subscription()
    await run(fleet)
    await let_go(fleet, anna)
    again = asyncio.Event()

    async def change_of_mind(verb: str, names: Any) -> None:
        if verb == "drop" and not again.is_set():
            again.set()
            await fleet.alter(anna, devices=2)

    panel.before = change_of_mind
    await run(fleet)
    await fleet.rounds(2)
    assert await fleet.keys(anna) == {"de-1": "ready"}
    assert panel.clients[anna.email].devices == 2


async def test_a_drop_whose_answer_is_lost_is_repeated_and_one_that_did_nothing_is_not_believed(fleet: Fleet) -> None:
    panel = fleet.panels["de-1"]
    anna, ben = await crowd(fleet, 2)
    await run(fleet)
    panel.fail(Unreachable("the answer is lost"), "drop", after=True)
    await let_go(fleet, anna)
    await run(fleet)
    assert await fleet.keys(anna) == {"de-1": "going"}
    await fleet.rounds(1)
    assert await fleet.keys(anna) == {}
    there = panel.clients[ben.email]

    async def bring_back(verb: str, names: Any) -> None:
        if verb == "drop":
            panel.clients[ben.email] = there

    panel.after = bring_back
    await let_go(fleet, ben)
    await run(fleet)
    assert await fleet.keys(ben) == {"de-1": "going"}
    assert (await fleet.history(ben))[-1] == "held de-1"


async def test_a_stranger_of_our_name_survives_the_end_of_our_key(fleet: Fleet) -> None:
    panel = fleet.panels["de-1"]
    anna = await fleet.subscription()
    theirs = panel.stranger(anna.email)
    await run(fleet)
    assert "another client" in (await fleet.keys(anna))["de-1"]
    await let_go(fleet, anna)
    await run(fleet)
    assert await fleet.keys(anna) == {}
    assert panel.clients == {anna.email: theirs}


async def test_among_many_that_go_the_doubtful_are_looked_at_first(fleet: Fleet) -> None:
    panel, people = fleet.panels["de-1"], await crowd(fleet)
    await run(fleet)
    theirs = panel.stranger(people[0].email)
    doubtful = "UPDATE keys SET seen_revision = 0 WHERE subscription_id = ANY(:ids) RETURNING id"
    await fleet.rows(doubtful, ids=[people[0].id, people[1].id])
    await let_go(fleet, *people)
    await run(fleet)
    assert panel.clients == {people[0].email: theirs}
    assert await standing(fleet) == {}


async def test_a_tombstone_goes_before_a_key_of_its_name_comes(fleet: Fleet) -> None:
    panel = fleet.panels["de-1"]
    anna = await fleet.subscription()
    await run(fleet)
    await bury(fleet, anna)
    fresh = str(uuid.uuid4())
    await fleet.alter(anna, uuid=fresh, sub_id="fresh")
    panel.named.clear()
    await run(fleet)
    assert [verb for verb, _ in panel.named] == ["see", "drop", "see", "put"]
    assert panel.clients[anna.email].uuid == fresh
    assert await fleet.value("SELECT count(*) FROM tombstones") == 0


async def test_while_a_tombstone_stands_no_key_of_its_name_is_made_and_nobody_spins(fleet: Fleet) -> None:
    panel = fleet.panels["de-1"]
    anna = await fleet.subscription()
    await run(fleet)
    await bury(fleet, anna)
    await fleet.alter(anna, uuid=str(uuid.uuid4()), sub_id="fresh")
    panel.refusals[anna.email] = Busy("database is locked")
    ben = await fleet.subscription()
    panel.calls.clear()
    for _ in range(3):
        await fleet.round()
    assert panel.clients[anna.email].uuid == anna.uuid
    assert panel.calls["put"] == 1 and ben.email in panel.clients
    assert (await fleet.history(anna)).count("held de-1") == 1
    panel.refusals.clear()
    await fleet.rounds(2)
    assert panel.clients[anna.email].sub_id == "fresh"


async def test_a_tombstone_that_names_somebody_elses_client_is_closed_and_the_client_stays(fleet: Fleet) -> None:
    panel = fleet.panels["de-1"]
    anna = await fleet.subscription()
    await let_go(fleet, anna)
    await run(fleet)
    theirs = panel.stranger(anna.email)
    await bury(fleet, anna)
    await run(fleet)
    assert panel.clients == {anna.email: theirs}
    assert await fleet.value("SELECT count(*) FROM tombstones") == 0
    why = await fleet.value("SELECT why FROM key_events ORDER BY id DESC LIMIT 1")
    assert "somebody else" in why


async def test_the_history_tells_what_happened_once(fleet: Fleet) -> None:
    anna = await fleet.subscription()
    fleet.panels["de-1"].fail(Unreachable("silence"), "put", times=3)
    await fleet.rounds(5)
    await fleet.alter(anna, devices=3)
    await fleet.work()
    await fleet.rows("UPDATE keys SET seen_revision = 0 RETURNING id")
    await fleet.rounds(2)
    assert await fleet.history(anna) == ["wanted de-1", "failed de-1", "ready de-1", "changed de-1"]
    everything = str(await fleet.rows("SELECT why, detail FROM key_events"))
    assert not any(secret in everything for secret in (anna.uuid, anna.password, anna.sub_id, anna.token))


async def test_traffic_of_a_key_begins_at_nothing_and_what_it_used_outlives_it(fleet: Fleet) -> None:
    panel = fleet.panels["de-1"]
    anna = await fleet.subscription()
    await run(fleet)
    panel.use(anna.email, up=3, down=40)
    await fleet.alter(anna, devices=1)
    await run(fleet)
    used = "SELECT used_up, used_down FROM subscriptions"
    assert await fleet.rows(used) == [(3, 40)]
    await let_go(fleet, anna)
    await run(fleet)
    await fleet.alter(anna, devices=2)
    await run(fleet)
    assert panel.clients[anna.email].up == 0
    assert await fleet.rows(used) == [(3, 40)]


@pytest.mark.parametrize("flaps", [1, 4])
async def test_a_flapping_panel_gets_everybody_in_the_end_and_no_storm_of_calls(fleet: Fleet, flaps: int) -> None:
    panel = fleet.panels["de-1"]
    people = await crowd(fleet)
    for _ in range(flaps):
        panel.go_down()
        await fleet.round(seconds=700)
        panel.come_back()
        panel.fail(Unreachable("again"), times=1)
        await fleet.round(seconds=700)
    await fleet.rounds(4)
    await fleet.round(seconds=700)
    assert await standing(fleet) == {"ready": MANY}
    assert panel.clients.keys() == {one.email for one in people}
    assert panel.calls.total() < 12 * (flaps + 2)


async def test_two_workers_and_a_change_on_one_panel_leave_what_is_owed(fleet: Fleet) -> None:
    panel = fleet.panels["de-1"]
    people = await crowd(fleet, 12)
    panel.seconds = 0.01

    async def changes() -> None:
        for number in range(1, 6):
            await asyncio.gather(*(fleet.alter(one, devices=number) for one in people[::3]))

    async def runs() -> None:
        for _ in range(5):
            await run(fleet)

    await asyncio.gather(runs(), runs(), changes(), placing.sweep(fleet.tools), provisioning.sweep(fleet.tools))
    await fleet.rounds(3)
    assert await standing(fleet) == {"ready": 12}
    assert {panel.clients[one.email].devices for one in people[::3]} == {5}
    owed = await fleet.rows("SELECT 'fm-' || ref, uuid FROM subscriptions")
    assert {(name, client.uuid) for name, client in panel.clients.items()} == {tuple(row) for row in owed}


@pytest.mark.parametrize(
    ("size", "done", "seconds", "expected"),
    [(100, 40, 9.0, 100), (100, 100, 0.1, 200), (400, 400, 0.1, 400), (400, 400, 6.0, 100), (20, 20, 60.0, 10)],
)
def test_batches_are_as_large_as_the_panel_is_quick(size: int, done: int, seconds: float, expected: int) -> None:
    assert provisioning._next_size(size, done, seconds) == expected


async def test_a_key_put_while_its_nodes_inbounds_change_is_put_again(fleet: Fleet) -> None:
    panel = fleet.panels["de-1"]
    panel.inbound_ids = (1, 2)
    anna = await fleet.subscription()

    async def changes(_: str, __: Sequence[str]) -> None:
        panel.before = None
        async with fleet.tools.db.unit() as session:
            await keyring.doubt(session, fleet.ids["de-1"], fleet.tools.clock.now())
            session.add(Inbound(node_id=fleet.ids["de-1"], **INBOUND))

    panel.before = changes
    await run(fleet)
    fleet.tools.clock.advance(seconds=10)  # type: ignore[attr-defined]
    await run(fleet)
    assert panel.clients[anna.email].inbounds == (1, 2)
    assert await standing(fleet) == {"ready": 1}


@pytest.mark.parametrize(
    ("uuid_shown", "sub_id_shown", "ours"),
    [("u", "", True), ("", "s", True), ("x", "s", True), ("x", "", False), ("", "x", False)],
)
def test_a_client_is_ours_by_an_identity_that_it_has(uuid_shown: str, sub_id_shown: str, ours: bool) -> None:
    there = Seen("copy", uuid_shown, "", sub_id_shown, True, None, 0, 0, (1,))
    assert burying.is_ours(there, "u", "s") is ours


def test_who_has_no_uuid_is_not_everybody_else_without_one() -> None:
    theirs = Seen("copy", "", "", "theirs", True, None, 0, 0, (1,))
    assert not burying.is_ours(theirs, "", "ours")
    assert burying.is_ours(theirs, "", "theirs")


async def test_a_look_that_finds_a_node_well_and_a_run_of_it_do_not_wait_for_each_other(fleet: Fleet) -> None:
    tools, node_id = fleet.tools, fleet.ids["de-1"]
    await fleet.change("de-1", try_at=tools.clock.now(), failures=1)

    async def somebody_waits() -> bool:
        waiting = (
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        )
        return bool(await fleet.value(waiting))

    async with tools.db.unit() as session:
        await provisioning.wake(tools, session, node_id)
        look = asyncio.create_task(watching.probe_node(tools, node_id))
        await until(somebody_waits, "the look to come as far as the run")
        await health.noted(session, node_id, [None], tools.clock.now())
    await look

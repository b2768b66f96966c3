"""Keys are where they belong, move without a gap, and are never where a customer gave them up for another place."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from ferryman.flows.keys import placing, profile, provisioning
from ferryman.flows.tools import Tools
from ferryman.kit.errors import Refused, Unreachable
from ferryman.subscriptions.subscription import Subscription
from tests.support.fleet import ALL, ONE, Fleet

QUARANTINED = {"quarantined_at": text("now()"), "state": "down"}
BACK = {"quarantined_at": None, "state": "healthy"}


@pytest.fixture
def fleet(tools: Tools) -> Fleet:
    return Fleet(tools)


async def in_order(fleet: Fleet, somebody: Subscription, *nodes: str) -> None:
    """The keys are on exactly these nodes, and so are the clients."""
    assert await fleet.keys(somebody) == dict.fromkeys(nodes, "ready")
    assert fleet.holders(somebody) == set(nodes)


async def shown(fleet: Fleet, somebody: Subscription) -> set[str]:
    """Nodes whose addresses the subscription link has."""
    found = await profile.of_token(fleet.tools, somebody.token)
    assert found is not None
    return {entry.host.removesuffix(".example.net") for entry in found.entries}


async def identity(fleet: Fleet, somebody: Subscription) -> set[tuple[str, str, str]]:
    """The credentials in the subscription link, and those on the panels."""
    found = await profile.of_token(fleet.tools, somebody.token)
    assert found is not None
    inside = {(entry.identity.uuid, entry.identity.password, entry.identity.sub_id) for entry in found.entries}
    clients = [panel.clients.get(somebody.email) for panel in fleet.panels.values()]
    return inside | {(one.uuid, one.password, one.sub_id) for one in clients if one is not None}


async def test_a_new_customer_gets_one_key_in_every_location(fleet: Fleet) -> None:
    await fleet.nodes("de-1", "de-2", "nl-1")
    anna = await fleet.subscription()
    await fleet.work()
    keys = await fleet.keys(anna)
    assert set(keys.values()) == {"ready"}
    assert sorted(name[:2] for name in keys) == ["de", "nl"]
    assert await fleet.value("SELECT placed_revision = revision AND NOT moving FROM subscriptions")


async def test_an_older_order_without_places_means_everywhere(fleet: Fleet) -> None:
    await fleet.nodes("de-1", "nl-1")
    anna = await fleet.subscription(snapshot={"icon": "", "title": {}})
    await fleet.work()
    await in_order(fleet, anna, "de-1", "nl-1")


async def test_a_node_that_is_added_gets_everybody_who_belongs_there_and_nobody_else(fleet: Fleet) -> None:
    await fleet.node("de-1")
    everywhere, ended = await fleet.subscription(), await fleet.subscription()
    here = await fleet.subscription({"rule": "these", "codes": ["de"]})
    now = fleet.tools.clock.now()
    await fleet.rows(
        "UPDATE subscriptions SET starts_at = :t, ends_at = :t WHERE id = :id RETURNING id", t=now, id=ended.id
    )
    await fleet.node("nl-1")
    await fleet.round()
    assert set(await fleet.keys(everywhere)) == {"de-1", "nl-1"}
    assert set(await fleet.keys(here)) == set(await fleet.keys(ended)) == {"de-1"}


async def test_a_sweep_that_finds_everybody_placed_writes_nothing(fleet: Fleet) -> None:
    await fleet.nodes("de-1", "nl-1")
    anna = await fleet.subscription()
    await fleet.work()
    rows = "SELECT xmin::text, id FROM keys UNION ALL SELECT xmin::text, id FROM subscriptions ORDER BY 1, 2"
    before, history = await fleet.rows(rows), await fleet.history(anna)
    for _ in range(2):
        await placing.sweep(fleet.tools)
    assert await fleet.rows(rows) == before
    await placing_again(fleet, anna)
    assert await fleet.history(anna) == history


async def placing_again(fleet: Fleet, somebody: Subscription) -> None:
    """Place somebody as if nobody had, and do what comes of it."""
    await fleet.rows("UPDATE subscriptions SET placed_epoch = 0 WHERE id = :id RETURNING id", id=somebody.id)
    await placing.sweep(fleet.tools)
    await fleet.work()


async def test_new_keys_go_where_there_is_room_and_the_sweep_counts_what_it_gives_out(fleet: Fleet) -> None:
    await fleet.node("de-1", capacity_clients=3)
    await fleet.node("de-2", capacity_clients=3)
    people = [await fleet.subscription(ONE) for _ in range(6)]
    await fleet.rows("DELETE FROM keys RETURNING id")
    await fleet.rows("UPDATE subscriptions SET placed_epoch = 0 RETURNING id")
    await fleet.round()
    assert [len(panel.clients) for panel in fleet.panels.values()] == [3, 3]
    late = await fleet.subscription(ONE)
    await fleet.work()
    assert len(fleet.holders(late)) == 1, "a full node is better than none"
    assert len({fleet.holders(one).pop() for one in people}) == 2


async def test_traffic_of_the_last_thirty_days_counts_and_older_does_not(fleet: Fleet) -> None:
    await fleet.node("de-1", capacity_bytes=100, priority=100)
    await fleet.node("de-2", capacity_bytes=100, priority=0)
    sample = """INSERT INTO node_samples (node_id, at, state, clients, online, up, down)
                VALUES (:node, now() - :ago * interval '1 day', 'healthy', 0, 0, 50, 50) RETURNING id"""
    await fleet.rows(sample, node=fleet.ids["de-1"], ago=31)
    first = await fleet.subscription(ONE)
    await fleet.rows(sample, node=fleet.ids["de-1"], ago=29)
    second = await fleet.subscription(ONE)
    assert (set(await fleet.keys(first)), set(await fleet.keys(second))) == ({"de-1"}, {"de-2"})


async def test_a_purchase_while_no_node_is_there_is_served_by_the_first_that_comes(fleet: Fleet) -> None:
    anna = await fleet.subscription()
    await fleet.round()
    assert await fleet.keys(anna) == {}
    await fleet.node("de-1")
    await fleet.round()
    await in_order(fleet, anna, "de-1")


async def test_a_location_whose_node_was_down_is_made_up_for_when_it_is_well(fleet: Fleet) -> None:
    await fleet.nodes("de-1", "nl-1")
    await fleet.change("nl-1", state="down")
    anna = await fleet.subscription()
    await fleet.round()
    await in_order(fleet, anna, "de-1")
    # Nobody says that the fleet has changed: a state comes and goes by itself.
    await fleet.rows("UPDATE nodes SET state = 'healthy' RETURNING id")
    await fleet.round()
    await in_order(fleet, anna, "de-1", "nl-1")


async def test_a_node_in_quarantine_is_stood_in_for_and_takes_its_people_back(fleet: Fleet) -> None:
    await fleet.nodes("de-1", "de-2")
    await fleet.change("de-2", state="down")
    anna = await fleet.subscription(ONE)
    await fleet.work()
    before = await identity(fleet, anna)
    await in_order(fleet, anna, "de-1")
    await fleet.change("de-2", **BACK)
    fleet.panels["de-1"].go_down()
    await fleet.change("de-1", **QUARANTINED)
    await fleet.round()
    assert set(await fleet.keys(anna)) == {"de-1", "de-2"}, "the key stays wanted at home"
    assert await shown(fleet, anna) == {"de-2"}
    assert await identity(fleet, anna) == before
    fleet.panels["de-1"].come_back()
    await fleet.rows("UPDATE keys SET seen_revision = 0 WHERE node_id = :id RETURNING id", id=fleet.ids["de-1"])
    fleet.panels["de-1"].fail(Unreachable("still tired"), "put", times=1)
    await fleet.change("de-1", **BACK)
    await placing.sweep(fleet.tools)
    assert await shown(fleet, anna) >= {"de-2"}, "home is not ready yet"
    await fleet.rounds(3)
    await in_order(fleet, anna, "de-1")
    assert (await shown(fleet, anna), await identity(fleet, anna)) == ({"de-1"}, before)


async def test_a_node_that_returns_takes_nobody_back_before_it_knows_of_their_renewal(fleet: Fleet) -> None:
    await fleet.nodes("de-1", "de-2")
    await fleet.change("de-2", state="down")
    anna = await fleet.subscription(ONE)
    await fleet.work()
    await fleet.change("de-2", **BACK)
    home, stand_in = fleet.panels["de-1"], fleet.panels["de-2"]
    home.go_down()
    await fleet.change("de-1", **QUARANTINED)
    await fleet.round()
    later = anna.ends_at + timedelta(days=30)
    await fleet.alter(anna, ends_at=later)
    await fleet.work()
    home.come_back()
    home.refusals[anna.email] = Refused("It cannot be read.")
    await fleet.change("de-1", **BACK)
    await fleet.rounds(2)
    assert stand_in.clients[anna.email].ends_at == later
    del home.refusals[anna.email]
    await fleet.rounds(3)
    await in_order(fleet, anna, "de-1")
    assert home.clients[anna.email].ends_at == later


async def test_a_drain_makes_before_it_breaks(fleet: Fleet) -> None:
    await fleet.nodes("de-1", "de-2")
    await fleet.change("de-2", state="down")
    anna = await fleet.subscription()
    await fleet.work()
    before = await identity(fleet, anna)
    fleet.panels["de-2"].fail(Unreachable("not yet"), "put", times=2)
    await fleet.change("de-2", **BACK)
    await fleet.change("de-1", mode="draining")
    await placing.sweep(fleet.tools)
    await fleet.work()
    assert (await fleet.keys(anna))["de-1"] == "ready"
    assert await shown(fleet, anna) == {"de-1"}
    await fleet.rounds(4)
    await in_order(fleet, anna, "de-2")
    assert (await shown(fleet, anna), await identity(fleet, anna)) == ({"de-2"}, before)
    history = await fleet.history(anna)
    assert history.index("ready de-2") < history.index("moved de-1") < history.index("dropped de-1")


async def test_a_renewal_reaches_a_key_that_is_about_to_move(fleet: Fleet) -> None:
    await fleet.nodes("de-1", "de-2")
    await fleet.change("de-2", state="down")
    anna = await fleet.subscription()
    await fleet.work()
    fleet.panels["de-2"].go_down()
    await fleet.change("de-2", state="healthy")
    await fleet.change("de-1", mode="draining")
    await fleet.round()
    later = anna.ends_at + timedelta(days=30)
    await fleet.alter(anna, ends_at=later)
    await fleet.work()
    assert fleet.panels["de-1"].clients[anna.email].ends_at == later


async def test_a_drain_that_is_called_off_half_way_leaves_everybody_at_home(fleet: Fleet) -> None:
    await fleet.nodes("de-1", "de-2")
    await fleet.change("de-2", state="down")
    people = [await fleet.subscription() for _ in range(3)]
    await fleet.work()
    await fleet.change("de-2", **BACK)
    await fleet.change("de-1", mode="draining")
    await placing.sweep(fleet.tools)
    await fleet.change("de-1", mode="active")
    await fleet.rounds(3)
    for one in people:
        await in_order(fleet, one, "de-1")


async def test_a_draining_node_that_nobody_replaces_is_left_by_those_with_other_keys_only(fleet: Fleet) -> None:
    await fleet.nodes("de-1", "nl-1")
    both = await fleet.subscription()
    only = await fleet.subscription({"rule": "these", "codes": ["de"]})
    await fleet.work()
    await fleet.change("de-1", mode="draining")
    await fleet.rounds(3)
    await in_order(fleet, both, "nl-1")
    await in_order(fleet, only, "nl-1")


@pytest.mark.parametrize("mode", ["off", "retired"])
async def test_a_node_out_of_use_is_replaced_at_once_and_never_called(fleet: Fleet, mode: str) -> None:
    await fleet.nodes("de-1", "de-2")
    await fleet.change("de-2", state="down")
    anna = await fleet.subscription()
    await fleet.work()
    fleet.panels["de-1"].calls.clear()
    await fleet.change("de-2", **BACK)
    await fleet.change("de-1", mode=mode)
    await fleet.rounds(2)
    assert fleet.holders(anna) >= {"de-2"}
    assert not fleet.panels["de-1"].calls
    assert await fleet.keys(anna) == {"de-2": "ready"} | ({"de-1": "going"} if mode == "off" else {})
    assert await shown(fleet, anna) == {"de-2"}


async def test_a_node_that_is_switched_on_again_loses_the_clients_it_should_not_have(fleet: Fleet) -> None:
    await fleet.nodes("de-1", "de-2")
    await fleet.change("de-2", state="down")
    anna = await fleet.subscription()
    await fleet.work()
    await fleet.change("de-2", **BACK)
    await fleet.change("de-1", mode="off")
    await fleet.round()
    await fleet.change("de-1", mode="active")
    await fleet.rounds(2)
    await in_order(fleet, anna, "de-2")


async def test_a_node_retired_while_it_was_away_costs_nobody_anything(fleet: Fleet) -> None:
    await fleet.nodes("de-1", "de-2")
    anna = await fleet.subscription()
    await fleet.work()
    (home,) = fleet.holders(anna)
    fleet.panels[home].go_down()
    await fleet.alter(anna, traffic_bytes=7)
    await fleet.round()
    await fleet.change(home, mode="retired")
    await fleet.rounds(2)
    (other,) = set(fleet.panels) - {home}
    assert await fleet.keys(anna) == {other: "ready"}
    assert await fleet.value("SELECT count(*) FROM money_without_key") == 0


async def switched(fleet: Fleet, somebody: Subscription, code: str) -> None:
    await fleet.alter(somebody, location=code)


async def test_a_switch_breaks_before_it_makes(fleet: Fleet) -> None:
    await fleet.nodes("de-1", "nl-1")
    anna = await fleet.subscription(ONE, location="de")
    await fleet.work()
    seen: list[set[str]] = []

    async def look(verb: str, names: Any) -> None:
        seen.append(fleet.holders(anna))

    for panel in fleet.panels.values():
        panel.before = panel.after = look
    await switched(fleet, anna, "nl")
    assert await fleet.keys(anna) == {"de-1": "going"}
    assert await shown(fleet, anna) == {"de-1"}
    await fleet.work()
    await in_order(fleet, anna, "nl-1")
    assert max(map(len, seen)) == 1
    assert set() in seen


async def test_a_switch_is_held_while_the_old_node_is_silent_and_goes_on_when_it_answers(fleet: Fleet) -> None:
    await fleet.nodes("de-1", "nl-1")
    anna = await fleet.subscription(ONE, location="de")
    await fleet.work()
    fleet.panels["de-1"].go_down()
    await switched(fleet, anna, "nl")
    await fleet.rounds(4)
    assert not fleet.panels["nl-1"].clients
    assert (await fleet.history(anna)).count("held de-1") == 1
    assert await shown(fleet, anna) == {"de-1"}
    fleet.panels["de-1"].come_back()
    await fleet.rounds(2)
    await in_order(fleet, anna, "nl-1")


async def test_a_switch_away_from_a_dead_node_leaves_a_tombstone_and_goes_on(fleet: Fleet) -> None:
    await fleet.nodes("de-1", "nl-1")
    anna = await fleet.subscription(ONE, location="de")
    await fleet.work()
    fleet.panels["de-1"].go_down()
    await switched(fleet, anna, "nl")
    await fleet.round()
    await fleet.change("de-1", **QUARANTINED)
    await fleet.rounds(2)
    assert await fleet.keys(anna) == {"nl-1": "ready"}
    assert await fleet.value("SELECT count(*) FROM tombstones") == 1
    fleet.panels["de-1"].come_back()
    await fleet.change("de-1", **BACK)
    await fleet.rounds(3)
    await in_order(fleet, anna, "nl-1")
    assert await fleet.value("SELECT count(*) FROM tombstones") == 0


async def test_a_switch_back_before_the_old_key_is_gone_keeps_one_key_and_makes_sure_of_it(fleet: Fleet) -> None:
    await fleet.nodes("de-1", "nl-1")
    anna = await fleet.subscription(ONE, location="de")
    await fleet.work()
    fleet.panels["de-1"].fail(Unreachable("the answer is lost"), "drop", after=True)
    await switched(fleet, anna, "nl")
    await fleet.work()
    await switched(fleet, anna, "de")
    await fleet.rounds(3)
    await in_order(fleet, anna, "de-1")


async def test_while_an_identity_is_replaced_every_key_goes_and_none_comes(fleet: Fleet) -> None:
    await fleet.nodes("de-1", "nl-1")
    anna = await fleet.subscription()
    await fleet.work()
    fleet.panels["nl-1"].go_down()
    await fleet.alter(anna, replacing_since=fleet.tools.clock.now())
    await fleet.rounds(2)
    assert await fleet.keys(anna) == {"nl-1": "going"}
    assert fleet.holders(anna) == {"nl-1"}
    fleet.panels["nl-1"].come_back()
    await fleet.rounds(2)
    assert (await fleet.keys(anna), fleet.holders(anna)) == ({}, set())
    await fleet.alter(anna, replacing_since=None, uuid="11111111-2222-4333-8444-555555555555")
    await fleet.work()
    await in_order(fleet, anna, "de-1", "nl-1")


@pytest.mark.parametrize("field", ["frozen_at", "disabled_at", "exhausted_at"])
async def test_keys_of_who_may_not_use_them_stay_and_are_switched_off(fleet: Fleet, field: str) -> None:
    await fleet.nodes("de-1")
    anna = await fleet.subscription()
    await fleet.work()
    await fleet.alter(anna, **{field: fleet.tools.clock.now()})
    await fleet.work()
    assert not fleet.panels["de-1"].clients[anna.email].enabled
    assert (await fleet.keys(anna), await shown(fleet, anna)) == ({"de-1": "ready"}, set())
    await fleet.alter(anna, **{field: None})
    await fleet.work()
    await in_order(fleet, anna, "de-1")
    assert await shown(fleet, anna) == {"de-1"}


async def test_somebody_frozen_is_placed_however_long_ago_their_end_would_have_been(fleet: Fleet) -> None:
    await fleet.node("de-1")
    anna = await fleet.subscription(frozen_at=fleet.tools.clock.now())
    fleet.tools.clock.advance(days=400)  # type: ignore[attr-defined]
    await fleet.node("nl-1")
    await fleet.round()
    await placing.sweep_ended(fleet.tools)
    await fleet.work()
    assert await fleet.keys(anna) == {"de-1": "ready", "nl-1": "ready"}


async def test_keys_of_the_long_ended_leave_the_panels_and_come_back_with_a_renewal(fleet: Fleet) -> None:
    await fleet.node("de-1")
    anna, lasting = await fleet.subscription(), await fleet.subscription()
    await fleet.alter(lasting, ends_at=lasting.ends_at + timedelta(days=100))
    await fleet.work()
    for days, expected in ((45, {anna.email, lasting.email}), (16, {lasting.email})):
        fleet.tools.clock.advance(days=days)  # type: ignore[attr-defined]
        await placing.sweep_ended(fleet.tools)
        await fleet.work()
        assert set(fleet.panels["de-1"].clients) == expected
    assert await fleet.keys(anna) == {}
    await fleet.alter(anna, ends_at=fleet.tools.clock.now() + timedelta(days=30))
    await fleet.work()
    await in_order(fleet, anna, "de-1")


async def test_a_settlement_does_not_wait_for_a_sweep_nor_a_sweep_for_it(fleet: Fleet) -> None:
    await fleet.node("de-1")
    anna, ben = await fleet.subscription(), await fleet.subscription()
    await fleet.node("nl-1")
    async with fleet.tools.db.unit() as session:
        await session.get_one(Subscription, anna.id, with_for_update=True)
        await placing.sweep(fleet.tools)
        assert set(await fleet.keys(ben)) == {"de-1", "nl-1"}
        assert set(await fleet.keys(anna)) == {"de-1"}
    await placing.sweep(fleet.tools)
    assert set(await fleet.keys(anna)) == {"de-1", "nl-1"}


async def test_killed_before_any_commit_of_a_move_the_next_round_carries_on(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every transaction of a drain dies once, before it commits."""
    await fleet.nodes("de-1", "de-2")
    await fleet.change("de-2", state="down")
    anna = await fleet.subscription()
    await fleet.work()
    await fleet.change("de-2", **BACK)
    await fleet.change("de-1", mode="draining")
    killer = Killer(fleet.tools.db)
    monkeypatch.setattr(fleet.tools, "db", killer)
    while killer.kill_next():
        fleet.tools.clock.advance(seconds=61)  # type: ignore[attr-defined]
        for step in (placing.sweep, provisioning.sweep):
            await killer.survived(step(fleet.tools))
        for node_id in fleet.ids.values():
            await killer.survived(provisioning.reconcile_node(fleet.tools, node_id))
        assert fleet.holders(anna), "there is always a key"
        assert killer.deaths < 200
    monkeypatch.undo()
    await fleet.rounds(2)
    await in_order(fleet, anna, "de-2")
    assert killer.deaths >= 5


class Killed(Exception):
    """The process is gone."""


class Killer:
    """A database whose n-th transaction dies at its end, with n one higher in each round."""

    def __init__(self, db: Any) -> None:
        self._db, self._count, self._fatal, self.deaths = db, 0, 0, 0
        self._died = True

    def kill_next(self) -> bool:
        """Whether the last round had a transaction to kill."""
        going, self._died = self._died, False
        self._fatal, self._count = self._fatal + 1, 0
        return going

    def unit(self) -> Any:
        return _Unit(self, self._db.unit())

    async def survived(self, step: Any) -> None:
        try:
            await step
        except Killed:
            self.deaths += 1
            self._died = True

    def fatal(self) -> bool:
        self._count += 1
        return self._count == self._fatal


class _Unit:
    def __init__(self, killer: Killer, unit: Any) -> None:
        self._killer, self._unit = killer, unit

    async def __aenter__(self) -> Any:
        return await self._unit.__aenter__()

    async def __aexit__(self, *raised: Any) -> Any:
        if raised[0] is None and self._killer.fatal():
            killed = Killed()
            await self._unit.__aexit__(Killed, killed, None)
            raise killed
        return await self._unit.__aexit__(*raised)


async def test_places_of_a_plan_hold_for_what_was_bought_before_it_changed(fleet: Fleet) -> None:
    await fleet.nodes("de-1", "nl-1")
    anna, ben = await fleet.subscription(ALL), await fleet.subscription({"rule": "these", "codes": ["nl"]})
    await fleet.work()
    await in_order(fleet, anna, "de-1", "nl-1")
    await in_order(fleet, ben, "nl-1")

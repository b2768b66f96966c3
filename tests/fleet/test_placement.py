"""Where keys belong: everybody somewhere, nobody moved without need, the operator's wishes and capacities kept."""

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferryman.fleet.placement import Candidate, Choice, Placement, Weights

ALL: dict[str, Any] = {"rule": "all"}
ONE: dict[str, Any] = {"rule": "one", "codes": [], "switch_hours": 0}


def these(*codes: str) -> dict[str, Any]:
    return {"rule": "these", "codes": list(codes)}


def node(id_: int, location: str = "de", **more: Any) -> Candidate:
    return Candidate(id_, f"{location}-{id_}", location, **more)


def chosen(fleet: list[Candidate], places: dict[str, Any] = ALL, *held: int, **more: Any) -> Choice:
    return Placement(fleet).choose(places, held, **more)


def changed(fleet: list[Candidate], id_: int, **fields: Any) -> list[Candidate]:
    return [replace(one, **fields) if one.id == id_ else one for one in fleet]


GERMANY_TWICE = [node(1), node(2), node(3, "nl")]


def test_all_means_one_node_in_each_location() -> None:
    homes = chosen(GERMANY_TWICE).homes
    assert Counter("de" if one < 3 else "nl" for one in homes) == {"de": 1, "nl": 1}


def test_these_means_the_named_locations_and_unknown_ones_are_no_matter() -> None:
    assert chosen(GERMANY_TWICE, these("nl", "atlantis")).nodes == {3}


def test_one_means_one() -> None:
    assert len(chosen(GERMANY_TWICE, ONE).nodes) == 1


def test_one_is_where_the_customer_wants_it() -> None:
    for location, expected in (("nl", {3}), ("de", {1, 2})):
        assert chosen(GERMANY_TWICE, ONE, chosen=location).nodes <= expected


def test_a_choice_that_the_plan_does_not_allow_is_not_followed() -> None:
    assert chosen(GERMANY_TWICE, {"rule": "one", "codes": ["nl"]}, chosen="de").nodes == {3}


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        ({"clients": 10, "capacity_clients": 100}, {"clients": 90, "capacity_clients": 100}),
        ({"used_bytes": 1, "capacity_bytes": 10}, {"used_bytes": 9, "capacity_bytes": 10}),
        ({"latency_ms": 20}, {"latency_ms": 300}),
        ({"priority": 90}, {"priority": 10}),
    ],
    ids=["clients", "traffic", "response time", "priority"],
)
def test_the_better_node_gets_the_key(better: dict[str, Any], worse: dict[str, Any]) -> None:
    for first, second in ((better, worse), (worse, better)):
        fleet = [node(1, **first), node(2, **second)]
        assert chosen(fleet).homes == (1 if first is better else 2,)


def test_the_scarcer_of_two_capacities_counts() -> None:
    narrow = node(1, clients=1, capacity_clients=100, used_bytes=99, capacity_bytes=100)
    assert chosen([narrow, node(2, clients=50, capacity_clients=100)]).homes == (2,)


def test_weights_decide_what_matters() -> None:
    fleet = [node(1, latency_ms=10, priority=0), node(2, latency_ms=500, priority=100)]
    assert Placement(fleet, Weights(0, 1, 0, 0)).choose(ALL).homes == (1,)
    assert Placement(fleet, Weights(0, 0, 1, 0)).choose(ALL).homes == (2,)


def test_when_scores_tie_a_customer_always_lands_on_the_same_node_and_customers_spread() -> None:
    fleet = [node(number) for number in range(1, 6)]
    landed = [chosen(fleet, seed=f"s{number}").homes[0] for number in range(500)]
    assert landed == [chosen(fleet[::-1], seed=f"s{number}").homes[0] for number in range(500)]
    assert min(Counter(landed).values()) > 50
    # One node less moves only those who were on it.
    fewer = [chosen(fleet[:-1], seed=f"s{number}").homes[0] for number in range(500)]
    assert all(before == after for before, after in zip(landed, fewer, strict=True) if before != 5)


@pytest.mark.parametrize(
    "change",
    [
        {"priority": 0},
        {"latency_ms": 5000},
        {"health": "degraded"},
        {"health": "down"},
        {"clients": 100, "capacity_clients": 1},
        {"used_bytes": 100, "capacity_bytes": 1},
    ],
    ids=str,
)
@pytest.mark.parametrize("rule", [ALL, ONE, these("de")], ids=["all", "one", "these"])
def test_who_is_served_is_not_moved(rule: dict[str, Any], change: dict[str, Any]) -> None:
    assert chosen(changed([node(1), node(2)], 1, **change), rule, 1).nodes == {1}


@pytest.mark.parametrize(
    "unfit",
    [
        {"health": "down"},
        {"health": "degraded"},
        {"leaving": True},
        {"quarantined": True},
        {"clients": 5, "capacity_clients": 5},
    ],
    ids=str,
)
def test_a_new_key_goes_to_a_fit_node_whatever_the_other_scores(unfit: dict[str, Any]) -> None:
    fleet = [node(1, priority=100, latency_ms=1, **unfit), node(2, priority=0, latency_ms=900)]
    assert chosen(fleet).nodes == {2}
    assert chosen(fleet, ONE).nodes == {2}


def test_a_location_without_room_is_left_out_while_others_serve_and_waited_for() -> None:
    fleet = [node(1, clients=5, capacity_clients=5), node(2, "nl")]
    choice = chosen(fleet)
    assert (choice.nodes, choice.waits, choice.least_bad) == (frozenset({2}), True, False)


def test_a_choice_without_room_keeps_the_customer_where_they_are() -> None:
    fleet = [node(1), node(2, "nl", clients=5, capacity_clients=5)]
    choice = chosen(fleet, ONE, 1, chosen="nl")
    assert (choice.nodes, choice.waits) == (frozenset({1}), True)


def test_a_full_node_is_better_than_none_and_a_down_one_only_when_there_is_no_other() -> None:
    full, down, draining = (
        node(1, clients=5, capacity_clients=5),
        node(2, "nl", health="down"),
        node(3, "fi", leaving=True),
    )
    assert chosen([full, down, draining]).nodes == {1}
    assert chosen([full, down, draining]).least_bad
    assert chosen([down, draining]).nodes == {3}
    assert chosen([down, node(4, quarantined=True)]).nodes == {2}
    assert chosen([node(4, quarantined=True)]).nodes == {4}
    assert chosen([]).nodes == frozenset()


def test_a_home_in_quarantine_stays_and_a_stand_in_serves_from_the_same_location() -> None:
    fleet = changed(GERMANY_TWICE, 1, quarantined=True)
    choice = chosen(fleet, ALL, 1, 3)
    assert (set(choice.homes), choice.stand_ins) == ({1, 3}, (2,))
    assert chosen(fleet, ALL, 1, 3, 2) == choice


def test_a_stand_in_stays_while_home_is_away_and_goes_when_it_serves_again() -> None:
    fleet = [node(1, quarantined=True), node(2), node(3, priority=100)]
    assert chosen(fleet, ALL, 1, 2).nodes == {1, 2}
    assert chosen(changed(fleet, 1, quarantined=False), ALL, 1, 2).nodes == {1}


def test_a_stand_in_that_dies_too_is_stood_in_for() -> None:
    fleet = [node(1, quarantined=True), node(2, quarantined=True), node(3)]
    assert chosen(fleet, ALL, 1, 2).nodes == {1, 3}


def test_the_only_location_in_quarantine_is_stood_in_for_from_another() -> None:
    fleet = [node(1, quarantined=True), node(2, "nl"), node(3, "nl")]
    choice = chosen(fleet, ONE, 1, chosen="de")
    assert choice.homes == (1,)
    assert set(choice.stand_ins) < {2, 3} and len(choice.stand_ins) == 1
    assert chosen(changed(fleet, 1, quarantined=False), ONE, 1, *choice.stand_ins, chosen="de").nodes == {1}


def test_a_location_in_quarantine_needs_no_stand_in_from_elsewhere_while_other_locations_serve() -> None:
    fleet = [node(1, quarantined=True), node(2, "nl"), node(3, "nl")]
    assert chosen(fleet, ALL, 1, 2).nodes == {1, 2}


@pytest.mark.parametrize("rule", [ALL, ONE], ids=["all", "one"])
def test_a_draining_node_is_replaced_in_its_location(rule: dict[str, Any]) -> None:
    fleet = [node(1, leaving=True), node(2, priority=0), node(3, "nl", priority=100)]
    choice = chosen(fleet, rule, 1, *([3] if rule is ALL else []))
    assert choice.nodes == ({2, 3} if rule is ALL else {2})


def test_a_drain_that_is_called_off_brings_everybody_home() -> None:
    assert chosen([node(1), node(2)], ALL, 1, 2).nodes == {1}


def test_a_draining_node_that_nobody_replaces_is_left_when_others_serve_and_kept_when_none_does() -> None:
    fleet = [node(1, leaving=True), node(2, "nl")]
    assert chosen(fleet, ALL, 1, 2).nodes == {2}
    assert chosen(fleet[:1], ALL, 1).nodes == {1}


@pytest.mark.parametrize("places", [these("de"), ONE, {"rule": "one", "codes": ["de"]}], ids=str)
def test_the_last_node_of_ones_only_location_drains_into_another_location(places: dict[str, Any]) -> None:
    fleet = [node(1, leaving=True), node(2, "nl")]
    assert chosen(fleet, places, 1, chosen="de").nodes == {2}
    assert chosen(fleet, places, 1, 2, chosen="de").nodes == {2}


def test_a_node_that_is_off_is_replaced_at_once() -> None:
    assert chosen([node(2), node(3, "nl")], ALL, 1, 3).nodes == {2, 3}


def test_a_guest_from_outside_the_plan_goes_home_when_the_plan_can_be_kept() -> None:
    fleet = [node(1), node(2, "nl")]
    assert chosen(fleet, these("de"), 2).nodes == {1}
    assert chosen(changed(fleet, 1, health="down"), these("de"), 2).nodes == {2}


LOCATIONS = ["de", "nl", "fi"]
small = st.integers(0, 3)


@st.composite
def fleets(draw: st.DrawFn, smallest: int = 0) -> list[Candidate]:
    count = draw(st.integers(smallest, 6))
    return [
        node(
            number,
            draw(st.sampled_from(LOCATIONS)),
            priority=draw(st.integers(0, 100)),
            latency_ms=draw(st.none() | st.integers(0, 500)),
            clients=draw(small),
            capacity_clients=draw(small),
            used_bytes=draw(small),
            capacity_bytes=draw(small),
            health=draw(st.sampled_from(["healthy", "healthy", "degraded", "down"])),
            leaving=draw(st.booleans()),
            quarantined=draw(st.booleans()),
        )
        for number in range(1, count + 1)
    ]


rules = st.one_of(
    st.just(ALL),
    st.builds(lambda codes: {"rule": "these", "codes": codes}, st.lists(st.sampled_from(LOCATIONS), max_size=3)),
    st.builds(lambda codes: {"rule": "one", "codes": codes}, st.lists(st.sampled_from(LOCATIONS), max_size=3)),
)
holdings = st.lists(st.integers(1, 7), unique=True, max_size=5)
choices = st.none() | st.sampled_from(LOCATIONS)


@given(fleets(), rules, holdings, choices)
def test_there_is_a_node_whenever_there_is_any_and_one_that_serves_whenever_one_does(
    fleet: list[Candidate], places: dict[str, Any], held: list[int], choice: str | None
) -> None:
    found = chosen(fleet, places, *held, chosen=choice).nodes
    assert bool(found) == bool(fleet)
    assert any(one.serving for one in fleet if one.id in found) == any(one.serving for one in fleet)


@given(fleets(), rules, holdings, choices)
def test_choosing_again_changes_nothing(
    fleet: list[Candidate], places: dict[str, Any], held: list[int], choice: str | None
) -> None:
    first = chosen(fleet, places, *held, chosen=choice)
    assert chosen(fleet[::-1], places, *held, chosen=choice).nodes == first.nodes
    kept = [one for one in held if one in first.nodes]
    after = [*kept, *sorted(first.nodes - set(kept))]
    assert chosen(fleet, places, *after, chosen=choice).nodes == first.nodes


@given(fleets(), rules, holdings, choices)
def test_no_location_has_two_homes_and_one_location_plans_have_one(
    fleet: list[Candidate], places: dict[str, Any], held: list[int], choice: str | None
) -> None:
    found = chosen(fleet, places, *held, chosen=choice)
    where = {one.id: one.location for one in fleet}
    homes = [where[one] for one in found.homes]
    assert len(homes) == len(set(homes))
    assert not set(found.homes) & set(found.stand_ins)
    if places["rule"] == "one":
        assert len(found.homes) <= 1 and len(found.stand_ins) <= 1


@given(fleets(smallest=1), rules, holdings, choices)
def test_nobody_new_comes_to_an_unfit_node_while_a_fit_one_could_serve(
    fleet: list[Candidate], places: dict[str, Any], held: list[int], choice: str | None
) -> None:
    found = chosen(fleet, places, *held, chosen=choice)
    by_id = {one.id: one for one in fleet}
    unfit = [by_id[one] for one in found.nodes - set(held) if not by_id[one].taking or by_id[one].room <= 0]
    if unfit:
        assert found.least_bad
        assert not [one for one in fleet if one.taking and one.room > 0]


@given(fleets(), rules, holdings, choices)
def test_who_is_on_a_serving_home_stays_there(
    fleet: list[Candidate], places: dict[str, Any], held: list[int], choice: str | None
) -> None:
    first = chosen(fleet, places, *held, chosen=choice)
    by_id = {one.id: one for one in fleet}
    for changed_id in (one for one in first.homes if by_id[one].serving and not by_id[one].leaving):
        worse = changed(fleet, changed_id, priority=0, latency_ms=9999, clients=9, capacity_clients=1, health="down")
        assert changed_id in chosen(worse, places, *first.homes, *first.stand_ins, chosen=choice).nodes

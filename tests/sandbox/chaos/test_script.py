"""What a seed makes happen: the same always, everything there is, and all of it in time."""

from collections import Counter
from collections.abc import Sequence

import pytest

from ferryman_sandbox.chaos.script import APART, STEPS, STORMY_SHARE, Script, Sky, written
from ferryman_sandbox.weather import MODES, Fault

SKIES = [Sky("bank", "/v3/", webhooks=True), Sky("de-1", "/panel/api/"), Sky("telegram", "/bot")]


def script(purchases: int = 100, seed: int = 7, ways: Sequence[str] = ("bank", "coins")) -> Script:
    return written(purchases, seed, ways, SKIES, STEPS, APART)


def test_the_same_seed_gives_the_same_script() -> None:
    assert script() == script()


@pytest.mark.parametrize("part", ["people", "blows", "gusts"])
def test_another_seed_gives_another_script(part: str) -> None:
    assert getattr(script(seed=7), part) != getattr(script(seed=8), part)


@pytest.mark.parametrize("purchases", [1, 20, 500])
def test_there_are_as_many_errands_as_purchases(purchases: int) -> None:
    assert sum(map(len, script(purchases).people)) == purchases


def test_every_way_of_paying_is_used_as_often_as_any_other() -> None:
    ways = Counter(errand.way for errands in script(90, ways=("a", "b", "c")).people for errand in errands)
    assert ways == {"a": 30, "b": 30, "c": 30}


def test_people_are_clumsy_in_every_manner() -> None:
    manners = {errand.manner for errands in script(500).people for errand in errands}
    assert manners == {"plain", "hasty", "asks", "declined", "forgets", "cancels"}


@pytest.mark.parametrize("purchases", [20, 500])
def test_each_step_is_killed_at_by_the_process_that_comes_there(purchases: int) -> None:
    for verb, blows in script(purchases).blows.items():
        at = [blow.step for blow in blows if blow.step]
        assert sorted(at) == sorted(step for step, by in STEPS.items() if by == verb)
        assert any(not blow.step for blow in blows)


def test_one_process_alone_is_killed_at_every_step() -> None:
    alone = written(20, 7, ("bank",), SKIES, STEPS, ("run",))
    assert sorted(blow.step for blow in alone.blows["run"] if blow.step) == sorted(STEPS)


def test_everything_befalls_in_its_order_and_before_the_end() -> None:
    drawn = script(200)
    blows = [[one.after for one in happening] for happening in drawn.blows.values()]
    for after in (*blows, [one.after for one in drawn.gusts]):
        assert after == sorted(after)
        assert max(after) <= 200 * STORMY_SHARE


def test_all_kinds_of_weather_come_and_each_is_one_that_the_emulators_know() -> None:
    gusts = script(500).gusts
    faults = [Fault.from_json(gust.body) for gust in gusts if gust.kind == "faults"]
    assert {fault.mode for fault in faults} == set(MODES)
    assert {fault.status for fault in faults if fault.mode == "status"} == {429, 500, 503}
    assert all(0 < fault.times < 10 and fault.seconds < 5 for fault in faults)
    disturbed = {gust.body["mode"] for gust in gusts if gust.kind == "webhooks"}
    assert disturbed == {"drop", "delay", "duplicate", "reorder"}
    assert {gust.place for gust in gusts if gust.kind == "forge"} == {"bank"}
    assert {gust.place for gust in gusts if gust.kind == "updates"} == {"telegram"}

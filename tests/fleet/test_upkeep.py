"""An inbound that somebody changes by hand is followed; one that was never chosen is left alone."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from ferryman.fleet.node import Inbound
from ferryman.fleet.panel import PanelInbound
from ferryman.fleet.upkeep import GONE_AFTER, course

NOW = datetime(2027, 1, 1, tzinfo=UTC)
LATER = NOW + GONE_AFTER
IDS = st.sets(st.integers(1, 5))


def chosen(panel_id: int, *, enabled: bool = True) -> Inbound:
    one = Inbound(panel_id=panel_id)
    one.take(shown(panel_id))
    one.enabled = enabled
    return one


def shown(panel_id: int, *, enabled: bool = True, port: int = 443) -> PanelInbound:
    return PanelInbound(panel_id, "vless", "tcp", "reality", port, "main", enabled, {"flow": ""})


def followed(inbounds: list[Inbound], seen: list[PanelInbound], now: datetime) -> list[int]:
    step = course(inbounds, seen, now)
    moved = step.moved
    step.follow(now)
    return moved


def test_nothing_is_done_when_nothing_has_changed() -> None:
    assert not course([chosen(1), chosen(2, enabled=False)], [shown(1), shown(3)], NOW)


def test_a_changed_port_is_taken_in_without_touching_keys() -> None:
    one = chosen(1)
    assert followed([one], [shown(1, port=8443)], NOW) == []
    assert one.port == 8443


def test_one_look_that_misses_an_inbound_marks_it_and_the_second_gives_it_up() -> None:
    lost, kept = chosen(1), chosen(2)
    assert followed([lost, kept], [shown(2)], NOW) == []
    assert (lost.enabled, lost.missing_since) == (True, NOW)
    assert followed([lost, kept], [shown(2)], LATER) == [1]
    assert not lost.enabled
    assert not course([lost, kept], [shown(2)], LATER + timedelta(hours=1))


def test_one_that_was_missing_once_is_as_before() -> None:
    one, other = chosen(1), chosen(2)
    followed([one, other], [shown(2)], NOW)
    assert followed([one, other], [shown(1), shown(2)], LATER) == []
    assert (one.enabled, one.missing_since) == (True, None)


def test_one_that_is_switched_on_again_comes_back_by_itself() -> None:
    one, other = chosen(1), chosen(2)
    for now in (NOW, LATER):
        followed([one, other], [shown(1, enabled=False), shown(2)], now)
    assert not one.enabled
    assert followed([one, other], [shown(1), shown(2)], LATER + timedelta(hours=1)) == [1]
    assert (one.enabled, one.missing_since) == (True, None)


def test_one_that_the_operator_did_not_choose_stays_off() -> None:
    spare = chosen(2, enabled=False)
    assert followed([chosen(1), spare], [shown(1), shown(2)], NOW) == []
    assert not spare.enabled


def test_the_last_inbound_stays_whatever_the_panel_shows() -> None:
    one, two = chosen(1), chosen(2)
    for minute in range(60):
        assert followed([one, two], [], NOW + timedelta(minutes=minute)) == []
    assert one.enabled and two.enabled


@given(IDS, st.lists(IDS, max_size=8))
def test_whatever_a_panel_shows_a_node_keeps_an_inbound_and_ends_with_those_that_are_there(
    first: set[int], shows: list[set[int]]
) -> None:
    inbounds = [chosen(number) for number in sorted(first)]
    now = NOW
    for there in shows:
        followed(inbounds, [shown(number) for number in sorted(there)], now)
        now += timedelta(minutes=1)
        assert any(one.enabled for one in inbounds) == bool(first)
    there = shows[-1] if shows else set()
    for _ in range(2):
        followed(inbounds, [shown(number) for number in sorted(there)], now)
        now += timedelta(minutes=1)
    if first & there:
        assert {one.panel_id for one in inbounds if one.enabled} == first & there

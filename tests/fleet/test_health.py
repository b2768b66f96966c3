"""A node's state moves by signs in a row only, and its breaker lets one caller through at a time."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferryman.fleet import health
from ferryman.fleet.health import DEGRADED_AFTER, DOWN_AFTER, WELL_AFTER, Look, Sign, Standing, after, pause
from ferryman.fleet.node import Node, NodeState
from ferryman.kit.errors import AccessDenied, Busy, Conflict, FerrymanError, Misconfigured, Refused, Unreachable

SIGNS = st.lists(st.sampled_from(Sign), max_size=40)
SILENCE = Unreachable("de-1 gave no answer.")
DENIAL = AccessDenied("de-1 refused our credentials.")
NOW = datetime(2027, 1, 1, tzinfo=UTC)


def through(signs: list[Sign]) -> list[Standing]:
    """The standing after each sign, from a healthy start."""
    standings = [Standing()]
    for sign in signs:
        standings.append(after(standings[-1], sign))
    return standings


def node(**known: object) -> Node:
    started = {"state": NodeState.HEALTHY, "failures": 0, "ailing": 0, "successes": 0, "ailment": ""}
    return Node(name="de-1", **{**started, **known})


@given(SIGNS)
def test_one_bad_sign_never_moves_a_healthy_node(signs: list[Sign]) -> None:
    for before, sign in zip(through(signs), signs, strict=False):
        fresh = Standing(before.state, successes=before.successes)
        if fresh.state == NodeState.HEALTHY:
            assert after(fresh, sign).state == NodeState.HEALTHY


@given(SIGNS)
def test_a_node_goes_down_exactly_when_it_was_silent_often_enough_in_a_row(signs: list[Sign]) -> None:
    standings = through(signs)
    for at, standing in enumerate(standings[1:], start=1):
        silent = signs[max(at - DOWN_AFTER, 0) : at] == [Sign.SILENT] * DOWN_AFTER
        became = standing.state == NodeState.DOWN and standings[at - 1].state != NodeState.DOWN
        if became:
            assert silent
        if silent:
            assert standing.state == NodeState.DOWN


@given(SIGNS)
def test_a_node_comes_back_only_after_good_looks_in_a_row_and_then_always(signs: list[Sign]) -> None:
    standings = through(signs)
    for at, standing in enumerate(standings[1:], start=1):
        well = signs[max(at - WELL_AFTER, 0) : at] == [Sign.WELL] * WELL_AFTER
        came_back = standing.state == NodeState.HEALTHY and standings[at - 1].state != NodeState.HEALTHY
        assert not came_back or well
        assert not well or standing.state == NodeState.HEALTHY


@given(SIGNS)
def test_signs_of_illness_degrade_only_when_one_follows_the_other(signs: list[Sign]) -> None:
    standings = through(signs)
    for at, standing in enumerate(standings[1:], start=1):
        if standing.state == NodeState.DEGRADED and standings[at - 1].state != NodeState.DEGRADED:
            since_well = signs[:at][::-1]
            ill = since_well[: since_well.index(Sign.WELL)] if Sign.WELL in since_well else since_well
            assert sum(sign in (Sign.AILING, Sign.DENIED) for sign in ill) >= DEGRADED_AFTER


@given(SIGNS)
def test_counters_never_hide_a_state_behind_them(signs: list[Sign]) -> None:
    for standing in through(signs):
        assert standing.failures < DOWN_AFTER or standing.state == NodeState.DOWN
        assert standing.ailing < DEGRADED_AFTER or standing.state != NodeState.HEALTHY
        assert not (standing.successes and (standing.failures or standing.ailing))


@given(st.integers(1, 10_000), st.floats(0, 1))
def test_pauses_grow_to_a_minute_and_no_further(times: int, luck: float) -> None:
    waits = pause(Sign.SILENT, Standing(failures=times), luck)
    assert 1.6 <= waits <= 60
    assert times < 6 or waits >= 48
    assert pause(Sign.SILENT, Standing(failures=times + 1), 0) >= pause(Sign.SILENT, Standing(failures=times), 0)


def test_a_refusal_of_our_credentials_is_repeated_too_seldom_to_lock_the_name() -> None:
    at, tried = 0.0, []
    for times in range(1, 12):
        tried.append(at)
        at += pause(Sign.DENIED, Standing(ailing=times), 1)
    assert max(sum(start <= each < start + 300 for each in tried) for start in tried) < 5


def test_good_signs_keep_nobody_off() -> None:
    assert [pause(sign, Standing(failures=3, ailing=3), 0) for sign in (Sign.WELL, Sign.AILING)] == [0, 0]


@pytest.mark.parametrize(
    ("outcomes", "in_doubt", "sign"),
    [
        ([], False, None),
        ([None], False, Sign.WELL),
        ([None, SILENCE], True, Sign.WELL),
        ([Refused("no"), SILENCE], False, Sign.WELL),
        ([Conflict("taken")], True, Sign.WELL),
        ([SILENCE], False, Sign.SILENT),
        ([SILENCE, DENIAL], False, Sign.DENIED),
        ([Misconfigured("no", "way")], False, Sign.DENIED),
        ([Busy("500")], False, None),
        ([Busy("500")], True, Sign.SILENT),
        ([Busy("500"), Busy("500")], False, Sign.SILENT),
        ([Busy("500"), None], False, Sign.WELL),
    ],
)
def test_what_a_round_of_calls_says(outcomes: list[FerrymanError | None], in_doubt: bool, sign: Sign | None) -> None:
    assert health.sign_of_round(outcomes, in_doubt=in_doubt) is sign


@pytest.mark.parametrize(
    ("error", "sign"),
    [
        (SILENCE, Sign.SILENT),
        (Busy("500"), Sign.SILENT),
        (DENIAL, Sign.DENIED),
        (Refused("another base path"), Sign.DENIED),
        (Misconfigured("no key", "set it"), Sign.DENIED),
    ],
)
def test_what_a_failed_look_says(error: FerrymanError, sign: Sign) -> None:
    assert health.sign_of(error) is sign


def test_three_calls_that_fail_together_are_one_failure() -> None:
    one = node()
    for _ in range(3):
        health.take(one, Look(Sign.SILENT, "silent", "de-1 is silent."), NOW)
    assert (one.failures, one.state) == (1, NodeState.HEALTHY)


def test_each_failure_after_its_pause_counts_and_the_pause_grows() -> None:
    one, now, waits = node(), NOW, []
    for _ in range(9):
        health.take(one, Look(Sign.SILENT, "silent", "de-1 is silent."), now)
        assert one.try_at is not None
        waits.append((one.try_at - now).total_seconds())
        now = one.try_at
    assert (one.failures, one.state) == (9, NodeState.DOWN)
    assert waits[0] <= 2
    assert 48 <= waits[-1] <= 60


def test_what_was_wrong_is_said_until_the_node_is_well_again() -> None:
    one = node()
    for minute in range(2):
        health.take(one, Look(Sign.AILING, "core", "de-1: no core."), NOW + timedelta(minutes=minute))
    assert (one.state, one.ailment, one.trouble) == (NodeState.DEGRADED, "core", "de-1: no core.")
    health.take(one, Look(Sign.WELL), NOW + timedelta(minutes=2))
    assert (one.state, one.trouble) == (NodeState.DEGRADED, "de-1: no core.")
    health.take(one, Look(Sign.WELL), NOW + timedelta(minutes=3))
    assert (one.state, one.ailment, one.trouble) == (NodeState.HEALTHY, "", None)
    assert one.state_since == NOW + timedelta(minutes=3)


def test_an_answer_closes_the_breaker_and_two_bring_the_node_back() -> None:
    one = node(state=NodeState.DOWN, failures=7, try_at=NOW)
    health.take(one, Look(Sign.WELL), NOW)
    assert (one.state, one.try_at, one.failures) == (NodeState.DOWN, None, 0)
    health.take(one, Look(Sign.WELL), NOW)
    assert one.state == NodeState.HEALTHY


def test_the_latency_follows_slowly_so_that_one_slow_answer_is_not_a_slow_node() -> None:
    one = node()
    seen = []
    for latency in (100, 100, 1100, 100):
        health.take(one, Look(Sign.WELL, latency_ms=latency), NOW)
        seen.append(one.latency_ms)
    assert seen == [100, 100, 400, 310]


def test_a_sentence_that_is_too_long_is_cut() -> None:
    one = node()
    health.take(one, Look(Sign.SILENT, "silent", "x" * 5000), NOW)
    assert one.trouble is not None
    assert len(one.trouble) == health.LONGEST_TROUBLE

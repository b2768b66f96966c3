"""The staff hear of each change once, and of a node that comes and goes hardly at all."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import update

from ferryman.fleet.node import FleetEpoch, Node, NodeState
from ferryman.flows import alerting
from ferryman.flows.alerting import DAMPING, FLAPPING, Told, news
from ferryman.flows.shop import staff
from ferryman.flows.tools import Tools
from ferryman.messaging.alerts import FleetInDoubt
from ferryman.people.customer import Customer
from tests.support.fleet import Fleet
from tests.support.messages import Outbox

NOW = datetime(2027, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
TROUBLE = (NodeState.DEGRADED, NodeState.DOWN)
STATES = st.sampled_from([NodeState.HEALTHY, NodeState.DEGRADED, NodeState.DOWN])


def spoken(history: list[tuple[timedelta, str]], until: timedelta) -> list[tuple[timedelta, str]]:
    """What a sweep every half minute says of a node with such a history of states."""
    told, said, state, since = Told(), [], NodeState.HEALTHY.value, NOW
    at = timedelta(0)
    waiting = list(history)
    while at <= until:
        while waiting and waiting[0][0] <= at:
            state, since = waiting[0][1], NOW + waiting[0][0]
            waiting.pop(0)
        what, told = news(state, since, told, NOW + at)
        said += [(at, what)] if what else []
        at += timedelta(seconds=30)
    return said


def test_a_node_that_falls_and_stays_down_is_told_once() -> None:
    assert spoken([(MINUTE, "down")], timedelta(hours=3)) == [(MINUTE, "down")]


def test_a_node_that_comes_back_is_told_once_more() -> None:
    said = spoken([(MINUTE, "down"), (4 * MINUTE, "healthy")], timedelta(hours=3))
    assert [what for _, what in said] == ["down", "healthy"]


def test_getting_worse_is_news_and_getting_a_little_better_is_none() -> None:
    said = spoken(
        [(MINUTE, "degraded"), (3 * MINUTE, "down"), (9 * MINUTE, "degraded"), (15 * MINUTE, "healthy")], 60 * MINUTE
    )
    assert [what for _, what in said] == ["degraded", "down", "healthy"]


def test_a_node_that_comes_and_goes_is_called_flapping_once_and_told_again_when_it_stays() -> None:
    every_minute = [(step * MINUTE, "down" if step % 2 else "healthy") for step in range(1, 60)]
    said = spoken(every_minute, timedelta(hours=3))
    assert [what for _, what in said] == ["down", "healthy", FLAPPING, "down"]
    assert said[-1][0] >= 59 * MINUTE + DAMPING


def test_what_falls_again_a_while_later_is_told_like_the_first_time() -> None:
    said = spoken([(MINUTE, "down"), (2 * MINUTE, "healthy"), (20 * MINUTE, "down")], timedelta(hours=1))
    assert [what for _, what in said] == ["down", "healthy", "down"]


@given(st.lists(st.tuples(st.integers(1, 240), STATES), max_size=60))
def test_whatever_a_node_does_a_new_trouble_is_told_at_most_once_in_ten_minutes(
    steps: list[tuple[int, NodeState]],
) -> None:
    history, at = [], timedelta(0)
    for seconds, state in steps:
        at += timedelta(seconds=seconds)
        history.append((at, state.value))
    said = spoken(history, at + timedelta(hours=1))
    told = [("healthy", timedelta(0)), *((what, when) for when, what in said)]
    starts = [
        when for (before, _), (what, when) in pairwise(told) if what in TROUBLE and before in ("healthy", FLAPPING)
    ]
    assert all(after - before >= DAMPING for before, after in pairwise(starts))
    assert all(one != two for (one, _), (two, _) in pairwise(told))


@given(st.lists(st.tuples(st.integers(1, 240), STATES), max_size=60))
def test_in_the_end_the_staff_know_how_the_node_is(steps: list[tuple[int, NodeState]]) -> None:
    history, at = [(timedelta(0), NodeState.HEALTHY.value)], timedelta(0)
    for seconds, state in steps:
        at += timedelta(seconds=seconds)
        history.append((at, state.value))
    said = spoken(history, at + timedelta(hours=1))
    last = said[-1][1] if said else "healthy"
    assert (last == "healthy") == (history[-1][1] == "healthy")


@pytest.fixture
async def fleet(tools: Tools) -> Fleet:
    """Two nodes, and Olga of the staff, who has pressed Start."""
    fleet = Fleet(tools)
    await fleet.nodes("de-1", "nl-1")
    await hired(tools, 900, "Olga")
    # No look at a panel changes what a test has put into the rows.
    await fleet.rows("UPDATE nodes SET try_at = now() + interval '10 days' RETURNING id")
    return fleet


async def hired(tools: Tools, telegram_id: int, name: str, *, started: bool = True, alerts: bool = True) -> None:
    await staff.add(tools, telegram_id, name, alerts=alerts)
    if started:
        async with tools.db.unit() as session:
            session.add(Customer(telegram_id=telegram_id, first_name=name, language="ru"))


async def state(tools: Tools, name: str, state: NodeState, **more: object) -> None:
    async with tools.db.unit() as session:
        values = {"state": state, "state_since": tools.clock.now(), **more}
        await session.execute(update(Node).where(Node.name == name).values(**values))


async def swept(fleet: Fleet, times: int = 1) -> None:
    for _ in range(times):
        await alerting.sweep(fleet.tools)
        await fleet.work()


async def test_a_node_that_goes_down_is_told_once_however_often_is_looked(fleet: Fleet, outbox: Outbox) -> None:
    await state(fleet.tools, "de-1", NodeState.DOWN, trouble="de-1: 127.0.0.1 gave no answer.")
    await swept(fleet, 5)
    (sent,) = outbox.sent
    assert sent.chat_id == 900
    for words in ("🔴", "🇩🇪", "de-1", "проверьте", "127.0.0.1 gave no answer."):
        assert words in sent.text


async def test_what_is_wrong_is_named_with_its_fix(fleet: Fleet, outbox: Outbox) -> None:
    await state(fleet.tools, "nl-1", NodeState.DEGRADED, ailment="core", trouble="nl-1: its core does not run.")
    await swept(fleet, 2)
    assert [("nl-1" in sent.text, "Xray" in sent.text) for sent in outbox.sent] == [(True, True)]


async def test_its_return_says_how_long_it_was_away(fleet: Fleet, outbox: Outbox) -> None:
    await state(fleet.tools, "de-1", NodeState.DOWN)
    await swept(fleet)
    fleet.tools.clock.advance(minutes=17)  # type: ignore[attr-defined]
    await state(fleet.tools, "de-1", NodeState.HEALTHY)
    await swept(fleet, 3)
    assert len(outbox.sent) == 2
    assert "🟢" in outbox.sent[-1].text and "17 мин" in outbox.sent[-1].text


async def test_only_those_who_want_to_know_and_have_pressed_start_are_told(fleet: Fleet, outbox: Outbox) -> None:
    await hired(fleet.tools, 901, "Sleeper", alerts=False)
    await hired(fleet.tools, 902, "Stranger", started=False)
    await hired(fleet.tools, 903, "Ivan")
    await state(fleet.tools, "de-1", NodeState.DOWN)
    await swept(fleet)
    assert sorted(sent.chat_id for sent in outbox.sent) == [900, 903]


async def test_while_no_node_answers_none_is_named_and_afterwards_only_those_that_stay_away(
    fleet: Fleet, outbox: Outbox
) -> None:
    now = fleet.tools.clock.now()
    async with fleet.tools.db.unit() as session:
        await session.execute(update(FleetEpoch).values(sure_since=None, told_at=now))
    for name in ("de-1", "nl-1"):
        await state(fleet.tools, name, NodeState.DOWN)
    await swept(fleet, 3)
    async with fleet.tools.db.unit() as session:
        await session.execute(update(FleetEpoch).values(sure_since=now + MINUTE))
    await state(fleet.tools, "de-1", NodeState.HEALTHY)
    fleet.tools.clock.advance(minutes=2)  # type: ignore[attr-defined]
    await swept(fleet)
    assert outbox.sent == []
    fleet.tools.clock.advance(minutes=3)  # type: ignore[attr-defined]
    await swept(fleet)
    assert ["nl-1" in sent.text for sent in outbox.sent] == [True]


async def test_the_same_alert_twice_is_one_message_each(fleet: Fleet, outbox: Outbox) -> None:
    await hired(fleet.tools, 903, "Ivan")
    for _ in range(3):
        async with fleet.tools.db.unit() as session:
            await alerting.alert(fleet.tools, session, FleetInDoubt(2), "the-same")
    await fleet.work()
    assert sorted(sent.chat_id for sent in outbox.sent) == [900, 903]

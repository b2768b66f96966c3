"""A node that stays down is taken out and taken back by itself; never the last one, and none when all go down."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import update

from ferryman.fleet.node import Node, NodeMode, NodeState
from ferryman.flows.fleet import quarantining
from ferryman.flows.fleet.quarantining import Patience, Verdict, judge
from ferryman.flows.shop import staff
from ferryman.flows.tools import Tools
from ferryman.people.customer import Customer
from tests.support.fleet import Fleet
from tests.support.messages import Outbox

NOW = datetime(2027, 1, 1, tzinfo=UTC)
LONG_AGO = NOW - timedelta(days=1)
PATIENCE = Patience(down=timedelta(minutes=5), well=timedelta(minutes=2))


def node(
    name: str,
    state: str = NodeState.HEALTHY,
    minutes: float = 60,
    *,
    out: bool = False,
    mode: str = "active",
    ailment: str = "",
) -> Node:
    """One that has been in a state for so many minutes."""
    since, quarantined_at = NOW - timedelta(minutes=minutes), LONG_AGO if out else None
    return Node(name=name, state=state, state_since=since, mode=mode, quarantined_at=quarantined_at, ailment=ailment)


def names(verdict: Verdict) -> tuple[list[str], list[str], bool]:
    return [one.name for one in verdict.out], [one.name for one in verdict.back], verdict.in_doubt


@pytest.mark.parametrize(
    ("nodes", "verdict"),
    [
        ([node("a"), node("b")], ([], [], False)),
        ([node("a"), node("b", "down", 4.9)], ([], [], False)),
        ([node("a"), node("b", "down", 5)], (["b"], [], False)),
        ([node("a"), node("b", "degraded", 500)], ([], [], False)),
        ([node("a"), node("b", "down", 5), node("c", "down", 9)], (["b", "c"], [], False)),
        ([node("a"), node("b", "down", 50, out=True)], ([], [], False)),
        ([node("a"), node("b", "healthy", 1.9, out=True)], ([], [], False)),
        ([node("a"), node("b", "healthy", 2, out=True)], ([], ["b"], False)),
        ([node("a"), node("b", "degraded", 200, out=True)], ([], [], False)),
        # A panel that answers for a core that does not run serves nobody either.
        ([node("a"), node("b", "degraded", 5, ailment="core")], (["b"], [], False)),
        ([node("a"), node("b", "degraded", 4.9, ailment="core")], ([], [], False)),
        ([node("a", "degraded", 9, ailment="core"), node("b", "degraded", 9, ailment="core")], ([], [], False)),
        # Alone, or alone in serving, it is never taken out.
        ([node("a", "down", 500)], ([], [], False)),
        ([node("a", "down", 500), node("b", "healthy", 0, out=True)], ([], ["b"], False)),
        ([node("a", "down", 500), node("b", "healthy", mode="draining")], ([], [], False)),
        ([node("a", "down", 500), node("b", "down", 500)], ([], [], True)),
        ([node("a", "down", 500, out=True), node("b", "down", 1)], ([], [], True)),
        ([], ([], [], False)),
    ],
)
def test_the_verdict(nodes: list[Node], verdict: tuple[list[str], list[str], bool]) -> None:
    assert names(judge(nodes, LONG_AGO, PATIENCE, NOW)) == verdict


def test_after_all_were_down_each_is_given_its_time_anew() -> None:
    nodes = [node("a", minutes=1), node("b", "down", 60)]
    assert names(judge(nodes, NOW - timedelta(minutes=1), PATIENCE, NOW)) == ([], [], False)
    assert names(judge(nodes, NOW - timedelta(minutes=5), PATIENCE, NOW)) == (["b"], [], False)
    assert names(judge(nodes, None, PATIENCE, NOW)) == ([], [], False)


NODES = st.lists(
    st.builds(
        node,
        st.just("n"),
        st.sampled_from([state.value for state in NodeState]),
        st.floats(0, 600),
        out=st.booleans(),
        mode=st.sampled_from(["active", "draining"]),
    ),
    max_size=6,
)


@given(NODES)
def test_whatever_the_fleet_looks_like_somebody_who_serves_is_left(nodes: list[Node]) -> None:
    def serving() -> list[Node]:
        return [one for one in nodes if one.mode == NodeMode.ACTIVE and one.quarantined_at is None]

    before = len(serving())
    verdict = judge(nodes, LONG_AGO, PATIENCE, NOW)
    for one in verdict.out:
        one.quarantined_at = NOW
    assert not verdict.out or any(one.state != NodeState.DOWN for one in serving())
    assert not before or serving()
    assert all(one.state == NodeState.DOWN for one in verdict.out)
    assert all(one.state == NodeState.HEALTHY for one in verdict.back)


@pytest.fixture
async def fleet(tools: Tools) -> Fleet:
    """Three nodes, and Olga, who hears of what happens to them."""
    fleet = Fleet(tools)
    await fleet.nodes("de-1", "nl-1", "fi-1")
    await staff.add(fleet.tools, 900, "Olga")
    async with fleet.tools.db.unit() as session:
        session.add(Customer(telegram_id=900, first_name="Olga", language="en"))
    await left_alone(fleet)
    return fleet


async def left_alone(fleet: Fleet) -> None:
    """No look at a panel changes what a test has put into the rows."""
    await fleet.rows("UPDATE nodes SET try_at = now() + interval '10 days' RETURNING id")


def told(outbox: Outbox) -> list[str]:
    """What Olga heard, of those kinds; what is said of single nodes is not looked at here."""
    return [sent.text for sent in outbox.sent if any(icon in sent.text for icon in ("🟣", "🛑", "answer again"))]


async def becomes(fleet: Fleet, state: NodeState, *names: str) -> None:
    async with fleet.tools.db.unit() as session:
        values = {"state": state, "state_since": fleet.tools.clock.now()}
        await session.execute(update(Node).where(Node.name.in_(names)).values(**values))


async def later(fleet: Fleet, minutes: float) -> None:
    fleet.tools.clock.advance(minutes=minutes)  # type: ignore[attr-defined]
    await quarantining.sweep(fleet.tools)
    await fleet.work()


async def out(fleet: Fleet) -> set[str]:
    return {name for (name,) in await fleet.rows("SELECT name FROM nodes WHERE quarantined_at IS NOT NULL")}


async def epoch(fleet: Fleet) -> int:
    return int(await fleet.value("SELECT epoch FROM fleet_epoch"))


async def test_a_node_is_out_after_five_minutes_and_back_after_two_and_each_moves_keys_once(
    fleet: Fleet, outbox: Outbox
) -> None:
    start = await epoch(fleet)
    await becomes(fleet, NodeState.DOWN, "nl-1")
    await later(fleet, 4.9)
    assert (await out(fleet), await epoch(fleet)) == (set(), start)
    for _ in range(3):
        await later(fleet, 0.2)
    assert (await out(fleet), await epoch(fleet)) == ({"nl-1"}, start + 1)
    await becomes(fleet, NodeState.HEALTHY, "nl-1")
    await later(fleet, 1.9)
    assert await out(fleet) == {"nl-1"}
    for _ in range(3):
        await later(fleet, 0.2)
    assert (await out(fleet), await epoch(fleet)) == (set(), start + 2)
    (said,) = told(outbox)
    assert "🟣" in said and "nl-1" in said and "after 2 min of health" in said


async def test_the_patience_is_a_setting(fleet: Fleet) -> None:
    fleet.tools.settings = fleet.tools.settings.model_copy(update={"quarantine_minutes": 60.0})
    await becomes(fleet, NodeState.DOWN, "nl-1")
    await later(fleet, 59)
    assert await out(fleet) == set()
    await later(fleet, 1)
    assert await out(fleet) == {"nl-1"}


async def test_when_all_go_down_none_is_taken_out_and_the_staff_hear_it_once(fleet: Fleet, outbox: Outbox) -> None:
    await becomes(fleet, NodeState.DOWN, "de-1", "nl-1", "fi-1")
    for _ in range(20):
        await later(fleet, 1)
    assert await out(fleet) == set()
    (said,) = told(outbox)
    assert "🛑" in said and "None of our 3 nodes answers" in said


async def test_when_our_network_returns_the_last_to_answer_is_not_taken_out_for_that(
    fleet: Fleet, outbox: Outbox
) -> None:
    await becomes(fleet, NodeState.DOWN, "de-1", "nl-1", "fi-1")
    await later(fleet, 30)
    await becomes(fleet, NodeState.HEALTHY, "de-1")
    await later(fleet, 0.1)
    await later(fleet, 2)
    assert await out(fleet) == set()
    assert "1 of 3 nodes answer again" in told(outbox)[-1]
    await later(fleet, 3)
    assert await out(fleet) == {"nl-1", "fi-1"}


async def test_a_network_that_comes_and_goes_is_told_once_in_ten_minutes(fleet: Fleet, outbox: Outbox) -> None:
    for _ in range(4):
        await becomes(fleet, NodeState.DOWN, "de-1", "nl-1", "fi-1")
        await later(fleet, 1)
        await becomes(fleet, NodeState.HEALTHY, "de-1", "nl-1", "fi-1")
        await later(fleet, 1)
    assert [said.split()[0] for said in told(outbox)] == ["🛑", "🟢"]


async def test_the_only_node_is_no_fleet_in_doubt(fleet: Fleet, outbox: Outbox) -> None:
    await fleet.change("nl-1", mode="off")
    await fleet.change("fi-1", mode="off")
    await becomes(fleet, NodeState.DOWN, "de-1")
    await later(fleet, 60)
    assert (await out(fleet), told(outbox)) == (set(), [])


async def test_a_node_that_nobody_wants_in_use_is_left_alone(fleet: Fleet) -> None:
    await fleet.change("nl-1", mode="off")
    await becomes(fleet, NodeState.DOWN, "nl-1")
    await later(fleet, 60)
    assert await out(fleet) == set()


async def test_four_workers_that_see_it_at_once_do_it_once(fleet: Fleet, outbox: Outbox) -> None:
    start = await epoch(fleet)
    await becomes(fleet, NodeState.DOWN, "nl-1")
    fleet.tools.clock.advance(minutes=6)  # type: ignore[attr-defined]
    await asyncio.gather(*(quarantining.sweep(fleet.tools) for _ in range(4)))
    await fleet.work()
    assert (await out(fleet), await epoch(fleet), len(told(outbox))) == ({"nl-1"}, start + 1, 1)

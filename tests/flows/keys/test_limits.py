"""Whoever has used up the allowance over all nodes is off everywhere, is told so once, and comes back when it grows."""

import asyncio
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ferryman import wiring
from ferryman.flows.keys import limits
from ferryman.flows.tools import Tools
from ferryman.kit.settings import Settings
from ferryman.subscriptions.allowance import crossed
from ferryman.subscriptions.subscription import Subscription
from tests.conftest import MovableClock
from tests.flows.auditor import Audited
from tests.support.fleet import Fleet
from tests.support.messages import Outbox

GIGABYTE = 1024**3
SNAPSHOT = {"icon": "⛵", "title": {"ru": "Стандарт", "en": "Standard"}, "traffic_bytes": 100 * GIGABYTE}


@pytest.fixture
def world(tools: Tools) -> Audited:
    return Audited(Fleet(tools))


async def limited(world: Audited, **fields: Any) -> Subscription:
    """Somebody with 100 GB on two nodes."""
    await world.fleet.nodes("de-1", "nl-1")
    fields = {"traffic_bytes": 100 * GIGABYTE, "snapshot": SNAPSHOT, **fields}
    one = await world.fleet.subscription(**fields)
    await world.fleet.work()
    return one


async def use(world: Audited, one: Subscription, *gigabytes: float) -> None:
    """Traffic on each node, and an audit of each."""
    for (name, panel), amount in zip(world.fleet.panels.items(), gigabytes, strict=False):
        panel.use(one.email, down=int(amount * GIGABYTE))
        await world.audit(name)


def told(outbox: Outbox) -> list[str]:
    return [sent.text.splitlines()[0] for sent in outbox.sent if "раф" in sent.text.splitlines()[0]]


async def test_the_sum_over_nodes_switches_the_key_off_on_all_of_them(world: Audited, outbox: Outbox) -> None:
    one = await limited(world)
    other = await world.fleet.subscription(traffic_bytes=0)
    await world.fleet.work()
    await use(world, one, 60, 39)
    assert world.fleet.holders(one) == {"de-1", "nl-1"}
    await use(world, one, 0, 2)
    assert world.fleet.holders(one) == set()
    assert world.fleet.holders(other) == {"de-1", "nl-1"}
    fresh = await world.fresh(one)
    assert (fresh.exhausted_at is not None, fresh.enabled) == (True, False)
    assert "exhausted" in await world.fleet.history(one)
    assert "закончился" in told(outbox)[-1]


async def test_a_larger_allowance_switches_it_on_again_everywhere(world: Audited) -> None:
    one = await limited(world)
    await use(world, one, 60, 45)
    assert world.fleet.holders(one) == set()
    async with world.tools.db.unit() as session:
        held = await session.get_one(Subscription, one.id, with_for_update=True)
        held.traffic_bytes = 200 * GIGABYTE
        await session.flush()
        assert await limits.review(world.tools, session, [one.id]) == [one.id]
    await world.fleet.work()
    assert world.fleet.holders(one) == {"de-1", "nl-1"}
    assert (await world.fresh(one)).exhausted_at is None
    assert "refilled" in await world.fleet.history(one)


async def test_each_line_is_told_once_and_who_jumps_hears_of_the_highest_alone(world: Audited, outbox: Outbox) -> None:
    one = await limited(world)
    await use(world, one, 79)
    assert told(outbox) == []
    await use(world, one, 2)
    await use(world, one, 2)
    assert len(told(outbox)) == 1
    assert "80" in told(outbox)[0]
    await use(world, one, 17)
    assert len(told(outbox)) == 2
    assert "закончился" in told(outbox)[1]
    for _ in range(2):
        await use(world, one, 0)
    assert len(told(outbox)) == 2


async def test_a_notice_says_how_much_is_left_and_offers_more(world: Audited, outbox: Outbox) -> None:
    one = await limited(world)
    await use(world, one, 95.5)
    (sent,) = [sent for sent in outbox.sent if "95" in sent.text]
    assert "4,5\N{NO-BREAK SPACE}ГБ" in sent.text
    assert sent.keyboard is not None
    assert [button.data for row in sent.keyboard.rows for button in row] == ["v1:buy", f"v1:sub:{one.ref}"]


async def test_an_allowance_without_a_limit_is_never_used_up(world: Audited, outbox: Outbox) -> None:
    one = await limited(world, traffic_bytes=0)
    await use(world, one, 5000, 5000)
    assert world.fleet.holders(one) == {"de-1", "nl-1"}
    assert told(outbox) == []


async def test_an_older_snapshot_without_an_amount_is_measured_by_the_allowance(world: Audited, outbox: Outbox) -> None:
    one = await limited(world, snapshot={"icon": "⛵", "title": {"en": "Standard"}})
    await use(world, one, 81)
    assert len(told(outbox)) == 1


async def test_whoever_nobody_judged_is_found_by_the_sweep(world: Audited) -> None:
    one = await limited(world)
    change = "UPDATE subscriptions SET used_down = :used, exhausted_at = NULL WHERE id = :id RETURNING id"
    await world.fleet.rows(change, used=100 * GIGABYTE, id=one.id)
    await limits.sweep(world.tools)
    await world.fleet.work()
    assert world.fleet.holders(one) == set()
    await world.fleet.rows("UPDATE subscriptions SET traffic_bytes = 0 WHERE id = :id RETURNING id", id=one.id)
    await limits.sweep(world.tools)
    await world.fleet.work()
    assert world.fleet.holders(one) == {"de-1", "nl-1"}


async def test_two_reviews_at_once_switch_once(world: Audited, outbox: Outbox) -> None:
    one = await limited(world)
    before = one.revision
    await world.fleet.rows(
        "UPDATE subscriptions SET used_down = :used WHERE id = :id RETURNING id", used=100 * GIGABYTE, id=one.id
    )

    async def review() -> list[int]:
        async with world.tools.db.unit() as session:
            return await limits.review(world.tools, session, [one.id])

    switched = await asyncio.gather(*(review() for _ in range(4)))
    await world.fleet.work()
    assert sorted(map(len, switched)) == [0, 0, 0, 1]
    assert (await world.fresh(one)).revision == before + 1
    assert len(told(outbox)) == 1


AMOUNTS = st.lists(
    st.tuples(st.sampled_from(["use", "use", "use", "buy", "review"]), st.integers(1, 60)), min_size=1, max_size=12
)


def test_whatever_happens_every_line_of_every_allowance_is_told_at_most_once(
    settings_of_tests: Settings, database_url: str
) -> None:
    with asyncio.Runner() as runner:
        opened = wiring.built(settings_of_tests, database_url, clock=MovableClock(), sender=Outbox(), up_to_date=False)
        world = Audited(Fleet(runner.run(opened.__aenter__())))

        @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
        @given(AMOUNTS)
        def holds(steps: list[tuple[str, int]]) -> None:
            runner.run(_told_once(world, steps))

        holds()
        runner.run(opened.__aexit__(None, None, None))


@pytest.fixture
def settings_of_tests(request: pytest.FixtureRequest) -> Settings:
    """Under a name that hypothesis has not taken."""
    found: Settings = request.getfixturevalue("settings")
    return found


async def _told_once(world: Audited, steps: list[tuple[str, int]]) -> None:
    """Traffic comes, allowances are bought; after each step the highest line crossed has been told, and none twice."""
    one = await world.fleet.subscription(traffic_bytes=100 * GIGABYTE, snapshot=SNAPSHOT)
    lines: list[tuple[int, int]] = []
    for what, amount in steps:
        grow = {"use": "used_down = used_down", "buy": "traffic_bytes = traffic_bytes"}.get(what)
        if grow:
            query = f"UPDATE subscriptions SET {grow} + :more WHERE id = :id RETURNING id"
            await world.fleet.rows(query, more=amount * GIGABYTE, id=one.id)
        for _ in range(2):
            async with world.tools.db.unit() as session:
                await limits.review(world.tools, session, [one.id])
        fresh = await world.fresh(one)
        line = crossed(fresh.traffic_bytes, 100 * GIGABYTE, fresh.used)
        if line and (fresh.traffic_bytes, line) not in lines:
            lines.append((fresh.traffic_bytes, line))
        assert (fresh.exhausted_at is not None) == (line == 100)
    rows = await world.fleet.rows(
        "SELECT kind, payload FROM notices WHERE payload->>'ref' = :ref ORDER BY id", ref=one.ref
    )
    assert [(100 if kind == "traffic_used_up" else payload["percent"]) for kind, payload in rows] == [
        line for _, line in lines
    ]

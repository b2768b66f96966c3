"""A node in trouble is left in peace and keeps nobody waiting: calls are counted, order is looked at, not time."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from ferryman import wiring
from ferryman.flows.fleet import watching
from ferryman.flows.keys import provisioning
from ferryman.flows.tools import Tools
from ferryman.kit.errors import AccessDenied, Busy, FerrymanError, Unreachable
from ferryman.kit.settings import Settings
from tests.conftest import MovableClock
from tests.support.chat import until
from tests.support.fleet import Fleet
from tests.support.messages import Outbox

OWED = 1000
STEP = 30.0


@pytest.fixture
async def fleet(tools: Tools) -> Fleet:
    fleet = Fleet(tools)
    await fleet.nodes("de-1", "nl-1")
    return fleet


@asynccontextmanager
async def workers(
    fleet: Fleet, settings: Settings, database_url: str, clock: MovableClock, count: int
) -> AsyncIterator[list[Tools]]:
    """Tools of so many processes over the same database, each with connections of its own."""
    built = [fleet.tools]
    async with asyncio.timeout(60):
        stack = [
            wiring.built(settings, database_url, clock=clock, sender=Outbox(), up_to_date=False)
            for _ in range(count - 1)
        ]
        for one in stack:
            tools = await one.__aenter__()
            tools.connections.kinds = fleet.tools.connections.kinds
            built.append(tools)
    try:
        yield built
    finally:
        for one in stack:
            await one.__aexit__(None, None, None)


async def owe_a_thousand(fleet: Fleet) -> None:
    """Everybody's key on nl-1 is to be made; they are on de-1 already."""
    await fleet.subscription()
    await fleet.work()
    await fleet.rows(
        """WITH person AS (
               INSERT INTO customers (telegram_id, first_name, language, banned, reachable)
               SELECT 100000 + n, 'Crowd', 'ru', false, true FROM generate_series(1, :count) AS n RETURNING id
           ), one AS (
               INSERT INTO subscriptions (ref, customer_id, plan_code, token, uuid, password, sub_id, snapshot,
                   traffic_bytes, devices, starts_at, ends_at, revision, placed_revision, placed_epoch)
               SELECT 'crowd' || id, id, plan_code, 't' || id, gen_random_uuid()::text, 'p' || id, 's' || id, snapshot,
                   0, 0, starts_at, ends_at, 1, 1, (SELECT epoch FROM fleet_epoch)
               FROM person, (SELECT plan_code, snapshot, starts_at, ends_at FROM subscriptions LIMIT 1) AS like_this
               RETURNING id
           )
           INSERT INTO keys (subscription_id, node_id, wanted_revision, seen_revision, failures, try_at)
           SELECT one.id, n.id, 1, CASE WHEN n.name = 'de-1' THEN 1 END, 0, now() - interval '1 minute'
           FROM one, nodes n RETURNING id""",
        count=OWED,
    )


async def an_hour(all_workers: Sequence[Tools], clock: MovableClock, minutes: int = 60) -> None:
    """All workers' sweeps come round every half minute, at the same moment, and every job that is due runs."""
    for _ in range(round(minutes * 60 / STEP)):
        clock.advance(seconds=STEP)
        await asyncio.gather(*(watching.sweep(tools) for tools in all_workers))
        await asyncio.gather(*(provisioning.sweep(tools) for tools in all_workers))
        await asyncio.gather(*(tools.jobs.drain(concurrency=2) for tools in all_workers))


@pytest.mark.weather
@pytest.mark.parametrize(
    ("trouble", "most"),
    [
        # A try every 48 to 60 seconds, and the first few.
        (Unreachable("nl-1.test gave no answer."), 3600 / 48 + 10),
        (Busy("nl-1.test answered 500."), 3600 / 48 + 30),
        # The first few minutes, then every ten.
        (AccessDenied("nl-1.test refused our credentials."), 12),
    ],
    ids=["silent", "500", "denied"],
)
async def test_a_node_in_trouble_for_an_hour_is_called_once_a_minute_by_three_workers_with_a_thousand_keys_owed(
    fleet: Fleet, settings: Settings, database_url: str, clock: MovableClock, trouble: FerrymanError, most: float
) -> None:
    await owe_a_thousand(fleet)
    panel = fleet.panels["nl-1"]
    panel.down = trouble
    panel.calls.clear()
    async with workers(fleet, settings, database_url, clock, 3) as all_workers:
        await an_hour(all_workers, clock)
        assert 3 <= panel.calls.total() <= most
        assert await fleet.value("SELECT count(*) FROM keys WHERE seen_revision IS NULL") == OWED
        panel.come_back()
        await an_hour(all_workers, clock, minutes=15)
    assert len(panel.clients) >= OWED
    assert await fleet.value("SELECT count(*) FROM keys WHERE seen_revision IS NULL") == 0
    assert await fleet.value("SELECT state FROM nodes WHERE name = 'nl-1'") == "healthy"


@pytest.mark.weather
async def test_only_one_of_many_tries_a_panel_whose_pause_is_over(
    fleet: Fleet, settings: Settings, database_url: str, clock: MovableClock
) -> None:
    await owe_a_thousand(fleet)
    node, panel = fleet.ids["nl-1"], fleet.panels["nl-1"]
    now = clock.now()
    await fleet.change("nl-1", failures=5, state="down", try_at=now, checked_at=now - timedelta(minutes=5))
    gate, asked = asyncio.Event(), []

    async def hold(verb: str, _: Sequence[str]) -> None:
        asked.append(verb)
        await gate.wait()

    panel.before = hold
    async with workers(fleet, settings, database_url, clock, 3) as all_workers:
        trying = [asyncio.create_task(watching.probe_node(tools, node)) for tools in all_workers]
        trying += [asyncio.create_task(provisioning.reconcile_node(tools, node)) for tools in all_workers]
        await until(lambda: bool(asked) and sum(one.done() for one in trying) == len(trying) - 1, "the others to end")
        assert len(asked) == 1
        gate.set()
        panel.before = None
        await asyncio.gather(*trying)


@pytest.mark.weather
async def test_a_panel_that_hangs_holds_up_no_other_nodes_keys_or_looks(fleet: Fleet, clock: MovableClock) -> None:
    gate, asked = asyncio.Event(), []

    async def hang(verb: str, _: Sequence[str]) -> None:
        asked.append(verb)
        await gate.wait()
        raise Unreachable("nl-1.test did not answer within 15 s.")

    fleet.panels["nl-1"].before = hang
    stopping = asyncio.Event()
    working = asyncio.create_task(fleet.tools.jobs.run(concurrency=4, stopping=stopping))
    try:
        clock.advance(minutes=2)
        await watching.sweep(fleet.tools)
        people = [await fleet.subscription() for _ in range(10)]
        healthy = fleet.panels["de-1"]
        await until(lambda: len(healthy.clients) == len(people) and healthy.calls["probe"] > 0, "the healthy node")
        assert asked
        assert fleet.panels["nl-1"].clients == {}
    finally:
        gate.set()
        stopping.set()
        await working

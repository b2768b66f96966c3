"""Counters that reset, vanish, go back and come late are counted: never twice, never downwards."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.fernet import Fernet
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ferryman.fleet import usage
from ferryman.fleet.usage import Counted, Reading
from ferryman.kit.db import Database
from ferryman.kit.secrets import Vault
from tests.support import rows

START = datetime(2026, 11, 1, tzinfo=UTC)
GIGABYTE = 10**9
VERSIONS = """
SELECT id, xmin::text, xmax::text FROM keys UNION SELECT id, xmin::text, xmax::text FROM subscriptions ORDER BY 1"""


@dataclass
class Meter:
    """Two nodes and a few subscriptions in a database; moments are seconds since `START`."""

    database: Database
    nodes: list[int] = field(default_factory=list)
    people: list[int] = field(default_factory=list)

    async def open(self, people: int = 3) -> None:
        async with self.database.unit() as session:
            vault = Vault([Fernet.generate_key().decode()])
            self.nodes = await rows.nodes(session, vault, ["https://a.test", "https://b.test"])
            self.people = await rows.subscriptions(session, people)
            for node in self.nodes:
                await rows.keys(session, node, self.people)

    async def read(
        self, up: int, down: int = 0, *, asked: float, took: float = 1.0, who: int = 0, node: int = 0
    ) -> Counted:
        return await self.read_all([Reading(self.people[who], up, down)], asked=asked, took=took, node=node)

    async def read_all(self, readings: Sequence[Reading], *, asked: float, took: float = 1.0, node: int = 0) -> Counted:
        at = START + timedelta(seconds=asked)
        async with self.database.unit() as session:
            return await usage.count(session, self.nodes[node], readings, at, at + timedelta(seconds=took))

    async def used(self, who: int = 0) -> tuple[int, int]:
        query = "SELECT used_up, used_down FROM subscriptions WHERE id = :id"
        (row,) = await rows.ask(self.database, query, id=self.people[who])
        return row[0], row[1]

    async def used_on(self, node: int, who: int = 0) -> tuple[int, int]:
        query = "SELECT used_up, used_down FROM keys WHERE subscription_id = :id AND node_id = :node"
        (row,) = await rows.ask(self.database, query, id=self.people[who], node=self.nodes[node])
        return row[0], row[1]


@pytest.fixture
async def meter(database: Database) -> Meter:
    meter = Meter(database)
    await meter.open()
    return meter


async def test_what_a_counter_grew_by_is_counted_in_each_direction(meter: Meter) -> None:
    await meter.read(0, 0, asked=0)
    counted = await meter.read(5, 70, asked=60)
    assert (counted.up, counted.down, counted.grown) == (5, 70, (meter.people[0],))
    await meter.read(6, 100, asked=120)
    assert await meter.used() == (6, 100)
    assert await meter.used(1) == (0, 0)


async def test_a_subscriptions_sum_is_that_of_all_its_nodes(meter: Meter) -> None:
    for node in (0, 1):
        await meter.read(0, 0, asked=0, node=node)
        await meter.read(3, 40, asked=60, node=node)
    assert await meter.used() == (6, 80)
    assert [await meter.used_on(node) for node in (0, 1)] == [(3, 40), (3, 40)]


async def test_a_key_that_is_gone_leaves_its_share_in_the_sum(meter: Meter) -> None:
    await meter.read(0, 0, asked=0)
    await meter.read(3, 40, asked=60)
    await rows.ask(meter.database, "DELETE FROM keys WHERE node_id = :node RETURNING id", node=meter.nodes[0])
    assert (await meter.read(9, 90, asked=120)).grown == ()
    assert await meter.used() == (3, 40)


async def test_where_a_key_begins_is_not_counted(meter: Meter) -> None:
    await meter.read(GIGABYTE, GIGABYTE, asked=0)
    assert await meter.used() == (0, 0)
    await meter.read(GIGABYTE + 1, GIGABYTE, asked=60)
    assert await meter.used() == (1, 0)


async def test_the_same_listing_twice_counts_once(meter: Meter) -> None:
    await meter.read(0, 0, asked=0)
    for _ in range(3):
        await meter.read(500, 0, asked=60)
    assert await meter.used() == (500, 0)


async def test_two_workers_with_the_same_listing_count_it_once(meter: Meter) -> None:
    everyone = [Reading(one, 0, 0) for one in meter.people]
    await meter.read_all(everyone, asked=0)
    grown = [Reading(one, 500, 1) for one in meter.people]
    counted = await asyncio.gather(*(meter.read_all(grown[:: (-1) ** n], asked=60) for n in range(8)))
    assert sum(one.up for one in counted) == 500 * len(meter.people)
    assert [await meter.used(who) for who in range(3)] == [(500, 1)] * 3


async def test_two_nodes_that_count_at_once_lose_nothing_and_do_not_block_each_other_for_good(meter: Meter) -> None:
    for node in (0, 1):
        await meter.read_all([Reading(one, 0, 0) for one in meter.people], asked=0, node=node)
    for minute in range(1, 6):
        grown = [Reading(one, minute, 0) for one in meter.people]
        await asyncio.gather(*(meter.read_all(grown[:: (-1) ** node], asked=60 * minute, node=node) for node in (0, 1)))
    assert [await meter.used(who) for who in range(3)] == [(10, 0)] * 3


async def test_an_older_listing_after_a_newer_one_is_passed_over(meter: Meter) -> None:
    await meter.read(0, 0, asked=0)
    await meter.read(700, 0, asked=120)
    await meter.read(500, 0, asked=60)
    await meter.read(701, 0, asked=180)
    assert await meter.used() == (701, 0)


async def test_a_listing_asked_before_and_answered_after_another_is_passed_over(meter: Meter) -> None:
    # It began first and shows the newer value: taken in out of its order, the difference would be counted twice.
    await meter.read(0, 0, asked=0)
    await meter.read(900, 0, asked=60, took=30)
    await meter.read(700, 0, asked=70, took=30)
    await meter.read(1000, 0, asked=120)
    assert await meter.used() == (1000, 0)


async def test_a_reset_counter_counts_on_from_where_it_is(meter: Meter) -> None:
    await meter.read(0, 0, asked=0)
    await meter.read(5 * GIGABYTE, 0, asked=60)
    await meter.read(0, 0, asked=120)
    await meter.read(30, 0, asked=180)
    assert await meter.used() == (5 * GIGABYTE + 30, 0)


async def test_a_restored_backup_is_not_counted_again(meter: Meter) -> None:
    await meter.read(0, 0, asked=0)
    await meter.read(5 * GIGABYTE, 0, asked=60)
    await meter.read(3 * GIGABYTE, 0, asked=120)
    await meter.read(3 * GIGABYTE + 7, 0, asked=180)
    assert await meter.used() == (5 * GIGABYTE + 7, 0)


async def test_one_direction_reset_leaves_the_other_counting(meter: Meter) -> None:
    await meter.read(0, 0, asked=0)
    await meter.read(500, 500, asked=60)
    await meter.read(2, 600, asked=120)
    assert await meter.used() == (500, 600)


async def test_a_page_with_strangers_twins_and_nobody_counts_whom_it_knows(meter: Meter) -> None:
    mine = meter.people[0]
    await meter.read_all([Reading(mine, 0, 0)], asked=0)
    counted = await meter.read_all([Reading(mine, 5, 0), Reading(10**12, 9, 9), Reading(mine, 6, 0)], asked=60)
    assert (counted.up, await meter.used()) == (6, (6, 0))
    assert await meter.read_all([], asked=120) == Counted()


async def test_what_did_not_move_is_not_written(meter: Meter) -> None:
    everyone = [Reading(one, 5, 5) for one in meter.people]
    await meter.read_all(everyone, asked=0)
    before = await rows.ask(meter.database, VERSIONS)
    await meter.read_all(everyone, asked=60)
    after = await rows.ask(meter.database, VERSIONS)
    assert before == after


@dataclass
class Panel:
    """One client's counter and the truth about it. `gone_back`: it was reset or restored at least once."""

    shown: int = 0
    truth: int = 0
    now: float = 0.0
    past: list[int] = field(default_factory=lambda: [0])
    looks: list[tuple[float, float, int]] = field(default_factory=list)
    gone_back: bool = False

    def happen(self, what: str, size: int) -> None:
        """Something happens to the counter."""
        self.now += 1
        if what == "grow":
            self.shown, self.truth = self.shown + size, self.truth + size
        elif what == "reset":
            self.shown, self.gone_back = 0, True
        elif what == "restore":
            # Of this very counting: a backup from before a reset, or newer than what it replaces, is beyond anybody.
            older = [value for value in self.past if value <= self.shown]
            self.shown, self.gone_back = older[size % len(older)], True
        self.past.append(self.shown)

    def look(self, took: int) -> None:
        """A look that began up to `took` seconds before the value was taken, and ended as much after."""
        self.looks.append((self.now - took / 2, self.now + took / 2, self.shown))


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("grow"), st.integers(1, 10**12)),
        st.tuples(st.just("grow"), st.integers(1, 50)),
        st.tuples(st.sampled_from(["reset", "restore"]), st.integers(0, 100)),
        st.tuples(st.just("look"), st.integers(0, 6)),
        st.tuples(st.just("count"), st.integers(0, 100)),
    ),
    max_size=25,
)


def test_no_sequence_of_looks_counts_twice_or_downwards(database_url: str) -> None:
    with asyncio.Runner() as runner:
        database = Database(database_url)
        meter = Meter(database)
        runner.run(meter.open(1))

        @settings(max_examples=600, deadline=None, suppress_health_check=list(HealthCheck))
        @given(STEPS)
        def holds(steps: list[tuple[str, int]]) -> None:
            runner.run(_anew(meter))
            runner.run(_play(meter, steps))

        holds()
        runner.run(database.close())


async def _anew(meter: Meter) -> None:
    zero = "used_up = 0, used_down = 0"
    await rows.ask(meter.database, f"UPDATE subscriptions SET {zero} RETURNING id")
    await rows.ask(meter.database, f"UPDATE keys SET up = 0, down = 0, {zero}, counted_at = NULL RETURNING id")
    await meter.read(0, 0, asked=-100)


async def _play(meter: Meter, steps: Sequence[tuple[str, int]]) -> None:
    """Whatever happens to the counter, and in whatever order looks at it are counted."""
    panel, before = Panel(), 0
    for what, size in steps:
        if what == "look":
            panel.look(size)
        elif what == "count" and panel.looks:
            began, ended, shown = panel.looks[size % len(panel.looks)]
            await meter.read(shown, 0, asked=began, took=ended - began)
            counted, _ = await meter.used()
            assert before <= counted <= panel.truth
            before = counted
        elif what != "count":
            panel.happen(what, size)
    await meter.read(panel.shown, 0, asked=panel.now + 100)
    counted, _ = await meter.used()
    assert before <= counted <= panel.truth
    if not panel.gone_back:
        assert counted == panel.truth

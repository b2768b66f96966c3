"""The breaker in the database: what all processes agree on without talking to each other."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from ferryman.fleet import health
from ferryman.fleet.health import Look, Sign
from ferryman.fleet.location import Location
from ferryman.fleet.node import Node, NodeMode, NodeState
from ferryman.kit.db import Database
from ferryman.kit.errors import Busy, Unreachable

NOW = datetime(2027, 1, 1, tzinfo=UTC)
SILENCE = Unreachable("the panel gave no answer.")


@pytest.fixture
async def node(database: Database) -> int:
    async with database.unit() as session:
        place = Location(code="de", country="DE", title={}, city={})
        kept = Node(name="de-1", location=place, panel="memory", address="127.0.0.1", sealed_access=b"", inbounds=[])
        session.add(kept)
    return kept.id


async def change(database: Database, node_id: int, **values: Any) -> None:
    async with database.unit() as session:
        kept = await session.get_one(Node, node_id)
        for name, value in values.items():
            setattr(kept, name, value)


async def read(database: Database, node_id: int) -> Node:
    async with database.unit() as session:
        return await session.get_one(Node, node_id)


async def claim(database: Database, node_id: int, now: datetime) -> bool:
    async with database.unit() as session:
        return await health.claim(session, node_id, now)


async def noted(database: Database, node_id: int, outcomes: list[Any], now: datetime) -> None:
    async with database.unit() as session:
        await health.noted(session, node_id, outcomes, now)


@asynccontextmanager
async def crowd(database: Database, people: int) -> AsyncIterator[list[AsyncSession]]:
    """So many transactions, open at the same time."""
    units = [database.unit() for _ in range(people)]
    sessions = [await unit.__aenter__() for unit in units]
    yield sessions
    for unit in units:
        await unit.__aexit__(None, None, None)


async def test_while_nothing_is_wrong_everybody_may_call(database: Database, node: int) -> None:
    assert [await claim(database, node, NOW) for _ in range(3)] == [True] * 3


async def test_while_the_breaker_is_open_nobody_may(database: Database, node: int) -> None:
    await noted(database, node, [SILENCE], NOW)
    assert not await claim(database, node, NOW + timedelta(seconds=1))
    assert health.resting(await read(database, node), NOW + timedelta(seconds=1))


async def test_once_it_is_half_open_one_of_many_may(database: Database, node: int) -> None:
    await change(database, node, failures=3, try_at=NOW)
    taken = await asyncio.gather(*(claim(database, node, NOW) for _ in range(12)))
    assert sorted(taken) == [False] * 11 + [True]
    assert health.resting(await read(database, node), NOW + timedelta(seconds=1))


async def test_a_claimer_that_was_killed_holds_the_others_off_for_its_lease_only(database: Database, node: int) -> None:
    await change(database, node, failures=3, try_at=NOW)
    assert await claim(database, node, NOW)
    assert not await claim(database, node, NOW + health.LEASE - timedelta(seconds=1))
    assert await claim(database, node, NOW + health.LEASE)


async def test_a_claimed_try_that_fails_opens_the_breaker_for_longer(database: Database, node: int) -> None:
    await change(database, node, failures=4, try_at=NOW)
    assert await claim(database, node, NOW)
    await noted(database, node, [SILENCE], NOW + timedelta(seconds=15))
    kept = await read(database, node)
    assert (kept.failures, kept.trying_until, kept.state) == (5, None, NodeState.DOWN)
    assert kept.try_at is not None and kept.try_at >= NOW + timedelta(seconds=15 + 25)
    assert kept.trouble == "de-1: the panel gave no answer."


async def test_a_claimed_try_that_works_closes_it_for_everybody(database: Database, node: int) -> None:
    await change(database, node, failures=4, state=NodeState.DOWN, try_at=NOW, trouble="de-1: silent")
    assert await claim(database, node, NOW)
    await noted(database, node, [None], NOW)
    kept = await read(database, node)
    assert (kept.failures, kept.try_at, kept.trying_until) == (0, None, None)
    # It answers; whether it is well is for the looks to say.
    assert (kept.state, kept.trouble) == (NodeState.DOWN, "de-1: silent")


async def test_a_claim_for_nothing_is_given_back(database: Database, node: int) -> None:
    await change(database, node, failures=4, try_at=NOW)
    assert await claim(database, node, NOW)
    await noted(database, node, [], NOW)
    assert await claim(database, node, NOW)


async def test_calls_that_were_under_way_together_are_one_failure(database: Database, node: int) -> None:
    for _ in range(5):
        await noted(database, node, [SILENCE], NOW)
    assert (await read(database, node)).failures == 1


async def test_one_client_that_a_panel_cannot_handle_says_nothing_about_the_node(database: Database, node: int) -> None:
    for minute in range(10):
        await noted(database, node, [Busy("500")], NOW + timedelta(minutes=minute))
    kept = await read(database, node)
    assert (kept.failures, kept.try_at, kept.state) == (0, None, NodeState.HEALTHY)


@pytest.mark.parametrize("mode", [NodeMode.OFF, NodeMode.RETIRED])
async def test_a_node_that_is_not_in_use_is_never_called(database: Database, node: int, mode: NodeMode) -> None:
    await change(database, node, mode=mode)
    assert not await claim(database, node, NOW)
    await change(database, node, try_at=NOW)
    assert not await claim(database, node, NOW)


async def test_of_two_claims_in_open_transactions_the_second_waits_and_loses(database: Database, node: int) -> None:
    await change(database, node, failures=1, try_at=NOW)
    async with crowd(database, 2) as (first, second):
        assert await health.claim(first, node, NOW)
        waiting = asyncio.create_task(health.claim(second, node, NOW))
        await first.commit()
        assert not await waiting


async def test_looks_and_rounds_of_calls_count_together(database: Database, node: int) -> None:
    now = NOW
    for step in range(3):
        if step == 1:
            async with database.unit() as session:
                health.take(await health.held(session, node), Look(Sign.SILENT, "silent", "de-1 is silent."), now)
        else:
            await noted(database, node, [SILENCE], now)
        now += timedelta(minutes=2)
    kept = await read(database, node)
    assert (kept.state, kept.failures) == (NodeState.DOWN, 3)

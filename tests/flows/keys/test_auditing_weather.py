"""Audits in bad weather: what was paid for stays, nothing is counted twice, and when it clears two audits heal all."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from ferryman.flows.keys import auditing, following, replacing
from ferryman.flows.keys.handling import Cause
from ferryman.flows.tools import Tools
from ferryman.kit.errors import AccessDenied, Busy, FerrymanError, Unreachable
from tests.flows.auditor import Audited
from tests.support.fleet import Fleet

pytestmark = pytest.mark.weather


@pytest.fixture
def world(tools: Tools) -> Audited:
    return Audited(Fleet(tools))


@pytest.mark.parametrize(
    "error",
    [Unreachable("HTML instead of JSON"), Busy("database is locked"), AccessDenied("wrong password")],
    ids=["html or empty", "500 or locked", "password changed"],
)
async def test_a_listing_that_fails_changes_no_key_and_is_made_up_for(world: Audited, error: FerrymanError) -> None:
    one, other, _ = await world.begin()
    world.panel.use(one.email, down=40)
    world.panel.lose(other.email)
    world.panel.fail(error, "everyone", times=2)
    for _ in range(2):
        await world.fleet.change("de-1", try_at=None)
        await world.audit()
    assert (await world.fresh(one)).used == 0
    assert await world.found() == []
    assert await world.fleet.keys(other) == {"de-1": "ready"}
    await world.fleet.change("de-1", try_at=None)
    await world.audit()
    assert (await world.fresh(one)).used == 40
    assert other.email in world.panel.clients


async def test_a_listing_that_breaks_off_counts_what_it_brought_and_calls_nobody_missing(world: Audited) -> None:
    people = await world.begin(4)
    world.panel.page = 2
    for one in people:
        world.panel.use(one.email, down=9)
    pages = 0

    async def breaks_off(verb: str, _names: object) -> None:
        nonlocal pages
        pages += verb == "everyone"
        if pages == 2:
            raise Unreachable("de-1 broke off.")

    world.panel.before = breaks_off
    await world.audit()
    assert sum([(await world.fresh(one)).used for one in people]) == 18
    assert await world.found() == []
    world.panel.before = None
    await world.fleet.change("de-1", try_at=None)
    await world.audit()
    assert [(await world.fresh(one)).used for one in people] == [9] * 4


async def test_a_down_panel_is_asked_ever_less_often_by_audits_too(world: Audited) -> None:
    await world.begin()
    world.panel.go_down()
    called = world.panel.calls.total()
    for _ in range(60):
        world.tools.clock.advance(seconds=10)  # type: ignore[attr-defined]
        await auditing.sweep(world.tools)
        await world.fleet.work()
    # Ten minutes at one try a minute, after the first few.
    assert world.panel.calls.total() - called <= 16
    world.panel.come_back()
    world.tools.clock.advance(seconds=75)  # type: ignore[attr-defined]
    await auditing.sweep(world.tools)
    await world.fleet.work()
    assert (await world.node()).audited_at is not None
    assert (await world.node()).try_at is None


async def test_a_panel_that_takes_half_a_minute_for_a_page_is_counted_and_compared_all_the_same(
    world: Audited,
) -> None:
    one, other, _ = await world.begin()
    world.panel.page = 1

    async def slow(_verb: str, _names: object) -> None:
        world.tools.clock.advance(seconds=30)  # type: ignore[attr-defined]

    world.panel.before = slow
    for _ in range(3):
        world.panel.use(one.email, down=100)
        world.panel.spoil(other.email, enabled=False)
        await world.audit()
        assert world.panel.clients[other.email].enabled
    assert (await world.fresh(one)).used == 300


async def test_a_panel_whose_clock_is_an_hour_fast_is_not_fought_over_the_last_hour(world: Audited) -> None:
    now = world.tools.clock.now()
    (one,) = await world.begin(1, ends_at=now + timedelta(minutes=40))
    await world.fleet.change("de-1", clock_skew=3600)
    world.panel.spoil(one.email, enabled=False)
    written = world.panel.written
    for _ in range(3):
        await world.audit()
    assert (world.panel.written, await world.found()) == (written, [])
    await world.fleet.change("de-1", clock_skew=0)
    await world.audit()
    assert world.panel.clients[one.email].enabled


@pytest.mark.parametrize("verb", ["everyone", "see"])
async def test_a_worker_killed_in_the_middle_of_an_audit_leaves_nothing_half_done(world: Audited, verb: str) -> None:
    one, other, _ = await world.begin()
    world.panel.use(one.email, down=33)
    world.panel.lose(other.email)

    async def killed(called: str, _names: object) -> None:
        if called == verb:
            world.panel.after = None
            raise asyncio.CancelledError

    world.panel.after = killed
    with pytest.raises(asyncio.CancelledError):
        await world.audit()
    assert await world.found() == []
    await world.audit()
    assert (await world.fresh(one)).used == 33
    assert await world.found() == [("drifted", "missing")]
    assert other.email in world.panel.clients


async def test_a_restored_backup_of_last_week_heals_within_two_audits(world: Audited) -> None:
    one, other, third = await world.begin()
    world.panel.use(one.email, down=500)
    await world.audit()
    backup = world.panel.snapshot()
    world.panel.use(one.email, down=400)
    await world.audit()
    await world.fleet.alter(other, ends_at=other.ends_at + timedelta(days=30), devices=7)
    newcomer = await world.fleet.subscription()
    await world.fleet.work()
    right = world.panel.snapshot()

    world.panel.clients = backup
    for _ in range(2):
        await world.audit()
    assert {name: client.ends_at for name, client in world.panel.clients.items()} == {
        name: client.ends_at for name, client in right.items()
    }
    assert world.panel.clients[other.email].devices == 7
    assert await world.plan() == {}
    assert await world.fleet.keys(newcomer) == {"de-1": "ready"}
    world.panel.use(one.email, down=1)
    await world.audit()
    assert (await world.fresh(one)).used == 901
    assert await world.fleet.keys(third) == {"de-1": "ready"}


@pytest.mark.parametrize("has_uuid", [True, False], ids=["as it was", "by a protocol without uuids"])
async def test_a_replaced_key_that_comes_back_with_a_backup_works_no_longer_than_two_audits(
    world: Audited, has_uuid: bool
) -> None:
    one, *_ = await world.begin()
    leaked = world.panel.clients[one.email]
    if not has_uuid:
        leaked = replace(leaked, uuid="")
    await replacing.replace(world.tools, one.ref, Cause("operator:cli", "leaked"))
    for _ in range(3):
        await world.fleet.round()
        await following.sweep(world.tools)
    renewed = world.panel.clients[one.email]
    assert renewed.uuid != leaked.uuid
    world.panel.clients[one.email] = leaked
    for _ in range(2):
        await world.audit()
    assert world.panel.clients[one.email] == renewed
    assert await world.plan() == {}


async def test_a_panel_installed_anew_and_empty_heals_within_two_audits(world: Audited) -> None:
    people = await world.begin(25)
    right = world.panel.snapshot()
    world.panel.clients = {}
    world.panel.page = 7
    for _ in range(2):
        await world.audit()
    assert world.panel.clients == right
    assert [await world.fleet.keys(one) for one in people] == [{"de-1": "ready"}] * 25
    assert await world.plan() == {}


async def test_ended_clients_that_were_purged_are_not_missed(world: Audited) -> None:
    now = world.tools.clock.now()
    (one,) = await world.begin(1, ends_at=now + timedelta(seconds=30))
    world.tools.clock.advance(minutes=1)  # type: ignore[attr-defined]
    world.panel.lose(one.email)
    await world.audit()
    assert (world.panel.clients, await world.found()) == ({}, [])


async def test_while_the_only_inbound_is_gone_its_keys_are_held_and_nobody_storms_the_panel(world: Audited) -> None:
    people = await world.begin(10)
    world.panel.inbound_ids = (9,)
    for one in people:
        world.panel.spoil(one.email, inbounds=())
    called = world.panel.written
    for _ in range(3):
        await world.audit()
    assert (world.panel.written, await world.found()) == (called, [])
    assert [await world.fleet.keys(one) for one in people] == [{"de-1": "ready"}] * 10
    world.panel.inbound_ids = (1, 9)
    for _ in range(2):
        await world.audit()
    assert {client.inbounds for client in world.panel.clients.values()} == {(1,)}


async def test_an_inbound_deleted_by_hand_beside_another_leaves_keys_on_the_other(world: Audited) -> None:
    world.fleet.kinds.at("https://de-1.test").inbound_ids = (1, 2)
    await world.fleet.node("de-1")
    await world.fleet.rows(
        """INSERT INTO inbounds (node_id, panel_id, protocol, transport, security, port, remark, enabled, link)
           SELECT id, 2, 'vless', 'tcp', 'reality', 20002, 'inbound 2', true, '{}' FROM nodes RETURNING id"""
    )
    people = [await world.fleet.subscription() for _ in range(5)]
    await world.fleet.work()
    world.panel.inbound_ids = (1,)
    for one in people:
        world.panel.spoil(one.email, inbounds=(1,))
    tried = world.panel.written
    for _ in range(3):
        await world.audit()
    assert [await world.fleet.keys(one) for one in people] == [{"de-1": "ready"}] * 5
    assert {client.inbounds for client in world.panel.clients.values()} == {(1,)}
    assert world.panel.written - tried <= 2


async def test_a_panel_that_lists_somebody_twice_is_taken_as_if_once(world: Audited) -> None:
    one, *_ = await world.begin()
    world.panel.use(one.email, down=5)
    once = world.panel.everyone

    async def twice() -> AsyncIterator[Sequence[Any]]:
        async for page in once():
            yield [*page, *page]
            yield page

    world.panel.everyone = twice  # type: ignore[method-assign]
    await world.audit()
    assert (await world.fresh(one)).used == 5
    assert await world.found() == []

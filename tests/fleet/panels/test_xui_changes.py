"""A panel that is not what it was: found out cheaply, adapted to by the very next call; what 2.x left is taken in."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Any

import pytest

from ferryman.fleet.panel import PanelTools
from ferryman.fleet.panels.xui import Xui
from ferryman.kit.errors import AccessDenied, FerrymanError, Refused
from ferryman.kit.http import Http
from tests.fleet.panels.conftest import HandClock
from tests.fleet.panels.contract import GIB, Ground, as_owed, as_promised, everyone, in_days
from tests.fleet.panels.emulated import World, emulated

TOLD = {"2.3.0": "2.3.0", "2.6.8": "2.6.8", "2.7.0": "2.7.0", "2.9.4": "2.9.4", "3.0.2": "3.0", "3.7.0": "3.7.0"}


@pytest.fixture
async def old(tools: PanelTools) -> AsyncIterator[World]:
    async with emulated(tools, version="2.8.11") as world:
        yield world


def emulating(tools: PanelTools, version: str) -> AbstractAsyncContextManager[World]:
    return emulated(tools, version=version)


async def names(world: World) -> list[str]:
    return sorted({client["email"] for _, client in await world.entries()})


@pytest.mark.parametrize("version", list(TOLD))
async def test_a_panel_tells_what_it_is_in_three_reads_that_change_nothing(tools: PanelTools, version: str) -> None:
    async with emulating(tools, version) as world:
        report = await world.by_password().probe()
        assert (report.version, report.core_running) == (TOLD[version], True)
        made = [call for call in await world.calls() if call not in ("csrf-token", "login")]
        assert len(made) <= 3
        assert all(call in ("", "panel/api/server/status", "server/status") for call in made)
        assert len(await world.calls("POST", "login")) == 1


@pytest.mark.parametrize("version", ["2.3.0", "2.8.11", "3.0.2", "3.6.0"])
async def test_a_panel_that_is_known_is_probed_by_one_read(tools: PanelTools, version: str) -> None:
    async with emulating(tools, version) as world:
        await world.panel.probe()
        before = len(await world.calls())
        await world.panel.probe()
        assert len(await world.calls()) == before + 1


async def test_what_was_found_is_kept_for_ten_minutes(http: Http, clock: HandClock, tools: PanelTools) -> None:
    async with emulating(tools, "3.6.0") as world:
        panel = Xui(world.access, PanelTools(http, clock))
        for _ in range(3):
            await panel.see("anyone")
        assert len(await world.calls("GET", "server/status")) == 1
        clock.advance(minutes=10)
        await panel.see("anyone")
        assert len(await world.calls("GET", "server/status")) == 2


@pytest.mark.parametrize("after", ["3.0.2", "3.1.0", "3.6.0", "3.7.0"])
@pytest.mark.parametrize("before", ["2.6.8", "2.8.11"])
async def test_the_very_next_call_after_an_update_adapts(tools: PanelTools, before: str, after: str) -> None:
    async with emulating(tools, before) as world:
        ground = Ground(world.panel, world.inbounds)
        access = ground.access()
        await world.panel.put(access)
        await world.switch(version=after)
        renewed = replace(access, ends_at=in_days(60), traffic_bytes=70 * GIB)
        assert as_owed(await world.panel.put(renewed)) == as_promised(renewed)
        assert as_owed((await everyone(world.panel))[access.email]) == as_promised(renewed)
        assert (await world.panel.probe()).version == ("3.0" if after == "3.0.2" else after)


@pytest.mark.parametrize("verb", ["put", "see", "drop", "everyone", "put_many", "drop_many", "online", "inbounds"])
async def test_every_verb_adapts(old: World, verb: str) -> None:
    ground = Ground(old.panel, old.inbounds)
    access = ground.access()
    await old.panel.put(access)
    await old.switch(version="3.6.0")
    calls: dict[str, Any] = {
        "put": lambda: old.panel.put(replace(access, ends_at=None)),
        "see": lambda: old.panel.see(access.email),
        "drop": lambda: old.panel.drop(access.email),
        "everyone": lambda: everyone(old.panel),
        "put_many": lambda: old.panel.put_many([replace(access, ends_at=None)]),
        "drop_many": lambda: old.panel.drop_many([access.email]),
        "online": old.panel.online,
        "inbounds": old.panel.inbounds,
    }
    await calls[verb]()
    if verb.startswith("drop"):
        assert [name for name in await names(old) if name.startswith(access.email)] == []


async def test_a_token_goes_on_working_over_an_update(tools: PanelTools) -> None:
    async with emulating(tools, "3.0.2") as world:
        access = Ground(world.panel, world.inbounds).access()
        await world.panel.put(access)
        await world.switch(version="3.6.0")
        renewed = replace(access, ends_at=in_days(60))
        assert as_owed(await world.panel.put(renewed)) == as_promised(renewed)


async def test_going_back_to_an_older_panel_is_noticed_too(tools: PanelTools) -> None:
    async with emulating(tools, "3.6.0") as world:
        panel = world.by_password()
        await panel.probe()
        await world.switch(version="2.8.11")
        access = Ground(panel, world.inbounds).access()
        assert as_owed(await panel.put(access)) == as_promised(access)


async def test_a_panel_from_last_weeks_backup_gets_what_is_owed(old: World) -> None:
    ground = Ground(old.panel, old.inbounds)
    there = ground.access()
    await old.panel.put(there)
    await old._control("snapshot", {})
    new, renewed = ground.access(), replace(there, ends_at=in_days(90))
    await old.panel.put(new)
    await old.panel.put(renewed)
    await old._control("restore", {})
    assert as_owed(await old.panel.see(there.email)) == as_promised(there)
    outcomes = await old.panel.put_many([new, renewed])
    assert [as_owed(seen) for seen in outcomes if not isinstance(seen, FerrymanError)] == [
        as_promised(new),
        as_promised(renewed),
    ]


async def test_a_route_that_is_missing_on_the_same_panel_is_refused_without_a_loop(tools: PanelTools) -> None:
    async with emulating(tools, "3.6.0") as world:
        panel = world.by_password()
        await panel.probe()
        await world.fault("status", route="clients/get", status=404, times=-1)
        with pytest.raises(Refused, match="clients/get"):
            await panel.see("anyone")
        assert len(await world.calls("POST", "login")) == 2
        assert len(await world.calls("GET", "clients/get")) == 2


async def test_the_parts_of_2_x_are_taken_into_the_one_client_of_3_6(old: World) -> None:
    ground = Ground(old.panel, old.inbounds)
    access, other = ground.access(), ground.access()
    await old.panel.put(access)
    await old.panel.put(other)
    for name, up in ((access.email, 1), (f"{access.email}~i2", 20), (f"{access.email}~i3", 300)):
        await old.use(name, up, 10 * up)
    await old.switch(version="3.6.0")
    await old.panel.probe()
    shown = await everyone(old.panel)
    assert set(shown) == {access.email, other.email}
    assert shown[access.email].flawed and (await old.panel.see(access.email) or shown[access.email]).flawed
    seen = await old.panel.put(access)
    assert as_owed(seen) == as_promised(access) and (seen.up, seen.down) == (321, 3210)
    assert as_owed(await old.panel.see(access.email)) == as_promised(access)
    left = await names(old)
    assert [name for name in left if name.startswith(access.email)] == [access.email]
    await old.panel.drop(other.email)
    assert not [name for name in await names(old) if name.startswith(other.email)]


async def test_parts_whose_whole_is_gone_are_still_that_client(old: World) -> None:
    access = Ground(old.panel, old.inbounds).access()
    await old.panel.put(access)
    await old.switch(version="3.6.0")
    await old.panel.probe()
    await old.panel._session.change("clients", "del", access.email)
    seen = await old.panel.see(access.email)
    assert seen is not None and (seen.email, seen.uuid) == (access.email, access.uuid) and seen.flawed
    assert (await everyone(old.panel))[access.email].flawed
    assert as_owed(await old.panel.put(access)) == as_promised(access)
    await old.panel.drop(access.email)
    assert await old.panel.see(access.email) is None


async def test_nobody_is_shown_after_an_update(old: World) -> None:
    access = Ground(old.panel, old.inbounds).access()
    await old.panel.put(access)
    await old.panel.drop(access.email)
    await old.switch(version="3.6.0")
    await old.panel.probe()
    assert len(await names(old)) == 3
    assert await everyone(old.panel) == {}


@pytest.mark.parametrize("version", ["2.8.11", "3.0.2", "3.6.0"])
async def test_a_changed_password_is_denied_and_not_tried_again(tools: PanelTools, version: str) -> None:
    async with emulating(tools, version) as world:
        panel = world.by_password()
        access = Ground(panel, world.inbounds).access()
        await panel.put(access)
        world.emulator.panel.password = "changed"
        await world.switch(expire_sessions=True)
        for verb in (panel.put, lambda one: panel.see(one.email), lambda one: panel.put_many([one])):
            with pytest.raises(AccessDenied, match="correct the user name and password"):
                await verb(access)
        assert len(await world.calls("POST", "login")) == 2


@pytest.mark.parametrize("version", ["2.3.0", "2.8.11", "3.0.2", "3.6.0"])
async def test_a_dead_session_is_renewed_unseen(tools: PanelTools, version: str) -> None:
    """2.8.4 to 3.0.1 answer it with the same 404 as a route that they do not have."""
    async with emulating(tools, version) as world:
        panel = world.by_password()
        access = Ground(panel, world.inbounds).access()
        await panel.put(access)
        await world.switch(expire_sessions=True)
        renewed = replace(access, ends_at=in_days(60))
        assert as_owed(await panel.put(renewed)) == as_promised(renewed)
        assert len(await world.calls("POST", "login")) == 2

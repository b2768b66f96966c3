"""The way in by user name and password: one login for all, renewed in time, and never hammered."""

import asyncio
from dataclasses import replace

import pytest

from ferryman.fleet.panel import PanelTools
from ferryman.fleet.panels.xui import Xui
from ferryman.kit.errors import AccessDenied, Refused, Unreachable
from ferryman.kit.http import Http
from tests.fleet.panels.conftest import HandClock
from tests.fleet.panels.contract import Ground, as_owed, as_promised, in_days
from tests.fleet.panels.emulated import World

LOGIN, STATUS = "login", "server/status"
SIX_HOURS = 6 * 3600


@pytest.fixture
def panel(world: World, http: Http, clock: HandClock) -> Xui:
    return world.by_password(tools=PanelTools(http, clock))


async def logins(world: World) -> int:
    return len(await world.calls("POST", LOGIN))


async def test_a_client_is_put_changed_and_dropped_by_password(world: World, panel: Xui) -> None:
    access = Ground(panel, world.inbounds).access()
    await panel.put(access)
    later = replace(access, ends_at=in_days(60))
    assert as_owed(await panel.put(later)) == as_promised(later)
    await panel.drop(access.email)
    assert await panel.see(access.email) is None
    assert await logins(world) == 1


async def test_ten_calls_at_once_share_one_login(world: World, panel: Xui) -> None:
    await asyncio.gather(*(panel.probe() for _ in range(10)))
    assert await logins(world) == 1


async def test_a_session_ended_by_the_panel_costs_one_login_for_all_who_notice(world: World, panel: Xui) -> None:
    await panel.probe()
    await world.switch(expire_sessions=True)
    await asyncio.gather(*(panel.probe() for _ in range(10)))
    assert await logins(world) == 2


async def test_a_write_that_meets_a_dead_session_is_done_once(world: World, panel: Xui) -> None:
    access = Ground(panel, world.inbounds).access()
    assert await panel.see(access.email) is None
    await panel.inbounds()
    await world.fault("status", route="clients/add", status=401)
    assert as_owed(await panel.put(access)) == as_promised(access)
    assert len(await world.flows(access.email)) == 3
    assert await logins(world) == 2


async def test_a_write_without_a_usable_answer_is_not_sent_again(world: World, panel: Xui) -> None:
    """Nobody knows what such a write did; only a look at the client can tell."""
    access = Ground(panel, world.inbounds).access()
    await world.fault("empty", route="clients/add")
    with pytest.raises(Unreachable):
        await panel.put(access)
    assert len(await world.calls("POST", "clients/add")) == 1
    assert await logins(world) == 1


async def test_a_session_is_renewed_before_its_last_tenth(world: World, panel: Xui, clock: HandClock) -> None:
    await panel.probe()
    clock.advance(seconds=SIX_HOURS * 0.9 - 60)
    await panel.probe()
    assert await logins(world) == 1
    clock.advance(seconds=61)
    await panel.probe()
    assert await logins(world) == 2


async def test_a_wrong_password_is_tried_twice_and_then_left_alone(world: World, http: Http, clock: HandClock) -> None:
    panel = world.by_password("wrong-canary", tools=PanelTools(http, clock))
    for _ in range(5):
        with pytest.raises(AccessDenied, match="15 minutes") as caught:
            await panel.probe()
        assert "canary" not in str(caught.value)
    assert await logins(world) == 2
    clock.advance(minutes=15)
    with pytest.raises(AccessDenied):
        await panel.probe()
    assert await logins(world) == 3


async def test_concurrent_calls_with_a_wrong_password_do_not_lock_the_owner_out(world: World) -> None:
    wrong = world.by_password("wrong")
    answers = await asyncio.gather(*(wrong.probe() for _ in range(20)), return_exceptions=True)
    assert all(isinstance(answer, AccessDenied) for answer in answers)
    assert await logins(world) == 2
    assert (await world.by_password().probe()).core_running


async def test_a_login_that_could_not_save_its_session_is_not_a_wrong_password(world: World, panel: Xui) -> None:
    await world.fault("empty", route=LOGIN, times=3)
    for _ in range(3):
        with pytest.raises(Unreachable):
            await panel.probe()
    assert (await panel.probe()).core_running


async def test_a_route_that_stays_missing_costs_one_login_and_is_then_refused(world: World, panel: Xui) -> None:
    await panel.probe()
    await world.fault("status", route=STATUS, status=404, times=-1)
    with pytest.raises(Refused, match="web base path"):
        await panel.probe()
    assert await logins(world) == 2


async def test_a_wrong_base_path_is_named_at_the_login_too(world: World) -> None:
    access = replace(world.by_password_access(), url=world.access.url.replace("hidden", "wrong"))
    with pytest.raises(Refused, match="web base path"):
        await Xui(access, world.tools).probe()

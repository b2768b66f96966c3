"""The way in by user name and password: one login for all, renewed in time, and never hammered."""

import asyncio
from dataclasses import replace

import pytest
from pydantic import SecretStr

from ferryman.fleet.panel import PanelTools
from ferryman.fleet.panels.xui import Xui
from ferryman.kit.errors import AccessDenied, Misconfigured, Refused, Unreachable
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


async def test_a_wrong_password_is_tried_once_and_then_left_alone(world: World, http: Http, clock: HandClock) -> None:
    panel = world.by_password("wrong-canary", tools=PanelTools(http, clock))
    for _ in range(5):
        with pytest.raises(AccessDenied, match="15 minutes") as caught:
            await panel.probe()
        assert "canary" not in str(caught.value)
    assert await logins(world) == 1
    clock.advance(minutes=10)
    with pytest.raises(AccessDenied):
        await panel.probe()
    assert await logins(world) == 2


async def test_a_password_that_was_changed_is_said_once_and_never_hammered(
    world: World, panel: Xui, clock: HandClock
) -> None:
    """As when the owner changes it in the panel: the session ends, and the old password does not open another."""
    access = Ground(panel, world.inbounds).access()
    await panel.put(access)
    world.emulator.panel.password = "changed"
    await world.switch(expire_sessions=True)
    answers = await asyncio.gather(*(panel.put(access) for _ in range(10)), return_exceptions=True)
    assert all(isinstance(answer, AccessDenied) for answer in answers)
    assert await logins(world) == 2
    assert (await world.by_password("changed").probe()).core_running


async def test_an_hour_of_calls_with_a_wrong_password_never_locks_the_owner_out(
    world: World, http: Http, clock: HandClock
) -> None:
    wrong = world.by_password("wrong", tools=PanelTools(http, clock))
    for _ in range(120):
        with pytest.raises(AccessDenied):
            await wrong.probe()
        clock.advance(seconds=30)
        await world.advance(30)
    assert await logins(world) == 6
    assert (await world.by_password().probe()).core_running


async def test_a_lock_out_ends_by_itself(world: World, http: Http, clock: HandClock) -> None:
    for _ in range(5):
        with pytest.raises(AccessDenied):
            await world.by_password("somebody else's mistakes").probe()
    panel = world.by_password(tools=PanelTools(http, clock))
    with pytest.raises(AccessDenied):
        await panel.probe()
    clock.advance(minutes=16)
    await world.advance(16 * 60)
    assert (await panel.probe()).core_running


SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


def with_factor(world: World, secret: str, clock: HandClock) -> Xui:
    access = replace(world.by_password_access(), totp=SecretStr(secret))
    return Xui(access, PanelTools(world.tools.http, clock))


@pytest.mark.parametrize("version", ["2.6.8", "2.8.11", "3.0.2", "3.6.0"])
async def test_a_second_factor_is_answered_on_the_panels_clock(world: World, clock: HandClock, version: str) -> None:
    await world.switch(version=version, two_factor_secret=SECRET)
    panel = with_factor(world, SECRET, clock)
    clock.advance(hours=5)
    assert (await panel.probe()).core_running
    with pytest.raises(AccessDenied, match="second factor"):
        await world.by_password().probe()


async def test_no_code_is_shown_twice_after_it_was_refused(world: World, clock: HandClock) -> None:
    await world.switch(two_factor_secret="GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ")
    panel = with_factor(world, SECRET, clock)
    for _ in range(4):
        with pytest.raises(AccessDenied, match="15 minutes") as caught:
            await panel.probe()
        assert SECRET not in str(caught.value)
    first = await logins(world)
    await world.advance(31)
    for _ in range(4):
        with pytest.raises(AccessDenied):
            await panel.probe()
    second = await logins(world)
    await world.advance(31)
    with pytest.raises(AccessDenied):
        await panel.probe()
    assert (first, second, await logins(world)) == (1, 2, 2)


def test_a_second_factor_that_is_no_secret_stops_at_once(world: World, clock: HandClock) -> None:
    with pytest.raises(Misconfigured, match="base32"):
        with_factor(world, "not base32!", clock)


async def test_concurrent_calls_with_a_wrong_password_do_not_lock_the_owner_out(world: World) -> None:
    wrong = world.by_password("wrong")
    answers = await asyncio.gather(*(wrong.probe() for _ in range(20)), return_exceptions=True)
    assert all(isinstance(answer, AccessDenied) for answer in answers)
    assert await logins(world) == 1
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

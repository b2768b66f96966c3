"""3X-UI in bad weather: answers lost, late, garbled or refused; nothing doubled, nothing lost, nothing said aloud."""

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest
from pydantic import SecretStr

from ferryman.fleet.panel import Access
from ferryman.fleet.panels.xui.record import milliseconds
from ferryman.fleet.panels.xui.session import Timeouts
from ferryman.kit.errors import AccessDenied, Busy, Conflict, FerrymanError, Refused, Retry, Unreachable
from tests.fleet.panels.contract import GIB, Ground, as_owed, as_promised, in_days
from tests.fleet.panels.emulated import PASSWORD, TOKEN, World


@pytest.fixture
def ground(world: World) -> Ground:
    return Ground(world.panel, world.inbounds)


async def entries(world: World, email: str) -> int:
    """How often the client stands in the inbounds' lists."""
    return len(await world.flows(email))


async def test_an_add_whose_answer_is_lost_leads_to_one_client_and_no_second_add(world: World, ground: Ground) -> None:
    access = ground.access()
    await world.fault("drop_after", route="clients/add")
    assert as_owed(await world.panel.put(access)) == as_promised(access)
    assert len(await world.calls("POST", "clients/add")) == 1
    assert await entries(world, access.email) == 3


async def test_an_add_that_never_arrived_is_made_up_for_by_the_next_put(world: World, ground: Ground) -> None:
    access = ground.access()
    await world.fault("drop_before", route="clients/add")
    with pytest.raises(Unreachable):
        await world.panel.put(access)
    assert await world.panel.see(access.email) is None
    assert as_owed(await world.panel.put(access)) == as_promised(access)
    assert await entries(world, access.email) == 3


@pytest.mark.parametrize("mode", ["html_after", "drop_after"])
async def test_an_update_whose_answer_is_lost_has_happened(world: World, ground: Ground, mode: str) -> None:
    access = ground.access()
    await world.panel.put(access)
    renewed = replace(access, ends_at=in_days(60))
    await world.fault(mode, route="clients/update")
    assert as_owed(await world.panel.put(renewed)) == as_promised(renewed)
    assert len(await world.calls("POST", "clients/update")) == 1


async def test_a_deletion_whose_answer_is_lost_has_happened(world: World, ground: Ground) -> None:
    access = ground.access()
    await world.panel.put(access)
    await world.fault("drop_after", route="clients/del")
    await world.panel.drop(access.email)
    assert await world.panel.see(access.email) is None


async def test_a_deletion_that_never_arrived_is_not_called_a_success(world: World, ground: Ground) -> None:
    access = ground.access()
    await world.panel.put(access)
    await world.fault("drop_before", route="clients/del")
    with pytest.raises(Unreachable):
        await world.panel.drop(access.email)
    assert await world.panel.see(access.email) is not None


@pytest.mark.parametrize("lost_at", [0, 1, 2, 3, 4])
async def test_on_the_oldest_panel_repeating_heals_whatever_was_cut(old_world: World, lost_at: int) -> None:
    """Its mixed sets take several writes; the connection dies after a different one each time."""
    ground = Ground(old_world.panel, old_world.inbounds)
    access = ground.access()
    await put_through(old_world, access, skip=lost_at)
    renewed = replace(access, ends_at=in_days(60), traffic_bytes=70 * GIB)
    await put_through(old_world, renewed, skip=lost_at)
    assert await old_world.flows(access.email) == {1: "xtls-rprx-vision", 2: "", 3: ""}


async def put_through(world: World, access: Access, skip: int) -> None:
    routes = ["clients/add", "clients/add", "detach", "clients/update", "clients/add"]
    await world.fault("drop_after", route=routes[skip], method="POST")
    for _ in range(5):
        try:
            seen = await world.panel.put(access)
        except Retry:
            continue
        assert as_owed(seen) == as_promised(access)
        break
    else:
        pytest.fail("five puts were not enough")
    await world.clear_faults()


async def test_a_repeated_put_changes_nothing(world: World, ground: Ground) -> None:
    access = ground.access()
    await world.panel.put(access)
    before = await world.changes()
    await world.panel.put(access)
    await world.client().put(access)
    assert await world.changes() == before


async def test_a_repeated_put_changes_nothing_on_the_oldest_panel_either(old_world: World) -> None:
    access = Ground(old_world.panel, old_world.inbounds).access()
    await old_world.panel.put(access)
    before = await old_world.changes()
    await old_world.panel.put(access)
    assert await old_world.changes() == before


async def test_a_page_where_json_belongs_is_no_answer(world: World) -> None:
    await world.switch(html_200=1)
    with pytest.raises(Unreachable, match="a page instead of JSON"):
        await world.panel.probe()


async def test_an_empty_answer_is_no_answer(world: World) -> None:
    await world.fault("empty", route="status")
    with pytest.raises(Unreachable, match="nothing instead of JSON"):
        await world.panel.probe()


async def test_a_proxys_error_page_is_busy(world: World) -> None:
    await world.fault("html", route="status", status=502)
    with pytest.raises(Busy, match="502"):
        await world.panel.probe()


async def test_a_panic_is_busy(world: World) -> None:
    await world.fault("status", route="status", status=500)
    with pytest.raises(Busy, match="500"):
        await world.panel.probe()


async def test_a_refused_retry_time_is_handed_on(world: World) -> None:
    await world.fault("status", route="status", status=429, headers={"Retry-After": "7"})
    with pytest.raises(Busy) as caught:
        await world.panel.probe()
    assert caught.value.after == 7


async def test_a_locked_database_is_busy_and_heals(world: World, ground: Ground) -> None:
    access = ground.access()
    await world.switch(locked_db=1)
    with pytest.raises(Busy, match="database is locked"):
        await world.panel.put(access)
    assert as_owed(await world.panel.put(access)) == as_promised(access)


async def test_a_hanging_panel_is_unreachable_within_the_timeout(world: World) -> None:
    await world.fault("hang", route="status", seconds=30)
    panel = world.client(timeouts=Timeouts(read=0.2, change=0.2))
    async with asyncio.timeout(5):
        with pytest.raises(Unreachable, match="did not answer"):
            await panel.probe()


async def test_a_hanging_write_is_not_sent_twice(world: World, ground: Ground) -> None:
    access = ground.access()
    await world.fault("hang", route="clients/add", seconds=30)
    panel = world.client(timeouts=Timeouts(read=5, change=0.2))
    with pytest.raises(Unreachable):
        await panel.put(access)
    await world.clear_faults()
    assert as_owed(await panel.put(access)) == as_promised(access)
    assert await entries(world, access.email) == 3


async def test_a_value_that_the_panel_keeps_otherwise_is_named(world: World, ground: Ground) -> None:
    """A write that is answered with success and does nothing."""
    access = ground.access()
    await world.panel.put(access)
    await world.fault("status", route="clients/update", status=200, body={"success": True, "msg": "", "obj": None})
    with pytest.raises(Busy, match="expiryTime"):
        await world.panel.put(replace(access, ends_at=in_days(60)))


async def test_a_client_that_is_not_there_after_success_is_busy(world: World, ground: Ground) -> None:
    await world.fault("status", route="clients/add", status=200, body={"success": True, "msg": "", "obj": None})
    with pytest.raises(Busy, match="does not have it"):
        await world.panel.put(ground.access())


async def test_a_sub_id_of_another_client_is_a_conflict(world: World, ground: Ground) -> None:
    first = ground.access()
    await world.panel.put(first)
    with pytest.raises(Conflict, match="subId already in use"):
        await world.panel.put(ground.access(sub_id=first.sub_id))


async def test_a_route_that_is_missing_blames_base_path_or_version(world: World) -> None:
    wrong = world.client(url=world.access.url.replace("hidden", "wrong"))
    with pytest.raises(Refused, match="web base path"):
        await wrong.probe()


async def test_a_wrong_token_is_denied_with_the_way_out(world: World) -> None:
    wrong = world.client(token=SecretStr("wrong-token-canary"))
    with pytest.raises(AccessDenied, match="API token") as caught:
        await wrong.probe()
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    "fault",
    [
        {"mode": "status", "status": 200, "body": {"success": False, "msg": "No (secret is SECRET)"}},
        {"mode": "status", "status": 401},
        {"mode": "status", "status": 403},
        {"mode": "status", "status": 404},
        {"mode": "status", "status": 418},
        {"mode": "html"},
        {"mode": "empty"},
        {"mode": "drop_before"},
    ],
    ids=lambda fault: f"{fault['mode']}-{fault.get('status', '')}",
)
async def test_no_error_holds_a_secret_and_every_error_names_the_host(world: World, fault: dict[str, Any]) -> None:
    for secret, panel in ((TOKEN, world.panel), (PASSWORD, world.by_password())):
        spoken = json.loads(json.dumps(fault).replace("SECRET", secret))
        await world.fault(**spoken, route="status", times=-1)
        with pytest.raises(FerrymanError) as caught:
            await panel.probe()
        await world.clear_faults()
        text = f"{caught.value} {caught.value!r} {caught.value.__cause__!r}"
        assert secret not in text
        assert "127.0.0.1" in str(caught.value)


async def test_a_spent_quota_stays_spent_until_it_grows_and_counters_stay(world: World, ground: Ground) -> None:
    access = ground.access(traffic_bytes=GIB)
    await world.panel.put(access)
    await world.use(access.email, GIB, 5)
    spent = await world.panel.see(access.email)
    assert spent is not None and not spent.enabled and (spent.up, spent.down) == (GIB, 5)
    before = await world.changes()
    assert (await world.panel.put(access)).enabled is False
    assert await world.changes() == before
    more = await world.panel.put(replace(access, traffic_bytes=3 * GIB))
    assert more.enabled and (more.up, more.down) == (GIB, 5)


async def test_a_client_that_ended_is_renewed_after_the_panel_switched_it_off(world: World, ground: Ground) -> None:
    access = ground.access(ends_at=in_days(-1))
    await world.panel.put(access)
    await world.advance(10)
    ended = await world.panel.see(access.email)
    assert ended is not None and not ended.enabled
    renewed = replace(access, ends_at=in_days(30))
    assert as_owed(await world.panel.put(renewed)) == as_promised(renewed)
    await world.advance(10)
    assert as_owed(await world.panel.see(access.email)) == as_promised(renewed)


@pytest.mark.parametrize("version", ["3.1.0", "3.2.8", "3.6.0"])
async def test_vision_is_only_where_it_can_work(world: World, ground: Ground, version: str) -> None:
    await world.switch(version=version)
    access = ground.access()
    for inbounds in [(1, 2, 3), (2, 3), (1,), (3,), (1, 3)]:
        await world.panel.put(replace(access, inbounds=inbounds, ends_at=in_days(len(inbounds))))
        wanted = {number: "xtls-rprx-vision" if number == 1 else "" for number in inbounds}
        assert await world.flows(access.email) == wanted


@pytest.mark.parametrize("version", ["3.1.0", "3.6.0"])
async def test_counters_survive_every_move(world: World, ground: Ground, version: str) -> None:
    await world.switch(version=version)
    access = ground.access()
    await world.panel.put(access)
    await world.use(access.email, 111, 222)
    for inbounds in [(3,), (1, 2, 3), (1,), (2, 3)]:
        seen = await world.panel.put(replace(access, inbounds=inbounds))
        assert (seen.up, seen.down) == (111, 222)


@pytest.mark.parametrize("enabled", [True, False])
@pytest.mark.parametrize("version", ["3.1.0", "3.6.0"])
async def test_a_client_taken_off_all_its_inbounds_is_put_back(
    world: World, ground: Ground, version: str, enabled: bool
) -> None:
    await world.switch(version=version)
    access = ground.access()
    await world.panel.put(access)
    await world.panel._session.change("clients", access.email, "detach", body={"inboundIds": [1, 2, 3]})
    back = replace(access, enabled=enabled, ends_at=in_days(60))
    assert as_owed(await world.panel.put(back)) == as_promised(back)


async def test_what_an_operator_added_to_a_client_survives_our_update(world: World, ground: Ground) -> None:
    access = ground.access()
    await world.panel.put(access)
    session = world.panel._session
    record = (await session.get("clients", "get", access.email))["client"]
    noted = {**record, "id": record["uuid"], "comment": "pays in cash", "group": "friends", "tgId": 42}
    for name in ("uuid", "createdAt", "updatedAt", "allowedIPs"):
        noted.pop(name, None)
    await session.change("clients", "update", access.email, body=noted)
    await world.panel.put(replace(access, ends_at=in_days(60)))
    kept = (await session.get("clients", "get", access.email))["client"]
    assert (kept["comment"], kept["group"], kept["tgId"]) == ("pays in cash", "friends", 42)
    assert kept["createdAt"] == record["createdAt"]


async def test_a_renewal_by_the_panel_itself_is_switched_off(world: World, ground: Ground) -> None:
    access = ground.access()
    await world.panel.put(access)
    session = world.panel._session
    record = (await session.get("clients", "get", access.email))["client"]
    body = {**access_body(access), "flow": record["flow"], "reset": 30}
    await session.change("clients", "update", access.email, body=body)
    await world.panel.put(access)
    assert (await session.get("clients", "get", access.email))["client"]["reset"] == 0


def access_body(access: Access) -> dict[str, object]:
    return {
        "email": access.email,
        "id": access.uuid,
        "password": access.password,
        "subId": access.sub_id,
        "enable": True,
        "totalGB": access.traffic_bytes,
        "expiryTime": milliseconds(access.ends_at),
        "limitIp": access.devices,
        "tgId": 0,
    }

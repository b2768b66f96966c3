"""Trouble on demand: what a tester can do to a running panel."""

import aiohttp
import pytest

from ferryman_sandbox.emulator import serve
from ferryman_sandbox.store import Store
from ferryman_sandbox.xui import XuiEmulator, vless_reality
from tests.sandbox.xui.driver import PanelDriver


async def test_a_dropped_answer_comes_after_the_effect(newest: PanelDriver) -> None:
    await newest.emu("switches", {"drop_after_commit": 1})
    client = newest.new_client()
    with pytest.raises(aiohttp.ClientError):
        await newest.post("clients/add", {"client": client, "inboundIds": newest.ids})
    assert await newest.get_client(client["email"])
    assert (await newest.delete(client["email"])).ok


async def test_reads_and_refusals_do_not_use_up_a_drop(newest: PanelDriver) -> None:
    await newest.emu("switches", {"drop_after_commit": 1})
    assert (await newest.get("inbounds/list")).ok
    assert "not found" in (await newest.delete("nobody-here")).complaint
    assert (await newest.emu("switches"))["drop_after_commit"] == 1


async def test_a_locked_database_refuses_changes_and_nothing_else(newest: PanelDriver) -> None:
    await newest.emu("switches", {"locked_db": 2})
    client = newest.new_client()
    for _ in range(2):
        answer = await newest.post("clients/add", {"client": client, "inboundIds": newest.ids})
        assert "(database is locked)" in answer.complaint
        assert (await newest.get("clients/list")).obj == []
    await newest.add(client)


async def test_a_proxys_page_with_status_200_is_no_json(newest: PanelDriver) -> None:
    await newest.emu("switches", {"html_200": 1})
    answer = await newest.get("inbounds/list")
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("text/html")
    assert (await newest.get("inbounds/list")).ok


async def test_expired_sessions_must_log_in_again_and_tokens_live_on(newest: PanelDriver) -> None:
    cookies, _ = await newest.logged_in()
    await newest.emu("switches", {"expire_sessions": True})
    assert (await newest.get("server/status", cookies=cookies, token=None)).status == 401
    assert (await newest.get("server/status")).ok
    again, _ = await newest.logged_in()
    assert (await newest.get("server/status", cookies=again, token=None)).ok


async def test_a_session_ends_by_itself_after_six_hours(newest: PanelDriver) -> None:
    cookies, _ = await newest.logged_in()
    await newest.emu("clock", {"advance": 6 * 3600 - 60})
    assert (await newest.get("server/status", cookies=cookies, token=None)).ok
    await newest.emu("clock", {"advance": 120})
    assert (await newest.get("server/status", cookies=cookies, token=None)).status == 401


async def test_a_dead_core_counts_nothing_and_takes_changes_for_later(newest: PanelDriver) -> None:
    first = await newest.added()
    await newest.emu("switches", {"xray_down": True})
    second = await newest.added()
    assert (await newest.get("server/status")).obj["xray"]["state"] == "error"
    assert (await newest.emu("traffic", {"email": first["email"], "down": 1}))["accepted"] is False
    await newest.emu("switches", {"xray_down": False})
    users = {email for _, email in (await newest.emu("state"))["runtime"]["users"]}
    assert users == {first["email"], second["email"]}


async def test_clients_on_an_unreachable_node_wait_for_it(emulated: PanelDriver) -> None:
    spec = vless_reality("far away", 21000) | {"nodeId": 3}
    inbound_id = (await emulated.post("inbounds/add", spec)).obj["id"]
    await emulated.emu("switches", {"node_offline": True})
    client = emulated.new_client()
    answer = await emulated.post("clients/add", {"client": client, "inboundIds": [inbound_id]})
    assert answer.obj == ({"nodePending": True} if emulated.version >= (3, 2, 8) else None)
    assert (await emulated.emu("state"))["runtime"]["users"] == []
    await emulated.emu("switches", {"node_offline": False})
    assert len((await emulated.emu("state"))["runtime"]["users"]) == 1


async def test_a_panel_is_upgraded_in_place(newest: PanelDriver) -> None:
    await newest.emu("switches", {"version": "3.1.0"})
    client = await newest.added()
    assert (await newest.post("clients/bulkEnable", {"emails": []})).status == 404
    await newest.emu("switches", {"version": "3.6.0"})
    assert (await newest.get("server/status")).obj["panelVersion"] == "3.6.0"
    assert (await newest.post("clients/bulkEnable", {"emails": [client["email"]]})).obj == {"changed": 1}


async def test_the_messages_language_can_be_forced(newest: PanelDriver) -> None:
    await newest.emu("switches", {"lang": "ru"})
    assert "что-то пошло не так" in (await newest.delete("nobody-here")).complaint


async def test_latency_slows_the_panel_and_not_its_controls(newest: PanelDriver) -> None:
    await newest.emu("switches", {"latency_ms": 60})
    await newest.get("inbounds/list")
    calls = await newest.emu("calls")
    assert calls[-1]["ms"] >= 60


@pytest.mark.parametrize(
    "wrong", [{"nonsense": 1}, {"locked_db": -1}, {"xray_down": "yes"}, {"version": "2.2.0"}, {"version": 3}, []]
)
async def test_a_wrong_switch_is_named_and_changes_nothing(newest: PanelDriver, wrong: object) -> None:
    before = await newest.emu("switches")
    async with newest.http.post(f"{newest.url}__emu/switches", json=wrong) as response:
        assert response.status == 400
        assert (await response.json())["error"]
    assert await newest.emu("switches") == before


async def test_a_wrong_traffic_or_rate_is_a_clear_error(newest: PanelDriver) -> None:
    for route, wrong in (("traffic", {}), ("rate", {"email": "a", "up": "x"}), ("tick", {"seconds": "x"})):
        async with newest.http.post(f"{newest.url}__emu/{route}", json=wrong) as response:
            assert response.status == 400


async def test_faults_of_the_weather_work_on_a_panel_too(newest: PanelDriver) -> None:
    await newest.emu("faults", {"mode": "status", "status": 500, "route": "clients/add"})
    answer = await newest.post("clients/add", {"client": newest.new_client(), "inboundIds": newest.ids})
    assert answer.status == 500
    assert (await newest.get("clients/list")).obj == []


async def test_a_base_path_hides_everything_else(http: aiohttp.ClientSession) -> None:
    emulator = XuiEmulator(Store(":memory:"), base_path="secret", inbounds=[vless_reality()])
    server = await serve(emulator.app)
    driver = PanelDriver(http, f"{server.url}/secret/", emulator.api_token, (3, 6, 0), "admin", "admin", emulated=True)
    assert len((await driver.get("inbounds/list")).obj) == 1
    assert (await driver.login("admin", "admin")).cookies["3x-ui"]["path"] == "/secret/"
    driver.url = f"{server.url}/"
    for path in ("", "login", "panel/api/inbounds/list", "secre/panel/api/inbounds/list"):
        answer = await driver.call("GET", path)
        assert (answer.status, answer.body) == (404, b"")
    await server.stop()

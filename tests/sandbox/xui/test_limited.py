"""What 3.7 limits: devices of a client, scope and age of a token, and how often a client renews itself."""

import time
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from ferryman_sandbox.emulator import serve
from tests.sandbox.xui.conftest import start
from tests.sandbox.xui.driver import Answer, PanelDriver

DAY = 86_400_000
TOKENS = "panel/api/setting/apiTokens"


@pytest.fixture
async def limited(http: aiohttp.ClientSession) -> AsyncIterator[PanelDriver]:
    """A panel of 3.7.0 with its subscription listener."""
    running = await start(http, version="3.7.0")
    listener = await serve(running.emulator.subscription_app())
    await running.driver.emu("switches", {"sub_uri": f"{listener.url}/sub/"})
    yield running.driver
    await listener.stop()
    await running.stop()


async def issue(panel: PanelDriver, **fields: Any) -> Any:
    return (await panel.call("POST", f"{TOKENS}/create", json={"name": f"t{time.monotonic_ns()}"} | fields)).obj


async def test_a_device_limit_is_stored_and_cleared_like_any_other(panel: PanelDriver) -> None:
    client = await panel.added(limitHwid=3)
    record = await panel.record(client["email"])
    assert record.get("limitHwid") == (3 if panel.version >= (3, 7, 0) else None)
    entry = (await panel.entries(panel.ids[0], client["email"]))[0]
    assert "limitHwid" not in entry
    await panel.update(client["email"], {name: value for name, value in client.items() if name != "limitHwid"})
    assert (await panel.record(client["email"])).get("limitHwid") in (0, None)


async def test_a_limit_set_before_3_7_is_not_remembered(http: aiohttp.ClientSession) -> None:
    running = await start(http, version="3.6.0")
    client = await running.driver.added(limitHwid=3)
    await running.driver.emu("upgrade", {"version": "3.7.0"})
    assert (await running.driver.record(client["email"]))["limitHwid"] == 0
    await running.stop()


async def fetch(panel: PanelDriver, sub_id: str, hwid: str = "") -> tuple[int, dict[str, str]]:
    settings = (await panel.call("POST", f"{panel.settings}/defaultSettings")).obj
    headers = {"X-HWID": hwid} if hwid else {}
    async with panel.http.get(settings["subURI"] + sub_id, headers=headers) as response:
        return response.status, {name: value for name, value in response.headers.items() if name.startswith("X-Hwid")}


async def test_the_subscription_counts_devices(limited: PanelDriver) -> None:
    client = await limited.added(limitHwid=1)
    assert await fetch(limited, client["subId"]) == (404, {"X-Hwid-Active": "true", "X-Hwid-Not-Supported": "true"})
    assert (await fetch(limited, client["subId"], "first-device"))[0] == 200
    assert (await fetch(limited, client["subId"], "first-device"))[0] == 200
    status, told = await fetch(limited, client["subId"], "second-device")
    assert (status, told["X-Hwid-Max-Devices-Reached"]) == (404, "true")
    (device,) = (await limited.post(f"clients/hwids/{client['email']}")).obj
    gone = await limited.call("DELETE", f"panel/api/clients/hwids/{client['email']}/{device['id']}")
    assert gone.ok
    assert (
        "device not found"
        in (await limited.call("DELETE", f"panel/api/clients/hwids/{client['email']}/{device['id']}")).complaint
    )
    assert (await fetch(limited, client["subId"], "second-device"))[0] == 200


async def test_nobody_is_counted_without_a_limit(limited: PanelDriver) -> None:
    client = await limited.added()
    assert await fetch(limited, client["subId"]) == (200, {})
    assert (await limited.post(f"clients/hwids/{client['email']}")).obj == []


def refused(answer: Answer) -> bool:
    return answer.status == 403 and answer.json["success"] is False and "obj" not in answer.json


async def test_a_monitor_reads_the_status_and_nothing_else(limited: PanelDriver) -> None:
    token = (await issue(limited, scope="monitor"))["token"]
    assert (await limited.get("server/status", token=token)).ok
    for path in ("inbounds/list", "clients/list", "server/getDb"):
        assert refused(await limited.get(path, token=token))
    assert refused(await limited.post("clients/add", {}, token=token))


async def test_a_node_token_manages_clients_but_does_not_list_them(limited: PanelDriver) -> None:
    token = (await issue(limited, scope="node-sync"))["token"]
    body = {"client": limited.new_client(), "inboundIds": limited.ids[:1]}
    assert (await limited.post("clients/add", body, token=token)).ok
    assert (await limited.get("inbounds/list", token=token)).ok
    for path in ("clients/list", f"clients/get/{limited.emails[-1]}", f"clients/traffic/{limited.emails[-1]}"):
        assert refused(await limited.get(path, token=token))


async def test_an_unknown_scope_or_a_past_expiry_is_refused(limited: PanelDriver) -> None:
    for wrong, complaint in (({"scope": "root"}, "scope must be"), ({"expiresAt": 5}, "expiresat must be")):
        answer = await limited.call("POST", f"{TOKENS}/create", json={"name": "x"} | wrong)
        assert complaint in answer.complaint


async def test_a_token_stops_at_its_expiry(limited: PanelDriver) -> None:
    expiry = int(time.time() * 1000) + 60_000
    made = await issue(limited, expiresAt=expiry)
    assert (made["scope"], made["expiresAt"]) == ("admin", expiry)
    assert (await limited.get("server/status", token=made["token"])).ok
    await limited.emu("clock", {"advance": 61})
    assert (await limited.get("server/status", token=made["token"])).status == 401


async def test_a_token_is_only_deleted_by_who_knows_its_scope(limited: PanelDriver) -> None:
    made = await issue(limited, scope="monitor")
    path = f"{TOKENS}/delete/{made['id']}"
    assert "expected scope is required" in (await limited.call("POST", path, json={})).complaint
    wrong = await limited.call("POST", path, json={"expectedScope": "admin"})
    assert "token not found with expected scope" in wrong.complaint
    assert (await limited.call("POST", path, json={"expectedScope": "monitor"})).ok


async def test_a_client_renews_as_often_as_it_may(limited: PanelDriver) -> None:
    expiry = int(time.time() * 1000) - DAY
    client = await limited.added(expiryTime=expiry, reset=30, resetMax=1)
    await limited.emu("tick", {})
    row = await limited.row(client["email"])
    assert (row["expiryTime"], row["resetCount"]) == (expiry + 30 * DAY, 1)
    await limited.emu("clock", {"advance": 40 * 86_400})
    assert (await limited.row(client["email"]))["resetCount"] == 1
    assert await limited.enabled(client["email"]) == (False, False, False)

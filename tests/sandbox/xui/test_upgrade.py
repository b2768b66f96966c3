"""A panel's program replaced under its clients, and last week's database put back."""

import time
import uuid
from pathlib import Path

import aiohttp

from ferryman_sandbox.store import Store
from tests.sandbox.xui.conftest import signed_in_old, start
from tests.sandbox.xui.driver import PanelDriver

GIB = 1 << 30
FUTURE = 4_102_444_800_000


def grown(old: PanelDriver, version: tuple[int, int, int]) -> PanelDriver:
    """Another driver for the same panel after its upgrade; it has to log in first."""
    return PanelDriver(old.http, old.url, "", version, old.username, old.password, emulated=True)


async def test_an_upgrade_from_2_8_keeps_clients_and_changes_the_dialect(http: aiohttp.ClientSession) -> None:
    running = await start(http, version="2.8.11")
    old = await signed_in_old(running)
    client = await old.added(totalGB=GIB, expiryTime=FUTURE, tgId="42", flow="xtls-rprx-vision")
    nameless = await old.added(subId="")
    await old.set_counters(client["email"], 5, 6)
    assert await old.emu("upgrade", {"version": "3.6.0"}) == {"version": "3.6.0"}

    for path in (f"getClientTraffics/{client['email']}", f"getClientTrafficsById/{client['id']}"):
        assert (await old.get(f"inbounds/{path}")).status == 404
    assert (await old.call("POST", "login", form={"username": "admin", "password": "admin"})).status == 403
    new = grown(old, (3, 6, 0))
    await new.sign_in()
    assert (await new.get("server/status")).obj["panelVersion"] == "3.6.0"
    found = await new.get_client(client["email"])
    record = found["client"]
    assert (record["uuid"], record["subId"], record["tgId"]) == (client["id"], client["subId"], 42)
    assert (record["totalGB"], record["expiryTime"], record["flow"]) == (GIB, FUTURE, client["flow"])
    assert found["inboundIds"] == old.ids[:1]
    row = await new.row(client["email"])
    assert (row["up"], row["down"], row["total"]) == (5, 6, GIB)
    assert (await new.record(nameless["email"]))["subId"]
    assert (await new.post(f"clients/{client['email']}/attach", {"inboundIds": old.ids[1:2]})).ok
    assert (await new.delete(client["email"])).ok
    await running.stop()


async def test_one_person_on_several_inbounds_of_3_0_becomes_one_client(http: aiohttp.ClientSession) -> None:
    running = await start(http, version="3.0.2")
    old = await signed_in_old(running)
    client = await old.added()
    await old.add_to(old.ids[1], client | {"id": str(uuid.uuid4())})
    await old.emu("upgrade", {"version": "3.1.0"})
    new = grown(old, (3, 1, 0))
    await new.sign_in()
    found = await new.get_client(client["email"])
    assert (found["inboundIds"], found["client"]["uuid"]) == (old.ids[:2], client["id"])
    await running.stop()


async def test_ghost_rows_do_not_survive_the_upgrade(http: aiohttp.ClientSession) -> None:
    running = await start(http, version="2.9.4")
    old = await signed_in_old(running)
    state = running.emulator.panel.state
    client = await old.added()
    state.drop_entries(old.ids[0], client["email"])
    assert (await old.stats(client["email"]))["email"] == client["email"]
    await old.emu("upgrade", {"version": "3.4.2"})
    assert client["email"] not in state.rows
    await running.stop()


async def test_a_store_of_an_older_version_is_upgraded_at_the_start(
    http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    store = Store(tmp_path / "panel.db")
    before = await start(http, store, version="2.6.8")
    old = await signed_in_old(before)
    client = await old.added()
    await before.stop()
    after = await start(http, store, version="3.7.0")
    after.driver.token = ""
    await after.driver.sign_in()
    assert (await after.driver.record(client["email"]))["uuid"] == client["id"]
    await after.stop()
    store.close()


async def test_an_upgrade_drops_every_session_of_the_core(old_emulated: PanelDriver) -> None:
    restarts = (await old_emulated.emu("state"))["runtime"]["restarts"]
    await old_emulated.emu("switches", {"version": "3.6.0"})
    runtime = (await old_emulated.emu("state"))["runtime"]
    assert runtime["restarts"] == restarts + 1
    assert len(runtime["users"]) == 3


async def test_a_way_back_leaves_what_inbounds_list(http: aiohttp.ClientSession) -> None:
    running = await start(http, version="3.6.0")
    client, orphan = await running.driver.added(), await running.driver.added()
    await running.driver.post(f"clients/{orphan['email']}/detach", {"inboundIds": running.driver.ids})
    await running.driver.emu("upgrade", {"version": "2.8.11"})
    state = await running.driver.emu("state")
    assert [one["email"] for one in state["clients"]] == [client["email"]]
    assert [row["email"] for row in state["traffic"]] == [client["email"]]
    await running.stop()


async def test_yesterdays_database_brings_back_who_was_there(http: aiohttp.ClientSession, tmp_path: Path) -> None:
    store = Store(tmp_path / "panel.db")
    running = await start(http, store)
    panel = running.driver
    kept, gone = await panel.added(totalGB=GIB), await panel.added()
    taken = await panel.emu("snapshot", {"name": "yesterday"})
    assert (taken["rows"], taken["version"]) == (2, "3.6.0")
    await panel.delete(gone["email"])
    late = await panel.added()
    await panel.update(kept["email"], kept | {"totalGB": 5})
    await running.stop()

    again = await start(http, store)
    assert [one["name"] for one in await again.driver.emu("snapshots")] == ["yesterday"]
    await again.driver.emu("restore", {"name": "yesterday"})
    found = {one["email"]: one for one in (await again.driver.get("clients/list")).obj}
    assert set(found) == {kept["email"], gone["email"]}
    assert found[kept["email"]]["totalGB"] == GIB
    users = {email for _, email in (await again.driver.emu("state"))["runtime"]["users"]}
    assert users == {kept["email"], gone["email"]}
    assert late["email"] not in {row["email"] for row in (await again.driver.emu("state"))["traffic"]}
    assert (await again.driver.add(again.driver.new_client()))["email"]
    await again.stop()
    store.close()


async def test_an_older_panels_database_is_upgraded_when_put_back(http: aiohttp.ClientSession) -> None:
    running = await start(http, version="2.8.11")
    old = await signed_in_old(running)
    client = await old.added()
    await old.emu("snapshot", {})
    await old.emu("upgrade", {"version": "3.6.0"})
    new = grown(old, (3, 6, 0))
    await new.sign_in()
    await new.delete(client["email"])
    await new.emu("restore", {})
    assert (await new.record(client["email"]))["uuid"] == client["id"]
    await running.stop()


async def test_a_snapshot_nobody_took_is_named(newest: PanelDriver) -> None:
    for path in ("restore", "upgrade"):
        body = {"name": "never"} if path == "restore" else {"version": "4.0.0"}
        async with newest.http.post(f"{newest.url}__emu/{path}", json=body) as response:
            assert response.status == 400
            assert (await response.json())["error"]


async def test_a_wrong_clock_expires_clients_early_and_shows_in_the_date(newest: PanelDriver) -> None:
    client = await newest.added(expiryTime=int(time.time() * 1000) + 3_600_000)
    await newest.emu("switches", {"clock_skew": 7200})
    await newest.emu("tick", {})
    assert await newest.enabled(client["email"]) == (False, False, False)
    await newest.emu("switches", {"clock_skew": 0})
    assert (await newest.update(client["email"], client)).ok
    await newest.emu("tick", {})
    assert await newest.enabled(client["email"]) == (True, True, True)


async def test_an_inbound_deleted_by_hand_leaves_an_orphan_or_takes_the_row(http: aiohttp.ClientSession) -> None:
    old_running = await start(http, version="2.9.4")
    old = await signed_in_old(old_running)
    client = await old.added()
    assert (await old.post(f"inbounds/del/{old.ids[0]}")).obj == old.ids[0]
    assert "inbound not found for email:" in (await old.traffic(client["email"])).complaint
    assert "record not found" in (await old.post(f"inbounds/del/{old.ids[0]}")).complaint
    assert "record not found" in (await old.add_to(old.ids[0], old.new_client())).complaint
    await old_running.stop()

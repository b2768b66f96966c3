"""What survives a restart, a reset, and a crowd."""

import asyncio
import time
from pathlib import Path

import aiohttp
import pytest

from ferryman_sandbox.store import Store
from tests.sandbox.xui.conftest import start
from tests.sandbox.xui.driver import PanelDriver


async def test_everything_is_there_after_a_restart(http: aiohttp.ClientSession, tmp_path: Path) -> None:
    before = await start(http, Store(tmp_path / "panel.db"), version="3.1.0")
    client = await before.driver.add(before.driver.new_client(totalGB=1 << 30), *before.driver.ids)
    await before.driver.set_counters(client["email"], 1, 2)
    await before.driver.emu("switches", {"version": "3.6.0", "locked_db": 5})
    cookies, _ = await before.driver.logged_in()
    memory = await contents(before.driver)
    await before.stop()
    before.emulator.store.close()

    after = await start(http, Store(tmp_path / "panel.db"), version="3.1.0")
    assert await contents(after.driver) == memory
    assert (await after.driver.emu("switches"))["version"] == "3.6.0"
    assert (await after.driver.emu("switches"))["locked_db"] == 0
    assert (await after.driver.get("server/status", cookies=cookies, token=None)).ok
    assert (await after.driver.added())["email"] != client["email"]
    await after.stop()
    after.emulator.store.close()


async def contents(panel: PanelDriver) -> object:
    state = await panel.emu("state")
    return [state[name] for name in ("inbounds", "clients", "traffic")] + [state["runtime"]["users"]]


async def test_a_restart_forgets_the_login_limiter_only(http: aiohttp.ClientSession, tmp_path: Path) -> None:
    store = Store(tmp_path / "panel.db")
    before = await start(http, store)
    for _ in range(5):
        await before.driver.login("admin", "wrong")
    await before.stop()
    after = await start(http, store)
    assert (await after.driver.login("admin", "admin")).json["success"] is True
    await after.stop()
    store.close()


async def test_deleted_seeds_do_not_come_back(http: aiohttp.ClientSession, tmp_path: Path) -> None:
    store = Store(tmp_path / "panel.db")
    before = await start(http, store)
    for inbound_id in before.driver.ids:
        await before.driver.post(f"inbounds/del/{inbound_id}")
    await before.stop()
    after = await start(http, store)
    assert (await after.driver.get("inbounds/list")).obj == []
    await after.stop()
    store.close()


async def test_a_reset_brings_the_seeds_back_and_forgets_the_rest(newest: PanelDriver) -> None:
    await newest.added()
    await newest.emu("switches", {"version": "3.1.0"})
    await newest.emu("reset", {})
    assert (await newest.get("server/status")).obj["panelVersion"] == "3.6.0"
    assert [one["port"] for one in (await newest.get("inbounds/list")).obj] == [20443, 20444, 20445]
    assert (await newest.get("clients/list")).obj == []
    await newest.added()


async def test_a_hundred_changes_a_second_with_two_thousand_clients(
    http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    """One process asks and answers; the best of ten rounds counts, for the machine has other work too."""
    store = Store(tmp_path / "panel.db")
    running = await start(http, store)
    panel = running.driver
    crowd = [{"client": panel.new_client(), "inboundIds": panel.ids} for _ in range(2000)]
    assert (await panel.post("clients/bulkCreate", crowd)).obj == {"created": 2000}
    rounds = []
    for _ in range(10):
        started = time.perf_counter()
        await asyncio.gather(*(panel.add(panel.new_client(), *panel.ids) for _ in range(20)))
        rounds.append(time.perf_counter() - started)
    assert len((await panel.get("clients/list")).obj) == 2200
    await running.stop()
    store.close()
    assert 20 / min(rounds) > 100


async def test_a_ticking_panel_counts_by_itself(http: aiohttp.ClientSession) -> None:
    store = Store(":memory:")
    store.put("xui.meta", "switches", {"tick_seconds": 0.02, "simulate": 1_000_000})
    running = await start(http, store, ticking=True)
    client = await running.driver.added()
    deadline = time.monotonic() + 10
    while (await running.driver.row(client["email"]))["down"] == 0:
        if time.monotonic() > deadline:
            pytest.fail("the traffic job never ran")
        await asyncio.sleep(0.02)
    await running.stop()

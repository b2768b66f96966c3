"""What survives a restart, a reset, and a crowd."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from ferryman_sandbox.store import Document, Store
from ferryman_sandbox.xui.state import Texts
from tests.sandbox.xui.conftest import start
from tests.sandbox.xui.driver import PanelDriver
from tests.sandbox.xui.old_driver import OldDriver


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


@pytest.fixture
async def crowded(http: aiohttp.ClientSession, tmp_path: Path) -> AsyncIterator[PanelDriver]:
    """A panel of the newest kind with two thousand clients on three inbounds, kept in a file."""
    store = Store(tmp_path / "panel.db")
    running = await start(http, store)
    panel = running.driver
    crowd = [{"client": panel.new_client(), "inboundIds": panel.ids} for _ in range(2000)]
    assert (await panel.post("clients/bulkCreate", crowd)).obj == {"created": 2000}
    yield panel
    await running.stop()
    store.close()


@dataclass
class Work:
    """What a panel does for its answers, which does not depend on how busy the machine is."""

    texts: int = 0
    documents: int = 0

    def of_what_follows(self) -> "Work":
        self.texts = self.documents = 0
        return self


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Work:
    """Counts the clients and rows that are written as JSON anew, and the documents that are saved."""
    counted = Work()
    of, put = Texts.of, Store.put

    def counting_of(texts: Texts, email: str, key: Any, write: Callable[[], str]) -> str:
        def counting_write() -> str:
            counted.texts += 1
            return write()

        return of(texts, email, key, counting_write)

    def counting_put(store: Store, kind: str, id_: str | int, body: Document) -> None:
        counted.documents += 1
        put(store, kind, id_, body)

    monkeypatch.setattr(Texts, "of", counting_of)
    monkeypatch.setattr(Store, "put", counting_put)
    return counted


async def test_a_change_among_two_thousand_clients_saves_no_more_than_one_in_an_empty_panel(
    newest: PanelDriver, crowded: PanelDriver, work: Work
) -> None:
    work.of_what_follows()
    await newest.add(newest.new_client(), *newest.ids)
    alone = work.documents
    work.of_what_follows()
    await crowded.add(crowded.new_client(), *crowded.ids)
    assert 0 < work.documents == alone
    assert len((await crowded.get("clients/list")).obj) == 2001


async def test_of_two_thousand_listed_clients_only_those_that_changed_are_written_anew(
    crowded: PanelDriver, work: Work
) -> None:
    listings = ("clients/list", "inbounds/list", f"inbounds/get/{crowded.ids[0]}")
    emails = [one["email"] for one in (await crowded.get("clients/list")).obj]
    for path in listings:
        await crowded.get(path)
    assert work.texts >= 2000 == len(emails)
    work.of_what_follows()
    for path in listings:
        await crowded.get(path)
    assert work.texts == 0
    await crowded.set_counters(emails[7], 1, 2)
    for path in listings:
        await crowded.get(path)
    assert 0 < work.texts < 20


async def test_two_thousand_clients_inside_one_inbound_are_no_burden(old_emulated: OldDriver, work: Work) -> None:
    crowd = [old_emulated.new_client() for _ in range(2000)]
    assert (await old_emulated.add_to(old_emulated.ids[0], *crowd)).ok
    assert len((await old_emulated.inbound())["settings"]["clients"]) == 2001
    work.of_what_follows()
    assert (await old_emulated.replace(crowd[-1])).ok
    await old_emulated.get("inbounds/list")
    assert 0 < work.documents < 10
    assert 0 < work.texts < 10


async def test_creating_many_costs_the_same_for_each(crowded: PanelDriver, work: Work) -> None:
    costs = []
    for size in (20, 200):
        rows = [{"client": crowded.new_client(), "inboundIds": crowded.ids} for _ in range(size)]
        work.of_what_follows()
        assert (await crowded.post("clients/bulkCreate", rows)).obj == {"created": size}
        costs.append(work.documents / size)
    assert 0 < costs[1] <= costs[0]


async def test_a_kept_list_follows_every_change(newest: PanelDriver) -> None:
    client = await newest.add(newest.new_client(totalGB=5), *newest.ids[:1])
    deeds = (
        lambda: newest.update(client["email"], client | {"totalGB": 7}),
        lambda: newest.set_counters(client["email"], 1, 2),
        lambda: newest.post(f"clients/{client['email']}/attach", {"inboundIds": newest.ids[1:2]}),
        lambda: newest.post(f"clients/{client['email']}/detach", {"inboundIds": newest.ids[:1]}),
        lambda: newest.emu("switches", {"version": "3.4.2"}),
        lambda: newest.delete(client["email"]),
    )
    for deed in deeds:
        before = [(await newest.get(path)).obj for path in ("clients/list", "inbounds/list")]
        await deed()
        assert [(await newest.get(path)).obj for path in ("clients/list", "inbounds/list")] != before


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

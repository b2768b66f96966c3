"""Whatever is done in whatever order, record, entries, row and core agree with each other, now and after a restart."""

import random
from typing import Any

import aiohttp
import pytest

from ferryman_sandbox.store import Store
from ferryman_sandbox.xui.panel import Panel
from tests.sandbox.xui.conftest import VERSIONS, Running, start
from tests.sandbox.xui.driver import PanelDriver

MIB = 1 << 20
DAY = 86_400_000
STEPS = 150


class Crowd:
    """Does random things to random clients of one panel."""

    def __init__(self, panel: PanelDriver, dice: random.Random) -> None:
        self.panel = panel
        self.dice = dice
        self.clients: dict[str, dict[str, Any]] = {}
        self.deeds = [self.add, self.add, self.update, self.suspend, self.delete, self.attach, self.detach]
        self.deeds += [self.reset, self.use, self.tick, self.wait, self.adjust, self.rename]

    async def step(self) -> None:
        await self.dice.choice(self.deeds)()

    def some(self) -> str:
        return self.dice.choice([*self.clients, "nobody-here"])

    def somewhere(self) -> list[int]:
        return self.dice.sample(self.panel.ids, self.dice.randint(1, len(self.panel.ids)))

    def limits(self) -> dict[str, int]:
        expiry = self.dice.choice([0, -DAY, 1_600_000_000_000, 4_102_444_800_000])
        return {
            "totalGB": self.dice.choice([0, MIB, 50 * MIB]),
            "expiryTime": expiry,
            "reset": self.dice.choice([0, 30]),
        }

    async def add(self) -> None:
        client = self.panel.new_client(**self.limits())
        if (await self.panel.post("clients/add", {"client": client, "inboundIds": self.somewhere()})).ok:
            self.clients[client["email"]] = client

    async def update(self) -> None:
        email = self.some()
        await self.panel.update(email, self.clients.get(email, {"email": email}) | self.limits())

    async def suspend(self) -> None:
        email = self.some()
        await self.panel.update(email, self.clients.get(email, {"email": email}) | {"enable": False})

    async def rename(self) -> None:
        email = self.some()
        if email in self.clients:
            client = self.panel.new_client() | {"subId": self.clients[email]["subId"]}
            assert (await self.panel.update(email, client)).ok
            del self.clients[email]
            self.clients[client["email"]] = client

    async def delete(self) -> None:
        email = self.some()
        answer = await self.panel.delete(email, self.dice.choice(["", "?keepTraffic=1"]))
        assert answer.ok == (email in self.clients)
        self.clients.pop(email, None)

    async def attach(self) -> None:
        await self.panel.post(f"clients/{self.some()}/attach", {"inboundIds": self.somewhere()})

    async def detach(self) -> None:
        await self.panel.post(f"clients/{self.some()}/detach", {"inboundIds": self.somewhere()})

    async def reset(self) -> None:
        await self.panel.post(f"clients/resetTraffic/{self.some()}")

    async def use(self) -> None:
        await self.panel.emu("traffic", {"email": self.some(), "up": 1, "down": self.dice.choice([1, MIB])})

    async def tick(self) -> None:
        await self.panel.emu("tick", {})

    async def wait(self) -> None:
        await self.panel.emu("clock", {"advance": self.dice.choice([5, 31, 3600])})

    async def adjust(self) -> None:
        await self.panel.post("clients/bulkAdjust", {"emails": [self.some()], "addDays": 1, "addBytes": MIB})


def check(panel: Panel) -> None:
    """What must hold between the four places a client lives in."""
    state, core = panel.state, panel.core
    for email, record in state.records.items():
        for inbound_id in state.inbound_ids_of(email):
            entry = state.entries[inbound_id][email][-1]
            agreed = ("subId", "enable", "totalGB", "expiryTime", "comment", "tgId", "reset")
            assert {name: entry[name] for name in agreed} == {name: record[name] for name in agreed}
            assert entry["email"] == email
    for inbound_id, entries in state.entries.items():
        assert inbound_id in state.inbounds
        assert set(entries) <= set(state.records)
    for email, row in state.rows.items():
        assert row["email"] == email
        assert row["up"] >= 0
    for inbound_id, email in core.users:
        assert state.inbounds[inbound_id]["enable"]
        assert any(client["enable"] for client in state.entries[inbound_id][email])


def memory_of(panel: Panel) -> Any:
    """Everything that must come back from the store, and who is loaded."""
    state = panel.state
    return (state.inbounds, state.records, state.rows, state.entries, state.tokens, state.ips, set(panel.core.users))


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("seed", range(3))
async def test_the_four_places_of_a_client_agree(http: aiohttp.ClientSession, version: str, seed: int) -> None:
    running = await start(http, version=version)
    crowd = Crowd(running.driver, random.Random(seed))
    for _ in range(STEPS):
        await crowd.step()
        check(running.emulator.panel)
    names = {one["email"] for one in (await running.driver.get("clients/list")).obj}
    assert set(crowd.clients) <= names
    await running.stop()


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_restart_changes_nothing(http: aiohttp.ClientSession, version: str) -> None:
    """The core is loaded anew from what is stored, so a pending change of the core is applied first."""
    store = Store(":memory:")
    before = await start(http, store, version=version)
    crowd = Crowd(before.driver, random.Random(7))
    for _ in range(STEPS):
        await crowd.step()
    before.emulator.panel.core.rebuild(before.emulator.panel.state)
    await before.stop()
    after = await start(http, store, version=version)
    assert memory_of(after.emulator.panel) == memory_of(before.emulator.panel)
    await after.stop()


async def test_the_core_needs_no_rebuild_after_live_changes(http: aiohttp.ClientSession) -> None:
    """From 3.3.1 on every change reaches the core at once: a rebuild finds nothing to mend."""
    running: Running = await start(http, version="3.6.0")
    crowd = Crowd(running.driver, random.Random(11))
    panel = running.emulator.panel
    for _ in range(STEPS):
        await crowd.step()
        live = set(panel.core.users)
        panel.core.rebuild(panel.state)
        assert panel.core.users == live
    await running.stop()

"""Nodes are looked at, and what is wrong with one is found, named with its fix, and over when it is over."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import update

from ferryman.fleet.node import Inbound, Node
from ferryman.flows.fleet import watching
from ferryman.kit.settings import Settings
from ferryman_sandbox.xui import vless_ws_tls
from ferryman_sandbox.xui.binding import INBOUND_FIELDS, bind
from ferryman_sandbox.xui.inbounds import create
from tests.support.messages import Outbox
from tests.support.shop import Town
from tests.support.watch import Watch

HEALTHY = {"de-1": "healthy", "nl-1": "healthy", "fi-1": "healthy"}


@pytest.fixture
async def watch(shop: Town, outbox: Outbox) -> Watch:
    watch = Watch(shop, outbox)
    await watch.open()
    return watch


async def buy(shop: Town, telegram_id: int = 7) -> None:
    await shop.webhook(shop.pay(await shop.order(await shop.customer(telegram_id))))


async def test_a_fleet_in_order_is_looked_at_and_nobody_is_told_anything(watch: Watch) -> None:
    await watch.watches(minutes=5)
    assert await watch.states() == HEALTHY
    node = await watch.node()
    assert (node.panel_version, node.clock_skew, node.trouble) == ("3.6.0", 0, None)
    assert node.latency_ms is not None and node.latency_ms < 5000
    assert watch.alerts() == []
    # One each time, and those that setting the shop up took.
    assert 7 <= watch.calls("nl-1", "server/status") <= 12


async def test_nodes_are_looked_at_once_per_period_however_often_the_sweep_comes(watch: Watch) -> None:
    await watch.passes(40)
    before = watch.calls("nl-1", "server/status")
    for _ in range(5):
        await watch.passes(1)
    assert watch.calls("nl-1", "server/status") == before


async def test_a_look_that_was_asked_for_twice_is_one_look(watch: Watch) -> None:
    watch.shop.tools.clock.advance(seconds=60)  # type: ignore[attr-defined]
    before = watch.calls("nl-1", "server/status")
    node = (await watch.node()).id
    await watching.probe_node(watch.shop.tools, node)
    await watching.probe_node(watch.shop.tools, node)
    assert watch.calls("nl-1", "server/status") == before + 1


WEATHER: list[dict[str, Any]] = [
    {"mode": "drop_before"},
    {"mode": "status", "status": 500},
    {"mode": "html"},
    {"mode": "html", "status": 200},
    {"mode": "empty"},
]


@pytest.mark.weather
@pytest.mark.parametrize("fault", WEATHER, ids=["cut off", "500", "proxy page", "HTML with 200", "empty"])
async def test_a_panel_without_a_usable_answer_is_down_after_three_looks_and_back_after_two(
    watch: Watch, fault: dict[str, Any]
) -> None:
    watch.shop.fault("nl-1", times=-1, **fault)
    for expected in ("healthy", "healthy", "down"):
        await watch.passes(70)
        assert await watch.states() == HEALTHY | {"nl-1": expected}
    node = await watch.node()
    assert node.ailment == "silent"
    assert node.trouble.startswith("nl-1: ") and "can be reached from here" in node.trouble
    watch.shop.panels["nl-1"].weather.clear()
    for expected in ("down", "healthy"):
        await watch.passes(70)
        assert await watch.states() == HEALTHY | {"nl-1": expected}
    await watch.passes(1)
    assert watch.alerts() == ["🔴", "🟢"]
    assert (await watch.node()).trouble is None


@pytest.mark.weather
async def test_down_for_an_hour_nothing_paid_is_lost_and_all_of_it_is_there_afterwards(watch: Watch) -> None:
    watch.shop.fault("nl-1", mode="drop_before", times=-1)
    await watch.watches(minutes=4)
    for person in range(1, 6):
        await buy(watch.shop, person)
    await watch.shop.work()
    watch.shop.panels["nl-1"].calls.clear()
    await watch.watches(minutes=60)
    assert len(watch.shop.clients("nl-1")) == 0
    assert [len(watch.shop.clients(name)) for name in ("de-1", "fi-1")] == [5, 5]
    # A read is repeated once on a fresh connection, so a try is two calls at most.
    assert watch.calls("nl-1") <= 2 * 3600 / 48 + 2
    watch.shop.panels["nl-1"].weather.clear()
    await watch.watches(minutes=6)
    assert await watch.states() == HEALTHY
    assert len(watch.shop.clients("nl-1")) == 5
    assert watch.alerts() == ["🔴", "🟣", "🟢"]


@pytest.mark.weather
async def test_a_node_that_comes_and_goes_is_told_as_such_once(watch: Watch) -> None:
    for _ in range(8):
        watch.shop.fault("nl-1", mode="drop_before", times=-1)
        await watch.watches(minutes=3.5, seconds=70)
        watch.shop.panels["nl-1"].weather.clear()
        await watch.watches(minutes=2.5, seconds=70)
    assert watch.alerts()[:3] == ["🔴", "🟢", "🟡"]
    assert len(watch.alerts()) <= 4
    await watch.watches(minutes=15)
    assert watch.alerts()[-1] == "🟢"


async def by_password(watch: Watch, name: str) -> None:
    """From now on the node is reached by user name and password."""
    position = [spec["name"] for spec in watch.shop.spec["nodes"]].index(name)
    access = {"url": watch.shop.spec["nodes"][position]["url"], "username": "admin", "password": "admin"}
    await watch.change(name, sealed_access=watch.shop.tools.vault.seal(access))


@pytest.mark.weather
async def test_a_changed_password_degrades_the_node_names_the_fix_and_starts_no_storm_of_logins(watch: Watch) -> None:
    await by_password(watch, "nl-1")
    await watch.watches(minutes=2)
    assert await watch.states() == HEALTHY
    watch.shop.panels["nl-1"].panel.password = "another-one"
    # The process was restarted since: no session is left from before.
    watch.shop.tools.connections._open.clear()
    before = watch.calls("nl-1", "login")
    await buy(watch.shop)
    await watch.watches(minutes=60)
    node = await watch.node()
    assert (node.state, node.ailment) == ("degraded", "refused")
    assert "correct the user name and password" in node.trouble
    assert watch.alerts() == ["🟠"]
    assert watch.calls("nl-1", "login") - before <= 8
    assert await watch.shop.value("SELECT count(*) FROM money_without_key") == 1
    watch.shop.panels["nl-1"].panel.password = "admin"
    await watch.watches(minutes=25)
    assert await watch.states() == HEALTHY
    assert len(watch.shop.clients("nl-1")) == 1


@pytest.mark.weather
async def test_a_core_that_does_not_run_degrades_the_node(watch: Watch) -> None:
    watch.shop.panels["nl-1"].panel.switches.change({"xray_down": True})
    watch.shop.panels["nl-1"].panel.core.running = False
    await watch.passes()
    assert await watch.states() == HEALTHY
    await watch.watches(minutes=2)
    assert await watch.states() == HEALTHY | {"nl-1": "degraded"}
    assert (await watch.node()).ailment == "core"
    assert watch.alerts() == ["🟠"]


@pytest.mark.weather
async def test_a_clock_that_is_off_by_an_hour_is_found(watch: Watch) -> None:
    watch.shop.panels["nl-1"].clock.advance(3600)
    await watch.watches(minutes=3)
    node = await watch.node()
    assert (node.state, node.ailment) == ("degraded", "clock")
    assert 3590 <= node.clock_skew <= 3610


@pytest.mark.weather
async def test_all_down_at_once_is_our_own_trouble_and_said_once(watch: Watch) -> None:
    for name in HEALTHY:
        watch.shop.fault(name, mode="drop_before", times=-1)
    await watch.watches(minutes=30)
    assert set((await watch.states()).values()) == {"down"}
    assert await watch.shop.value("SELECT count(*) FROM nodes WHERE quarantined_at IS NOT NULL") == 0
    assert watch.alerts() == ["🛑"]
    for panel in watch.shop.panels.values():
        panel.weather.clear()
    await watch.watches(minutes=10)
    assert await watch.states() == HEALTHY
    assert watch.alerts() == ["🛑", "🟢"]


async def test_a_panel_that_was_upgraded_is_noticed_and_compared_soon(
    watch: Watch, caplog: pytest.LogCaptureFixture
) -> None:
    await watch.change("nl-1", audited_at=watch.shop.tools.clock.now())
    watch.shop.panels["nl-1"].upgrade("3.7.0")
    await watch.passes()
    node = await watch.node()
    assert (node.panel_version, node.audited_at, node.state) == ("3.7.0", None, "healthy")
    assert "panel_changed" in caplog.text


async def add_inbound(watch: Watch, name: str) -> int:
    """Another inbound on a node's panel, chosen for keys like the first."""
    panel = watch.shop.panels[name].panel
    number = int(create(panel, bind(vless_ws_tls(port=25443), INBOUND_FIELDS, "Inbound"))["id"])
    for listed in await watch.shop.tools.connections.to(await _node(watch, name)).inbounds():
        if listed.panel_id == number:
            async with watch.shop.tools.db.unit() as session:
                one = Inbound(node_id=(await watch.node(name)).id, panel_id=number)
                one.take(listed)
                session.add(one)
    return number


async def _node(watch: Watch, name: str) -> Any:
    async with watch.shop.tools.db.unit() as session:
        return await session.get_one(Node, (await watch.node(name)).id)


async def inbounds(watch: Watch, name: str) -> dict[int, bool]:
    rows = await watch.shop.rows(
        "SELECT i.panel_id, i.enabled FROM inbounds i JOIN nodes n ON n.id = i.node_id WHERE n.name = :name", name=name
    )
    return dict(map(tuple, rows))


@pytest.mark.weather
async def test_an_inbound_that_was_switched_off_by_hand_is_named_left_and_found_again(watch: Watch) -> None:
    second = await add_inbound(watch, "nl-1")
    await buy(watch.shop)
    await watch.watches(minutes=6)
    first = min(await inbounds(watch, "nl-1"))
    state = watch.shop.panels["nl-1"].panel.state
    state.inbounds[second]["enable"] = False
    before = await watch.shop.value("SELECT epoch FROM fleet_epoch")
    await watch.watches(minutes=8)
    node = await watch.node()
    assert (node.state, node.ailment) == ("degraded", "inbounds")
    assert f"inbound {second} " in node.trouble and "switch it on in the panel" in node.trouble
    assert await inbounds(watch, "nl-1") == {first: True, second: False}
    assert await watch.shop.value("SELECT epoch FROM fleet_epoch") > before
    assert await watch.shop.value("SELECT count(*) FROM money_without_key") == 0
    state.inbounds[second]["enable"] = True
    await watch.watches(minutes=8)
    assert await watch.states() == HEALTHY
    assert await inbounds(watch, "nl-1") == {first: True, second: True}
    assert [len(state.entries[number]) for number in (first, second)] == [1, 1]
    assert watch.alerts() == ["🟠", "🟢"]


@pytest.mark.weather
async def test_the_only_inbound_deleted_by_hand_is_named_and_not_given_up(watch: Watch) -> None:
    (only,) = await inbounds(watch, "nl-1")
    watch.shop.panels["nl-1"].panel.state.drop_inbound(only)
    await watch.watches(minutes=10)
    assert f"inbound {only} " in (await watch.node()).trouble
    assert await inbounds(watch, "nl-1") == {only: True}


async def test_samples_are_taken_every_five_minutes_and_forgotten_after_thirty_days(watch: Watch) -> None:
    await buy(watch.shop)
    await watch.shop.work()
    await watch.watches(minutes=3)
    first = await samples(watch)
    assert [(one.clients, one.online, one.up, one.down, one.state) for one in first] == [(1, 0, 0, 0, "healthy")]
    await watch.shop.rows("UPDATE keys SET used_up = used_up + 100, used_down = used_down + 900 RETURNING id")
    await watch.watches(minutes=12)
    later = (await samples(watch))[1:]
    assert [(one.up, one.down) for one in later] == [(100, 900), (0, 0)]
    assert (later[1].at - later[0].at).total_seconds() >= 300
    watch.shop.tools.clock.advance(days=31)  # type: ignore[attr-defined]
    await watching.prune(watch.shop.tools)
    assert await samples(watch) == []


async def samples(watch: Watch) -> list[Any]:
    return await watch.shop.rows(
        "SELECT s.* FROM node_samples s JOIN nodes n ON n.id = s.node_id WHERE n.name = 'nl-1' ORDER BY s.at"
    )


async def test_keys_that_left_do_not_make_a_sample_negative(watch: Watch) -> None:
    await buy(watch.shop)
    await watch.shop.work()
    await watch.passes()
    await watch.shop.rows("UPDATE node_samples SET used_up = 1000000, used_down = 1000000 RETURNING id")
    await watch.watches(minutes=6)
    assert [(one.up, one.down) for one in (await samples(watch))[1:]] == [(0, 0)]


@pytest.fixture
async def door() -> AsyncIterator[asyncio.Server]:
    """A port that accepts connections, as an inbound would."""

    async def let_in(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(let_in, "127.0.0.1", 0)
    yield server
    server.close()
    await server.wait_closed()


@pytest.fixture
async def reachable(watch: Watch, door: asyncio.Server) -> AsyncIterator[Settings]:
    """Ports are tried, and every node's inbound has one that accepts."""
    port = door.sockets[0].getsockname()[1]
    for name, emulator in watch.shop.panels.items():
        for inbound in emulator.panel.state.inbounds.values():
            inbound["port"] = port
        await watch.change(name, address="127.0.0.1")
    async with watch.shop.tools.db.unit() as session:
        await session.execute(update(Inbound).values(port=port))
    with watch.settings(probe_ports=True) as settings:
        yield settings


async def test_a_port_that_accepts_is_well(watch: Watch, reachable: Settings) -> None:
    await watch.watches(minutes=3)
    assert await watch.states() == HEALTHY


@pytest.mark.weather
async def test_a_port_that_refuses_customers_degrades_its_node_alone(
    watch: Watch, reachable: Settings, door: asyncio.Server, port: int
) -> None:
    watch.shop.panels["nl-1"].panel.state.inbounds[1]["port"] = port
    await watch.shop.rows(
        "UPDATE inbounds SET port = :port WHERE node_id = (SELECT id FROM nodes WHERE name = 'nl-1') RETURNING id",
        port=port,
    )
    await watch.watches(minutes=3)
    assert await watch.states() == HEALTHY | {"nl-1": "degraded"}
    node = await watch.node()
    assert node.ailment == "ports"
    assert f"port {port} (connection refused)" in node.trouble
    assert watch.alerts() == ["🟠"]


async def test_a_node_out_of_use_is_never_looked_at(watch: Watch) -> None:
    await watch.change("nl-1", mode="off")
    await watch.change("fi-1", mode="retired")
    for name in HEALTHY:
        watch.shop.panels[name].calls.clear()
    await watch.watches(minutes=5)
    assert (watch.calls("nl-1"), watch.calls("fi-1")) == (0, 0)
    assert watch.calls("de-1") > 3

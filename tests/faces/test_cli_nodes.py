"""`ferryman node …` and `ferryman staff …` from a shell and at a terminal, beside three emulated panels."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from ferryman.faces.cli.tables import width
from ferryman.flows.fleet import nodes
from ferryman.flows.keys import placing, provisioning
from ferryman.flows.tools import Tools
from ferryman_sandbox.emulator import Server, serve
from ferryman_sandbox.store import Store
from ferryman_sandbox.xui import XuiEmulator, vless_reality, vless_ws_tls
from tests.faces.shell import Said, Shell
from tests.faces.terminal import typed_at
from tests.support.certificates import made_up, serve_tls
from tests.support.shop import Town


def fresh(**more: Any) -> XuiEmulator:
    facts: dict[str, Any] = {"base_path": "/base/", "api_token": "panel-token", "password": "hunter2"}
    inbounds = [vless_reality("fast", 31443), vless_ws_tls("web", 32443)]
    return XuiEmulator(Store(":memory:"), **{**facts, "inbounds": inbounds, **more})


@pytest.fixture
async def spare() -> AsyncIterator[tuple[XuiEmulator, Server]]:
    """A panel that is nobody's node yet."""
    emulator = fresh()
    server = await serve(emulator.app)
    yield emulator, server
    await server.stop()


async def node(shell: Shell, *words: str, **more: str) -> Said:
    return await shell.ferryman("node", *words, **more)


async def well(shell: Shell, *words: str, **more: str) -> str:
    said = await node(shell, *words, **more)
    assert said.code == 0, said.out + said.err
    return said.out


async def sold(shop: Town) -> None:
    await shop.webhook(shop.pay(await shop.order(await shop.customer())))
    await shop.work()


async def come_round(shop: Town) -> None:
    """The command line lives in real time, so nobody may move the clock here."""
    for _ in range(4):
        await placing.sweep(shop.tools)
        await provisioning.sweep(shop.tools)
        await shop.work()


async def test_the_life_of_a_node_from_add_to_retire(
    shop: Town, shell: Shell, spare: tuple[XuiEmulator, Server]
) -> None:
    emulator, server = spare
    await sold(shop)
    way = ["--url", f"{server.url}/base/", "--token", "env:SE_TOKEN", "--address", "se.example.net"]
    said = await well(shell, "add", "se-1", *way, "--country", "SE", "--inbounds", "1", SE_TOKEN="panel-token")
    assert said.startswith("✅ node se-1: panel 3.6.0, core runs, inbounds 1\n")
    await come_round(shop)
    assert len(emulator.panel.state.records) == 1
    table = (await well(shell, "list")).splitlines()
    assert [line.split()[1] for line in table[1:]] == ["de-1", "nl-1", "fi-1", "se-1"]
    assert "✅  se-1  🇸🇪 se-1  healthy     1" in table[4]
    assert max(width(line) for line in table) <= 80
    assert "switched off" not in await well(shell, "check", "se-1")
    assert "✅ se-1 holds what is owed there." in await well(shell, "drift", "se-1")
    assert "0 of 1 moved" in await well(shell, "drain", "se-1", "--no-wait")
    assert "takes customers again" in await well(shell, "undrain", "se-1")
    await well(shell, "drain", "se-1", "--no-wait")
    refused = await node(shell, "retire", "se-1", "--yes")
    assert (refused.code, "wait until it is drained" in refused.err) == (1, True)
    await come_round(shop)
    assert emulator.panel.state.records == {}
    assert "✅ se-1 is empty" in await well(shell, "drain", "se-1")
    assert "🏁 se-1 is retired." in await well(shell, "retire", "se-1")
    assert "retired" in await well(shell, "list")
    gone = await node(shell, "edit", "se-1", "--priority", "1")
    assert "❌ Node se-1 is retired" in gone.err


async def test_what_a_drift_would_mend_is_shown_and_not_done(shop: Town, shell: Shell) -> None:
    await sold(shop)
    records = shop.panels["de-1"].panel.state.records
    (email,) = records
    before = len(records)
    shop.panels["de-1"].panel.state.records.clear()
    for each in shop.panels["de-1"].panel.state.entries.values():
        each.clear()
    said = await node(shell, "drift", "de-1")
    assert (said.code, said.out.splitlines()[0]) == (1, f"➕ put {email} (missing)")
    plan = json.loads((await node(shell, "drift", "de-1", "--json")).out)
    assert plan == {"put": [{"client": email, "why": ["missing"]}], "drop": [], "conflict": [], "leave": 0}
    assert (before, len(shop.panels["de-1"].panel.state.records)) == (1, 0)


async def test_a_node_is_edited_switched_off_and_on(shop: Town, shell: Shell) -> None:
    await well(shell, "edit", "de-1", "--priority", "80", "--capacity-clients", "500", "--title", "en=Germany")
    assert "💤" in await well(shell, "disable", "de-1")
    listed = {one["name"]: one for one in json.loads(await well(shell, "list", "--json"))}
    one = listed["de-1"]
    assert (one["priority"], one["capacity_clients"], one["mode"], one["standing"]) == (80, 500, "off", "off")
    assert one["title"] == {"ru": "Узел DE", "en": "Germany"}
    assert one["inbounds"][0]["port"] == 21443
    assert "✅ node de-1 is in use" in await well(shell, "enable", "de-1")
    wrong = await node(shell, "edit", "de-1", "--token", "-", typed="hunter2-of-yesterday\n")
    assert wrong.code == 1
    assert wrong.err.startswith("❌ node de-1: 127.0.0.1")
    await well(shell, "edit", "de-1", "--username", "admin", "--password", "-", typed="admin\n")
    assert shop.tools.vault.open(
        bytes(await shop.value("SELECT sealed_access FROM nodes WHERE name = 'de-1'"))
    )["password"] == "admin"  # fmt: skip


async def test_inbounds_are_listed_chosen_made_and_tagged(shop: Town, shell: Shell) -> None:
    made = await well(shell, "inbounds", "de-1", "--open", "24443", "--target", "www.example.org")
    assert "✅ node de-1: panel 3.6.0, core runs, inbounds 1, 2" in made
    assert "✅   2  Ferryman" in made
    await well(shell, "inbounds", "de-1", "--choose", "2", "--tag", "2=fast,video")
    offers = json.loads(await well(shell, "inbounds", "de-1", "--json"))
    assert [(one["id"], one["chosen"], one["usable"]) for one in offers] == [(1, False, True), (2, True, True)]
    assert await shop.value("SELECT tags FROM inbounds WHERE panel_id = 2") == ["fast", "video"]
    assert "the panel has no inbound 9" in (await node(shell, "inbounds", "de-1", "--choose", "9")).err


async def test_a_check_exits_with_1_and_names_the_fix(shop: Town, shell: Shell) -> None:
    shop.panels["de-1"].panel.state.inbounds[1]["enable"] = False
    said = await node(shell, "check", "de-1")
    assert said.code == 1
    assert said.out.splitlines()[0] == "❌ node de-1: inbound 1 is gone or disabled"
    found = json.loads((await node(shell, "check", "de-1", "--json")).out)
    assert [one["well"] for one in found] == [False]


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["add", "x"], 2, "--url"),
        (["add", "x", "--url", "panel.example"], 2, "https://host:port/base-path/"),
        (["add", "x", "--url", "https://p.example/"], 2, "--username"),
        (["add", "x", "--url", "https://p.example/", "--token", "hunter"], 2, "env:NAME"),
        (["add", "x", "--url", "https://p.example/", "--token", "env:NOWHERE_SET"], 2, "NOWHERE_SET is not set"),
        (["add", "x", "--url", "https://p.example/", "--token", "-"], 2, "--address"),
        (["edit", "de-1"], 2, "say what to change"),
        (["edit", "de-1", "--title", "Germany"], 2, "NAME=VALUE"),
        (["inbounds", "de-1", "--choose", "some"], 2, "numbers such as 1,3"),
        (["check", "nowhere"], 1, "There is no node 'nowhere'; there are: none"),
    ],
)
async def test_what_is_missing_or_wrong_is_named(shell: Shell, words: list[str], code: int, says: str) -> None:
    said = await node(shell, *words)
    assert (said.code, said.out) == (code, "")
    assert says in " ".join(said.err.replace("│", " ").split())


async def test_at_a_terminal_everything_is_asked_for_and_a_certificate_can_be_pinned(
    tools: Tools, shell: Shell, tmp_path: Path
) -> None:
    certificate = made_up(tmp_path)
    server = await serve_tls(fresh().app, certificate)
    try:
        said = await typed_at(
            shell,
            ["node", "add", "se-1"],
            [
                ("The panel's address", f"{server.url}/base/"),
                # With its last space: only then is nothing echoed, and nothing typed before it lost.
                ("user name and password): ", "panel-token"),
                ("What customers connect to [127.0.0.1]", "se.example.net"),
                ("Country", "SE"),
                ("Then it is pinned", "y"),
                ("Put keys on which inbounds?", "2"),
            ],
        )
    finally:
        await server.stop()
    assert said.code == 0, said.out
    assert f"is self-signed; its SHA-256 is {certificate.sha256}" in "".join(said.out.splitlines())
    assert "✅ node se-1: panel 3.6.0, core runs, inbounds 2" in said.out
    async with tools.db.unit() as session:
        added = await nodes.named(session, "se-1")
    assert (added.access(tools.vault).pin, [one.port for one in added.inbounds]) == (certificate.sha256, [32443])


async def test_staff_is_taken_on_listed_and_let_go(shop: Town, shell: Shell) -> None:
    said = await shell.ferryman("staff", "add", "4242", "Olga", "--role", "owner")
    assert (said.code, "pressed Start" in said.out) == (0, True)
    assert "👑  Olga" in (await shell.ferryman("staff", "list")).out
    assert json.loads((await shell.ferryman("staff", "list", "--json")).out)[0]["role"] == "owner"
    assert (await shell.ferryman("staff", "remove", "4242")).code == 0
    assert "Nobody yet" in (await shell.ferryman("staff", "list")).out
    assert (await shell.ferryman("staff", "add", "1", "X", "--role", "king")).err.startswith(
        "❌ There is no role 'king'"
    )

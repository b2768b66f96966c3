"""A world starts, continues where it ended, survives the product's death, and leaves nothing running."""

import asyncio
import json
import os
import signal
import socket
import sys
import tomllib
from contextlib import closing
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from ferryman_sandbox.world import World, WorldError
from ferryman_sandbox.world.kept import Kept, running
from ferryman_sandbox.world.patience import until
from tests.sandbox.world.conftest import PRETENDER

PATIENCE = 30.0
# Ends at SIGINT also where whoever started the tests has it ignored, as shells do for what runs in the background.
SLEEPER = """
import signal, time
signal.signal(signal.SIGINT, signal.SIG_DFL)
print("asleep", flush=True)
time.sleep(60)
"""


async def ask(http: aiohttp.ClientSession, url: str) -> Any:
    async with http.get(url) as response:
        assert response.status == 200, await response.text()
        return await response.json()


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True


async def test_everything_listens_on_loopback_once_it_has_started(live: World, http: aiohttp.ClientSession) -> None:
    sites = live.addresses
    for url in (sites.telegram, sites.yookassa, *sites.panels.values()):
        assert url.startswith("http://127.0.0.1:")
        assert (await ask(http, f"{url}/__emu/clock"))["now"] > 0
    assert len(sites.panels) == 3


async def test_the_product_gets_its_shop_file_and_its_environment(live: World) -> None:
    given = json.loads((live.folder / "ferryman/applied.json").read_text())
    assert [node["name"] for node in given["nodes"]] == ["de-1", "nl-1", "fi-1"]
    year, season = [30, 90, 365], [30, 90]
    assert [[term["days"] for term in plan["terms"]] for plan in given["plans"]] == [year, year, season]
    assert given["providers"][0]["config"]["api_base"] == f"{live.addresses.yookassa}/v3"
    environment = json.loads((live.folder / "ferryman/environment.json").read_text())
    assert environment["FERRYMAN_ENV"] == "sandbox"
    assert environment["FERRYMAN_PUBLIC_URL"] == live.addresses.product


async def test_the_shop_file_names_panels_that_accept_its_tokens(live: World, http: aiohttp.ClientSession) -> None:
    for node in tomllib.loads(live.recipe.read_text(encoding="utf-8"))["nodes"]:
        headers = {"Authorization": f"Bearer {node['token']}"}
        async with http.get(f"{node['url']}panel/api/inbounds/list", headers=headers) as response:
            inbounds = (await response.json(content_type=None))["obj"]
        assert inbounds, node["name"]


async def test_a_database_or_shop_of_this_user_stays_out_of_the_world(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://real/shop")
    monkeypatch.setenv("FERRYMAN_SECRET_KEYS", "real")
    async with world:
        environment = json.loads((world.folder / "ferryman/environment.json").read_text())
    assert "DATABASE_URL" not in environment
    assert "FERRYMAN_SECRET_KEYS" not in environment


async def test_the_banks_notifications_reach_the_products_hook(live: World, http: aiohttp.ClientSession) -> None:
    async with http.post(f"{live.addresses.yookassa}/__emu/forge", json={"body": {"event": "x"}}) as response:
        assert (await response.json())["status"] == 200


async def test_a_second_start_continues_where_the_first_ended(
    world: World, said: list[str], http: aiohttp.ClientSession
) -> None:
    async with world:
        first = (world.addresses, world.secrets)
        async with http.post(f"{world.addresses.telegram}/__emu/users", json={"first_name": "Vera"}) as response:
            assert response.status == 200
    again = World(world.folder, say=said.append, command=PRETENDER)
    async with again:
        assert (again.addresses, again.secrets) == first
        people = await ask(http, f"{again.addresses.telegram}/__emu/users")
        assert [person["first_name"] for person in people] == ["Vera"]


async def test_a_port_taken_meanwhile_is_replaced(tmp_path: Path) -> None:
    with closing(Kept(tmp_path)) as kept:
        port = kept.port("page")
        assert kept.port("page") == port
    with closing(Kept(tmp_path)) as kept:
        assert kept.port("page") == port
    with socket.create_server(("127.0.0.1", port)), closing(Kept(tmp_path)) as kept:
        assert kept.port("page") != port


async def test_two_worlds_cannot_share_a_folder(live: World) -> None:
    with pytest.raises(WorldError, match=f"process {os.getpid()}.*--data"):
        await World(live.folder, command=PRETENDER).__aenter__()


async def test_a_running_world_can_be_found_and_a_stopped_one_not(world: World) -> None:
    assert running(world.folder) is None
    async with world:
        found = running(world.folder)
        assert found is not None
        assert found["page"] == world.addresses.page
        assert (world.folder / "world.json").stat().st_mode & 0o077 == 0, "it holds the operator's token"
    assert running(world.folder) is None


async def test_stopping_leaves_no_process_and_no_port(world: World) -> None:
    async with world:
        assert world.product is not None
        pid = world.product.pid
        assert pid is not None
        ports = [int(url.rsplit(":", 1)[1]) for url in (world.addresses.page, world.addresses.product)]
    assert not alive(pid)
    for port in ports:
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", port)) != 0


async def test_a_killed_product_is_announced_and_restarted(
    live: World, said: list[str], http: aiohttp.ClientSession
) -> None:
    assert live.product is not None
    first = live.product.kill()

    async def back() -> bool:
        return live.product is not None and live.product.ready and live.product.pid not in (None, first)

    await until(back, PATIENCE, "the product did not come back")
    assert any("SIGKILL" in line for line in said)
    assert live.product.restarts == 1
    assert await ask(http, f"{live.addresses.product}/readyz") == {"ready": True}


async def test_a_world_can_be_stopped_while_its_product_is_down(world: World) -> None:
    async with world:
        assert world.product is not None
        world.product.kill()
    assert world.product is None


async def test_a_failing_set_up_is_told_with_the_products_last_words(world: World) -> None:
    world.folder.mkdir()
    (world.folder / "mood").write_text("apply fails")
    with pytest.raises(WorldError, match=r"(?s)exit code 3.*the panel refused the token"):
        await world.__aenter__()
    assert running(world.folder) is None


async def test_a_product_that_dies_at_once_stops_the_start(world: World) -> None:
    world.folder.mkdir()
    (world.folder / "mood").write_text("dies at once")
    with pytest.raises(WorldError, match=r"(?s)exit code 4.*no database here"):
        await world.__aenter__()


async def test_a_world_without_the_product_tells_how_to_run_it(tmp_path: Path, http: aiohttp.ClientSession) -> None:
    async with World(tmp_path, say=lambda _: None, with_product=False) as world:
        assert world.product is None
        assert world.variables["FERRYMAN_TELEGRAM_API_BASE"] == world.addresses.telegram
        assert world.recipe.exists()
        view = await ask(http, f"{world.addresses.page}/api/world")
        assert view["product"] == {"ours": False, "ready": False, "pid": None, "restarts": 0}
        assert view["known"] is None


async def test_a_database_left_over_by_a_killed_product_is_stopped(world: World) -> None:
    """The stand-in for PostgreSQL is a process of ours that a pid file names."""
    async with world:
        sleeper = await asyncio.create_subprocess_exec(sys.executable, "-c", SLEEPER, stdout=asyncio.subprocess.PIPE)
        assert sleeper.stdout is not None and await sleeper.stdout.readline() == b"asleep\n"
        _write_pid(world.folder / "ferryman/postgres/postmaster.pid", sleeper.pid)
    assert await sleeper.wait() == -signal.SIGINT


def _write_pid(pid_file: Path, pid: int) -> None:
    pid_file.parent.mkdir(parents=True)
    pid_file.write_text(f"{pid}\n/data\n")

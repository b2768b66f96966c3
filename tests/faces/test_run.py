"""`ferryman run`: one process with a database of its own, that starts, serves, stops and leaves nothing behind."""

import asyncio
import contextlib
import os
import signal
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import pytest

from ferryman.flows.tools import Tools
from tests.faces.conftest import toml
from tests.faces.shell import Said, Shell
from tests.support.chat import until
from tests.support.folders import short_folder
from tests.support.shop import Town, opened


@pytest.fixture
def data() -> Iterator[Path]:
    with short_folder() as parent:
        yield parent / "data"


@pytest.fixture
def own(shell: Shell, data: Path, port: int) -> Shell:
    """A machine with nothing on it: no database address, no keys."""
    variables = {**shell.variables, "FERRYMAN_DATA_DIR": str(data), "FERRYMAN_PORT": str(port)}
    for name in ("DATABASE_URL", "FERRYMAN_SECRET_KEYS"):
        variables.pop(name)
    return replace(shell, variables=variables)


@dataclass
class Running:
    process: Process
    url: str

    async def answers(self, path: str, **headers: str) -> Any:
        async with aiohttp.ClientSession() as session, session.get(self.url + path, headers=headers) as response:
            assert response.status == 200, await response.text()
            return await response.json()

    async def stop(self, with_: signal.Signals = signal.SIGTERM) -> Said:
        """Ask it to stop; what it has said in all. Everything it started must be gone in a few seconds."""
        everything = [psutil.Process(self.process.pid), *psutil.Process(self.process.pid).children(recursive=True)]
        self.process.send_signal(with_)
        out, err = await asyncio.wait_for(self.process.communicate(), 60)
        assert psutil.wait_procs(everything, timeout=10)[1] == []
        assert self.process.returncode is not None
        return Said(self.process.returncode, out.decode(), err.decode())


@asynccontextmanager
async def running(shell: Shell, *words: str) -> AsyncIterator[Running]:
    process = await shell.start(*words)
    run = Running(process, f"http://127.0.0.1:{shell.variables['FERRYMAN_PORT']}")

    async def ready() -> bool:
        if process.returncode is not None:
            out, err = await process.communicate()
            raise AssertionError((out + err).decode())
        try:
            return bool((await run.answers("/readyz"))["ready"])
        except aiohttp.ClientConnectionError:
            return False

    try:
        await until(ready, "it to be ready", 60)
        yield run
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


def servers_of(data: Path) -> list[psutil.Process]:
    found = psutil.process_iter(["name", "cmdline"])
    return [one for one in found if str(data / "postgres") in (one.info["cmdline"] or ())]


def still_serving(data: Path) -> list[psutil.Process]:
    """Stopping returns when the note of the server is gone, some milliseconds before its process is."""
    return psutil.wait_procs(servers_of(data), timeout=10)[1]


@pytest.fixture
async def shop(tools: Tools) -> AsyncIterator[Town]:
    """One bank and one panel, that the process is going to be told of."""
    async with opened(tools, nodes=1) as world:
        yield world


async def test_it_starts_with_nothing_is_set_up_while_it_runs_stops_cleanly_and_goes_on_where_it_was(
    own: Shell, shop: Town, data: Path
) -> None:
    operator = {"Authorization": "Bearer operator-token-of-the-tests"}
    (own.folder / "shop.toml").write_text(toml(shop.spec), encoding="utf-8")
    async with running(own, "run") as first:
        assert servers_of(data)
        applied = await own.ferryman("apply", "shop.toml")
        assert (applied.code, applied.out.count("✅")) == (0, 4)
        assert (await first.answers("/readyz"))["ready"]
        said = await first.stop()
    assert said.code == 0
    assert "ready" in said.err
    assert "stopped" in said.err
    assert still_serving(data) == []
    async with running(own, "run") as second:
        seen = await second.answers("/api/overview", **operator)
        assert [node["name"] for node in seen["nodes"]] == ["de-1"]
        assert (await second.stop(signal.SIGINT)).code == 0
    assert still_serving(data) == []


async def test_the_faces_run_apart_and_a_worker_and_a_web_share_one_database(own: Shell, data: Path) -> None:
    worker = await own.start("worker")
    try:
        await until(lambda: bool(servers_of(data)), "the worker's database", 60)
        async with running(own, "web") as web:
            assert (await web.stop()).code == 0
        assert worker.returncode is None
        assert servers_of(data)
        said = await Running(worker, "").stop()
        assert (said.code, "worker_stopped" in said.err) == (0, True)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(worker.pid, signal.SIGKILL)
        await worker.wait()
    assert still_serving(data) == []


async def test_what_keeps_it_from_starting_is_one_line_with_a_fix(shell: Shell) -> None:
    bot = await shell.ferryman("bot", FERRYMAN_TELEGRAM_TOKEN="")
    assert (bot.code, bot.err) == (
        1,
        "❌ No bot token is set. Set FERRYMAN_TELEGRAM_TOKEN to the token from @BotFather.\n",
    )
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    async with server:
        taken = str(server.sockets[0].getsockname()[1])
        web = await shell.ferryman("web", FERRYMAN_PORT=taken)
    assert web.code == 1
    assert f"❌ Port {taken} on 127.0.0.1 cannot be listened on. Set FERRYMAN_PORT to a free one." in web.err

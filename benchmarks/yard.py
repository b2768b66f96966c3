"""Where it is measured: emulators in this process, a PostgreSQL, and the product as a process beside them."""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import psycopg

from ferryman import wiring
from ferryman.flows.tools import Tools
from ferryman.kit import log
from ferryman.kit.postgres import EmbeddedPostgres
from ferryman.kit.settings import Settings
from ferryman_sandbox.world import World
from ferryman_sandbox.world.product import installed_command
from ferryman_sandbox.world.recipe import surroundings

READY_SECONDS = 120.0
STOP_SECONDS = 30.0
DATABASE = "shop"


class NotMeasured(RuntimeError):
    """Something did not happen in time; the text says what."""


@dataclass
class Yard:
    """`environment` is the product's; `database_url` its database."""

    world: World
    http: aiohttp.ClientSession
    environment: dict[str, str]
    database_url: str
    folder: Path
    site: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        self.site = self.world.announced

    @property
    def panels(self) -> dict[str, str]:
        return dict(self.site["panels"])

    async def emu(self, place: str, path: str, body: Any = None) -> Any:
        """A control call to an emulator, by its address. Raises NotMeasured when it is refused."""
        method = "GET" if body is None else "POST"
        async with self.http.request(method, f"{place}/__emu/{path}", json=body) as answer:
            if answer.status != 200:
                raise NotMeasured(f"{path} answered {answer.status}: {await answer.text()}")
            return await answer.json()

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            return connection.execute(query.encode()).fetchall()

    async def until(self, query: str, wanted: Any, what: str, seconds: float = 300.0, pause: float = 0.02) -> None:
        """Ask the product's database until the query's one value is `wanted`."""
        deadline = time.monotonic() + seconds
        connection = await psycopg.AsyncConnection.connect(self.database_url, autocommit=True)
        async with connection:
            while True:
                row = await (await connection.execute(query.encode())).fetchone()
                if row is not None and row[0] == wanted:
                    return
                if time.monotonic() > deadline:
                    raise NotMeasured(f"{what}: {row} instead of {wanted} after {seconds:.0f} s")
                await asyncio.sleep(pause)

    @asynccontextmanager
    async def product(self, verb: str) -> AsyncIterator[int]:
        """`ferryman VERB`, ready; gives its process id."""
        with running([*installed_command(), verb], self.environment, self.folder) as process:
            await self.ready(process)
            yield process.pid

    async def ready(self, process: "subprocess.Popen[bytes]", url: str = "") -> None:
        await serves(self.http, f"{url or self.site['product']}/readyz", process)

    async def apply(self) -> None:
        command = [*installed_command(), "apply", str(self.world.recipe)]
        done = await asyncio.to_thread(
            subprocess.run, command, env=self.environment, cwd=self.folder, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise NotMeasured(f"ferryman apply failed: {done.stdout}{done.stderr}")

    @asynccontextmanager
    async def tools(self) -> AsyncIterator[Tools]:
        """The product's own tools in this process, for preparing; no worker runs here."""
        log.configure("console", "error")
        settings = Settings(
            _env_file=None,
            env="sandbox",
            data_dir=Path(self.environment["FERRYMAN_DATA_DIR"]),
            public_url=self.site["product"],
        )
        async with wiring.built(settings, self.database_url) as built:
            yield built


@asynccontextmanager
async def opened() -> AsyncIterator[Yard]:
    """A world furnished for measuring: its customers use no traffic, its database is a server of its own."""
    with _folder() as folder, _postgres(folder / "pg") as database_url:
        async with (
            World(folder / "world", say=lambda _: None, with_product=False) as world,
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)) as http,
        ):
            # One address stands for all providers here, and more is measured than is let in from one.
            ours = {"DATABASE_URL": database_url, "FERRYMAN_HOOKS_PER_SECOND": "100000"}
            environment = surroundings() | world.variables | byte_code(folder) | ours
            yard = Yard(world, http, environment, database_url, folder)
            for panel in yard.panels.values():
                await yard.emu(panel, "switches", {"simulate": 0})
            await yard.apply()
            yield yard


@contextmanager
def running(command: Sequence[str], environment: dict[str, str], folder: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """A process of ours and all its children, gone when the block ends. Its last words are in `measured.log`."""
    with (folder / "measured.log").open("ab") as said:
        process = subprocess.Popen(
            command, env=environment, cwd=folder, stdout=said, stderr=said, start_new_session=True
        )
    try:
        yield process
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


async def serves(http: aiohttp.ClientSession, url: str, process: "subprocess.Popen[bytes]") -> None:
    """Wait until the address answers 200, looking every five milliseconds. Raises NotMeasured."""
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(aiohttp.ClientError):
            async with http.get(url) as answer:
                if answer.status == 200:
                    return
        await asyncio.sleep(0.005)
    raise NotMeasured(f"{url} did not serve: {process.args!r} ended with {process.poll()}")


def byte_code(folder: Path) -> dict[str, str]:
    """Lets processes keep what they compile, as an installation does."""
    return {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(folder / "byte-code")}


def python(*arguments: str) -> list[str]:
    return [sys.executable, *arguments]


@contextmanager
def _folder() -> Iterator[Path]:
    # A socket's path has room for 107 bytes, so the name is short.
    folder = Path(tempfile.mkdtemp(prefix="fb-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _postgres(folder: Path) -> Iterator[str]:
    """As it comes: with fsync and synchronous commits, unlike the tests'."""
    server = EmbeddedPostgres(folder)
    url = server.start()
    try:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {DATABASE}".encode())
        yield url.replace("/postgres?", f"/{DATABASE}?")
    finally:
        server.stop()

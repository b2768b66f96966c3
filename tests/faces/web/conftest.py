"""The real application, served by the real server, over real tools."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
from yarl import URL

from ferryman.faces.api import metrics, overview
from ferryman.faces.web import app, server
from ferryman.flows.tools import Tools
from ferryman_sandbox.ports import HeldPort
from tests.support.shop import Town, opened

# A busy machine is silent for a while, too.
SILENCE_SECONDS = 10.0


@dataclass(frozen=True)
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def shape(self) -> tuple[int, dict[str, str], bytes]:
        """All that a stranger could tell two answers apart by."""
        return self.status, {name: value for name, value in self.headers.items() if name != "date"}, self.body


@dataclass
class Site:
    """Where the application answers. `hook` is the webhook address of the provider in the tests."""

    port: int
    tools: Tools
    session: aiohttp.ClientSession

    @property
    def hook(self) -> str:
        return self.hook_of("yookassa")

    def hook_of(self, provider: str) -> str:
        """The address as a provider has it, whatever comes before the path."""
        return self.tools.hook_url(provider).removeprefix(self.tools.settings.base_url)

    async def ask(self, method: str, path: str, **more: Any) -> Reply:
        where = URL(f"http://127.0.0.1:{self.port}{path}", encoded=True)
        async with self.session.request(method, where, allow_redirects=False, **more) as response:
            low = {name.lower(): value for name, value in response.headers.items()}
            return Reply(response.status, low, await response.read())

    async def get(self, path: str, **headers: str) -> Reply:
        return await self.ask("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})

    async def post(self, path: str, body: Any = b"", **more: Any) -> Reply:
        return await self.ask("POST", path, data=body, **more)

    async def said_to(self, *parts: bytes) -> bytes:
        """Everything that comes back for these raw bytes, until the server hangs up or falls silent."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            for part in parts:
                writer.write(part)
                await writer.drain()
            return await _until_silence(reader)
        finally:
            writer.close()


async def _until_silence(reader: asyncio.StreamReader) -> bytes:
    heard = b""
    while True:
        try:
            more = await asyncio.wait_for(reader.read(65536), SILENCE_SECONDS)
        except (TimeoutError, ConnectionError):
            return heard
        if not more:
            return heard
        heard += more


@asynccontextmanager
async def served(tools: Tools) -> AsyncIterator[Site]:
    stopping = asyncio.Event()
    built = app.build(tools, [*overview.routes(tools), *metrics.routes(tools)])
    with HeldPort() as port:
        serving = asyncio.create_task(server.run(built, "127.0.0.1", port.number, stopping))
        async with _open_site(port.number, tools, serving) as site:
            try:
                yield site
            finally:
                stopping.set()
                await serving


@asynccontextmanager
async def _open_site(port: int, tools: Tools, serving: asyncio.Task[None]) -> AsyncIterator[Site]:
    async with aiohttp.ClientSession() as session:
        site = Site(port, tools, session)
        while not serving.done():
            try:
                await site.get("/healthz")
                break
            except aiohttp.ClientConnectionError:
                await asyncio.sleep(0.01)
        yield site


@pytest.fixture
async def site(tools: Tools) -> AsyncIterator[Site]:
    async with served(tools) as site:
        yield site


@pytest.fixture
async def shop(tools: Tools) -> AsyncIterator[Town]:
    """One bank and one panel."""
    async with opened(tools, nodes=1) as world:
        yield world

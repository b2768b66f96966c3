"""A browser and a shop's ear for emulators whose customers come by a signed link."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlencode

import aiohttp
from aiohttp import web

from ferryman_sandbox.emulator import Server, serve
from ferryman_sandbox.links import LinkEmulator
from tests.sandbox.outside import PATIENCE, Json, Outside


@dataclass
class Street(Outside):
    """`heard` is what the shop was told, newest last; `say` what it answers."""

    emulator: LinkEmulator
    say: Callable[[dict[str, str]], tuple[int, str]]
    heard: list[dict[str, str]] = field(default_factory=list)

    async def answer(self, id_: str, action: str, lang: str = "en") -> str:
        async with self.http.post(f"{self.url}/bill/{id_}?lang={lang}", data={"action": action}) as response:
            return await response.text()

    async def bills(self) -> list[Json]:
        return list(await self.seen("payments"))

    async def told(self, count: int) -> list[dict[str, str]]:
        async with asyncio.timeout(PATIENCE):
            while len(self.heard) < count:
                await asyncio.sleep(0.005)
        return self.heard

    async def ask(self, path: str, **query: str) -> str:
        async with self.http.get(f"{self.url}{path}?{urlencode(query)}") as response:
            return await response.text()

    async def _hear(self, request: web.Request) -> web.Response:
        assert request.content_type == "application/x-www-form-urlencoded"
        self.heard.append(dict(parse_qsl(await request.text(), keep_blank_values=True)))
        status, text = self.say(self.heard[-1])
        return web.Response(status=status, text=text)


@asynccontextmanager
async def street(emulator: LinkEmulator, say: Callable[[dict[str, str]], tuple[int, str]]) -> AsyncIterator[Street]:
    """The emulator listening, its notifications heard."""
    async with aiohttp.ClientSession() as http:
        place = Street("", http, emulator, say)
        ear = web.Application()
        ear.router.add_post("/hook", place._hear)
        shop: Server = await serve(ear)
        emulator.pusher.point_at(f"{shop.url}/hook")
        server = await serve(emulator.app)
        place.url = server.url
        try:
            yield place
        finally:
            await server.stop()
            await shop.stop()
            emulator.store.close()

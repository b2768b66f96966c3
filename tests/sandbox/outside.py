"""What tests of the payment emulators share: an ear for webhooks, control routes, a browser without scripts."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web

from ferryman_sandbox.emulator import Emulator, serve

PATIENCE = 20.0
Json = dict[str, Any]


@dataclass
class Ear:
    """Hears webhooks. `statuses` are the answers to give, one after another, then 200."""

    url: str = ""
    bodies: list[str] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    sources: list[str | None] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)

    @property
    def heard(self) -> list[Json]:
        return [json.loads(body) for body in self.bodies]

    async def hear(self, request: web.Request) -> web.Response:
        self.bodies.append(await request.text())
        self.kinds.append(request.content_type)
        self.headers.append(dict(request.headers))
        self.sources.append(request.remote)
        status = self.statuses.pop(0) if self.statuses else 200
        elsewhere = {"Location": "https://elsewhere.example/"} if status < 400 else {}
        return web.Response(status=status, headers=elsewhere, text="" if status == 204 else "thanks")


@asynccontextmanager
async def listening() -> AsyncIterator[Ear]:
    ear, app = Ear(), web.Application()
    app.router.add_post("/hook", ear.hear)
    server = await serve(app)
    ear.url = f"{server.url}/hook"
    try:
        yield ear
    finally:
        await server.stop()


@asynccontextmanager
async def standing(emulator: Emulator) -> AsyncIterator[tuple[str, aiohttp.ClientSession]]:
    """The emulator's address, and what to call it with; its store is closed at the end."""
    server = await serve(emulator.app)
    async with aiohttp.ClientSession() as http:
        yield server.url, http
    await server.stop()
    emulator.store.close()


@dataclass
class Outside:
    """Somebody with a browser and the emulator's control routes."""

    url: str
    http: aiohttp.ClientSession

    async def emu(self, path: str, body: Any = None) -> tuple[int, Any]:
        async with self.http.post(f"{self.url}/__emu/{path}", json=body or {}) as answer:
            return answer.status, await answer.json()

    async def seen(self, path: str) -> Any:
        async with self.http.get(f"{self.url}/__emu/{path}") as answer:
            return await answer.json()

    async def advance(self, seconds: float) -> None:
        await self.emu("clock", {"advance": seconds})

    async def look(self, url: str, **headers: str) -> tuple[int, str]:
        async with self.http.get(url, headers=headers) as answer:
            return answer.status, await answer.text()

    async def press(self, url: str, **form: str) -> str:
        async with self.http.post(url, data=form) as answer:
            assert answer.status == 200
            assert [step.status for step in answer.history] == [303], "a reload must not repeat the act"
            return await answer.text()


def shows(page: str) -> set[str]:
    return set(re.findall(r'data-testid="([\w-]+)"', page))


def state(page: str) -> str:
    found = re.search(r'data-status="(\w+)"', page)
    assert found is not None
    return found[1]


async def until(true: Callable[[], bool | Awaitable[bool]]) -> None:
    """Wait until the condition holds; fails after PATIENCE seconds."""
    async with asyncio.timeout(PATIENCE):
        while True:
            held = true()
            if held if isinstance(held, bool) else await held:
                return
            await asyncio.sleep(0.005)

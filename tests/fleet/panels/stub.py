"""A server that says exactly what a test tells it to: for panels too old or too odd to be emulated."""

import json
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web


@dataclass
class Said:
    """One answer; `body` is sent as JSON unless it is bytes."""

    body: Any = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


Script = Callable[[web.Request], Said]


@dataclass
class Stub:
    url: str
    asked: list[web.Request]

    def paths(self, method: str = "GET") -> list[str]:
        return [request.path for request in self.asked if request.method == method]


def ok(obj: Any = None, **headers: str) -> Said:
    return Said({"success": True, "msg": "", "obj": obj}, headers=headers)


@asynccontextmanager
async def stubbed(script: Script, tls: ssl.SSLContext | None = None) -> AsyncIterator[Stub]:
    stub = Stub("", [])

    async def answer(request: web.Request) -> web.Response:
        await request.read()
        stub.asked.append(request)
        said = script(request)
        body = said.body if isinstance(said.body, bytes) else json.dumps(said.body).encode()
        return web.Response(status=said.status, body=body, headers=said.headers)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    stub.url = f"{'https' if tls else 'http'}://127.0.0.1:{runner.addresses[0][1]}/"
    try:
        yield stub
    finally:
        await runner.cleanup()

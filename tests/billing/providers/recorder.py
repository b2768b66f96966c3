"""An HTTP server on loopback that writes down what it is sent and answers from a list."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web


@dataclass(frozen=True)
class Received:
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    remote: str
    raw_query: str = ""


@dataclass(frozen=True)
class Scripted:
    status: int = 200
    body: Any = None
    raw: bytes | None = None

    def response(self) -> web.Response:
        if self.raw is not None:
            return web.Response(status=self.status, body=self.raw)
        return web.json_response(self.body, status=self.status)


@dataclass
class Recorder:
    """`answers` are used up in order; the last one serves for ever."""

    answers: deque[Scripted] = field(default_factory=lambda: deque([Scripted()]))
    received: list[Received] = field(default_factory=list)
    url: str = ""

    def say(self, *answers: Scripted) -> None:
        self.answers = deque(answers)

    async def wait_for(self, count: int, seconds: float = 20.0) -> list[Received]:
        """Everything received, once it is at least `count`."""
        async with asyncio.timeout(seconds):
            while len(self.received) < count:
                await asyncio.sleep(0.005)
        return self.received

    async def _handle(self, request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        body = await request.read()
        self.received.append(
            Received(
                request.method,
                request.path,
                dict(request.query),
                headers,
                body,
                request.remote or "",
                request.rel_url.raw_query_string,
            )
        )
        return (self.answers.popleft() if len(self.answers) > 1 else self.answers[0]).response()


@asynccontextmanager
async def recording() -> AsyncIterator[Recorder]:
    recorder = Recorder()
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", recorder._handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    recorder.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield recorder
    finally:
        await runner.cleanup()

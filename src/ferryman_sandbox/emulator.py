"""What every emulator shares: a store, a clock, weather, a journal of calls, control routes, a server on loopback."""

import ipaddress
import json
import re
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from ferryman_sandbox.clock import Clock
from ferryman_sandbox.store import Store
from ferryman_sandbox.weather import Fault, Handler, Weather

JOURNAL_LENGTH = 2000
# The Bot API carries its secret in the path; a journal is for reading.
_TOKEN = re.compile(r"bot\d+:[A-Za-z0-9_-]+")
# What is somebody's name in a path, and no part of the route: of such there are too many to be counted one by one.
_NAME = re.compile(r"/(?=[^/]*[0-9@]|[^/]{13})[^/]+")


@dataclass
class Emulator:
    """Base of one emulated service; a subclass adds its routes to `app` in `__post_init__` after calling super's.

    Control API on each: `GET/POST /__emu/clock` ({"advance": seconds}), `GET/POST/DELETE /__emu/faults`,
    `GET /__emu/calls` (newest last; path, method, status, milliseconds), `GET /__emu/tally` (how often each route was
    called since the start, however long ago), `POST /__emu/reset`.
    """

    store: Store
    seed: int = 0
    clock: Clock = field(init=False)
    weather: Weather = field(init=False)
    calls: deque[dict[str, Any]] = field(init=False)
    tally: Counter[str] = field(init=False)
    app: web.Application = field(init=False)

    def __post_init__(self) -> None:
        self.clock = Clock(self.store)
        self.weather = Weather(self.seed)
        self.calls = deque(maxlen=JOURNAL_LENGTH)
        self.tally = Counter()
        self.app = web.Application(
            middlewares=[self._journal, self.weather.middleware], client_max_size=64 * 1024 * 1024
        )
        self.app.router.add_get("/__emu/clock", self._clock_get)
        self.app.router.add_post("/__emu/clock", self._clock_advance)
        self.app.router.add_get("/__emu/faults", self._faults_get)
        self.app.router.add_post("/__emu/faults", self._faults_add)
        self.app.router.add_delete("/__emu/faults", self._faults_clear)
        self.app.router.add_get("/__emu/calls", self._calls_get)
        self.app.router.add_get("/__emu/tally", self._tally_get)
        self.app.router.add_post("/__emu/reset", self._reset)

    def _now(self) -> float:
        """By the clock of the moment: a reset brings another one."""
        return self.clock.now()

    async def on_time_moved(self) -> None:
        """Called after the clock was pushed: let what is due happen now."""

    async def on_reset(self) -> None:
        """Called after the store was emptied: rebuild what must always exist."""

    @web.middleware
    async def _journal(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        started = time.perf_counter()
        status = 0
        try:
            response = await handler(request)
            status = response.status
            return response
        except web.HTTPException as answer:
            status = answer.status
            raise
        finally:
            if not request.path.startswith("/__emu/"):
                self.tally[f"{request.method} {_NAME.sub('/…', request.path)}"] += 1
                self.calls.append(
                    {
                        "at": self.clock.now(),
                        "method": request.method,
                        "path": _TOKEN.sub("bot…", request.path),
                        "status": status,
                        "ms": round((time.perf_counter() - started) * 1000, 2),
                    }
                )

    async def _clock_get(self, _: web.Request) -> web.Response:
        return web.json_response({"now": self.clock.now()})

    async def _clock_advance(self, request: web.Request) -> web.Response:
        body = await read_json(request)
        try:
            now = self.clock.advance(float(body["advance"]))
        except (KeyError, TypeError, ValueError) as error:
            raise bad_request(f"clock: give {{'advance': seconds >= 0}} ({error})") from error
        await self.on_time_moved()
        return web.json_response({"now": now})

    async def _faults_get(self, _: web.Request) -> web.Response:
        return web.json_response({"waiting": [vars(fault) for fault in self.weather.faults], "hits": self.weather.hits})

    async def _faults_add(self, request: web.Request) -> web.Response:
        spec = await read_json(request)
        try:
            for one in spec if isinstance(spec, list) else [spec]:
                self.weather.add(Fault.from_json(one))
        except (TypeError, ValueError) as error:
            raise bad_request(str(error)) from error
        return web.json_response({"waiting": len(self.weather.faults)})

    async def _faults_clear(self, _: web.Request) -> web.Response:
        self.weather.clear()
        return web.json_response({"waiting": 0})

    async def _calls_get(self, _: web.Request) -> web.Response:
        return web.json_response(list(self.calls))

    async def _tally_get(self, _: web.Request) -> web.Response:
        return web.json_response(self.tally)

    async def _reset(self, _: web.Request) -> web.Response:
        self.store.clear()
        self.weather.clear()
        self.calls.clear()
        self.tally.clear()
        self.clock = Clock(self.store)
        await self.on_reset()
        return web.json_response({"reset": True})


@dataclass
class Server:
    """One application listening on loopback. `url` has no trailing slash."""

    runner: web.AppRunner
    url: str

    async def stop(self) -> None:
        await self.runner.cleanup()


async def serve(app: web.Application, port: int = 0, host: str = "127.0.0.1") -> Server:
    """Listen on a loopback address (port 0 = any free one). Raises ValueError for any other address."""
    if not ipaddress.ip_address(host).is_loopback:
        raise ValueError(f"the sandbox listens on loopback only, not on {host}")
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    site = web.TCPSite(runner, host, port, reuse_address=True)
    await site.start()
    bound: int = runner.addresses[0][1]
    return Server(runner, f"http://{host}:{bound}")


async def read_json(request: web.Request) -> Any:
    try:
        return json.loads(await request.read() or b"{}")
    except ValueError as error:
        raise bad_request(f"not JSON: {error}") from error


def limit(request: web.Request) -> int | None:
    """How many of a list `?limit=` asks for; None = all."""
    asked = request.query.get("limit", "")
    return int(asked) if asked.isdecimal() else None


def bad_request(why: str) -> web.HTTPBadRequest:
    return web.HTTPBadRequest(text=json.dumps({"error": why}), content_type="application/json")

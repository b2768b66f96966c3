"""Bad weather on demand: the next calls that match are late, refused, garbled or cut off, before or after their effect.

A fault is plain JSON, posted to `/__emu/faults` of any emulator:

    {"mode": "drop_after", "route": "payments", "method": "POST", "times": 2}

| mode          | what the caller sees                                              | did it take effect? |
|---------------|-------------------------------------------------------------------|---------------------|
| `delay`       | the right answer, `seconds` late                                  | yes                 |
| `status`      | `status` with `body` (JSON) and `headers`                         | no                  |
| `html`        | a proxy's HTML error page with `status` (default 502)             | no                  |
| `html_after`  | the same page                                                     | yes                 |
| `empty`       | 200 with an empty body                                            | no                  |
| `hang`        | nothing for `seconds` (default 3600), then a closed connection    | no                  |
| `hang_after`  | the same                                                          | yes                 |
| `drop_before` | a closed connection                                               | no                  |
| `drop_after`  | a closed connection: the ambiguous case                           | yes                 |

`route` is a substring of the path (default: any), `method` an HTTP verb (default: any), `times` how many calls
(default 1, -1 = until cleared), `chance` the probability that a matching call is hit (default 1). The control routes
under `/__emu/` are never hit.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

MODES = ("delay", "status", "html", "html_after", "empty", "hang", "hang_after", "drop_before", "drop_after")
PROXY_PAGE = "<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"


@dataclass
class Fault:
    mode: str
    route: str = ""
    method: str = ""
    times: int = 1
    status: int = 502
    seconds: float = 0.0
    chance: float = 1.0
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)

    @classmethod
    def from_json(cls, spec: dict[str, Any]) -> "Fault":
        """Raises ValueError that names what is wrong with the given fault."""
        unknown = set(spec) - set(cls.__dataclass_fields__)
        if unknown:
            raise ValueError(f"unknown fault fields: {', '.join(sorted(unknown))}")
        if spec.get("mode") not in MODES:
            raise ValueError(f"mode must be one of {', '.join(MODES)}")
        return cls(**spec)

    def matches(self, request: web.Request) -> bool:
        return self.route in request.path and self.method.upper() in ("", request.method)


class Weather:
    """The faults that wait for their calls. `seed` makes `chance` repeatable."""

    def __init__(self, seed: int = 0) -> None:
        self.faults: list[Fault] = []
        self.hits: dict[str, int] = {}
        self._dice = random.Random(seed)

    def add(self, fault: Fault) -> None:
        self.faults.append(fault)

    def clear(self) -> None:
        self.faults.clear()

    def take(self, request: web.Request) -> Fault | None:
        """The fault that hits this call, used up by one; None in good weather."""
        for fault in self.faults:
            if fault.times == 0 or not fault.matches(request) or self._dice.random() >= fault.chance:
                continue
            fault.times -= 1 if fault.times > 0 else 0
            self.hits[fault.mode] = self.hits.get(fault.mode, 0) + 1
            self.faults = [waiting for waiting in self.faults if waiting.times != 0]
            return fault
        return None

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        fault = None if request.path.startswith("/__emu/") else self.take(request)
        return await handler(request) if fault is None else await self._storm(fault, request, handler)

    async def _storm(self, fault: Fault, request: web.Request, handler: Handler) -> web.StreamResponse:
        match fault.mode:
            case "delay":
                await asyncio.sleep(fault.seconds)
                return await handler(request)
            case "status":
                return web.json_response(fault.body, status=fault.status, headers=fault.headers)
            case "empty":
                return web.Response(status=200)
            case "html_after":
                await handler(request)
                return web.Response(text=PROXY_PAGE, status=fault.status, content_type="text/html")
            case "html":
                return web.Response(text=PROXY_PAGE, status=fault.status, content_type="text/html")
            case "hang":
                await asyncio.sleep(fault.seconds or 3600)
            case "hang_after":
                await handler(request)
                await asyncio.sleep(fault.seconds or 3600)
            case "drop_after":
                await handler(request)
        return cut(request)


def cut(request: web.Request) -> web.Response:
    """Close the caller's connection without a word; the returned response is never sent."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)

"""The tester's routes of a panel, under `/__emu/`: switches, traffic, ticks, the state, and the page for people.

| route              | body or query                      | what it does                                               |
|--------------------|------------------------------------|------------------------------------------------------------|
| GET, POST switches | any of `Switches`, expire_sessions | read or change the panel's switches                        |
| POST upgrade       | version                            | replace the panel's program, keeping its clients           |
| POST snapshot      | name ("latest" unless given)       | keep the panel's database as it is now                     |
| GET snapshots      |                                    | names of what was kept, and when                           |
| POST restore       | name                               | put that database back: yesterday's clients and counters   |
| POST traffic       | email, up, down, ip                | that client uses the network (409: the core forbids it)    |
| POST rate          | email, up, down                    | bytes per second it uses from now on                       |
| POST tick          | seconds                            | run the traffic job now                                    |
| GET state          | ?limit=                            | inbounds, clients, rows, runtime, for the world's page     |
| GET panel          |                                    | a small page, fit for an iframe                            |
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from aiohttp import web

import ferryman_sandbox.xui.backups as backups
from ferryman_sandbox.emulator import bad_request, read_json
from ferryman_sandbox.xui.auth import Gate, LoginLimiter
from ferryman_sandbox.xui.page import file_response, state_view
from ferryman_sandbox.xui.panel import Panel
from ferryman_sandbox.xui.state import META
from ferryman_sandbox.xui.switches import ACTIONS, COUNTED
from ferryman_sandbox.xui.traffic import tick, use

T = TypeVar("T")


@dataclass
class Control:
    """`title` and `flag` name the panel to people; `upgrade` raises ValueError for an unknown version."""

    panel: Panel
    gate: Gate
    upgrade: Callable[[str], None]
    title: str
    flag: str

    def add_to(self, router: web.UrlDispatcher) -> None:
        router.add_get("/__emu/switches", self._switches_get)
        router.add_post("/__emu/switches", self._switches_set)
        router.add_post("/__emu/upgrade", self._upgrade)
        router.add_post("/__emu/snapshot", self._snapshot)
        router.add_get("/__emu/snapshots", self._snapshots)
        router.add_post("/__emu/restore", self._restore)
        router.add_post("/__emu/traffic", self._traffic)
        router.add_post("/__emu/rate", self._rate)
        router.add_post("/__emu/tick", self._tick)
        router.add_get("/__emu/state", self._state)
        router.add_get("/__emu/panel", self._page)
        router.add_get("/__emu/panel/{file}", self._page)

    async def _switches_get(self, _: web.Request) -> web.Response:
        return web.json_response(self.panel.switches.as_json())

    async def _switches_set(self, request: web.Request) -> web.Response:
        wanted = await _object(request)
        actions = {name: wanted.pop(name) for name in ACTIONS if name in wanted}
        try:
            self.panel.switches.change(wanted)
        except ValueError as error:
            raise bad_request(str(error)) from error
        if actions.get("expire_sessions"):
            self.gate.expire_sessions()
        self._follow(wanted)
        return web.json_response(self.panel.switches.as_json())

    def _follow(self, changed: dict[str, Any]) -> None:
        """Keep what was set for the next start, except what counts itself down, and let the core notice."""
        panel = self.panel
        kept = panel.state.store.get(META, "switches") or {}
        kept |= {name: value for name, value in changed.items() if name not in COUNTED}
        panel.state.store.put(META, "switches", kept)
        if "version" in changed:
            self.upgrade(panel.switches.version)
        if "xray_down" in changed:
            panel.core.running = not panel.switches.xray_down
            if panel.core.running:
                panel.core.restart(panel.state)
        if changed.get("node_offline") is False:
            panel.core.rebuild(panel.state)

    async def _upgrade(self, request: web.Request) -> web.Response:
        version = _field(await _object(request), "version", str)
        try:
            self.panel.switches.change({"version": version})
        except ValueError as error:
            raise bad_request(str(error)) from error
        self._follow({"version": version})
        return web.json_response({"version": version})

    async def _snapshot(self, request: web.Request) -> web.Response:
        name = _field(await _object(request), "name", str, "latest")
        return web.json_response(backups.take(self.panel, name))

    async def _snapshots(self, _: web.Request) -> web.Response:
        return web.json_response(backups.listed(self.panel))

    async def _restore(self, request: web.Request) -> web.Response:
        name = _field(await _object(request), "name", str, "latest")
        try:
            backups.put_back(self.panel, name)
        except LookupError as error:
            raise bad_request(f"no snapshot {name!r} was taken") from error
        self.gate.limiter = LoginLimiter()
        return web.json_response({"restored": name})

    async def _traffic(self, request: web.Request) -> web.Response:
        body = await _object(request)
        email, ip = _field(body, "email", str), _field(body, "ip", str, "")
        up, down = _field(body, "up", int, 0), _field(body, "down", int, 0)
        if not use(self.panel, email, up, down, ip):
            return web.json_response({"accepted": False, "error": f"{email} is not loaded in the core"}, status=409)
        return web.json_response({"accepted": True})

    async def _rate(self, request: web.Request) -> web.Response:
        body = await _object(request)
        rate = {"up": _field(body, "up", int, 0), "down": _field(body, "down", int, 0)}
        self.panel.state.save_rate(_field(body, "email", str), rate)
        return web.json_response(rate)

    async def _tick(self, request: web.Request) -> web.Response:
        seconds = _field(await _object(request), "seconds", float, 0.0)
        with self.panel.state.together():
            tick(self.panel, seconds)
        return web.json_response({"now": self.panel.now()})

    async def _state(self, request: web.Request) -> web.Response:
        limit = _field(dict(request.query), "limit", int, 0)
        return web.json_response(state_view(self.panel, self.title, self.flag, limit))

    async def _page(self, request: web.Request) -> web.Response:
        return file_response(request.match_info.get("file", "panel.html"))


async def _object(request: web.Request) -> dict[str, Any]:
    body = await read_json(request)
    if not isinstance(body, dict):
        raise bad_request("give a JSON object")
    return body


def _field(body: dict[str, Any], name: str, kind: Callable[[Any], T], default: T | None = None) -> T:
    value = body.get(name, default)
    try:
        if value is None:
            raise ValueError("it is missing")
        return kind(value)
    except (TypeError, ValueError) as error:
        raise bad_request(f"{name!r} must be a {getattr(kind, '__name__', 'value')}: {error}") from error

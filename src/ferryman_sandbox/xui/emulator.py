"""One emulated panel: built from its store, seeded once, served over HTTP, ticking if asked to."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from functools import partial

from aiohttp import web

import ferryman_sandbox.xui.bulk as bulk
import ferryman_sandbox.xui.client_routes as client_routes
import ferryman_sandbox.xui.embedded_inbounds as embedded_inbounds
import ferryman_sandbox.xui.embedded_routes as embedded_routes
import ferryman_sandbox.xui.inbounds as inbounds
import ferryman_sandbox.xui.server_routes as server_routes
import ferryman_sandbox.xui.token_routes as token_routes
from ferryman_sandbox.emulator import Emulator
from ferryman_sandbox.weather import cut
from ferryman_sandbox.xui.auth import Gate, LoginLimiter, store_token
from ferryman_sandbox.xui.binding import INBOUND_FIELDS, bind
from ferryman_sandbox.xui.control import Control
from ferryman_sandbox.xui.core import Core
from ferryman_sandbox.xui.embedded_routes import changed_inbound
from ferryman_sandbox.xui.envelope import Reply
from ferryman_sandbox.xui.front import Front, read_call
from ferryman_sandbox.xui.generations import migrate
from ferryman_sandbox.xui.links import subscription_app
from ferryman_sandbox.xui.login_routes import login_routes
from ferryman_sandbox.xui.panel import Panel
from ferryman_sandbox.xui.race import Race
from ferryman_sandbox.xui.routing import Call, RouteTable
from ferryman_sandbox.xui.specs import InboundSpec
from ferryman_sandbox.xui.state import META, PanelState
from ferryman_sandbox.xui.switches import Switches
from ferryman_sandbox.xui.traffic import tick


@dataclass
class XuiEmulator(Emulator):
    """One 3X-UI panel, 2.3.0 … 3.7.x.

    `inbounds` seed an empty store; `api_token` is one enabled Bearer token named "sandbox" ("" = none; panels of 2.x
    have none and take none). A store of another version is upgraded. `title` and `flag` are for people. With
    `ticking`, the traffic job runs by itself while the application is served; otherwise it runs when the clock is
    pushed (`/__emu/clock`) or asked for (`/__emu/tick`). One store serves one panel.
    Raises ValueError for a version that is not emulated.
    """

    version: str = field(default="3.6.0", kw_only=True)
    base_path: str = field(default="/", kw_only=True)
    username: str = field(default="admin", kw_only=True)
    password: str = field(default="admin", kw_only=True)
    api_token: str = field(default="sandbox0" * 6, kw_only=True)
    inbounds: list[InboundSpec] = field(default_factory=list, kw_only=True)
    title: str = field(default="3X-UI", kw_only=True)
    flag: str = field(default="🏳️", kw_only=True)
    ticking: bool = field(default=False, kw_only=True)
    panel: Panel = field(init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        trimmed = self.base_path.strip("/")
        self.base_path = f"/{trimmed}/" if trimmed else "/"
        self.panel = self._open()
        self._gate = Gate(self.panel)
        self._race = Race(self.panel)
        modules = (client_routes, bulk, embedded_routes, inbounds, server_routes, token_routes)
        routes = RouteTable([*login_routes(self._gate), *(route for module in modules for route in module.ROUTES)])
        self._front = Front(self.panel, self._gate, routes)
        Control(self.panel, self._gate, self.upgrade, self.title, self.flag).add_to(self.app.router)
        self.app.router.add_route("*", "/{path:.*}", self._answer)
        self.app.cleanup_ctx.append(self._keep_ticking)

    def _open(self) -> Panel:
        """The panel as the store remembers it, seeded when the store is empty."""
        panel = Panel(
            state=PanelState(self.store),
            core=Core(),
            switches=Switches(),
            read_clock=self._read_clock,
            base_path=self.base_path,
            username=self.username,
            password=self.password,
        )
        panel.switches.change({"version": self.version} | (self.store.get(META, "switches") or {}))
        panel.core.running = not panel.switches.xray_down
        self._seed(panel)
        return panel

    def _seed(self, panel: Panel) -> None:
        state = panel.state
        if not state.meta["seeded"]:
            create = embedded_inbounds.create if panel.rules.embeds_clients else inbounds.create
            with state.together():
                for spec in self.inbounds:
                    create(panel, bind(spec, INBOUND_FIELDS, "Inbound"))
                if self.api_token and panel.rules.guards_logins:
                    store_token(panel, "sandbox", self.api_token)
                state.meta |= {"seeded": True, "version": panel.switches.version}
                state.save_meta()
        migrate(panel)
        panel.core.rebuild(state)
        panel.core.checked_ms = panel.now_ms

    def upgrade(self, version: str) -> None:
        """Replace the panel's program: its clients are carried over, its memory of failed logins and its core start
        anew. Raises ValueError for a version that is not emulated."""
        self.panel.switches.change({"version": version})
        migrate(self.panel)
        self._gate.limiter = LoginLimiter()
        self.panel.core.restart(self.panel.state)

    def _read_clock(self) -> float:
        """A reset replaces the clock, so it is looked up each time."""
        return self.clock.now()

    async def on_time_moved(self) -> None:
        self._tick()

    def _tick(self, elapsed: float = 0.0) -> None:
        with self.panel.state.together():
            tick(self.panel, elapsed)

    async def on_reset(self) -> None:
        """Back to the seeds and the constructor's version; sessions end, issued tokens are gone."""
        self.panel.switches = Switches(version=self.version)
        self.panel.core = Core()
        self.panel.state.load()
        self._gate.limiter = LoginLimiter()
        self._seed(self.panel)

    def subscription_app(self) -> web.Application:
        """The panel's second listener, `GET /sub/{subId}`; serve it on a port of its own and say so in `sub_uri`."""
        return subscription_app(self.panel)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        call = await read_call(request)
        if self.panel.switches.latency_ms:
            await asyncio.sleep(self.panel.switches.latency_ms / 1000)
        if self.panel.switches.race and self.panel.rules.embeds_clients and self._front.rewrites(call):
            reply, committed = await self._race.run(changed_inbound(call), partial(self._reply, call))
        else:
            reply, committed = self._reply(call)
        if committed and self.panel.switches.take("drop_after_commit"):
            return cut(request)
        return self._front.response(call, reply)

    def _reply(self, call: Call) -> tuple[Reply, bool]:
        with self.panel.state.together():
            return self._front.answer(call)

    async def _keep_ticking(self, _: web.Application) -> AsyncIterator[None]:
        job = asyncio.create_task(self._tick_for_ever()) if self.ticking else None
        yield
        if job is not None:
            job.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await job

    async def _tick_for_ever(self) -> None:
        while True:
            pause = self.panel.switches.tick_seconds or self.panel.rules.tick_seconds
            await asyncio.sleep(pause)
            self._tick(pause)

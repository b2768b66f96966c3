"""An emulated 3X-UI panel on loopback and our client for it, with the levers a test may pull."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from pydantic import SecretStr

from ferryman.fleet.panel import PanelAccess, PanelTools
from ferryman.fleet.panels.xui import Xui
from ferryman.fleet.panels.xui.inbounds import as_object
from ferryman.fleet.panels.xui.session import Timeouts
from ferryman_sandbox.emulator import Server, serve
from ferryman_sandbox.store import Store
from ferryman_sandbox.xui.emulator import XuiEmulator
from ferryman_sandbox.xui.specs import trojan_tls, vless_reality, vless_ws_tls

TOKEN = "tok-canary-0123456789abcdefghijklmnopqrstuvwxyz0123"
USERNAME, PASSWORD = "keeper", "pass-canary-1"
BASE_PATH = "/hidden-path/"


@dataclass
class World:
    """`panel` is our client, `access` how it reaches the emulator: by token, or by password where there are none."""

    emulator: XuiEmulator
    access: PanelAccess
    tools: PanelTools
    panel: Xui
    inbounds: tuple[int, ...] = (1, 2, 3)

    def client(self, timeouts: Timeouts | None = None, **changes: Any) -> Xui:
        """Another client of the same panel, reached otherwise."""
        return Xui(replace(self.access, **changes), self.tools, timeouts=timeouts)

    def by_password(self, password: str = PASSWORD, tools: PanelTools | None = None) -> Xui:
        return Xui(self.by_password_access(password), tools or self.tools)

    def by_password_access(self, password: str = PASSWORD) -> PanelAccess:
        return replace(self.access, token=None, username=USERNAME, password=SecretStr(password))

    async def fault(self, mode: str, **more: Any) -> None:
        """Bad weather for the next calls that match, as the emulator's `/__emu/faults` takes it."""
        await self._control("faults", {"mode": mode, **more})

    async def clear_faults(self) -> None:
        await self.tools.http.request("DELETE", f"{self._origin}/__emu/faults")

    async def switch(self, **values: Any) -> None:
        await self._control("switches", values)

    async def advance(self, seconds: float) -> None:
        await self._control("clock", {"advance": seconds})

    async def use(self, email: str, up: int, down: int) -> None:
        """Set one client's counters, and let the panel act on them."""
        counters = {"upload": up, "download": down}
        where = ("inbounds", "updateClientTraffic") if self.embeds_clients else ("clients", "updateTraffic")
        await self.panel._session.change(*where, email, body=counters)
        await self.tick()

    async def tick(self) -> None:
        await self._control("tick", {})

    @property
    def embeds_clients(self) -> bool:
        return self.emulator.panel.switches.version < "3.1"

    async def calls(self, method: str = "", path: str = "") -> list[str]:
        """Paths below the base that were called, oldest first."""
        answer = await self.tools.http.request("GET", f"{self._origin}/__emu/calls")
        made = [(call["method"], call["path"].removeprefix(BASE_PATH)) for call in answer.json()]
        return [where for how, where in made if method in ("", how) and path in where]

    async def changes(self) -> list[str]:
        return await self.calls("POST", "panel/api/")

    async def entries(self) -> list[tuple[int, dict[str, Any]]]:
        """Every client in the settings of every inbound, as the core would read it."""
        listed = await self.panel._session.get("inbounds", "list")
        return [
            (inbound["id"], client)
            for inbound in listed
            for client in as_object(inbound["settings"]).get("clients") or ()
        ]

    async def flows(self, email: str) -> dict[int, str]:
        """The client's flow on each inbound that has it."""
        return {number: one.get("flow", "") for number, one in await self.entries() if one["email"] == email}

    async def rows(self) -> dict[str, dict[str, Any]]:
        """The counters of everyone, by email."""
        listed = await self.panel._session.get("inbounds", "list")
        return {row["email"]: row for inbound in listed for row in inbound["clientStats"] or ()}

    @property
    def _origin(self) -> str:
        return self.access.url.removesuffix(BASE_PATH)

    async def _control(self, lever: str, body: dict[str, Any]) -> None:
        answer = await self.tools.http.request("POST", f"{self._origin}/__emu/{lever}", json_body=body)
        assert answer.status == 200, answer.body


@asynccontextmanager
async def emulated(tools: PanelTools, *, version: str = "3.6.0") -> AsyncIterator[World]:
    """A panel with REALITY, WebSocket and Trojan inbounds under a base path."""
    emulator = XuiEmulator(
        Store(":memory:"),
        version=version,
        base_path=BASE_PATH,
        username=USERNAME,
        password=PASSWORD,
        api_token=TOKEN,
        inbounds=[vless_reality(), vless_ws_tls(), trojan_tls()],
    )
    server: Server = await serve(emulator.app)
    by_token = PanelAccess(server.url + BASE_PATH, token=SecretStr(TOKEN))
    by_password = PanelAccess(server.url + BASE_PATH, username=USERNAME, password=SecretStr(PASSWORD))
    access = by_password if version.startswith("2.") else by_token
    try:
        yield World(emulator, access, tools, Xui(access, tools))
    finally:
        await server.stop()
        emulator.store.close()

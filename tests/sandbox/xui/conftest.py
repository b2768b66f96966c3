"""Panels to test: three versions of the emulator, and a real one when the environment names it.

The real panel is given by FERRYMAN_TEST_XUI_URL (with base path), FERRYMAN_TEST_XUI_TOKEN, FERRYMAN_TEST_XUI_VERSION,
for the login tests FERRYMAN_TEST_XUI_USERNAME and FERRYMAN_TEST_XUI_PASSWORD, and for its own certificate
FERRYMAN_TEST_XUI_CA (a PEM file). Tests that take `panel` use public routes only and clean up behind themselves:
inbounds of their own on high ports, clients with random emails.
"""

import os
import random
import ssl
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from ferryman_sandbox.emulator import Server, serve
from ferryman_sandbox.store import Store
from ferryman_sandbox.xui import XuiEmulator, trojan_tls, vless_reality, vless_ws_tls
from tests.sandbox.xui.driver import PanelDriver

VERSIONS = ("3.1.0", "3.4.2", "3.6.0")
REAL = "real"
PANELS = (*VERSIONS, REAL) if os.environ.get("FERRYMAN_TEST_XUI_URL") else VERSIONS


class Running:
    """An emulator being served; `driver` speaks to it."""

    def __init__(self, emulator: XuiEmulator, server: Server, http: aiohttp.ClientSession) -> None:
        self.emulator = emulator
        self.server = server
        self.driver = PanelDriver(
            http=http,
            url=server.url + emulator.base_path,
            token=emulator.api_token,
            version=emulator.panel.rules.version,
            username=emulator.username,
            password=emulator.password,
            emulated=True,
        )

    async def stop(self) -> None:
        await self.server.stop()


async def start(http: aiohttp.ClientSession, store: Store | None = None, **options: Any) -> Running:
    seeds = [vless_reality(port=20443), vless_ws_tls(port=20444), trojan_tls(port=20445)]
    emulator = XuiEmulator(store or Store(":memory:"), inbounds=seeds, **options)
    running = Running(emulator, await serve(emulator.app), http)
    running.driver.inbounds = list(emulator.panel.state.inbounds.values())
    return running


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        yield session


@pytest.fixture(params=VERSIONS)
async def emulated(request: pytest.FixtureRequest, http: aiohttp.ClientSession) -> AsyncIterator[PanelDriver]:
    """An emulated panel of each version, with REALITY, WebSocket and Trojan inbounds."""
    running = await start(http, version=request.param)
    yield running.driver
    await running.stop()


@pytest.fixture
async def newest(http: aiohttp.ClientSession) -> AsyncIterator[PanelDriver]:
    """An emulated panel of the newest version."""
    running = await start(http)
    yield running.driver
    await running.stop()


@pytest.fixture(params=PANELS)
async def panel(request: pytest.FixtureRequest, http: aiohttp.ClientSession) -> AsyncIterator[PanelDriver]:
    """A panel of each emulated version and the real one, with two inbounds of the test's own."""
    running = None if request.param == REAL else await start(http, version=request.param)
    driver = running.driver if running else _real_driver(http)
    driver.inbounds = []
    await _make_inbounds(driver)
    yield driver
    await _clean_up(driver)
    if running:
        await running.stop()


def _real_driver(http: aiohttp.ClientSession) -> PanelDriver:
    given = os.environ.get
    major, minor, patch = (int(part) for part in given("FERRYMAN_TEST_XUI_VERSION", "3.6.0").lstrip("v").split("."))
    return PanelDriver(
        http=http,
        url=given("FERRYMAN_TEST_XUI_URL", "").rstrip("/") + "/",
        token=given("FERRYMAN_TEST_XUI_TOKEN", ""),
        version=(major, minor, patch),
        username=given("FERRYMAN_TEST_XUI_USERNAME", ""),
        password=given("FERRYMAN_TEST_XUI_PASSWORD", ""),
        tls=ssl.create_default_context(cafile=given("FERRYMAN_TEST_XUI_CA") or None),
    )


async def _make_inbounds(driver: PanelDriver) -> None:
    """REALITY, and WebSocket without TLS: a real core would refuse certificates that are not there."""
    port = random.randrange(30000, 60000)
    reality = vless_reality(f"test-{port}", port)
    websocket = vless_ws_tls(f"test-{port + 1}", port + 1)
    websocket["streamSettings"] = {"network": "ws", "security": "none", "wsSettings": {"path": "/ws", "host": ""}}
    for spec in (reality, websocket):
        driver.inbounds.append((await driver.post("inbounds/add", spec | {"listen": "127.0.0.1"})).obj)


async def _clean_up(driver: PanelDriver) -> None:
    for email in driver.emails:
        await driver.delete(email)
    for inbound_id in driver.ids:
        await driver.post(f"inbounds/del/{inbound_id}")

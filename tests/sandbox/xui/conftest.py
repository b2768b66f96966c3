"""Panels to test: versions of every generation of the emulator, and a real one when the environment names it.

The real panel is given by FERRYMAN_TEST_XUI_URL (with base path), FERRYMAN_TEST_XUI_VERSION, FERRYMAN_TEST_XUI_TOKEN
(3.x), FERRYMAN_TEST_XUI_USERNAME and FERRYMAN_TEST_XUI_PASSWORD (login tests, and everything on 2.x), and for its own
certificate FERRYMAN_TEST_XUI_CA (a PEM file). Tests that take `panel` (clients of their own, 3.1 and later),
`old_panel` (clients inside inbounds, before 3.1) or `every_panel` use public routes only and clean up behind
themselves: inbounds of their own on high ports, clients with random emails.
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
from tests.sandbox.xui.old_driver import OldDriver

VERSIONS = ("3.1.0", "3.3.1", "3.4.2", "3.6.0", "3.7.0")
OLD_VERSIONS = ("2.4.5", "2.6.8", "2.8.11", "2.9.4", "3.0.2")
REAL = "real"


def real_version() -> tuple[int, int, int]:
    major, minor, patch = os.environ.get("FERRYMAN_TEST_XUI_VERSION", "3.6.0").lstrip("v").split(".")
    return int(major), int(minor), int(patch)


HAS_REAL = bool(os.environ.get("FERRYMAN_TEST_XUI_URL"))
PANELS = (*VERSIONS, REAL) if HAS_REAL and real_version() >= (3, 1, 0) else VERSIONS
OLD_PANELS = (*OLD_VERSIONS, REAL) if HAS_REAL and real_version() < (3, 1, 0) else OLD_VERSIONS
EVERY_PANEL = (*OLD_VERSIONS, *VERSIONS, REAL) if HAS_REAL else (*OLD_VERSIONS, *VERSIONS)


class Running:
    """An emulator being served; `driver` speaks to it."""

    def __init__(self, emulator: XuiEmulator, server: Server, http: aiohttp.ClientSession) -> None:
        self.emulator = emulator
        self.server = server
        driver = OldDriver if emulator.panel.rules.embeds_clients else PanelDriver
        self.driver = driver(
            http=http,
            url=server.url + emulator.base_path,
            token=emulator.api_token if emulator.panel.rules.guards_logins else "",
            version=emulator.panel.rules.version,
            username=emulator.username,
            password=emulator.password,
            emulated=True,
            emulator=emulator,
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


@pytest.fixture(params=OLD_VERSIONS)
async def old_emulated(request: pytest.FixtureRequest, http: aiohttp.ClientSession) -> AsyncIterator[OldDriver]:
    """An emulated panel of each older version, one client in each of its REALITY, WebSocket and Trojan inbounds."""
    running = await start(http, version=request.param)
    yield await signed_in_old(running)
    await running.stop()


async def signed_in_old(running: Running) -> OldDriver:
    """The driver of a running older panel, logged in, a placeholder in every inbound."""
    driver = running.driver
    assert isinstance(driver, OldDriver)
    await driver.sign_in()
    for inbound in driver.inbounds:
        await driver.add_to(inbound["id"], driver.placeholder(inbound["protocol"]))
    return driver


@pytest.fixture(params=OLD_PANELS)
async def old_panel(request: pytest.FixtureRequest, http: aiohttp.ClientSession) -> AsyncIterator[OldDriver]:
    """A panel of each older version and the real one, with two inbounds of the test's own and a client in each."""
    running = None if request.param == REAL else await start(http, version=request.param)
    driver = running.driver if running else _real_driver(http)
    assert isinstance(driver, OldDriver)
    await driver.sign_in()
    driver.inbounds = []
    await _make_inbounds(driver)
    yield driver
    for inbound_id in driver.ids:
        await driver.post(f"inbounds/del/{inbound_id}")
    if running:
        await running.stop()


@pytest.fixture(params=EVERY_PANEL)
async def every_panel(request: pytest.FixtureRequest, http: aiohttp.ClientSession) -> AsyncIterator[PanelDriver]:
    """A panel of each version of all generations and the real one, as it is: no inbounds made, nobody logged in."""
    running = None if request.param == REAL else await start(http, version=request.param)
    yield running.driver if running else _real_driver(http)
    if running:
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
    driver = OldDriver if real_version() < (3, 1, 0) else PanelDriver
    return driver(
        http=http,
        url=given("FERRYMAN_TEST_XUI_URL", "").rstrip("/") + "/",
        token=given("FERRYMAN_TEST_XUI_TOKEN", ""),
        version=real_version(),
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
        driver.inbounds.append((await driver.add_inbound(spec | {"listen": "127.0.0.1"})).obj)


async def _clean_up(driver: PanelDriver) -> None:
    for email in driver.emails:
        await driver.delete(email)
    for inbound_id in driver.ids:
        await driver.post(f"inbounds/del/{inbound_id}")

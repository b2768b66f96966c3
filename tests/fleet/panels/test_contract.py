"""The contract, against every panel there is: the emulator in every generation always, a real panel when told of one.

A real 3X-UI is named by FERRYMAN_TEST_XUI_URL with FERRYMAN_TEST_XUI_TOKEN, or with _USERNAME and _PASSWORD;
FERRYMAN_TEST_XUI_INBOUNDS ("1,2,3") says which of its inbounds may be used, unset = all; an inbound is opened on it
only when FERRYMAN_TEST_XUI_PORT names a first free port. Both ways in are tried when both are given. Its certificate is
not verified.
"""

import os
from collections.abc import AsyncIterator

import pytest
from pydantic import SecretStr

from ferryman.fleet.panel import PanelAccess, PanelTools
from ferryman.fleet.panels.xui import Xui
from tests.fleet.panels.contract import Ground, PanelContract
from tests.fleet.panels.emulated import emulated

URL, TOKEN, USERNAME, PASSWORD, INBOUNDS, PORT = (
    os.environ.get(f"FERRYMAN_TEST_XUI_{name}", "")
    for name in ("URL", "TOKEN", "USERNAME", "PASSWORD", "INBOUNDS", "PORT")
)


# The ends of each generation, and in the fourth: before the panel drops unfit flows by itself, before it shows the
# effective one, and before it takes a second add of the same client for none.
VERSIONS = ["2.3.0", "2.6.8", "2.7.0", "2.8.11", "2.9.4", "3.0.2", "3.1.0", "3.2.8", "3.4.2", "3.6.0", "3.7.0"]


@pytest.fixture(params=VERSIONS)
async def xui_emulator(request: pytest.FixtureRequest, tools: PanelTools) -> AsyncIterator[Ground]:
    async with emulated(tools, version=request.param) as world:
        yield Ground(world.panel, world.inbounds, free_port=10443)


@pytest.fixture(params=[way for way, given in (("token", TOKEN), ("password", USERNAME)) if URL and given])
async def xui_real(request: pytest.FixtureRequest, tools: PanelTools) -> AsyncIterator[Ground]:
    by_token = PanelAccess(URL, token=SecretStr(TOKEN), insecure=True)
    by_password = PanelAccess(URL, username=USERNAME, password=SecretStr(PASSWORD), insecure=True)
    panel = Xui(by_token if request.param == "token" else by_password, tools)
    chosen = tuple(int(part) for part in INBOUNDS.split(",") if part)
    listed = {inbound.panel_id: inbound.port for inbound in await panel.inbounds()}
    port = next((port for port in range(int(PORT), int(PORT) + 20) if port not in listed.values()), 0) if PORT else 0
    ground = Ground(panel, chosen or tuple(sorted(listed)), free_port=port)
    yield ground
    await ground.clear()


class TestXuiEmulator(PanelContract):
    @pytest.fixture
    async def ground(self, xui_emulator: Ground) -> Ground:
        return xui_emulator


@pytest.mark.skipif(not URL, reason="set FERRYMAN_TEST_XUI_URL to try a real panel")
class TestXuiReal(PanelContract):
    @pytest.fixture
    async def ground(self, xui_real: Ground) -> Ground:
        return xui_real

"""Which route exists in which version: an older panel answers an empty 404, and a seller must not be surprised."""

import pytest

from tests.sandbox.xui.driver import PanelDriver

OLDEST = (3, 1, 0)
CLIENTS, INBOUNDS, SERVER = "panel/api/clients", "panel/api/inbounds", "panel/api/server"

# Method, path, first version seen with it, first version seen without it again.
ROUTES = [
    ("GET", f"{SERVER}/status", OLDEST, None),
    ("GET", f"{SERVER}/getNewX25519Cert", OLDEST, None),
    ("GET", f"{SERVER}/getNewUUID", OLDEST, None),
    ("GET", f"{SERVER}/getDb", OLDEST, None),
    ("GET", f"{INBOUNDS}/list", OLDEST, None),
    ("GET", f"{INBOUNDS}/list/slim", OLDEST, None),
    ("GET", f"{INBOUNDS}/options", OLDEST, None),
    ("GET", f"{INBOUNDS}/get/999999", OLDEST, None),
    ("POST", f"{INBOUNDS}/update/999999", OLDEST, None),
    ("POST", f"{INBOUNDS}/setEnable/999999", OLDEST, None),
    ("POST", f"{INBOUNDS}/999999/resetTraffic", OLDEST, None),
    ("GET", f"{CLIENTS}/list", OLDEST, None),
    ("GET", f"{CLIENTS}/list/paged", OLDEST, None),
    ("GET", f"{CLIENTS}/get/nobody-here", OLDEST, None),
    ("GET", f"{CLIENTS}/get/tgId/1", (3, 6, 0), None),
    ("GET", f"{CLIENTS}/traffic/nobody-here", OLDEST, None),
    ("GET", f"{CLIENTS}/links/nobody-here", OLDEST, None),
    ("GET", f"{CLIENTS}/subLinks/nobody-here", OLDEST, None),
    ("POST", f"{CLIENTS}/add", OLDEST, None),
    ("POST", f"{CLIENTS}/update/nobody-here", OLDEST, None),
    ("POST", f"{CLIENTS}/del/nobody-here", OLDEST, None),
    ("POST", f"{CLIENTS}/nobody-here/attach", OLDEST, None),
    ("POST", f"{CLIENTS}/nobody-here/detach", OLDEST, None),
    ("POST", f"{CLIENTS}/resetTraffic/nobody-here", OLDEST, None),
    ("POST", f"{CLIENTS}/updateTraffic/nobody-here", OLDEST, None),
    ("POST", f"{CLIENTS}/ips/nobody-here", OLDEST, None),
    ("POST", f"{CLIENTS}/clearIps/nobody-here", OLDEST, None),
    ("POST", f"{CLIENTS}/onlines", OLDEST, None),
    ("POST", f"{CLIENTS}/lastOnline", OLDEST, None),
    ("POST", f"{CLIENTS}/bulkAdjust", OLDEST, None),
    ("POST", f"{CLIENTS}/bulkCreate", (3, 3, 1), None),
    ("POST", f"{CLIENTS}/bulkDel", (3, 3, 1), None),
    ("POST", f"{CLIENTS}/bulkAttach", (3, 3, 1), None),
    ("POST", f"{CLIENTS}/bulkDetach", (3, 3, 1), None),
    ("POST", f"{CLIENTS}/bulkResetTraffic", (3, 3, 1), None),
    ("POST", f"{CLIENTS}/bulkEnable", (3, 4, 2), None),
    ("POST", f"{CLIENTS}/bulkDisable", (3, 4, 2), None),
    ("POST", "panel/api/backuptotgbot", OLDEST, None),
    ("POST", "panel/setting/defaultSettings", OLDEST, (3, 3, 0)),
    ("GET", "panel/setting/apiTokens", OLDEST, (3, 3, 0)),
    ("POST", "panel/api/setting/defaultSettings", (3, 3, 0), None),
    ("GET", "panel/api/setting/apiTokens", (3, 3, 0), None),
]

# What 2.x and 3.0 panels answer and these do not.
OLD_ROUTES = [
    ("POST", f"{INBOUNDS}/addClient"),
    ("POST", f"{INBOUNDS}/updateClient/x"),
    ("POST", f"{INBOUNDS}/1/delClient/x"),
    ("POST", f"{INBOUNDS}/1/delClientByEmail/x"),
    ("GET", f"{INBOUNDS}/getClientTraffics/x"),
    ("GET", f"{INBOUNDS}/getClientTrafficsById/x"),
    ("POST", f"{INBOUNDS}/1/resetClientTraffic/x"),
    ("POST", f"{INBOUNDS}/clientIps/x"),
    ("POST", f"{INBOUNDS}/onlines"),
    ("POST", f"{INBOUNDS}/lastOnline"),
    ("POST", "panel/inbound/list"),
    ("POST", "server/status"),
    ("GET", "server/getDb"),
    ("GET", "logout"),
    ("POST", f"{SERVER}/status"),
    ("GET", f"{CLIENTS}/onlines"),
    ("POST", f"{INBOUNDS}/list"),
]


@pytest.mark.parametrize(("method", "path", "since", "before"), ROUTES, ids=[f"{one[0]} {one[1]}" for one in ROUTES])
async def test_a_route_exists_from_its_version_on(
    panel: PanelDriver, method: str, path: str, since: tuple[int, ...], before: tuple[int, ...] | None
) -> None:
    body = b"[]" if path.endswith("bulkCreate") else b"{}"
    headers = {"Content-Type": "application/json"}
    answer = await panel.call(method, path, data=body if method == "POST" else None, headers=headers)
    exists = panel.version >= since and (before is None or panel.version < before)
    assert (answer.status != 404) is exists, answer
    if not exists:
        assert answer.body == b""


@pytest.mark.parametrize(("method", "path"), OLD_ROUTES, ids=[f"{one[0]} {one[1]}" for one in OLD_ROUTES])
async def test_an_old_route_is_gone(panel: PanelDriver, method: str, path: str) -> None:
    answer = await panel.call(method, path, json={} if method == "POST" else None)
    assert (answer.status, answer.body) == (404, b"")


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
async def test_another_verb_is_no_route(panel: PanelDriver, method: str) -> None:
    answer = await panel.call(method, f"{CLIENTS}/list")
    assert (answer.status, answer.body) == (404, b"")

"""Bodies and paths that no honest client sends: every one is answered in the panel's words, none breaks it."""

import json
import random
from typing import Any

import pytest

from tests.sandbox.xui.driver import Answer, PanelDriver

CLIENTS, INBOUNDS = "panel/api/clients", "panel/api/inbounds"

WRITES = [
    f"{CLIENTS}/add",
    f"{CLIENTS}/update/victim",
    f"{CLIENTS}/del/victim",
    f"{CLIENTS}/victim/attach",
    f"{CLIENTS}/victim/detach",
    f"{CLIENTS}/resetTraffic/victim",
    f"{CLIENTS}/updateTraffic/victim",
    f"{CLIENTS}/ips/victim",
    f"{CLIENTS}/clearIps/victim",
    f"{CLIENTS}/bulkCreate",
    f"{CLIENTS}/bulkDel",
    f"{CLIENTS}/bulkAdjust",
    f"{CLIENTS}/bulkAttach",
    f"{CLIENTS}/bulkDetach",
    f"{CLIENTS}/bulkEnable",
    f"{CLIENTS}/bulkDisable",
    f"{CLIENTS}/bulkResetTraffic",
    f"{CLIENTS}/delDepleted",
    f"{INBOUNDS}/add",
    f"{INBOUNDS}/update/1",
    f"{INBOUNDS}/setEnable/1",
    f"{INBOUNDS}/del/x",
    "panel/api/setting/apiTokens/create",
    "panel/api/setting/apiTokens/setEnabled/999",
    "login",
]

BODIES = [
    b"",
    b"null",
    b"[]",
    b"{}",
    b"{",
    b'"text"',
    b"12",
    b"true",
    b"\xff\xfe\x00",
    b'{"client": null, "inboundIds": null}',
    b'{"client": {"email": 5}, "inboundIds": [1]}',
    b'{"client": {"email": "a"}, "inboundIds": ["1"]}',
    b'{"client": {"email": "a\\u0000b"}, "inboundIds": [-1, 0, 99999999999]}',
    b'{"emails": "a", "inboundIds": {}}',
    b'{"emails": [null, 1], "addDays": "x"}',
    b'{"upload": -5, "download": 1.5}',
    b'{"settings": 5, "port": -1, "protocol": []}',
    b'[{"client": {"email": "x"}}, null, 5]',
]


def is_polite(answer: Answer) -> bool:
    """The envelope with 200, or the empty answers a panel gives."""
    if answer.status in (403, 404):
        return answer.body == b""
    return answer.status == 200 and isinstance(json.loads(answer.body)["success"], bool)


@pytest.mark.parametrize("path", WRITES)
async def test_no_body_breaks_the_panel(newest: PanelDriver, path: str) -> None:
    client = await newest.add(newest.new_client(email="victim"))
    for body in BODIES:
        for kind in ("application/json", "application/x-www-form-urlencoded", "text/plain"):
            answer = await newest.call("POST", path, data=body, headers={"Content-Type": kind})
            assert is_polite(answer), (body, kind, answer)
    assert (await newest.get("clients/list")).ok
    assert client


@pytest.mark.parametrize(
    "path",
    [
        f"{CLIENTS}/get/%00",
        f"{CLIENTS}/get/%2F",
        f"{CLIENTS}/get/%E0%A4%A",
        f"{CLIENTS}/get/" + "x" * 4000,
        f"{CLIENTS}/get/..%2F..%2Fserver%2Fstatus",
        f"{CLIENTS}//list",
        f"{INBOUNDS}/get/-1",
        f"{INBOUNDS}/get/1e3",
        f"{INBOUNDS}/get/99999999999999999999",
        f"{CLIENTS}/list/paged?page=-5&pageSize=-1&sort=nope&order=nope&filter=nope&protocol=,,&inbound=x",
        f"{CLIENTS}/list/paged?page=99999999999999999999",
        f"{CLIENTS}/get/tgId/x",
        "panel/api/../api/clients/list",
    ],
)
async def test_no_path_breaks_the_panel(newest: PanelDriver, path: str) -> None:
    assert is_polite(await newest.call("GET", path))


@pytest.mark.parametrize(
    "cookie", ["", ".", "a.b", "!!!.???", "e30=.x", "ж.ж", "x" * 3000, "." + "0" * 64, "bnVsbA==." + "0" * 64]
)
async def test_no_cookie_breaks_the_panel(newest: PanelDriver, cookie: str) -> None:
    answer = await newest.get("server/status", cookies={"3x-ui": cookie}, token=None)
    assert answer.status in (400, 401)


@pytest.mark.parametrize(
    "header", ["Bearer", "Bearer ", "bearer x", "Basic YWRtaW46YWRtaW4=", "Bearer ж", "Bearer a b"]
)
async def test_no_authorization_header_breaks_the_panel(newest: PanelDriver, header: str) -> None:
    answer = await newest.get("server/status", token=None, headers={"Authorization": header})
    assert (answer.status, answer.body) == (401, b"")


async def test_the_scheme_of_a_token_is_spelt_exactly(panel: PanelDriver) -> None:
    answer = await panel.get("server/status", token=None, headers={"Authorization": f"bearer {panel.token}"})
    assert answer.status == 401


def scrambled(dice: random.Random, value: Any) -> Any:
    """The same structure with one thing in it replaced by something odd."""
    odd: list[Any] = [None, -1, 2**63, "", "x" * 300, [], {}, True, 0.5, "\x00", "🛶"]
    if isinstance(value, dict) and value and dice.random() < 0.8:
        name = dice.choice(list(value))
        return value | {name: scrambled(dice, value[name])}
    if isinstance(value, list) and value and dice.random() < 0.8:
        spot = dice.randrange(len(value))
        return [*value[:spot], scrambled(dice, value[spot]), *value[spot + 1 :]]
    return dice.choice(odd)


@pytest.mark.parametrize("seed", range(5))
async def test_scrambled_clients_are_taken_or_refused_and_leave_the_panel_whole(newest: PanelDriver, seed: int) -> None:
    dice = random.Random(seed)
    for _ in range(60):
        body = {"client": newest.new_client(totalGB=5, expiryTime=5, flow="", comment="c"), "inboundIds": newest.ids}
        assert is_polite(await newest.post("clients/add", scrambled(dice, body)))
    found = (await newest.get("clients/list")).obj
    assert (await newest.get("inbounds/list")).ok
    assert (await newest.get("clients/list/paged?search=x&sort=email")).ok
    for client in found:
        assert isinstance(client["totalGB"], int)
        assert isinstance(client["email"], str)
    await newest.emu("tick", {"seconds": 5})

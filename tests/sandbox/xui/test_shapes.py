"""The fields of every answer a seller reads, by version, as running panels gave them.

What a version adds is listed once, with the first release seen to have it; those seen are 3.1.0, 3.3.1, 3.4.2 and
3.6.0, and what 3.7.0 adds is known from its published sources only. A field too few breaks a client that needs it, a
field too many hides that an older panel lacks it.
"""

import secrets
from collections.abc import Mapping

import pytest

from tests.sandbox.xui.driver import PanelDriver

Version = tuple[int, int, int]
Fields = Mapping[Version, str]

RECORD: Fields = {
    (3, 1, 0): "id email subId uuid password auth flow security reverse limitIp totalGB expiryTime enable tgId comment"
    " reset createdAt updatedAt",
    (3, 3, 1): "group",
    (3, 4, 2): "privateKey publicKey allowedIPs preSharedKey keepAlive",
    (3, 6, 0): "secret adTag",
    (3, 7, 0): "limitHwid resetDay resetMax trafficReset trafficResetDay",
}

CLIENT: Fields = {
    (3, 1, 0): "client inboundIds",
    (3, 3, 1): "usedTraffic",
    (3, 4, 2): "externalLinks",
}

ROW: Fields = {
    (3, 1, 0): "id inboundId enable email uuid subId up down expiryTime total reset lastOnline",
    (3, 7, 0): "resetDay resetMax resetCount lastSubFetch",
}

LISTED: Fields = {**RECORD, (3, 1, 0): RECORD[3, 1, 0] + " inboundIds traffic"}

INBOUND: Fields = {
    (3, 1, 0): "id up down total remark enable expiryTime trafficReset lastTrafficResetTime clientStats listen port"
    " protocol tag settings streamSettings sniffing",
    (3, 3, 1): "subSortIndex shareAddrStrategy shareAddr",
    (3, 6, 0): "trafficResetDay",
}

INBOUND_LISTED: Fields = {**INBOUND, (3, 3, 1): INBOUND[3, 3, 1] + " originNodeGuid"}

OPTION: Fields = {
    (3, 1, 0): "id remark tag protocol port tlsFlowCapable",
    (3, 3, 1): "ssMethod",
    (3, 6, 0): "enable listen",
}

STATUS: Fields = {
    (
        3,
        1,
        0,
    ): "cpu cpuCores logicalPro cpuSpeedMhz mem swap disk xray panelVersion uptime loads tcpCount udpCount netIO"
    " netTraffic publicIP appStats",
    (3, 3, 1): "diskIO diskTraffic panelGuid",
}

PAGE: Fields = {
    (3, 1, 0): "items total filtered page pageSize summary",
    (3, 3, 1): "groups",
}

SUMMARY: Fields = {
    (3, 1, 0): "total active online depleted expiring deactive",
    (3, 6, 0): "onlineCount depletedCount expiringCount deactiveCount",
}

SLIM: Fields = {
    (3, 1, 0): "email subId enable totalGB expiryTime limitIp reset comment inboundIds traffic createdAt updatedAt",
}

ENTRY: Fields = {
    (
        3,
        1,
        0,
    ): "id email security flow limitIp totalGB expiryTime enable tgId subId comment reset created_at updated_at",
}

TOKEN: Fields = {
    (3, 1, 0): "id name enabled createdAt token",
    (3, 7, 0): "scope expiresAt",
}


def expected(fields: Fields, version: Version) -> set[str]:
    return {name for since, names in fields.items() if version >= since for name in names.split()}


async def test_a_client_record(panel: PanelDriver) -> None:
    client = await panel.added(comment="c")
    found = await panel.get_client(client["email"])
    assert set(found) == expected(CLIENT, panel.version)
    assert set(found["client"]) == expected(RECORD, panel.version)


async def test_a_traffic_row(panel: PanelDriver) -> None:
    client = await panel.added()
    assert set(await panel.row(client["email"])) == expected(ROW, panel.version)


async def test_a_client_in_the_list(panel: PanelDriver) -> None:
    client = await panel.added()
    found = next(one for one in (await panel.get("clients/list")).obj if one["email"] == client["email"])
    assert set(found) == expected(LISTED, panel.version)
    assert set(found["traffic"]) == expected(ROW, panel.version)


async def test_an_entry_in_an_inbounds_settings(panel: PanelDriver) -> None:
    client = await panel.added(flow="xtls-rprx-vision")
    entry = (await panel.entries(panel.ids[0], client["email"]))[0]
    assert set(entry) == expected(ENTRY, panel.version)


async def test_an_inbound(panel: PanelDriver) -> None:
    await panel.added()
    alone = (await panel.get(f"inbounds/get/{panel.ids[0]}")).obj
    listed = next(one for one in (await panel.get("inbounds/list")).obj if one["id"] == panel.ids[0])
    assert set(alone) == expected(INBOUND, panel.version)
    assert set(listed) == expected(INBOUND_LISTED, panel.version)
    assert set(listed["clientStats"][0]) == expected(ROW, panel.version)


async def test_the_stats_of_one_inbound_are_missing_in_3_1_0(panel: PanelDriver) -> None:
    client = await panel.added()
    stats = (await panel.get(f"inbounds/get/{panel.ids[0]}")).obj["clientStats"]
    if panel.version < (3, 2, 0):
        assert stats is None
    else:
        assert [row["email"] for row in stats] == [client["email"]]


async def test_a_new_inbound_answers_without_stats(panel: PanelDriver) -> None:
    assert all(inbound["clientStats"] is None for inbound in panel.inbounds)
    assert all(isinstance(inbound["settings"], dict) for inbound in panel.inbounds)


async def test_a_tag_is_made_of_the_port(panel: PanelDriver) -> None:
    port = panel.inbounds[0]["port"]
    old, new = f"inbound-127.0.0.1:{port}", f"in-{port}-tcp"
    assert panel.inbounds[0]["tag"] == (old if panel.version < (3, 2, 0) else new)


async def test_an_option_of_the_inbound_picker(panel: PanelDriver) -> None:
    option = next(one for one in (await panel.get("inbounds/options")).obj if one["id"] == panel.ids[0])
    assert set(option) == expected(OPTION, panel.version)


async def test_the_status(panel: PanelDriver) -> None:
    status = (await panel.get("server/status")).obj
    assert set(status) == expected(STATUS, panel.version)
    assert set(status["xray"]) == {"state", "errorMsg", "version"}
    assert set(status["publicIP"]) == {"ipv4", "ipv6"}


async def test_a_page_of_clients(panel: PanelDriver) -> None:
    client = await panel.added(comment="c")
    page = (await panel.get(f"clients/list/paged?search={client['email']}")).obj
    assert set(page) == expected(PAGE, panel.version)
    assert set(page["summary"]) == expected(SUMMARY, panel.version)
    assert set(page["items"][0]) == expected(SLIM, panel.version)


async def test_an_api_token_as_it_is_issued(panel: PanelDriver) -> None:
    cookies, headers = await panel.logged_in()
    path = f"{panel.settings}/apiTokens"
    name = {"name": f"test-{secrets.token_hex(6)}"}
    made = (await panel.call("POST", f"{path}/create", json=name, cookies=cookies, headers=headers, token=None)).obj
    scope = {"expectedScope": "admin"}
    delete = f"{path}/delete/{made['id']}"
    gone = await panel.call("POST", delete, json=scope, cookies=cookies, headers=headers, token=None)
    assert set(made) == expected(TOKEN, panel.version)
    assert (made["createdAt"] > 10**12) == (panel.version < (3, 4, 0))
    assert gone.json["obj"] is None


async def test_a_row_names_the_first_inbound_and_from_3_6_0_the_last(panel: PanelDriver) -> None:
    client = await panel.add(panel.new_client(), *panel.ids)
    first, last = panel.ids
    assert (await panel.row(client["email"]))["inboundId"] == (last if panel.version >= (3, 6, 0) else first)


@pytest.mark.parametrize("path", ["clients/onlines", "clients/lastOnline"])
async def test_reads_by_post_need_no_body(panel: PanelDriver, path: str) -> None:
    answer = await panel.post(path)
    assert answer.ok
    assert answer.json["msg"] == ""

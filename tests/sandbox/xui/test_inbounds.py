"""Inbounds as the API shows and takes them."""

import json

import pytest

from ferryman_sandbox.xui import vless_reality
from tests.sandbox.xui.driver import Document, PanelDriver

NESTED = ("settings", "streamSettings", "sniffing")


async def listed(panel: PanelDriver, inbound_id: int) -> Document:
    found: Document = next(one for one in (await panel.get("inbounds/list")).obj if one["id"] == inbound_id)
    return found


async def test_nested_settings_are_objects(panel: PanelDriver) -> None:
    inbound = await listed(panel, panel.ids[0])
    assert all(isinstance(inbound[name], dict) for name in NESTED)
    assert inbound["settings"]["clients"] == []
    reality = inbound["streamSettings"]["realitySettings"]
    assert reality["settings"]["publicKey"]
    assert reality["shortIds"]


async def test_nested_settings_may_be_posted_back_as_text(panel: PanelDriver) -> None:
    client = await panel.added()
    inbound = await listed(panel, panel.ids[0])
    as_text = inbound | {name: json.dumps(inbound[name]) for name in NESTED} | {"remark": "renamed"}
    assert (await panel.post(f"inbounds/update/{inbound['id']}", as_text)).ok
    after = await listed(panel, inbound["id"])
    assert after["remark"] == "renamed"
    assert isinstance(after["settings"], dict)
    assert [one["email"] for one in after["settings"]["clients"]] == [client["email"]]


async def test_an_update_without_enable_switches_the_inbound_off(panel: PanelDriver) -> None:
    inbound = await listed(panel, panel.ids[0])
    del inbound["enable"]
    await panel.post(f"inbounds/update/{inbound['id']}", inbound)
    assert (await listed(panel, inbound["id"]))["enable"] is False


async def test_an_update_without_clients_detaches_them(panel: PanelDriver) -> None:
    client = await panel.added()
    inbound = await listed(panel, panel.ids[0])
    inbound["settings"]["clients"] = []
    await panel.post(f"inbounds/update/{inbound['id']}", inbound)
    assert (await panel.get_client(client["email"]))["inboundIds"] == []


async def test_a_form_body_makes_an_inbound_too(panel: PanelDriver) -> None:
    port = panel.inbounds[0]["port"] + 2
    spec = vless_reality("by form", port) | {"enable": "true", "listen": "127.0.0.1", "port": str(port)}
    form = {name: json.dumps(value) if isinstance(value, dict) else str(value) for name, value in spec.items()}
    made = (await panel.call("POST", "panel/api/inbounds/add", form=form)).obj
    panel.inbounds.append(made)
    assert (made["port"], made["enable"]) == (port, True)


async def test_a_taken_port_is_refused(panel: PanelDriver) -> None:
    spec = vless_reality("again", panel.inbounds[0]["port"]) | {"listen": "127.0.0.1"}
    complaint = (await panel.post("inbounds/add", spec)).complaint
    assert ("port already exists:" if panel.version < (3, 2, 0) else "already used by inbound") in complaint


async def test_a_body_out_of_range_lists_its_issues_from_3_2_0(panel: PanelDriver) -> None:
    if panel.version < (3, 2, 0):
        pytest.skip("3.1 stores whatever it is given")
    answer = await panel.post("inbounds/add", vless_reality("far", 70000))
    assert answer.json["msg"] == "request body failed validation"
    issue = answer.json["obj"]["issues"][0]
    assert (issue["field"], issue["rule"], issue["param"]) == ("port", "lte", "65535")
    garbled = await panel.post("inbounds/add", {"port": "x"})
    assert garbled.json["obj"]["issues"] == []


async def test_a_switch_turns_only_the_flag(panel: PanelDriver) -> None:
    client = await panel.added()
    await panel.post(f"inbounds/setEnable/{panel.ids[0]}", {"enable": False})
    assert (await listed(panel, panel.ids[0]))["enable"] is False
    assert (await panel.get_client(client["email"]))["inboundIds"] == panel.ids[:1]
    assert "record not found" in (await panel.post("inbounds/setEnable/999999", {"enable": True})).complaint


async def test_deleting_an_inbound_leaves_its_clients_behind(panel: PanelDriver) -> None:
    client = await panel.added()
    assert (await panel.post(f"inbounds/del/{panel.ids[0]}")).obj == panel.ids[0]
    assert (await panel.get_client(client["email"]))["inboundIds"] == []
    found = next(one for one in (await panel.get("clients/list")).obj if one["email"] == client["email"])
    assert found["inboundIds"] is None
    assert ("traffic" in found) == (panel.version >= (3, 2, 5))


async def test_deleting_an_unknown_inbound_succeeds_except_in_3_1_0(panel: PanelDriver) -> None:
    answer = await panel.post("inbounds/del/999999")
    assert answer.json["success"] is (panel.version >= (3, 2, 0))


async def test_the_slim_list_tells_only_names_of_clients(panel: PanelDriver) -> None:
    client = await panel.added(comment="hello")
    found = next(one for one in (await panel.get("inbounds/list/slim")).obj if one["id"] == panel.ids[0])
    assert found["settings"]["clients"] == [{"email": client["email"], "enable": True, "comment": "hello"}]


async def test_the_options_say_where_vision_works(panel: PanelDriver) -> None:
    options = {one["id"]: one for one in (await panel.get("inbounds/options")).obj}
    assert options[panel.ids[0]]["tlsFlowCapable"] is True
    assert options[panel.ids[1]]["tlsFlowCapable"] is False
    assert ("enable" in options[panel.ids[0]]) == (panel.version >= (3, 5, 0))


async def test_one_row_appears_under_every_inbound_of_its_client(panel: PanelDriver) -> None:
    client = await panel.add(panel.new_client(), *panel.ids)
    for inbound_id in panel.ids:
        stats = (await listed(panel, inbound_id))["clientStats"]
        assert [row["email"] for row in stats] == [client["email"]]
        assert stats[0]["subId"] == client["subId"]


async def test_an_inbounds_own_counters_are_reset_alone(newest: PanelDriver) -> None:
    client = await newest.added()
    await newest.emu("traffic", {"email": client["email"], "up": 10, "down": 20})
    await newest.emu("tick", {})
    assert (await listed(newest, newest.ids[0]))["down"] == 20
    assert (await newest.post(f"inbounds/{newest.ids[0]}/resetTraffic")).ok
    assert (await listed(newest, newest.ids[0]))["down"] == 0
    assert (await newest.row(client["email"]))["down"] == 20


async def test_a_client_without_credential_is_refused_with_its_inbound(newest: PanelDriver) -> None:
    spec = vless_reality("with client", 21000)
    spec["settings"] = spec["settings"] | {"clients": [{"email": "a", "subId": "s"}]}
    assert "empty client id" in (await newest.post("inbounds/add", spec)).complaint


async def test_an_inbound_without_settings_spoils_every_add_up_to_3_4_2(panel: PanelDriver) -> None:
    port = panel.inbounds[0]["port"] + 2
    spec = vless_reality("spoiled", port) | {"settings": "", "enable": False, "listen": "127.0.0.1"}
    made = await panel.post("inbounds/add", spec)
    if panel.version >= (3, 5, 0):
        assert "inbound settings is empty" in made.complaint
        return
    try:
        added = await panel.post("clients/add", {"client": panel.new_client(), "inboundIds": panel.ids[:1]})
        assert "malformed json" in added.complaint
    finally:
        await panel.post(f"inbounds/del/{made.obj['id']}")
    await panel.added()


async def test_a_free_tag_is_respected_and_a_taken_one_replaced(newest: PanelDriver) -> None:
    first = (await newest.post("inbounds/add", vless_reality("a", 21001) | {"tag": "mine"})).obj
    second = (await newest.post("inbounds/add", vless_reality("b", 21002) | {"tag": "mine"})).obj
    assert (first["tag"], second["tag"]) == ("mine", "in-21002-tcp")


async def test_text_that_is_no_json_stays_text_and_nothing_is_null(newest: PanelDriver) -> None:
    spec = vless_reality("odd", 21003) | {"sniffing": "not json", "streamSettings": ""}
    made = (await newest.post("inbounds/add", spec)).obj
    found = (await newest.get(f"inbounds/get/{made['id']}")).obj
    assert (found["sniffing"], found["streamSettings"]) == ("not json", None)

"""Clients inside inbounds, before 3.1: what add, update, delete and reset leave behind."""

import asyncio
import json
import uuid

import aiohttp
import pytest

from tests.sandbox.xui.conftest import signed_in_old, start
from tests.sandbox.xui.driver import Answer, Document
from tests.sandbox.xui.old_driver import OldDriver, payload

GIB = 1 << 30
FUTURE = 4_102_444_800_000
JSON = {"Content-Type": "application/json"}


def broke_down(panel: OldDriver, answer: Answer) -> bool:
    """The handler did; from 2.9 on whoever takes gzip sees an empty 200 instead of an empty 500."""
    return (answer.status, answer.body) == (500 if panel.version < (2, 9, 0) else 200, b"")


async def test_a_breakdown_is_a_500_without_compression(old_panel: OldDriver) -> None:
    body = {"id": old_panel.ids[0], "settings": "{}"}
    answer = await old_panel.post("inbounds/addClient", body, headers={"Accept-Encoding": "identity"})
    assert (answer.status, answer.body) == (500, b"")


async def test_a_client_is_in_the_settings_and_has_a_row(old_panel: OldDriver) -> None:
    client = await old_panel.added(totalGB=GIB, expiryTime=FUTURE)
    entry, row = await old_panel.entry(client["email"]), await old_panel.stats(client["email"])
    assert {name: entry[name] for name in client} == client
    assert (row["up"], row["down"], row["total"], row["expiryTime"]) == (0, 0, GIB, FUTURE)
    assert row["inboundId"] == old_panel.ids[0]


async def test_a_client_is_stored_as_it_came(old_panel: OldDriver) -> None:
    bare = {"id": str(uuid.uuid4()), "email": old_panel.new_client()["email"], "extra": {"keep": "me"}, "tgId": ""}
    assert (await old_panel.add_to(old_panel.ids[0], bare)).ok
    entry = await old_panel.entry(bare["email"])
    dates = {"created_at", "updated_at"} if old_panel.version >= (2, 6, 7) else set()
    assert set(entry) == set(bare) | dates
    assert (entry["extra"], entry["tgId"]) == ({"keep": "me"}, "")
    assert (await old_panel.stats(bare["email"]))["enable"] is False


async def test_a_form_adds_a_client_too(old_panel: OldDriver) -> None:
    client = old_panel.new_client()
    form = {name: str(value) for name, value in payload(old_panel.ids[0], client).items()}
    assert (await old_panel.call("POST", "panel/api/inbounds/addClient", form=form)).ok
    assert (await old_panel.entry(client["email"]))["id"] == client["id"]


async def test_several_clients_are_added_all_or_none(old_panel: OldDriver) -> None:
    first, second = old_panel.new_client(), old_panel.new_client()
    refused = await old_panel.add_to(old_panel.ids[0], first, old_panel.new_client(id=""))
    assert "empty client id" in refused.complaint
    assert await old_panel.entries(old_panel.ids[0], first["email"]) == []
    assert (await old_panel.add_to(old_panel.ids[0], first, second)).ok
    assert await old_panel.entry(second["email"])


async def test_an_email_in_use_is_refused_whatever_its_case_and_inbound(old_panel: OldDriver) -> None:
    client = await old_panel.added(totalGB=GIB)
    before = await old_panel.entry(client["email"])
    for email in (client["email"], client["email"].upper()):
        for inbound_id in old_panel.ids:
            answer = await old_panel.add_to(inbound_id, old_panel.new_client(email=email))
            assert "duplicate email:" in answer.complaint
    twins = old_panel.new_client()
    twice = await old_panel.add_to(old_panel.ids[0], twins, twins | {"id": str(uuid.uuid4()), "subId": "other"})
    assert "duplicate email:" in twice.complaint
    assert await old_panel.entry(client["email"]) == before


async def test_one_email_with_one_sub_id_may_be_on_several_inbounds_in_3_0(old_panel: OldDriver) -> None:
    client = await old_panel.added(totalGB=GIB)
    again = await old_panel.add_to(old_panel.ids[1], client | {"id": str(uuid.uuid4())})
    if old_panel.version < (3, 0, 0):
        assert "duplicate email:" in again.complaint
        return
    assert again.ok
    assert len(await old_panel.entries(old_panel.ids[1], client["email"])) == 1
    shown = [(await old_panel.stats(client["email"], id_))["id"] for id_ in old_panel.ids]
    assert shown[0] == shown[1]
    assert (await old_panel.remove(client["id"])).ok
    assert (await old_panel.entries(old_panel.ids[1], client["email"])) != []
    assert "client not found in inbound for email:" in (await old_panel.traffic(client["email"])).complaint


async def test_retrying_an_add_in_3_0_appends_a_second_entry(old_panel: OldDriver) -> None:
    client = await old_panel.added()
    again = await old_panel.add_to(old_panel.ids[0], client)
    assert again.json["success"] is (old_panel.version >= (3, 0, 0))
    expected = 2 if old_panel.version >= (3, 0, 0) else 1
    assert len(await old_panel.entries(old_panel.ids[0], client["email"])) == expected


async def test_a_client_needs_its_credential_and_from_3_0_2_its_email(old_panel: OldDriver) -> None:
    assert "empty client id" in (await old_panel.add_to(old_panel.ids[0], old_panel.new_client(id=""))).complaint
    nameless = await old_panel.add_to(old_panel.ids[0], old_panel.new_client(email=""))
    if old_panel.version >= (3, 0, 2):
        assert "client email is required" in nameless.complaint
    else:
        assert nameless.ok


@pytest.mark.parametrize("route", ["addClient", "updateClient/nobody"])
async def test_settings_that_are_no_settings(old_panel: OldDriver, route: str) -> None:
    path = f"panel/api/inbounds/{route}"
    for settings, expected in (
        ('{"other": 1}', None),
        ("bad", "invalid character 'b'"),
        ("", "unexpected end of json input"),
        ('{"clients": [', "unexpected end of json input"),
    ):
        answer = await old_panel.call("POST", path, json={"id": old_panel.ids[0], "settings": settings})
        if expected is None:
            assert broke_down(old_panel, answer)
        else:
            assert expected in answer.complaint
    typed = await old_panel.call("POST", path, json={"id": old_panel.ids[0], "settings": {"clients": []}})
    assert "cannot unmarshal object into go struct field inbound.settings of type string" in typed.complaint
    garbled = await old_panel.call("POST", path, data=b"{bad", headers=JSON)
    assert "invalid character" in garbled.complaint


async def test_an_unknown_inbound_is_not_found(old_panel: OldDriver) -> None:
    client = old_panel.new_client()
    assert "record not found" in (await old_panel.add_to(999999, client)).complaint
    assert "record not found" in (await old_panel.replace(client, inbound_id=999999)).complaint
    assert "record not found" in (await old_panel.remove("x", inbound_id=999999)).complaint
    assert "record not found" in (await old_panel.get("inbounds/get/999999")).complaint


async def test_an_update_replaces_the_object_and_keeps_the_counters(old_panel: OldDriver) -> None:
    client = await old_panel.added(totalGB=GIB, comment="old", extra=1)
    await old_panel.set_counters(client["email"], 3, 4)
    changed = {name: client[name] for name in ("id", "email", "subId")} | {"enable": True, "totalGB": 7 * GIB}
    assert (await old_panel.replace(changed)).ok
    entry = await old_panel.entry(client["email"])
    dates = {"created_at", "updated_at"} if old_panel.version >= (2, 6, 7) else set()
    assert set(entry) == set(changed) | dates
    row = await old_panel.stats(client["email"])
    assert (row["total"], row["enable"]) == (7 * GIB, True)
    if old_panel.version >= (2, 6, 3):
        assert (row["up"], row["down"]) == (3, 4)


async def test_an_update_without_flag_and_limits_disables_and_unlimits(old_panel: OldDriver) -> None:
    client = await old_panel.added(totalGB=GIB, expiryTime=FUTURE)
    assert (await old_panel.replace({"id": client["id"], "email": client["email"]})).ok
    row = await old_panel.stats(client["email"])
    assert (row["enable"], row["total"], row["expiryTime"]) == (False, 0, 0)
    assert "enable" not in await old_panel.entry(client["email"])


async def test_the_time_of_creation_survives_an_update_from_2_6_7(old_panel: OldDriver) -> None:
    client = await old_panel.added(created_at=1_600_000_000_000)
    await old_panel.replace(client | {"created_at": 5})
    entry = await old_panel.entry(client["email"])
    assert entry["created_at"] == (1_600_000_000_000 if old_panel.version >= (2, 6, 7) else 5)


async def test_a_new_uuid_is_a_new_address_for_the_next_update(old_panel: OldDriver) -> None:
    client = await old_panel.added()
    rotated = client | {"id": str(uuid.uuid4())}
    assert (await old_panel.replace(rotated, at=client["id"])).ok
    assert (await old_panel.entry(client["email"]))["id"] == rotated["id"]
    assert "empty client id" in (await old_panel.replace(client)).complaint


async def test_updating_a_stranger_has_an_empty_id(old_panel: OldDriver) -> None:
    client = await old_panel.added()
    assert "empty client id" in (await old_panel.replace(client, at="nobody")).complaint
    assert "empty client id" in (await old_panel.replace(client | {"id": ""}, at=client["id"])).complaint


async def test_a_rename_takes_the_counters_along_and_no_taken_email(old_panel: OldDriver) -> None:
    client, other = await old_panel.added(), await old_panel.added()
    taken = await old_panel.replace(client | {"email": other["email"], "subId": "another"})
    assert "duplicate email:" in taken.complaint
    before = await old_panel.stats(client["email"])
    renamed = client | {"email": old_panel.new_client()["email"]}
    assert (await old_panel.replace(renamed)).ok
    assert (await old_panel.stats(renamed["email"]))["id"] == before["id"]
    assert await old_panel.entries(old_panel.ids[0], client["email"]) == []


async def test_the_last_client_of_an_inbound_stays(old_panel: OldDriver) -> None:
    (last,) = (await old_panel.inbound(old_panel.ids[1]))["settings"]["clients"]
    assert "no client remained in inbound" in (await old_panel.remove(last["id"], old_panel.ids[1])).complaint
    if old_panel.version >= (2, 8, 0):
        path = f"inbounds/{old_panel.ids[1]}/delClientByEmail/{last['email']}"
        assert "no client remained in inbound" in (await old_panel.post(path)).complaint
    assert await old_panel.entries(old_panel.ids[1], last["email"])


async def test_a_deleted_client_is_gone_and_a_second_delete_reads_as_its_version_says(old_panel: OldDriver) -> None:
    client = await old_panel.added()
    assert (await old_panel.remove(client["id"])).ok
    assert await old_panel.entries(old_panel.ids[0], client["email"]) == []
    assert client["email"] not in {row["email"] for row in (await old_panel.inbound())["clientStats"]}
    again = await old_panel.remove(client["id"])
    if old_panel.version >= (2, 9, 4):
        assert "client not found in inbound for id:" in again.complaint
    else:
        assert again.ok


async def test_a_delete_by_email_exists_from_2_8_0(old_panel: OldDriver) -> None:
    client = await old_panel.added()
    path = f"inbounds/{old_panel.ids[0]}/delClientByEmail/{client['email']}"
    answer = await old_panel.post(path)
    if old_panel.version < (2, 8, 0):
        assert (answer.status, answer.body) == (404, b"")
        return
    assert answer.ok
    assert f"client with email {client['email']} not found" in (await old_panel.post(path)).complaint


async def test_a_trojan_client_is_named_by_its_password(old_emulated: OldDriver) -> None:
    trojan = old_emulated.ids[2]
    client = old_emulated.new_client(password="p w?d")
    assert "empty client id" in (await old_emulated.add_to(trojan, old_emulated.new_client())).complaint
    assert (await old_emulated.add_to(trojan, client)).ok
    changed = client | {"password": "other"}
    assert (await old_emulated.replace(changed, at="p w?d", inbound_id=trojan)).ok
    assert (await old_emulated.remove("p w?d", trojan)).json["success"] is (old_emulated.version < (2, 9, 4))
    assert (await old_emulated.remove("other", trojan)).ok
    assert await old_emulated.entries(trojan, client["email"]) == []


async def test_traffic_by_email(old_panel: OldDriver) -> None:
    client = await old_panel.added(totalGB=GIB)
    row = (await old_panel.traffic(client["email"])).obj
    assert (row["email"], row["total"]) == (client["email"], GIB)
    if old_panel.version >= (2, 8, 3):
        assert (row["uuid"], row["subId"]) == (client["id"], client["subId"])
    stranger = await old_panel.traffic("nobody-here")
    if old_panel.version >= (2, 8, 1):
        assert "inbound not found for email:" in stranger.complaint
    else:
        assert stranger.obj is None


async def test_traffic_by_uuid_is_a_list(old_panel: OldDriver) -> None:
    client = await old_panel.added()
    found = (await old_panel.get(f"inbounds/getClientTrafficsById/{client['id']}")).obj
    assert [row["email"] for row in found] == [client["email"]]
    assert (await old_panel.get("inbounds/getClientTrafficsById/nobody")).obj == []


async def test_resetting_a_stranger_breaks_the_panel_up_to_2_8_0(old_panel: OldDriver) -> None:
    answer = await old_panel.reset("nobody-here")
    if old_panel.version >= (2, 8, 1):
        assert "inbound not found for email: nobody-here" in answer.complaint
    else:
        assert broke_down(old_panel, answer)


async def test_ten_adds_at_once_lose_each_other_when_raced(old_emulated: OldDriver) -> None:
    """As a running 2.8.11 and 3.0.2 do: rows are all there, entries are not, and 2.x answers an empty 500 to most."""
    await old_emulated.emu("switches", {"race": True})
    clients = [old_emulated.new_client() for _ in range(10)]
    answers = await asyncio.gather(*(old_emulated.add_to(old_emulated.ids[0], client) for client in clients))
    inbound = await old_emulated.inbound()
    emails = {client["email"] for client in clients}
    assert len(emails & {entry["email"] for entry in inbound["settings"]["clients"]}) < 10
    assert emails <= {row["email"] for row in inbound["clientStats"]}
    broken = [answer for answer in answers if answer.body == b""]
    assert (len(broken) == 9) is (old_emulated.version < (3, 0, 0))


async def test_one_after_the_other_loses_nothing(old_emulated: OldDriver) -> None:
    await old_emulated.emu("switches", {"race": True})
    clients = [await old_emulated.added() for _ in range(4)]
    present = {entry["email"] for entry in (await old_emulated.inbound())["settings"]["clients"]}
    assert {client["email"] for client in clients} <= present


async def test_without_racing_ten_adds_at_once_are_all_there(old_emulated: OldDriver) -> None:
    clients = [old_emulated.new_client() for _ in range(10)]
    await asyncio.gather(*(old_emulated.add_to(old_emulated.ids[0], client) for client in clients))
    present = {entry["email"] for entry in (await old_emulated.inbound())["settings"]["clients"]}
    assert {client["email"] for client in clients} <= present


async def test_a_locked_database_refuses_a_change_once(old_emulated: OldDriver) -> None:
    await old_emulated.emu("switches", {"locked_db": 1})
    client = old_emulated.new_client()
    assert "database is locked" in (await old_emulated.add_to(old_emulated.ids[0], client)).complaint
    assert (await old_emulated.add_to(old_emulated.ids[0], client)).ok


async def test_a_telegram_id_may_be_empty_text(old_panel: OldDriver) -> None:
    client = await old_panel.added(tgId="")
    assert (await old_panel.entry(client["email"]))["tgId"] == ""


def opened(inbound: Document) -> Document:
    return {name: json.loads(inbound[name]) for name in ("settings", "streamSettings", "sniffing")}


async def test_nested_settings_travel_as_text(old_panel: OldDriver) -> None:
    listed = next(one for one in (await old_panel.get("inbounds/list")).obj if one["id"] == old_panel.ids[0])
    alone = (await old_panel.get(f"inbounds/get/{old_panel.ids[0]}")).obj
    assert opened(listed)["streamSettings"]["realitySettings"]["settings"]["publicKey"]
    assert len(opened(listed)["settings"]["clients"]) == 1
    assert opened(alone) == opened(listed)
    assert alone["clientStats"] is None
    assert len(listed["clientStats"]) == 1


async def test_the_case_of_an_email_mattered_before_2_4_4(http: aiohttp.ClientSession) -> None:
    running = await start(http, version="2.4.3")
    panel = await signed_in_old(running)
    client = await panel.added()
    assert (await panel.added(email=client["email"].upper()))["id"]
    assert "duplicate email:" in (await panel.add_to(panel.ids[0], client)).complaint
    await running.stop()

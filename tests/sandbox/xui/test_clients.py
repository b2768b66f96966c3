"""Clients one at a time: what add, update, delete, attach and detach leave behind."""

import asyncio
import uuid

from tests.sandbox.xui.driver import PanelDriver

GIB = 1 << 30
FUTURE = 4_102_444_800_000
VISION = "xtls-rprx-vision"


async def test_a_client_on_two_inbounds_has_one_record_and_one_row(panel: PanelDriver) -> None:
    client = await panel.add(panel.new_client(totalGB=GIB, expiryTime=FUTURE), *panel.ids)
    found = await panel.get_client(client["email"])
    assert found["inboundIds"] == panel.ids
    assert (found["client"]["totalGB"], found["client"]["expiryTime"]) == (GIB, FUTURE)
    for inbound_id in panel.ids:
        assert len(await panel.entries(inbound_id, client["email"])) == 1
    row = await panel.row(client["email"])
    assert (row["up"], row["down"], row["total"], row["expiryTime"]) == (0, 0, GIB, FUTURE)
    assert (row["subId"], row["uuid"]) == (client["subId"], found["client"]["uuid"])


async def test_the_chosen_uuid_is_the_stored_one(panel: PanelDriver) -> None:
    chosen = str(uuid.uuid4())
    client = await panel.added(id=chosen, flow=VISION)
    assert (await panel.record(client["email"]))["uuid"] == chosen
    entry = (await panel.entries(panel.ids[0], client["email"]))[0]
    assert (entry["id"], entry["flow"]) == (chosen, VISION)


async def test_a_flow_is_dropped_where_it_cannot_work_from_3_2_5_on(panel: PanelDriver) -> None:
    client = await panel.add(panel.new_client(flow=VISION), *panel.ids)
    entry = (await panel.entries(panel.ids[1], client["email"]))[0]
    assert entry.get("flow", "") == (VISION if panel.version < (3, 2, 5) else "")
    assert (await panel.record(client["email"]))["flow"] == VISION


async def test_a_disabled_client_is_created_enabled(panel: PanelDriver) -> None:
    client = await panel.added(enable=False)
    assert await panel.enabled(client["email"]) == (True, True, True)


async def test_credentials_and_sub_id_are_made_when_missing(panel: PanelDriver) -> None:
    client = await panel.added(subId="")
    record = await panel.record(client["email"])
    assert uuid.UUID(record["uuid"])
    assert uuid.UUID(record["subId"])


async def test_an_add_without_inbounds_is_refused(panel: PanelDriver) -> None:
    answer = await panel.post("clients/add", {"client": panel.new_client(), "inboundIds": []})
    assert "at least one inbound is required" in answer.complaint


async def test_an_add_without_email_is_refused(panel: PanelDriver) -> None:
    answer = await panel.post("clients/add", {"client": {"subId": "x"}, "inboundIds": panel.ids})
    assert "client email is required" in answer.complaint


async def test_an_unknown_inbound_stops_an_add_half_way(panel: PanelDriver) -> None:
    client = panel.new_client()
    answer = await panel.post("clients/add", {"client": client, "inboundIds": [panel.ids[0], 999999]})
    assert "record not found" in answer.complaint
    assert (await panel.get_client(client["email"]))["inboundIds"] == panel.ids[:1]


async def test_an_email_in_use_is_refused_and_nothing_changes(panel: PanelDriver) -> None:
    client = await panel.added(totalGB=GIB)
    before = await panel.record(client["email"])
    for email in (client["email"], client["email"].upper()):
        twin = panel.new_client(email=email, totalGB=1)
        complaint = (await panel.post("clients/add", {"client": twin, "inboundIds": panel.ids[:1]})).complaint
        assert "email already in use:" in complaint or "duplicate email:" in complaint
    assert await panel.record(client["email"]) == before
    assert len(await panel.entries(panel.ids[0], client["email"])) == 1


async def test_adding_the_same_client_again(panel: PanelDriver) -> None:
    """Harmless from 3.5.0; 3.4.2 appends an entry with a new credential, 3.1.0 trips over a unique key."""
    client = await panel.added(totalGB=GIB)
    before = await panel.record(client["email"])
    again = await panel.post("clients/add", {"client": client | {"totalGB": 5}, "inboundIds": panel.ids[:1]})
    entries = await panel.entries(panel.ids[0], client["email"])
    after = await panel.record(client["email"])
    if panel.version >= (3, 5, 0):
        assert again.ok
        assert (len(entries), after) == (1, before)
    elif panel.version >= (3, 2, 0):
        assert again.ok
        assert len(entries) == 2
        assert after["uuid"] == entries[1]["id"] != before["uuid"]
        assert (await panel.row(client["email"]))["total"] == GIB
    else:
        assert "unique constraint failed" in again.complaint
        assert (len(entries), after) == (1, before)


async def test_adding_again_attaches_what_was_missing_from_3_5_0_on(panel: PanelDriver) -> None:
    client = await panel.added()
    before = await panel.record(client["email"])
    again = await panel.post("clients/add", {"client": client, "inboundIds": panel.ids})
    if panel.version >= (3, 5, 0):
        assert again.ok
        assert (await panel.get_client(client["email"]))["inboundIds"] == panel.ids
        assert (await panel.record(client["email"]))["uuid"] == before["uuid"]
    else:
        assert await panel.get_client(client["email"])


async def test_odd_characters_are_refused_from_3_2_5_on(panel: PanelDriver) -> None:
    for wrong in ({"email": "a b"}, {"email": "a\\b"}, {"subId": "a b"}):
        client = panel.new_client() | wrong
        panel.emails.append(client["email"])
        answer = await panel.post("clients/add", {"client": client, "inboundIds": panel.ids[:1]})
        if panel.version >= (3, 2, 5):
            field = next(iter(wrong)).lower()
            assert f"client {field} contains an invalid character:" in answer.complaint
        else:
            assert answer.ok


async def test_a_sub_id_belongs_to_one_email_from_3_2_5_on(panel: PanelDriver) -> None:
    client, other = await panel.added(), await panel.added()
    thief = panel.new_client(subId=client["subId"])
    added = await panel.post("clients/add", {"client": thief, "inboundIds": panel.ids[:1]})
    updated = await panel.update(other["email"], other | {"subId": client["subId"]})
    if panel.version >= (3, 2, 5):
        assert "subid already in use:" in added.complaint
        assert "duplicate subid:" in updated.complaint
    else:
        assert added.ok
        assert updated.ok


async def test_an_update_changes_limits_everywhere_and_no_counters(panel: PanelDriver) -> None:
    client = await panel.add(panel.new_client(totalGB=GIB, flow=VISION), *panel.ids)
    await panel.set_counters(client["email"], 100, 200)
    assert (await panel.update(client["email"], client | {"totalGB": 7 * GIB, "expiryTime": FUTURE})).ok
    row, record = await panel.row(client["email"]), await panel.record(client["email"])
    assert (row["total"], row["expiryTime"], row["up"], row["down"]) == (7 * GIB, FUTURE, 100, 200)
    assert (record["totalGB"], record["expiryTime"]) == (7 * GIB, FUTURE)
    for inbound_id in panel.ids:
        entry = (await panel.entries(inbound_id, client["email"]))[0]
        assert (entry["totalGB"], entry["expiryTime"]) == (7 * GIB, FUTURE)


async def test_an_update_is_a_replacement(panel: PanelDriver) -> None:
    client = await panel.added(totalGB=GIB, expiryTime=FUTURE, limitIp=2, comment="c", flow=VISION, tgId=42)
    assert (await panel.update(client["email"], {"email": client["email"]})).ok
    record = await panel.record(client["email"])
    cleared = {name: record[name] for name in ("enable", "totalGB", "expiryTime", "limitIp", "comment", "flow", "tgId")}
    assert not any(cleared.values())
    assert record["subId"] == client["subId"]
    assert await panel.enabled(client["email"]) == (False, False, False)
    assert (await panel.row(client["email"]))["total"] == 0


async def test_credentials_survive_an_update_from_3_3_1_on(panel: PanelDriver) -> None:
    client = await panel.added()
    before = await panel.record(client["email"])
    await panel.update(client["email"], client)
    kept = await panel.record(client["email"])
    assert (kept["uuid"] == before["uuid"]) == (panel.version >= (3, 3, 1))
    chosen = str(uuid.uuid4())
    await panel.update(client["email"], client | {"id": chosen})
    assert (await panel.record(client["email"]))["uuid"] == chosen
    assert (await panel.entries(panel.ids[0], client["email"]))[0]["id"] == chosen


async def test_an_update_may_be_limited_to_some_inbounds_from_3_2_8_on(panel: PanelDriver) -> None:
    client = await panel.add(panel.new_client(totalGB=GIB), *panel.ids)
    limited = f"?inboundIds={panel.ids[0]}"
    assert (await panel.update(client["email"], client | {"totalGB": 5 * GIB}, limited)).ok
    first, second = [(await panel.entries(id_, client["email"]))[0]["totalGB"] for id_ in panel.ids]
    assert first == 5 * GIB
    assert second == (GIB if panel.version >= (3, 2, 8) else 5 * GIB)


async def test_updating_a_stranger_is_not_found(panel: PanelDriver) -> None:
    assert "record not found" in (await panel.update("nobody-here", {"email": "nobody-here"})).complaint


async def test_an_update_without_email_changes_nothing(panel: PanelDriver) -> None:
    client = await panel.added(totalGB=GIB)
    assert "client email is required" in (await panel.update(client["email"], {})).complaint
    assert (await panel.record(client["email"]))["totalGB"] == GIB


async def test_a_rename_takes_counters_and_attachments_along(panel: PanelDriver) -> None:
    client = await panel.add(panel.new_client(), *panel.ids)
    await panel.set_counters(client["email"], 1, 2)
    renamed = panel.new_client(subId=client["subId"])
    assert (await panel.update(client["email"], renamed)).ok
    assert (await panel.row(renamed["email"]))["down"] == 2
    assert (await panel.get_client(renamed["email"]))["inboundIds"] == panel.ids
    old = await panel.get(f"clients/get/{client['email']}")
    if panel.version >= (3, 2, 0):
        assert "record not found" in old.complaint
    else:
        assert old.obj["inboundIds"] == []


async def test_a_rename_to_a_taken_email_is_refused(panel: PanelDriver) -> None:
    client, other = await panel.added(), await panel.added()
    complaint = (await panel.update(client["email"], client | {"email": other["email"]})).complaint
    assert "duplicate email:" in complaint


async def test_the_last_client_can_be_deleted(panel: PanelDriver) -> None:
    client = await panel.added()
    assert (await panel.delete(client["email"])).ok
    assert await panel.entries(panel.ids[0], client["email"]) == []
    assert "record not found" in (await panel.get(f"clients/get/{client['email']}")).complaint


async def test_the_second_delete_says_so_in_the_versions_words(panel: PanelDriver) -> None:
    client = await panel.added()
    await panel.delete(client["email"])
    complaint = (await panel.delete(client["email"])).complaint
    if panel.version >= (3, 2, 0):
        assert f'client "{client["email"]}" not found in any inbound' in complaint
    else:
        assert "record not found" in complaint


async def test_the_traffic_of_a_stranger_is_null_from_3_2_8_on(panel: PanelDriver) -> None:
    answer = await panel.get("clients/traffic/nobody-here")
    if panel.version >= (3, 2, 8):
        assert answer.obj is None
    else:
        assert "inbound not found for email:" in answer.complaint


async def test_kept_traffic_is_inherited_where_the_version_really_keeps_it(panel: PanelDriver) -> None:
    client = await panel.added(totalGB=GIB)
    await panel.set_counters(client["email"], 11, 22)
    assert (await panel.delete(client["email"], "?keepTraffic=1")).ok
    await panel.add(client | {"totalGB": 2 * GIB})
    row = await panel.row(client["email"])
    assert (row["up"], row["down"]) == ((11, 22) if panel.version >= (3, 5, 0) else (0, 0))
    if panel.version >= (3, 6, 0) or panel.version < (3, 5, 0):
        assert row["total"] == 2 * GIB


async def test_a_deleted_clients_traffic_is_not_inherited(panel: PanelDriver) -> None:
    client = await panel.added()
    await panel.set_counters(client["email"], 11, 22)
    await panel.delete(client["email"])
    await panel.add(client)
    assert (await panel.row(client["email"]))["down"] == 0


async def test_attaching_and_detaching_twice_is_no_error(panel: PanelDriver) -> None:
    client = await panel.added()
    email, second = client["email"], {"inboundIds": [panel.ids[1]]}
    for _ in range(2):
        assert (await panel.post(f"clients/{email}/attach", second)).ok
    assert (await panel.get_client(email))["inboundIds"] == panel.ids
    assert len(await panel.entries(panel.ids[1], email)) == 1
    for _ in range(2):
        assert (await panel.post(f"clients/{email}/detach", second)).ok
    assert (await panel.get_client(email))["inboundIds"] == panel.ids[:1]


async def test_an_attached_client_keeps_its_identity(panel: PanelDriver) -> None:
    client = await panel.added(totalGB=GIB, flow=VISION)
    record = await panel.record(client["email"])
    await panel.post(f"clients/{client['email']}/attach", {"inboundIds": [panel.ids[1]]})
    entry = (await panel.entries(panel.ids[1], client["email"]))[0]
    assert (entry["id"], entry["subId"], entry["totalGB"]) == (record["uuid"], client["subId"], GIB)


async def test_a_client_detached_from_everything_keeps_its_record(panel: PanelDriver) -> None:
    client = await panel.added()
    await panel.set_counters(client["email"], 1, 2)
    await panel.post(f"clients/{client['email']}/detach", {"inboundIds": panel.ids})
    assert (await panel.get_client(client["email"]))["inboundIds"] == []
    if panel.version >= (3, 2, 5):
        assert (await panel.row(client["email"]))["down"] == 2


async def test_attaching_strangers_or_to_nowhere_is_not_found(panel: PanelDriver) -> None:
    client = await panel.added()
    for path, body in (
        ("clients/nobody-here/attach", {"inboundIds": panel.ids}),
        ("clients/nobody-here/detach", {"inboundIds": panel.ids}),
        (f"clients/{client['email']}/attach", {"inboundIds": [999999]}),
    ):
        assert "record not found" in (await panel.post(path, body)).complaint


async def test_updating_a_client_attached_nowhere(panel: PanelDriver) -> None:
    client = await panel.added(totalGB=GIB)
    await panel.post(f"clients/{client['email']}/detach", {"inboundIds": panel.ids})
    assert (await panel.update(client["email"], client | {"totalGB": 5 * GIB})).ok
    expected = 5 * GIB if panel.version >= (3, 5, 0) else GIB
    assert (await panel.record(client["email"]))["totalGB"] == expected


async def test_emails_are_found_by_exact_spelling_only(panel: PanelDriver) -> None:
    client = await panel.added()
    assert "record not found" in (await panel.get(f"clients/get/{client['email'].upper()}")).complaint


async def test_percent_encoded_emails_reach_their_client(panel: PanelDriver) -> None:
    client = await panel.added(email="t#?%+" + uuid.uuid4().hex[:8])
    assert (await panel.record(client["email"]))["email"] == client["email"]


async def test_ten_adds_at_once_are_all_there(panel: PanelDriver) -> None:
    clients = [panel.new_client() for _ in range(10)]
    await asyncio.gather(*(panel.add(client) for client in clients))
    inbound = (await panel.get(f"inbounds/get/{panel.ids[0]}")).obj
    assert {one["email"] for one in inbound["settings"]["clients"]} == {client["email"] for client in clients}


async def test_clients_are_found_by_telegram_id_from_3_6_0_on(panel: PanelDriver) -> None:
    client = await panel.added(tgId=int(uuid.uuid4().hex[:7], 16) + 1)
    answer = await panel.get(f"clients/get/tgId/{client['tgId']}")
    if panel.version < (3, 6, 0):
        assert answer.status == 404
        return
    assert [one["client"]["email"] for one in answer.obj] == [client["email"]]
    assert "must be a positive integer" in (await panel.get("clients/get/tgId/0")).complaint


async def test_the_list_has_record_attachments_and_traffic_in_one(panel: PanelDriver) -> None:
    client = await panel.add(panel.new_client(), *panel.ids)
    found = next(one for one in (await panel.get("clients/list")).obj if one["email"] == client["email"])
    assert sorted(found["inboundIds"]) == panel.ids
    assert (found["traffic"]["uuid"], found["traffic"]["subId"]) == ("", "")
    assert found["uuid"]


async def test_the_record_shows_what_its_version_knows(panel: PanelDriver) -> None:
    client = await panel.added()
    found = await panel.get_client(client["email"])
    assert ("group" in found["client"]) == (panel.version >= (3, 2, 0))
    assert ("privateKey" in found["client"]) == (panel.version >= (3, 4, 2))
    assert ("secret" in found["client"]) == (panel.version >= (3, 5, 0))
    assert ("usedTraffic" in found) == (panel.version >= (3, 3, 1))
    assert ("externalLinks" in found) == (panel.version >= (3, 4, 0))

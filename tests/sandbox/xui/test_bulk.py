"""Many clients in one call, and the paged list."""

import pytest

from tests.sandbox.xui.driver import Document, PanelDriver

DAY = 86_400_000
GIB = 1 << 30
FUTURE = 4_102_444_800_000


@pytest.fixture
def bulk(panel: PanelDriver) -> PanelDriver:
    """A panel that has the bulk routes of 3.2."""
    if not panel.can_create_in_bulk:
        pytest.skip("3.1 has bulkAdjust only")
    return panel


async def test_one_bad_row_does_not_stop_the_others(bulk: PanelDriver) -> None:
    taken = await bulk.added()
    good, homeless = bulk.new_client(), bulk.new_client()
    rows = [
        {"client": good, "inboundIds": bulk.ids},
        {"client": homeless, "inboundIds": []},
        {"client": {"email": " "}, "inboundIds": bulk.ids},
        {"client": taken | {"subId": "another"}, "inboundIds": bulk.ids},
    ]
    answer = (await bulk.post("clients/bulkCreate", rows)).obj
    reasons = {one["email"]: one["reason"] for one in answer["skipped"]}
    assert answer["created"] == 1
    assert reasons[homeless["email"]] == "at least one inbound is required"
    assert reasons["(missing email)"] == "client email is required"
    assert reasons[taken["email"]].startswith("email already in use:")
    assert (await bulk.get_client(good["email"]))["inboundIds"] == bulk.ids


async def test_an_unknown_inbound_keeps_a_bulk_row_off_all_of_them(bulk: PanelDriver) -> None:
    client = bulk.new_client()
    rows = [{"client": client, "inboundIds": [bulk.ids[0], 999999]}]
    answer = (await bulk.post("clients/bulkCreate", rows)).obj
    assert answer == {"created": 0, "skipped": [{"email": client["email"], "reason": "record not found"}]}
    assert "record not found" in (await bulk.get(f"clients/get/{client['email']}")).complaint


async def test_nobody_skipped_means_no_such_field(bulk: PanelDriver) -> None:
    rows = [{"client": bulk.new_client(), "inboundIds": bulk.ids}]
    assert (await bulk.post("clients/bulkCreate", rows)).obj == {"created": 1}


async def test_a_bulk_body_must_be_a_list(bulk: PanelDriver) -> None:
    assert "cannot unmarshal object" in (await bulk.post("clients/bulkCreate", {"client": {}})).complaint


async def test_deleting_many_names_the_unknown(bulk: PanelDriver) -> None:
    client = await bulk.added()
    answer = (await bulk.post("clients/bulkDel", {"emails": [client["email"], "nobody-here"]})).obj
    assert answer == {"deleted": 1, "skipped": [{"email": "nobody-here", "reason": "client not found"}]}
    assert await bulk.entries(bulk.ids[0], client["email"]) == []


async def test_an_adjustment_moves_from_what_is_stored(panel: PanelDriver) -> None:
    client = await panel.added(expiryTime=FUTURE, totalGB=GIB)
    body = {"emails": [client["email"]], "addDays": 30, "addBytes": GIB}
    assert (await panel.post("clients/bulkAdjust", body)).obj == {"adjusted": 1}
    record, row = await panel.record(client["email"]), await panel.row(client["email"])
    assert (record["expiryTime"], record["totalGB"]) == (FUTURE + 30 * DAY, 2 * GIB)
    assert (row["expiryTime"], row["total"]) == (FUTURE + 30 * DAY, 2 * GIB)


async def test_an_expired_client_may_stay_expired_after_an_adjustment(panel: PanelDriver) -> None:
    long_ago = 1_600_000_000_000
    client = await panel.added(expiryTime=long_ago)
    await panel.post("clients/bulkAdjust", {"emails": [client["email"]], "addDays": 30})
    assert (await panel.record(client["email"]))["expiryTime"] == long_ago + 30 * DAY


async def test_unlimited_fields_are_skipped_with_a_reason(panel: PanelDriver) -> None:
    client = await panel.added()
    body = {"emails": [client["email"], "nobody-here"], "addDays": 1}
    answer = (await panel.post("clients/bulkAdjust", body)).obj
    reasons = {one["email"]: one["reason"] for one in answer["skipped"]}
    assert answer["adjusted"] == 0
    assert reasons[client["email"]] == "unlimited expiry"
    assert "not found" in reasons["nobody-here"]
    traffic = (await panel.post("clients/bulkAdjust", {"emails": [client["email"]], "addBytes": 1})).obj
    assert traffic["skipped"][0]["reason"] == "unlimited traffic"


async def test_too_large_a_reduction_is_skipped(panel: PanelDriver) -> None:
    client = await panel.added(expiryTime=-DAY)
    answer = (await panel.post("clients/bulkAdjust", {"emails": [client["email"]], "addDays": -2})).obj
    assert answer["skipped"][0]["reason"] == "reduction exceeds delay window"


async def test_an_adjustment_by_nothing_is_refused(panel: PanelDriver) -> None:
    complaint = (await panel.post("clients/bulkAdjust", {"emails": ["nobody-here"]})).complaint
    assert "no adjustment specified" in complaint


async def test_switching_many_off_and_on_from_3_4_2(panel: PanelDriver) -> None:
    client = await panel.added()
    body = {"emails": [client["email"], "nobody-here"]}
    off = await panel.post("clients/bulkDisable", body)
    if panel.version < (3, 4, 2):
        assert off.status == 404
        return
    assert off.obj == {"changed": 1, "skipped": [{"email": "nobody-here", "reason": "client not found"}]}
    assert await panel.enabled(client["email"]) == (False, False, False)
    assert (await panel.post("clients/bulkEnable", {"emails": [client["email"]]})).obj == {"changed": 1}
    assert await panel.enabled(client["email"]) == (True, True, True)


async def test_attaching_many_lists_pairs_that_exist(bulk: PanelDriver) -> None:
    client = await bulk.added()
    body = {"emails": [client["email"], "nobody-here"], "inboundIds": bulk.ids}
    assert (await bulk.post("clients/bulkAttach", body)).obj == {
        "attached": [client["email"]],
        "skipped": [client["email"]],
        "errors": ["nobody-here: record not found"],
    }
    assert (await bulk.get_client(client["email"]))["inboundIds"] == bulk.ids


async def test_detaching_many_has_nulls_for_empty_lists(bulk: PanelDriver) -> None:
    client = await bulk.added()
    from_there = {"emails": [client["email"]], "inboundIds": [bulk.ids[1]]}
    from_here = {"emails": [client["email"]], "inboundIds": [bulk.ids[0]]}
    assert (await bulk.post("clients/bulkDetach", from_there)).obj == {
        "detached": None,
        "skipped": [client["email"]],
        "errors": None,
    }
    assert (await bulk.post("clients/bulkDetach", from_here)).obj["detached"] == [client["email"]]


async def test_resetting_many_counts_rows_and_enables(bulk: PanelDriver) -> None:
    client = await bulk.added()
    await bulk.set_counters(client["email"], 1, 2)
    answer = (await bulk.post("clients/bulkResetTraffic", {"emails": [client["email"], "nobody-here"]})).obj
    assert answer == {"affected": 1}
    assert (await bulk.row(client["email"]))["down"] == 0


async def test_purging_the_depleted_spares_the_others_and_the_renewing(newest: PanelDriver) -> None:
    expired = await newest.added(expiryTime=1_600_000_000_000)
    renewing = await newest.added(expiryTime=1_600_000_000_000, reset=30)
    active = await newest.added()
    assert (await newest.post("clients/delDepleted")).obj == {"deleted": 1}
    left = {one["email"] for one in (await newest.get("clients/list")).obj}
    assert left == {renewing["email"], active["email"]}
    assert expired["email"] not in left


async def test_purging_orphans_and_resetting_everybody(newest: PanelDriver) -> None:
    orphan, other = await newest.added(), await newest.added()
    await newest.post(f"clients/{orphan['email']}/detach", {"inboundIds": newest.ids})
    await newest.set_counters(other["email"], 1, 2)
    assert (await newest.post("clients/delOrphans")).obj == {"deleted": 1}
    assert (await newest.post("clients/resetAllTraffics")).ok
    assert (await newest.row(other["email"]))["up"] == 0


async def page_of(panel: PanelDriver, query: str) -> Document:
    found: Document = (await panel.get(f"clients/list/paged?{query}")).obj
    return found


async def test_a_page_holds_200_at_most(panel: PanelDriver) -> None:
    assert (await page_of(panel, "pageSize=1000"))["pageSize"] == 200
    assert (await page_of(panel, ""))["pageSize"] == 25


async def test_a_search_narrows_the_page_and_not_the_total(panel: PanelDriver) -> None:
    client, _ = await panel.added(), await panel.added()
    found = await page_of(panel, f"search={client['email'].upper()}")
    assert found["filtered"] == 1
    assert found["total"] >= 2
    assert found["summary"]["total"] == found["total"]
    item = found["items"][0]
    assert item["email"] == client["email"]
    assert not {"uuid", "password", "auth", "flow", "tgId"} & set(item)


async def test_a_page_behind_the_end_is_empty(panel: PanelDriver) -> None:
    found = await page_of(panel, "page=999")
    assert (found["items"], found["page"]) == ([], 999)


async def test_a_page_size_must_be_a_number(panel: PanelDriver) -> None:
    assert 'parsing "abc"' in (await panel.get("clients/list/paged?pageSize=abc")).complaint


async def test_filters_by_inbound_state_and_order(panel: PanelDriver) -> None:
    small = await panel.added(totalGB=GIB, comment="x")
    large = await panel.added(totalGB=3 * GIB)
    off = await panel.add(panel.new_client(), panel.ids[1])
    await panel.update(off["email"], off | {"enable": False})
    on_first = await page_of(panel, f"inbound={panel.ids[0]}&sort=remaining&order=descend")
    assert [one["email"] for one in on_first["items"]] == [large["email"], small["email"]]
    suspended = await page_of(panel, f"inbound={panel.ids[1]}&filter=deactive")
    assert [one["email"] for one in suspended["items"]] == [off["email"]]


async def test_several_inbounds_may_be_asked_for_from_3_2_0_on(panel: PanelDriver) -> None:
    await panel.added()
    await panel.add(panel.new_client(), panel.ids[1])
    answer = await panel.get(f"clients/list/paged?inbound={panel.ids[0]},{panel.ids[1]}")
    if panel.version >= (3, 2, 0):
        assert answer.obj["filtered"] == 2
    else:
        assert "invalid syntax" in answer.complaint


async def test_ranges_and_yes_no_filters_came_with_3_2_0(panel: PanelDriver) -> None:
    noted = await panel.added(comment="note", expiryTime=FUTURE)
    await panel.added()
    found = await page_of(panel, f"inbound={panel.ids[0]}&hasComment=yes&expiryFrom={FUTURE}")
    if panel.version >= (3, 2, 0):
        assert [one["email"] for one in found["items"]] == [noted["email"]]
        assert "groups" in found
    else:
        assert found["filtered"] == 2
        assert "groups" not in found

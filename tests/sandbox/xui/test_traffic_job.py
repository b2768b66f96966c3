"""Counting, starting, renewing and cutting off: what the panel does by itself every few seconds."""

import time

from tests.sandbox.xui.driver import PanelDriver

MIB = 1 << 20
DAY = 86_400_000
OFF = (False, False, False)
ON = (True, True, True)


def now_ms() -> int:
    return int(time.time() * 1000)


async def use(panel: PanelDriver, email: str, up: int, down: int) -> bool:
    """The client uses the network, seen by the panel before where its version needs that; False when refused."""
    for amount in ((0, 0), (up, down)):
        answer = await panel.emu("traffic", {"email": email, "up": amount[0], "down": amount[1]})
        if not answer["accepted"]:
            return False
        await panel.emu("tick", {})
    return True


async def loaded(panel: PanelDriver) -> set[str]:
    return {email for _, email in (await panel.emu("state"))["runtime"]["users"]}


# On any panel


async def test_a_client_over_its_quota_is_cut_off_everywhere(panel: PanelDriver) -> None:
    client = await panel.added(totalGB=MIB)
    await panel.set_counters(client["email"], MIB, 0)

    async def is_off() -> bool:
        return await panel.enabled(client["email"]) == OFF

    assert await panel.settled(is_off)
    assert (await panel.row(client["email"]))["up"] == MIB


async def test_a_client_past_its_expiry_is_cut_off_everywhere(panel: PanelDriver) -> None:
    client = await panel.added(expiryTime=now_ms() - DAY)

    async def is_off() -> bool:
        return await panel.enabled(client["email"]) == OFF

    assert await panel.settled(is_off)


async def test_a_renewing_client_gets_whole_periods_and_fresh_counters(panel: PanelDriver) -> None:
    expiry = now_ms() - 31 * DAY
    client = await panel.added(expiryTime=expiry, reset=30, totalGB=MIB)
    await panel.set_counters(client["email"], 2, 3)

    async def is_renewed() -> bool:
        return bool((await panel.row(client["email"]))["expiryTime"] == expiry + 60 * DAY)

    assert await panel.settled(is_renewed)
    row = await panel.row(client["email"])
    assert (row["up"], row["down"]) == (0, 0)
    assert (await panel.record(client["email"]))["expiryTime"] == expiry + 60 * DAY
    assert await panel.enabled(client["email"]) == ON


async def test_a_delayed_expiry_waits_for_the_first_use(panel: PanelDriver) -> None:
    client = await panel.added(expiryTime=-30 * DAY)
    assert (await panel.row(client["email"]))["expiryTime"] == -30 * DAY
    assert (await panel.record(client["email"]))["expiryTime"] == -30 * DAY


async def test_resetting_a_depleted_client_brings_it_back_from_3_3_1_on(panel: PanelDriver) -> None:
    client = await panel.added(totalGB=MIB)
    await panel.set_counters(client["email"], MIB, MIB)

    async def is_off() -> bool:
        return await panel.enabled(client["email"]) == OFF

    assert await panel.settled(is_off)
    assert (await panel.post(f"clients/resetTraffic/{client['email']}")).ok
    row = await panel.row(client["email"])
    assert (row["up"], row["down"], row["enable"]) == (0, 0, True)
    assert await panel.enabled(client["email"]) == (ON if panel.version >= (3, 3, 1) else (False, True, False))
    assert (await panel.update(client["email"], client)).ok
    assert await panel.enabled(client["email"]) == ON


async def test_resetting_a_suspended_client_resumes_it_from_3_3_1_on(panel: PanelDriver) -> None:
    client = await panel.added()
    await panel.update(client["email"], client | {"enable": False})
    await panel.post(f"clients/resetTraffic/{client['email']}")
    assert (await panel.record(client["email"]))["enable"] is (panel.version >= (3, 3, 1))


async def test_resetting_a_stranger_is_not_found(panel: PanelDriver) -> None:
    assert "record not found" in (await panel.post("clients/resetTraffic/nobody-here")).complaint


async def test_setting_a_strangers_counters_is_no_error(panel: PanelDriver) -> None:
    await panel.set_counters("nobody-here", 1, 2)


async def test_an_adjustment_lifts_a_depleted_client_from_3_4_2_on(panel: PanelDriver) -> None:
    client = await panel.added(totalGB=MIB)
    await panel.set_counters(client["email"], MIB, 0)

    async def is_off() -> bool:
        return await panel.enabled(client["email"]) == OFF

    assert await panel.settled(is_off)
    await panel.post("clients/bulkAdjust", {"emails": [client["email"]], "addBytes": MIB})
    assert (await panel.record(client["email"]))["enable"] is (panel.version >= (3, 4, 2))


async def test_everybody_has_a_last_online_even_if_never(panel: PanelDriver) -> None:
    client = await panel.added()
    assert (await panel.post("clients/lastOnline")).obj[client["email"]] == 0


async def test_nobody_is_online_before_using_anything(panel: PanelDriver) -> None:
    client = await panel.added()
    assert client["email"] not in ((await panel.post("clients/onlines")).obj or [])


async def test_a_client_without_addresses_reads_as_its_version_says(panel: PanelDriver) -> None:
    client = await panel.added()
    for _ in range(2):
        seen = (await panel.post(f"clients/ips/{client['email']}")).obj
        assert seen == ([] if panel.version >= (3, 4, 0) else "No IP Record")
        assert (await panel.post(f"clients/clearIps/{client['email']}")).ok


# Where traffic can be made


async def test_used_bytes_show_after_one_tick(emulated: PanelDriver) -> None:
    client = await emulated.added()
    assert await use(emulated, client["email"], 1000, MIB)
    row = await emulated.row(client["email"])
    assert (row["up"], row["down"]) == (1000, MIB)
    assert abs(row["lastOnline"] - now_ms()) < 5000
    assert (await emulated.post("clients/onlines")).obj == [client["email"]]
    assert (await emulated.post("clients/lastOnline")).obj[client["email"]] == row["lastOnline"]


async def test_what_is_used_before_a_counter_was_seen_counts_from_3_6_0_on(emulated: PanelDriver) -> None:
    client = await emulated.added()
    await emulated.emu("traffic", {"email": client["email"], "down": MIB})
    await emulated.emu("tick", {})
    assert (await emulated.row(client["email"]))["down"] == (MIB if emulated.version >= (3, 6, 0) else 0)


async def test_an_idle_client_leaves_the_onlines_after_twenty_seconds(emulated: PanelDriver) -> None:
    client = await emulated.added()
    await use(emulated, client["email"], 1, 1)
    await emulated.emu("clock", {"advance": 15})
    assert (await emulated.post("clients/onlines")).obj == [client["email"]]
    await emulated.emu("clock", {"advance": 6})
    assert (await emulated.post("clients/onlines")).obj == []


async def test_the_first_use_starts_a_delayed_expiry_everywhere(emulated: PanelDriver) -> None:
    client = await emulated.added(expiryTime=-30 * DAY)
    await use(emulated, client["email"], 1, 1)
    expiry = (await emulated.row(client["email"]))["expiryTime"]
    assert abs(expiry - (now_ms() + 30 * DAY)) < 5000
    assert (await emulated.record(client["email"]))["expiryTime"] == expiry
    assert (await emulated.entries(emulated.ids[0], client["email"]))[0]["expiryTime"] == expiry


async def test_a_delayed_expiry_starts_at_once_for_who_connected_before(newest: PanelDriver) -> None:
    client = await newest.added()
    await use(newest, client["email"], 1, 1)
    await newest.update(client["email"], client | {"expiryTime": -DAY})
    await newest.emu("tick", {})
    assert (await newest.row(client["email"]))["expiryTime"] > 0


async def test_one_tick_of_traffic_may_exceed_the_quota_and_no_more(emulated: PanelDriver) -> None:
    client = await emulated.added(totalGB=MIB)
    assert await use(emulated, client["email"], 0, 3 * MIB)
    assert await emulated.enabled(client["email"]) == OFF
    assert not await use(emulated, client["email"], 0, MIB)
    assert (await emulated.row(client["email"]))["down"] == 3 * MIB


async def test_a_depletion_restarts_the_core_before_3_5_0(emulated: PanelDriver) -> None:
    client = await emulated.added(totalGB=MIB)
    await use(emulated, client["email"], 0, MIB)
    restarts = (await emulated.emu("state"))["runtime"]["restarts"]
    assert restarts == (1 if emulated.version < (3, 5, 0) else 0)


async def test_the_core_holds_exactly_who_may_connect(emulated: PanelDriver) -> None:
    here, suspended, gone = [await emulated.added() for _ in range(3)]
    await emulated.update(suspended["email"], suspended | {"enable": False})
    await emulated.delete(gone["email"])
    assert await loaded(emulated) == {here["email"]}
    await emulated.post(f"inbounds/setEnable/{emulated.ids[0]}", {"enable": False})
    assert await loaded(emulated) == set()
    await emulated.post(f"inbounds/setEnable/{emulated.ids[0]}", {"enable": True})
    assert await loaded(emulated) == {here["email"]}


async def test_a_reset_puts_a_depleted_client_back_into_the_core_from_3_3_1_on(emulated: PanelDriver) -> None:
    client = await emulated.added(totalGB=MIB)
    await use(emulated, client["email"], 0, MIB)
    await emulated.post(f"clients/resetTraffic/{client['email']}")
    assert (client["email"] in await loaded(emulated)) == (emulated.version >= (3, 3, 1))
    await emulated.update(client["email"], client)
    assert client["email"] in await loaded(emulated)


async def test_an_enabled_client_that_is_still_depleted_goes_off_again(emulated: PanelDriver) -> None:
    client = await emulated.added(totalGB=MIB)
    await use(emulated, client["email"], 0, MIB)
    await emulated.update(client["email"], client)
    assert client["email"] in await loaded(emulated)
    await emulated.emu("tick", {})
    assert await emulated.enabled(client["email"]) == OFF


async def test_a_detached_client_stays_loaded_only_where_it_is_attached(newest: PanelDriver) -> None:
    client = await newest.add(newest.new_client(), *newest.ids[:2])
    await newest.post(f"clients/{client['email']}/detach", {"inboundIds": newest.ids[:1]})
    users = (await newest.emu("state"))["runtime"]["users"]
    assert users == [["in-20444-tcp", client["email"]]]


async def test_addresses_are_listed_newest_first_and_cleared(emulated: PanelDriver) -> None:
    client = await emulated.added()
    for address in ("10.0.0.1", "10.0.0.2"):
        await emulated.emu("traffic", {"email": client["email"], "ip": address})
        await emulated.emu("clock", {"advance": 1})
    seen = (await emulated.post(f"clients/ips/{client['email']}")).obj
    if emulated.version >= (3, 4, 0):
        assert [one["ip"] for one in seen] == ["10.0.0.2", "10.0.0.1"]
        assert set(seen[0]) == {"ip", "time", "node"}
    else:
        assert [one.split(" (")[0] for one in seen] == ["10.0.0.2", "10.0.0.1"]
    await emulated.post(f"clients/clearIps/{client['email']}")
    assert not isinstance((await emulated.post(f"clients/ips/{client['email']}")).obj, dict)


async def test_an_inbound_closes_when_its_own_limit_is_reached(newest: PanelDriver) -> None:
    client = await newest.added()
    inbound = (await newest.get(f"inbounds/get/{newest.ids[0]}")).obj
    await newest.post(f"inbounds/update/{inbound['id']}", inbound | {"total": MIB})
    await use(newest, client["email"], 0, MIB)
    assert (await newest.get(f"inbounds/get/{inbound['id']}")).obj["enable"] is False
    assert await loaded(newest) == set()


async def test_simulated_clients_use_their_own_rate_or_everybodys(newest: PanelDriver) -> None:
    quick, plain = await newest.added(), await newest.added()
    await newest.emu("switches", {"simulate": 1000})
    await newest.emu("rate", {"email": quick["email"], "up": 0, "down": 1_000_000})
    await newest.emu("tick", {"seconds": 10})
    assert 5_000_000 <= (await newest.row(quick["email"]))["down"] <= 15_000_000
    assert 5_000 <= (await newest.row(plain["email"]))["down"] <= 15_000

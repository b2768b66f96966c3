"""What panels before 3.1 do by themselves every few seconds, and how each version undoes it."""

import time
from email.utils import parsedate_to_datetime
from typing import Any

from tests.sandbox.xui.old_driver import OldDriver

MIB = 1 << 20
DAY = 86_400_000


def now_ms() -> int:
    return int(time.time() * 1000)


async def use(panel: OldDriver, email: str, up: int, down: int) -> bool:
    """The client uses the network, seen by the panel before where its version needs that; False when refused."""
    for amount in ((0, 0), (up, down)):
        answer = await panel.emu("traffic", {"email": email, "up": amount[0], "down": amount[1]})
        if not answer["accepted"]:
            return False
        await panel.emu("tick", {})
    return True


async def loaded(panel: OldDriver, email: str) -> bool:
    return email in {user for _, user in (await panel.emu("state"))["runtime"]["users"]}


async def depleted(panel: OldDriver, **limits: Any) -> dict[str, Any]:
    """A client over its quota, cut off by the traffic job."""
    client = await panel.added(totalGB=MIB, **limits)
    assert await use(panel, client["email"], 0, MIB)
    return client


# On any panel


async def test_a_client_over_its_quota_or_time_is_cut_off(old_panel: OldDriver) -> None:
    over = await old_panel.added(totalGB=MIB)
    late = await old_panel.added(expiryTime=now_ms() - DAY)
    await old_panel.set_counters(over["email"], MIB, 0)
    expected = (old_panel.version < (2, 9, 4), False)

    async def both_off() -> bool:
        return [await old_panel.flags(client["email"]) for client in (over, late)] == [expected] * 2

    assert await old_panel.settled(both_off)
    shown = (await old_panel.traffic(over["email"])).obj["enable"]
    assert shown is ((2, 8, 1) <= old_panel.version < (2, 9, 0))


async def test_a_reset_zeroes_and_enables_the_row_only(old_panel: OldDriver) -> None:
    client = await old_panel.added(totalGB=MIB)
    await old_panel.set_counters(client["email"], MIB, 0)

    async def is_off() -> bool:
        return not (await old_panel.stats(client["email"]))["enable"]

    assert await old_panel.settled(is_off)
    assert (await old_panel.reset(client["email"])).ok
    row = await old_panel.stats(client["email"])
    assert (row["up"], row["down"], row["enable"]) == (0, 0, True)
    assert (await old_panel.entry(client["email"]))["enable"] is (old_panel.version < (2, 9, 4))
    assert (await old_panel.replace(client)).ok
    assert await old_panel.flags(client["email"]) == (True, True)


async def test_a_suspended_client_stays_suspended_in_the_settings_after_a_reset(old_panel: OldDriver) -> None:
    client = await old_panel.added()
    await old_panel.replace(client | {"enable": False})
    assert await old_panel.flags(client["email"]) == (False, False)
    assert (await old_panel.reset(client["email"])).ok
    assert await old_panel.flags(client["email"]) == (False, True)


async def test_a_renewing_client_gets_whole_periods_and_fresh_counters(old_panel: OldDriver) -> None:
    expiry = now_ms() - 31 * DAY
    client = await old_panel.added(expiryTime=expiry, reset=30, totalGB=MIB)

    async def is_renewed() -> bool:
        return bool((await old_panel.stats(client["email"]))["expiryTime"] == expiry + 60 * DAY)

    assert await old_panel.settled(is_renewed)
    row = await old_panel.stats(client["email"])
    assert (row["up"], row["down"], row["enable"]) == (0, 0, True)
    assert (await old_panel.entry(client["email"]))["expiryTime"] == expiry + 60 * DAY


async def test_a_delayed_expiry_waits_for_the_first_use(old_panel: OldDriver) -> None:
    client = await old_panel.added(expiryTime=-30 * DAY)
    assert (await old_panel.stats(client["email"]))["expiryTime"] == -30 * DAY
    assert (await old_panel.entry(client["email"]))["expiryTime"] == -30 * DAY


async def test_everybody_has_a_last_online_from_2_6_8(old_panel: OldDriver) -> None:
    client = await old_panel.added()
    answer = await old_panel.post("inbounds/lastOnline")
    if old_panel.version < (2, 6, 8):
        assert answer.status == 404
        return
    assert answer.obj[client["email"]] == 0


async def test_counters_can_be_set_from_2_6_3_even_for_strangers(old_panel: OldDriver) -> None:
    answer = await old_panel.post("inbounds/updateClientTraffic/nobody-here", {"upload": 1, "download": 2})
    assert answer.status == (200 if old_panel.version >= (2, 6, 3) else 404)
    if answer.status == 200:
        assert answer.ok


async def test_a_client_without_addresses_is_told_in_one_sentence(old_panel: OldDriver) -> None:
    client = await old_panel.added()
    for _ in range(2):
        assert (await old_panel.post(f"inbounds/clientIps/{client['email']}")).obj == "No IP Record"
        assert (await old_panel.post(f"inbounds/clearClientIps/{client['email']}")).ok


async def test_resetting_all_clients_of_an_inbound_enables_their_rows(old_panel: OldDriver) -> None:
    client = await old_panel.added()
    await old_panel.set_counters(client["email"], 5, 6)
    await old_panel.replace(client | {"enable": False})
    assert (await old_panel.post(f"inbounds/resetAllClientTraffics/{old_panel.ids[0]}")).ok
    row = await old_panel.stats(client["email"])
    assert (row["up"], row["down"], row["enable"]) == (0, 0, True)


async def test_the_purge_takes_who_ran_out_and_up_to_2_8_0_who_is_suspended(old_panel: OldDriver) -> None:
    late = await old_panel.added(expiryTime=now_ms() - DAY)
    renewing = await old_panel.added(expiryTime=FUTURE, reset=30)
    suspended = await old_panel.added(enable=False)

    async def is_off() -> bool:
        return not (await old_panel.stats(late["email"]))["enable"]

    assert await old_panel.settled(is_off)
    assert (await old_panel.post(f"inbounds/delDepletedClients/{old_panel.ids[0]}")).ok
    left = {entry["email"] for entry in (await old_panel.inbound())["settings"]["clients"]}
    assert (late["email"] in left, renewing["email"] in left) == (False, True)
    assert (suspended["email"] in left) is (old_panel.version >= (2, 8, 1))


FUTURE = 4_102_444_800_000


async def test_a_purge_that_leaves_nobody_deletes_the_inbound(old_emulated: OldDriver) -> None:
    second = old_emulated.ids[1]
    (placeholder,) = (await old_emulated.inbound(second))["settings"]["clients"]
    await old_emulated.replace(placeholder | {"expiryTime": now_ms() - DAY}, inbound_id=second)
    await old_emulated.emu("tick", {})
    assert (await old_emulated.post("inbounds/delDepletedClients/-1")).ok
    assert second not in {one["id"] for one in (await old_emulated.get("inbounds/list")).obj}


# Where traffic can be made


async def test_used_bytes_show_after_one_tick(old_emulated: OldDriver) -> None:
    client = await old_emulated.added()
    assert await use(old_emulated, client["email"], 1000, MIB)
    row = await old_emulated.stats(client["email"])
    assert (row["up"], row["down"]) == (1000, MIB)
    assert (await old_emulated.post("inbounds/onlines")).obj == [client["email"]]
    assert ("allTime" in row) is (old_emulated.version >= (2, 6, 7))
    if old_emulated.version >= (2, 6, 8):
        assert abs(row["lastOnline"] - now_ms()) < 5000


async def test_the_first_bytes_count_in_2_x_and_are_missed_in_3_0(old_emulated: OldDriver) -> None:
    client = await old_emulated.added()
    await old_emulated.emu("traffic", {"email": client["email"], "down": MIB})
    await old_emulated.emu("tick", {})
    expected = MIB if old_emulated.version < (3, 0, 0) else 0
    assert (await old_emulated.stats(client["email"]))["down"] == expected


async def test_one_idle_tick_takes_a_client_off_the_onlines(old_emulated: OldDriver) -> None:
    client = await old_emulated.added()
    assert (await old_emulated.post("inbounds/onlines")).obj is None
    await use(old_emulated, client["email"], 1, 1)
    await old_emulated.emu("tick", {})
    expected: list[str] | None = [] if old_emulated.version >= (2, 8, 7) else None
    assert (await old_emulated.post("inbounds/onlines")).obj == expected


async def test_the_first_use_starts_a_delayed_expiry_in_row_and_settings(old_emulated: OldDriver) -> None:
    client = await old_emulated.added(expiryTime=-30 * DAY)
    await use(old_emulated, client["email"], 1, 1)
    expiry = (await old_emulated.stats(client["email"]))["expiryTime"]
    assert abs(expiry - (now_ms() + 30 * DAY)) < 5000
    assert (await old_emulated.entry(client["email"]))["expiryTime"] == expiry


async def test_a_depletion_restarts_the_core_from_2_9_4(old_emulated: OldDriver) -> None:
    client = await depleted(old_emulated)
    assert not await loaded(old_emulated, client["email"])
    restarts = (await old_emulated.emu("state"))["runtime"]["restarts"]
    assert restarts == (1 if old_emulated.version >= (2, 9, 4) else 0)


async def test_who_is_back_in_the_core_after_a_reset(old_emulated: OldDriver) -> None:
    """Up to 2.8.0 and from 2.9.0 to 2.9.3 at once; 2.8.1 … 2.8.11 and from 2.9.4 on not before an update."""
    client = await depleted(old_emulated)
    assert (await old_emulated.reset(client["email"])).ok
    version = old_emulated.version
    assert await loaded(old_emulated, client["email"]) is (version < (2, 8, 1) or (2, 9, 0) <= version < (2, 9, 4))
    await old_emulated.replace(client)
    assert await loaded(old_emulated, client["email"])


async def test_an_update_of_a_depleted_client_lasts_until_the_next_tick(old_emulated: OldDriver) -> None:
    client = await depleted(old_emulated)
    await old_emulated.replace(client)
    assert await loaded(old_emulated, client["email"])
    await old_emulated.emu("tick", {})
    assert not await loaded(old_emulated, client["email"])


async def test_a_shared_email_is_cut_off_on_every_inbound_in_3_0(old_emulated: OldDriver) -> None:
    client = await old_emulated.added(totalGB=MIB)
    await old_emulated.add_to(old_emulated.ids[1], client)
    await use(old_emulated, client["email"], 0, MIB)
    second = await old_emulated.entries(old_emulated.ids[1], client["email"])
    assert [entry["enable"] for entry in second] == ([False] if old_emulated.version >= (3, 0, 0) else [])
    assert not await loaded(old_emulated, client["email"])


async def test_addresses_in_the_versions_own_shape(old_emulated: OldDriver) -> None:
    client = await old_emulated.added()
    await old_emulated.emu("traffic", {"email": client["email"], "ip": "10.0.0.1"})
    seen = (await old_emulated.post(f"inbounds/clientIps/{client['email']}")).obj
    if old_emulated.version >= (2, 8, 11):
        assert seen[0].startswith("10.0.0.1 (")
    else:
        assert seen == '["10.0.0.1"]'
    await old_emulated.post(f"inbounds/clearClientIps/{client['email']}")
    assert (await old_emulated.post(f"inbounds/clientIps/{client['email']}")).obj == "No IP Record"


async def test_a_wrong_clock_decides_about_expiry_and_dates_answers(old_emulated: OldDriver) -> None:
    client = await old_emulated.added(expiryTime=now_ms() + DAY)
    await old_emulated.emu("switches", {"clock_skew": 2 * 86_400})
    await old_emulated.sign_in()
    await old_emulated.emu("tick", {})
    assert (await old_emulated.stats(client["email"]))["enable"] is False
    await old_emulated.emu("switches", {"clock_skew": -30 * 86_400})
    answer = await old_emulated.get("inbounds/list")
    shown = parsedate_to_datetime(answer.headers["Date"]).timestamp()
    assert abs(time.time() - 30 * 86_400 - shown) < 3600

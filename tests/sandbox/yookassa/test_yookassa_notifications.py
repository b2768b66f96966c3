"""Notifications: what is told, how often, in which weather, and what the log keeps of it."""

import asyncio
from pathlib import Path

import aiohttp
import pytest

from ferryman_sandbox.emulator import serve
from ferryman_sandbox.store import Store
from ferryman_sandbox.yookassa import YooKassaEmulator
from tests.sandbox.outside import Ear, until
from tests.sandbox.yookassa.till import SECRET, SHOP_ID, Till, events, order


async def test_a_payment_is_told_at_once_with_a_snapshot(till: Till, ear: Ear) -> None:
    payment = await till.paid()
    await until(lambda: len(ear.heard) == 1)
    assert ear.heard[0] == {"type": "notification", "event": "payment.succeeded", "object": payment}


async def test_a_notification_carries_no_credentials(till: Till, ear: Ear) -> None:
    await till.paid()
    await until(lambda: len(ear.heard) == 1)
    assert "Authorization" not in ear.headers[0]


async def test_the_log_keeps_the_shops_answer(till: Till, ear: Ear) -> None:
    ear.statuses = [500]
    await till.paid()
    await until(lambda: len(ear.heard) == 1)
    await until(lambda: _logged(till, 1))
    [delivery] = await till.seen("deliveries")
    assert (delivery["status"], delivery["answer"]) == (500, "thanks")
    assert delivery["body"]["event"] == "payment.succeeded"


@pytest.mark.parametrize("status", [201, 202, 204, 302, 400, 500])
async def test_anything_but_200_is_redelivered(till: Till, ear: Ear, status: int) -> None:
    ear.statuses = [status]
    await till.paid()
    await until(lambda: _logged(till, 1))
    await till.emu("clock", {"advance": 6})
    await until(lambda: len(ear.heard) == 2)
    assert ear.heard[0] == ear.heard[1]


async def test_after_a_200_nothing_is_sent_again(till: Till, ear: Ear) -> None:
    await till.paid()
    await until(lambda: _logged(till, 1))
    await till.emu("clock", {"advance": 3600})
    await till.paid()
    await until(lambda: _logged(till, 2))
    assert ear.heard[0] != ear.heard[1]


async def test_redelivery_climbs_a_ladder_and_ends_after_24_hours(till: Till, ear: Ear) -> None:
    ear.statuses = [503] * 100
    await till.paid()
    expected = 0
    for step in (0, 5, 15, 60, 300, 900, 3600, 3600):
        await till.emu("clock", {"advance": step + 0.5})
        expected += 1
        await until(lambda wanted=expected: _logged(till, wanted))  # type: ignore[misc]
    await till.emu("clock", {"advance": 24 * 3600})
    await till.paid()
    await until(lambda: _logged(till, expected + 1))
    assert ear.heard[-1] != ear.heard[0], "the only new delivery belongs to the new payment"


async def test_a_shop_that_is_down_hears_of_it_when_it_is_back(till: Till, ear: Ear) -> None:
    back = ear.url
    await till.emu("settings", {"notify_url": "http://127.0.0.1:9/hook"})
    await till.paid()
    await until(lambda: _logged(till, 1))
    assert (await till.seen("deliveries"))[0]["status"] is None
    await till.emu("settings", {"notify_url": back})
    await till.emu("clock", {"advance": 6})
    await until(lambda: len(ear.heard) == 1)


async def test_without_an_address_nothing_is_sent(till: Till, ear: Ear) -> None:
    await till.emu("settings", {"notify_url": ""})
    await till.paid()
    assert await till.seen("deliveries") == []
    assert ear.heard == []


async def test_declines_expiries_and_holds_are_told(till: Till, ear: Ear) -> None:
    await till.emu(f"payments/{(await till.create())['id']}/decline", {"reason": "insufficient_funds"})
    await till.emu(f"payments/{(await till.create())['id']}/expire")
    await till.emu(f"payments/{(await till.create())['id']}/wait")
    await until(lambda: len(ear.heard) == 3)
    told = {note["event"]: note["object"] for note in ear.heard}
    assert set(told) == {"payment.canceled", "payment.waiting_for_capture"}
    assert told["payment.waiting_for_capture"]["paid"] is True
    reasons = {note["object"].get("cancellation_details", {}).get("reason") for note in ear.heard}
    assert reasons == {"insufficient_funds", "expired_on_confirmation", None}


async def test_an_expiry_is_told_when_the_clock_passes_it(till: Till, ear: Ear) -> None:
    await till.create()
    await till.emu("clock", {"advance": 3601})
    await until(lambda: events(ear) == ["payment.canceled"])


async def test_a_dropped_notification_never_arrives(till: Till, ear: Ear) -> None:
    await till.emu("webhooks", {"mode": "drop", "times": 2})
    for _ in range(3):
        await till.paid()
    await until(lambda: len(ear.heard) == 1)
    await till.emu("clock", {"advance": 3600})
    assert len(await till.seen("deliveries")) == 1


async def test_dropping_lasts_until_changed_when_asked_so(till: Till, ear: Ear) -> None:
    await till.emu("webhooks", {"mode": "drop", "times": -1})
    for _ in range(5):
        await till.paid()
    await till.emu("webhooks", {"mode": "normal"})
    last = await till.paid()
    await until(lambda: len(ear.heard) == 1)
    assert ear.heard[0]["object"]["id"] == last["id"]


async def test_a_delayed_notification_comes_after_its_time(till: Till, ear: Ear) -> None:
    await till.emu("webhooks", {"mode": "delay", "seconds": 600})
    late, prompt = await till.paid(), await till.paid()
    await until(lambda: len(ear.heard) == 1)
    assert ear.heard[0]["object"]["id"] == prompt["id"]
    await till.emu("clock", {"advance": 601})
    await until(lambda: len(ear.heard) == 2)
    assert ear.heard[1]["object"]["id"] == late["id"]


async def test_a_duplicated_notification_comes_twice(till: Till, ear: Ear) -> None:
    await till.emu("webhooks", {"mode": "duplicate"})
    await till.paid()
    await until(lambda: len(ear.heard) == 2)
    assert ear.heard[0] == ear.heard[1]


async def test_reordered_notifications_arrive_the_other_way_round(till: Till, ear: Ear) -> None:
    await till.emu("webhooks", {"mode": "reorder", "seconds": 3600})
    payment = await till.paid(capture=False)
    await till.post(f"/payments/{payment['id']}/capture")
    await until(lambda: events(ear) == ["payment.succeeded", "payment.waiting_for_capture"])


async def test_a_notification_can_beat_the_answer_of_the_create_call(till: Till, ear: Ear) -> None:
    await till.emu("webhooks", {"mode": "before_answer"})
    payment = await till.create()
    assert [note["object"]["id"] for note in ear.heard] == [payment["id"]]
    assert payment["status"] == "pending"
    assert (await till.read(payment["id"]))["status"] == "succeeded"
    assert (await till.create())["status"] == "pending"
    assert len(ear.heard) == 1, "only the next payment was hit"


@pytest.mark.parametrize("spec", [{"mode": "teleport"}, {"mood": "drop"}, ["drop"]])
async def test_an_unknown_disturbance_is_refused_by_name(till: Till, spec: object) -> None:
    status, error = await till.emu("webhooks", spec)
    assert status == 400
    assert "error" in error


async def test_a_forged_notification_is_sent_as_given(till: Till, ear: Ear) -> None:
    status, delivery = await till.emu("forge", {"body": {"event": "x"}, "headers": {"X-Forwarded-For": "185.71.76.1"}})
    assert (status, delivery["status"]) == (200, 200)
    assert ear.heard == [{"event": "x"}]
    assert ear.headers[0]["X-Forwarded-For"] == "185.71.76.1"


async def test_a_forgery_without_a_body_lies_about_the_newest_payment(till: Till, ear: Ear) -> None:
    await till.create()
    payment = await till.create()
    await till.emu("forge")
    assert ear.heard[0]["object"]["id"] == payment["id"]
    assert ear.heard[0]["object"]["status"] == "succeeded"
    assert (await till.read(payment["id"]))["status"] == "pending"


async def test_a_delivery_can_be_sent_again_by_hand(till: Till, ear: Ear) -> None:
    await till.paid()
    await until(lambda: _logged(till, 1))
    [delivery] = await till.seen("deliveries")
    await till.emu(f"deliveries/{delivery['n']}/resend")
    assert ear.heard[0] == ear.heard[1]
    assert (await till.http.post(f"{till.url}/__emu/deliveries/99/resend")).status == 404


async def test_notifications_come_from_the_address_the_settings_name(till: Till, ear: Ear) -> None:
    await till.emu("settings", {"source": "127.0.0.7"})
    await till.paid()
    await until(lambda: len(ear.heard) == 1)
    assert ear.sources == ["127.0.0.7"]


@pytest.mark.parametrize(
    "given",
    [
        {"source": "8.8.8.8"},
        {"test": 1},
        {"keeping": "no"},
        {"refunds": "maybe"},
        {"charges": "free"},
        {"colour": "red"},
        [1],
    ],
)
async def test_a_wrong_setting_is_refused_and_changes_nothing(till: Till, given: object) -> None:
    before = await till.seen("settings")
    assert (await till.emu("settings", given))[0] == 400
    assert await till.seen("settings") == before


async def test_everything_survives_a_restart(ear: Ear, http: aiohttp.ClientSession, tmp_path: Path) -> None:
    ear.statuses = [500]
    store = Store(tmp_path / "yookassa.sqlite")
    first = YooKassaEmulator(store, shop_id=SHOP_ID, secret_key=SECRET, notify_url=ear.url)
    server = await serve(first.app)
    till = Till(server.url, http)
    payment = await till.paid()
    _, pending = await till.post("/payments", order(), key="one")
    await until(lambda: _logged(till, 1))
    await server.stop()
    store.close()

    store = Store(tmp_path / "yookassa.sqlite")
    second = YooKassaEmulator(store, shop_id=SHOP_ID, secret_key=SECRET)
    server = await serve(second.app)
    till = Till(server.url, http)
    assert (await till.read(payment["id"]))["status"] == "succeeded"
    assert (await till.post("/payments", order(), key="one"))[1]["id"] == pending["id"]
    await till.emu("clock", {"advance": 10})
    await until(lambda: len(ear.heard) == 2)
    await server.stop()
    store.close()


async def test_a_reset_empties_the_shop_and_keeps_it_working(till: Till, ear: Ear) -> None:
    payment = await till.paid()
    await till.create()
    await till.emu("reset")
    assert (await till.get(f"/payments/{payment['id']}"))[0] == 404
    assert await till.seen("payments") == []
    again = await till.paid()
    await until(lambda: bool(ear.heard) and ear.heard[-1]["object"]["id"] == again["id"])


async def test_a_test_shop_marks_its_payments_and_takes_no_sbp(till: Till) -> None:
    await till.emu("settings", {"test": True})
    assert (await till.create())["test"] is True
    status, error = await till.post("/payments", order(payment_method_data={"type": "sbp"}))
    assert (status, error["parameter"]) == (400, "payment_method_data.type")


async def test_a_move_that_is_not_possible_is_refused(till: Till) -> None:
    payment = await till.paid()
    for move in ("pay", "decline", "expire", "wait"):
        assert (await till.emu(f"payments/{payment['id']}/{move}"))[0] == 400
    assert (await till.emu(f"payments/{payment['id']}/teleport"))[0] == 400
    assert (await till.emu(f"payments/{(await till.create())['id']}/decline", {"reason": "mood"}))[0] == 400


async def test_fifty_payments_at_once_are_each_told_once(till: Till, ear: Ear) -> None:
    payments = await asyncio.gather(*(till.paid() for _ in range(50)))
    await until(lambda: len(ear.heard) == 50)
    assert {note["object"]["id"] for note in ear.heard} == {payment["id"] for payment in payments}


async def _logged(till: Till, count: int) -> bool:
    return len(await till.seen("deliveries")) == count

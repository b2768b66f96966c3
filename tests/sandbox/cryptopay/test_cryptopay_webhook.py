"""Signed webhooks on their way: once, again, late, twice, out of order, never; and who is believed."""

import asyncio
import hashlib
import hmac
import json
from typing import Any

import pytest

from ferryman_sandbox.cryptopay.emulator import LADDER
from tests.billing.providers.recorder import Recorder, Scripted
from tests.sandbox.cryptopay.app import TOKEN, App


async def pay(app: App, **changes: Any) -> int:
    invoice = await app.create(**changes)
    assert (await app.emu(f"payments/{invoice['invoice_id']}/pay"))[0] == 200
    number: int = invoice["invoice_id"]
    return number


def numbers(ear: Recorder) -> list[int]:
    return [json.loads(one.body)["payload"]["invoice_id"] for one in ear.received]


async def attempts(app: App, count: int) -> list[dict[str, Any]]:
    """Every attempt so far, newest first, once there are so many."""
    async with asyncio.timeout(20):
        while len(found := await app.seen("deliveries")) < count:
            await asyncio.sleep(0.005)
    assert isinstance(found, list)
    return found


async def test_a_payment_is_told_signed_over_the_very_bytes(app: App, ear: Recorder) -> None:
    number = await pay(app, description="Тридцать дней")
    (sent,) = await ear.wait_for(1)
    key = hashlib.sha256(TOKEN.encode()).digest()
    assert sent.headers["crypto-pay-api-signature"] == hmac.new(key, sent.body, hashlib.sha256).hexdigest()
    update = json.loads(sent.body)
    assert (update["update_type"], update["payload"]["status"]) == ("invoice_paid", "paid")
    assert update["payload"]["invoice_id"] == number


async def test_two_updates_may_carry_one_number(app: App, ear: Recorder) -> None:
    await app.emu("app", {"same_update_id": True})
    paid = {await pay(app), await pay(app)}
    sent = await ear.wait_for(2)
    assert {json.loads(one.body)["update_id"] for one in sent} == {1}
    assert set(numbers(ear)) == paid


async def test_a_refusal_is_tried_again_when_its_time_has_come(app: App, ear: Recorder) -> None:
    ear.say(Scripted(500), Scripted(200))
    await pay(app)
    await attempts(app, 1)
    assert len(ear.received) == 1
    await app.emu("clock", {"advance": LADDER[0] + 1})
    await ear.wait_for(2)
    assert ear.received[0].body == ear.received[1].body
    assert [one["status"] for one in await attempts(app, 2)] == [200, 500]


async def test_after_seventeen_refusals_the_webhook_is_switched_off(app: App, ear: Recorder) -> None:
    ear.say(Scripted(503))
    await pay(app)
    for number in range(1, len(LADDER) + 1):
        await attempts(app, number)
        await app.emu("clock", {"advance": LADDER[number - 1] + 1})
    assert len(await attempts(app, 17)) == 17
    async with asyncio.timeout(20):
        while (await app.seen("settings"))["notify_url"]:
            await asyncio.sleep(0.005)
    await pay(app)
    await app.emu("clock", {"advance": 3600})
    assert len(await app.seen("deliveries")) == 17


async def test_disturbances_drop_delay_double_and_reorder(app: App, ear: Recorder) -> None:
    await app.emu("webhooks", {"mode": "drop"})
    await pay(app)
    await app.emu("webhooks", {"mode": "duplicate"})
    twice = await pay(app)
    await ear.wait_for(2)
    assert numbers(ear) == [twice, twice]
    await app.emu("webhooks", {"mode": "reorder", "seconds": 600})
    behind = await pay(app)
    ahead = await pay(app)
    await ear.wait_for(4)
    assert numbers(ear)[2:] == [ahead, behind]
    await app.emu("webhooks", {"mode": "delay", "seconds": 600})
    late = await pay(app)
    assert len(ear.received) == 4
    await app.emu("clock", {"advance": 601})
    await ear.wait_for(5)
    assert numbers(ear)[4] == late


async def test_a_forgery_carries_no_good_signature(app: App, ear: Recorder) -> None:
    invoice = await app.create()
    status, delivery = await app.emu("forge")
    (sent,) = await ear.wait_for(1)
    assert (status, delivery["status"]) == (200, 200)
    assert json.loads(sent.body)["payload"] == invoice | {"status": "paid"}
    assert sent.headers["crypto-pay-api-signature"] == "0" * 64


async def test_an_attempt_can_be_repeated_by_hand(app: App, ear: Recorder) -> None:
    await pay(app)
    await attempts(app, 1)
    assert (await app.emu("deliveries/1/resend"))[0] == 200
    first, second = await ear.wait_for(2)
    assert first.body == second.body
    async with app.http.post(f"{app.url}/__emu/deliveries/99/resend") as answer:
        assert answer.status == 404


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("webhooks", {"mode": "teleport"}),
        ("webhooks", {"surprise": 1}),
        ("settings", {"notify_url": 5}),
        ("settings", {}),
    ],
)
async def test_a_wish_that_makes_no_sense_is_told_so(app: App, path: str, body: Any) -> None:
    async with app.http.post(f"{app.url}/__emu/{path}", json=body) as answer:
        assert answer.status == 400
        assert "error" in await answer.json()


async def test_an_address_where_nobody_listens_is_an_attempt_without_an_answer(app: App) -> None:
    await app.emu("settings", {"notify_url": "http://127.0.0.1:9/hook"})
    await pay(app)
    (attempt,) = await attempts(app, 1)
    assert attempt["status"] is None


async def test_a_reset_forgets_invoices_and_webhooks(app: App, ear: Recorder) -> None:
    await app.emu("settings", {"notify_url": ""})
    await pay(app)
    await app.emu("reset")
    assert await app.listed() == []
    assert (await app.seen("settings"))["notify_url"] == f"{ear.url}/hook"

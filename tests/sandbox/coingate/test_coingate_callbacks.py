"""Callbacks of the emulator: both formats, the whole ladder, and the answers that end it."""

import asyncio
import json
from urllib.parse import parse_qs

import pytest

from ferryman_sandbox.coingate.emulator import LADDER
from tests.sandbox.coingate.conftest import Till
from tests.sandbox.outside import Ear, until


async def paid(till: Till) -> int:
    order = await till.create()
    await till.emu(f"payments/{order['id']}/pay")
    return int(order["id"])


async def test_a_callback_as_json_carries_the_orders_own_token(till: Till, ear: Ear) -> None:
    id_ = await paid(till)
    await until(lambda: len(ear.bodies) == 1)
    said = json.loads(ear.bodies[0])
    assert (said["id"], said["order_id"], said["status"], said["token"]) == (id_, "8f2a", "paid", "ours")
    assert said["fees"][0]["currency"]["symbol"] == "USDT"
    assert ear.kinds == ["application/json"]


async def test_a_callback_as_a_form_nests_its_fees(till: Till, ear: Ear) -> None:
    await till.emu("app", {"callback_format": "form"})
    id_ = await paid(till)
    await until(lambda: len(ear.bodies) == 1)
    said = parse_qs(ear.bodies[0])
    assert (said["id"], said["status"], said["token"]) == ([str(id_)], ["paid"], ["ours"])
    assert (said["fees[][currency][symbol]"], said["is_refundable"]) == (["USDT"], ["true"])
    assert ear.kinds == ["application/x-www-form-urlencoded"]


async def test_every_step_of_a_slow_payer_is_told_and_a_shortage_is_not(till: Till, ear: Ear) -> None:
    order = await till.create()
    await till.press(order["payment_url"], action="choose", coin="LTC")
    await until(lambda: len(ear.bodies) == 1)
    await till.press(order["payment_url"], action="less")
    await till.press(order["payment_url"], action="rest")
    await until(lambda: len(ear.bodies) == 2)
    await till.advance(3)
    await until(lambda: len(ear.bodies) == 3)
    assert [json.loads(body)["status"] for body in ear.bodies] == ["pending", "confirming", "paid"]


async def test_an_order_without_an_address_is_told_to_nobody(till: Till, ear: Ear) -> None:
    order = await till.create(callback_url=None)
    await till.emu(f"payments/{order['id']}/pay")
    assert await till.seen("deliveries") == []
    assert ear.bodies == []


def test_the_ladder_has_forty_rungs_and_lasts_six_days_and_a_half() -> None:
    assert len(LADDER) == 40
    assert LADDER[:6] == (60, 60, 60, 60, 60, 300)
    assert LADDER[-6:] == (18_000, 86_400, 86_400, 86_400, 86_400, 86_400)
    assert 6.3 < sum(LADDER) / 86_400 < 6.7


async def test_the_ladder_is_climbed_to_its_end(till: Till, ear: Ear) -> None:
    ear.statuses = [503] * 100
    await paid(till)
    for tries, pause in enumerate(LADDER, 1):
        await until(lambda wanted=tries: _tried(till, wanted))  # type: ignore[misc]
        await till.advance(pause + 0.5)
    await until(lambda: _tried(till, 41))
    await till.advance(30 * 86_400)
    await asyncio.sleep(0)
    assert len(ear.bodies) == 41
    assert len(set(ear.bodies)) == 1


@pytest.mark.parametrize("status", [301, 302, 401, 403])
async def test_some_answers_end_it_for_good(till: Till, ear: Ear, status: int) -> None:
    ear.statuses = [status]
    await paid(till)
    await until(lambda: _tried(till, 1))
    await till.advance(7 * 86_400)
    await paid(till)
    await until(lambda: _tried(till, 2))
    assert json.loads(ear.bodies[0])["id"] != json.loads(ear.bodies[1])["id"]


@pytest.mark.parametrize(("status", "again"), [(200, False), (204, False), (201, True), (400, True), (500, True)])
async def test_only_200_and_204_count_as_received(till: Till, ear: Ear, status: int, again: bool) -> None:
    ear.statuses = [status]
    await paid(till)
    await until(lambda: _tried(till, 1))
    await till.advance(61)
    if again:
        await until(lambda: _tried(till, 2))
    else:
        await paid(till)
        await until(lambda: _tried(till, 2))
        assert ear.bodies[0] != ear.bodies[1]


async def test_a_forgery_carries_a_token_that_is_not_the_orders(till: Till, ear: Ear) -> None:
    order = await till.create()
    _, delivery = await till.emu("forge", {"payment_id": str(order["id"])})
    assert delivery["status"] == 200
    said = json.loads(ear.bodies[0])
    assert (said["status"], said["order_id"]) == ("paid", "8f2a")
    assert said["token"] != "ours"
    await till.emu("forge", {"form": True})
    assert ear.bodies[1].startswith("id=")
    await till.emu("forge", {"body": "garbage"})
    assert ear.bodies[2] == "garbage"
    assert (await till.emu("forge", {"payment_id": "none"}))[0] == 400


async def test_a_callback_can_be_sent_again_from_the_log(till: Till, ear: Ear) -> None:
    await paid(till)
    await until(lambda: _tried(till, 1))
    [delivery] = await till.seen("deliveries")
    await till.emu(f"deliveries/{delivery['n']}/resend")
    assert ear.bodies[0] == ear.bodies[1]


async def _tried(till: Till, count: int) -> bool:
    return len(await till.seen("deliveries")) >= count

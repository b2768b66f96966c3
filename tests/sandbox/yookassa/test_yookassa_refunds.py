"""Refunds by the shop and by hand in the cabinet."""

from typing import Any

import pytest

from tests.sandbox.outside import Ear, until
from tests.sandbox.yookassa.till import Till, events


def back(payment: dict[str, Any], value: str) -> dict[str, Any]:
    return {"payment_id": payment["id"], "amount": {"value": value, "currency": "RUB"}}


async def test_a_refund_succeeds_and_is_told(till: Till, ear: Ear) -> None:
    payment = await till.paid()
    status, refund = await till.post("/refunds", back(payment, "199.00"))
    assert (status, refund["status"]) == (200, "succeeded")
    assert (await till.get(f"/refunds/{refund['id']}"))[1] == refund
    await until(lambda: "refund.succeeded" in events(ear))
    after = await till.read(payment["id"])
    assert after["refunded_amount"]["value"] == "199.00"
    assert after["refundable"] is False
    assert after["status"] == "succeeded", "a refund lives beside its payment"


async def test_partial_refunds_add_up_to_the_paid_sum_and_no_further(till: Till) -> None:
    payment = await till.paid()
    assert (await till.post("/refunds", back(payment, "100.00")))[0] == 200
    assert (await till.post("/refunds", back(payment, "99.01")))[0] == 400
    assert (await till.post("/refunds", back(payment, "99.00")))[0] == 200
    assert (await till.post("/refunds", back(payment, "0.01")))[0] == 400


async def test_one_key_refunds_once(till: Till) -> None:
    payment = await till.paid()
    first = await till.post("/refunds", back(payment, "50.00"), key="r")
    assert await till.post("/refunds", back(payment, "50.00"), key="r") == first
    assert (await till.read(payment["id"]))["refunded_amount"]["value"] == "50.00"


async def test_a_key_of_a_payment_cannot_be_used_for_a_refund(till: Till) -> None:
    payment = await till.paid()
    await till.post("/refunds", back(payment, "50.00"), key="r")
    assert (await till.post(f"/payments/{payment['id']}/cancel", back(payment, "50.00"), key="r"))[0] == 400


@pytest.mark.parametrize("value", ["1", "0.00", "200.00"])
async def test_a_bad_refund_amount_is_refused(till: Till, value: str) -> None:
    payment = await till.paid()
    status, error = await till.post("/refunds", back(payment, value))
    assert (status, error["parameter"]) == (400, "amount.value")


async def test_only_a_succeeded_payment_is_refunded(till: Till) -> None:
    for payment in (await till.create(), await till.paid(capture=False), {"id": "nobody"}):
        status, error = await till.post("/refunds", back(payment, "1.00"))
        assert (status, error["parameter"]) == (400, "payment_id")


async def test_refunds_are_listed_by_payment(till: Till) -> None:
    one, other = await till.paid(), await till.paid()
    _, first = await till.post("/refunds", back(one, "1.00"))
    _, second = await till.post("/refunds", back(one, "2.00"))
    await till.post("/refunds", back(other, "3.00"))
    assert (await till.get("/refunds", payment_id=one["id"]))[1]["items"] == [second, first]


async def test_an_unknown_refund_is_not_found(till: Till) -> None:
    assert (await till.get("/refunds/nobody"))[0] == 404


async def test_a_pending_refund_can_be_canceled_and_nobody_is_told(till: Till, ear: Ear) -> None:
    await till.emu("settings", {"refunds": "pending"})
    payment = await till.paid()
    _, refund = await till.post("/refunds", back(payment, "199.00"))
    assert refund["status"] == "pending"
    assert (await till.post("/refunds", back(payment, "1.00")))[0] == 400, "a pending refund holds its part"
    await till.emu(f"refunds/{refund['id']}/cancel", {"reason": "insufficient_funds"})
    _, canceled = await till.get(f"/refunds/{refund['id']}")
    assert canceled["status"] == "canceled"
    assert canceled["cancellation_details"]["reason"] == "insufficient_funds"
    assert (await till.read(payment["id"]))["refunded_amount"]["value"] == "0.00"
    await till.paid()
    await until(lambda: len(ear.heard) == 2)
    assert set(events(ear)) == {"payment.succeeded"}


async def test_a_pending_refund_can_succeed_once(till: Till, ear: Ear) -> None:
    await till.emu("settings", {"refunds": "pending"})
    _, refund = await till.post("/refunds", back(await till.paid(), "10.00"))
    assert (await till.emu(f"refunds/{refund['id']}/succeed"))[0] == 200
    assert (await till.emu(f"refunds/{refund['id']}/cancel"))[0] == 400
    await until(lambda: events(ear).count("refund.succeeded") == 1)


async def test_a_refund_may_bring_a_receipt_and_a_bad_one_is_refused(till: Till) -> None:
    payment = await till.paid()
    item = {"description": "30 days", "quantity": 1, "amount": back(payment, "1.00")["amount"], "vat_code": 1}
    receipt = {"customer": {"phone": "79000000000"}, "items": [item]}
    status, refund = await till.post("/refunds", back(payment, "1.00") | {"receipt": receipt})
    assert (status, refund["receipt_registration"]) == (200, "pending")
    status, error = await till.post("/refunds", back(payment, "1.00") | {"receipt": receipt | {"customer": {}}})
    assert (status, error["parameter"]) == (400, "receipt.customer")


async def test_a_refund_by_hand_in_the_cabinet_arrives_as_a_notification(till: Till, ear: Ear) -> None:
    payment = await till.paid()
    status, refund = await till.emu("refund", {"payment_id": payment["id"], "amount": "50.00"})
    assert (status, refund["amount"]["value"]) == (200, "50.00")
    await until(lambda: "refund.succeeded" in events(ear))
    note = next(note for note in ear.heard if note["event"] == "refund.succeeded")
    assert note["object"]["payment_id"] == payment["id"]
    assert (await till.emu("refund", {"payment_id": payment["id"]}))[1]["amount"]["value"] == "149.00"


async def test_a_refund_by_hand_of_an_unknown_payment_is_refused(till: Till) -> None:
    assert (await till.emu("refund", {"payment_id": "nobody"}))[0] == 404

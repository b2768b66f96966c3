"""What the endpoint hears, and how it is signed."""

import asyncio
import hashlib
import hmac
import json

from ferryman_sandbox.stripe import StripeEmulator
from ferryman_sandbox.stripe.emulator import LADDER
from tests.billing.providers.recorder import Recorder, Scripted
from tests.sandbox.stripe.merchant import SECRET, Merchant


def by(secret: str, moment: str, body: bytes) -> str:
    return hmac.new(secret.encode(), moment.encode() + b"." + body, hashlib.sha256).hexdigest()


def kinds(ear: Recorder) -> list[str]:
    return [json.loads(one.body)["type"] for one in ear.received]


async def test_an_event_is_signed_over_its_moment_and_its_bytes(merchant: Merchant, ear: Recorder) -> None:
    paid = await merchant.paid()
    (sent,) = await ear.wait_for(1)
    moment, given = sent.headers["stripe-signature"].split(",")
    assert given == f"v1={by(SECRET, moment.removeprefix('t='), sent.body)}"
    event = json.loads(sent.body)
    assert (event["type"], event["livemode"]) == ("checkout.session.completed", False)
    assert event["data"]["object"]["id"] == paid["id"]


async def test_while_a_secret_is_rolled_there_is_a_signature_by_each(
    merchant: Merchant, ear: Recorder, emulator: StripeEmulator
) -> None:
    emulator.old_webhook_secret = "whsec_before"
    await merchant.paid()
    (sent,) = await ear.wait_for(1)
    moment, *given = sent.headers["stripe-signature"].split(",")
    at = moment.removeprefix("t=")
    assert given == [f"v1={by(secret, at, sent.body)}" for secret in ("whsec_before", SECRET)]


async def test_a_retry_is_the_same_event_signed_anew(merchant: Merchant, ear: Recorder) -> None:
    ear.say(Scripted(500), Scripted(204))
    await merchant.paid()
    async with asyncio.timeout(20):
        while not await merchant.seen("deliveries"):
            await asyncio.sleep(0.005)
    await merchant.emu("clock", {"advance": LADDER[0] + 60})
    first, second = await ear.wait_for(2)
    assert first.body == second.body
    assert first.headers["stripe-signature"] != second.headers["stripe-signature"]


async def test_the_endpoint_hears_of_every_turn_the_money_takes(merchant: Merchant, ear: Recorder) -> None:
    paid = await merchant.paid()
    await merchant.emu("refund", {"payment_id": paid["id"], "amount": 900})
    dispute = (await merchant.emu(f"payments/{paid['id']}/dispute"))[1]
    await merchant.emu(f"disputes/{dispute['id']}/lose")
    late = await merchant.session()
    await merchant.emu(f"payments/{late['id']}/wait")
    await merchant.emu(f"payments/{late['id']}/decline")
    await merchant.session()
    await merchant.emu("clock", {"advance": 24 * 3600 + 1})
    await ear.wait_for(8)
    assert sorted(kinds(ear)) == sorted(
        [
            "checkout.session.completed",
            "charge.refunded",
            "charge.dispute.created",
            "charge.dispute.funds_withdrawn",
            "charge.dispute.closed",
            "checkout.session.completed",
            "checkout.session.async_payment_failed",
            "checkout.session.expired",
        ]
    )


async def test_a_dispute_that_is_won_brings_the_money_back_and_says_so_once(merchant: Merchant, ear: Recorder) -> None:
    paid = await merchant.paid()
    dispute = (await merchant.emu(f"payments/{paid['id']}/dispute"))[1]
    status, won = await merchant.emu(f"disputes/{dispute['id']}/win")
    assert (status, won["status"]) == (200, "won")
    await ear.wait_for(5)
    assert sorted(kinds(ear)[3:]) == ["charge.dispute.closed", "charge.dispute.funds_reinstated"]
    assert (await merchant.emu(f"disputes/{dispute['id']}/lose"))[0] == 400


async def test_a_declined_card_is_told_to_nobody(merchant: Merchant, ear: Recorder) -> None:
    session = await merchant.session()
    await merchant.emu(f"payments/{session['id']}/refuse")
    await merchant.emu(f"payments/{session['id']}/pay")
    await ear.wait_for(1)
    assert kinds(ear) == ["checkout.session.completed"]


async def test_a_forgery_claims_a_payment_and_carries_no_good_signature(merchant: Merchant, ear: Recorder) -> None:
    session = await merchant.session()
    await merchant.emu("forge", {"payment_id": session["id"]})
    (sent,) = await ear.wait_for(1)
    assert json.loads(sent.body)["data"]["object"]["payment_status"] == "paid"
    assert sent.headers["stripe-signature"].endswith("0" * 64)

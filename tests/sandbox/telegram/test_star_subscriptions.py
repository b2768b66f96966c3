"""Payments in Stars that repeat: by the clock, until somebody stops them or the Stars run out."""

from typing import Any

from tests.sandbox.telegram.phone import Phone
from tests.sandbox.telegram.test_stars import link, pay

MONTH = 2_592_000


async def subscribed(phone: Phone, amount: int = 250) -> tuple[int, dict[str, Any]]:
    """A person who pays every month, and the first payment as the bot was told of it."""
    user = await phone.started()
    prices = [{"label": "30 days", "amount": amount}]
    slug = await link(phone, subscription_period=MONTH, prices=prices)
    return user, (await pay(phone, user, slug))["successful_payment"]


async def test_a_month_later_the_same_payload_is_paid_under_a_new_charge(phone: Phone) -> None:
    _, first = await subscribed(phone)
    assert (first["is_recurring"], first["is_first_recurring"]) == (True, True)
    await phone.push_clock(MONTH - 60)
    assert await phone.updates() == []
    await phone.push_clock(61)
    (update,) = await phone.updates()
    renewal = update["message"]["successful_payment"]
    assert renewal["is_recurring"] is True
    assert "is_first_recurring" not in renewal
    assert renewal["invoice_payload"] == first["invoice_payload"]
    assert renewal["telegram_payment_charge_id"] != first["telegram_payment_charge_id"]
    assert renewal["subscription_expiration_date"] - first["subscription_expiration_date"] == MONTH
    sources = [entry["source"] for entry in (await phone.ok("getStarTransactions"))["transactions"]]
    assert [source["subscription_period"] for source in sources] == [MONTH, MONTH]


async def test_two_months_at_once_are_two_payments(phone: Phone) -> None:
    await subscribed(phone)
    await phone.push_clock(2 * MONTH + 60)
    assert [update["message"]["successful_payment"]["is_recurring"] for update in await phone.updates()] == [True, True]


async def test_the_person_stops_it_and_takes_it_up_again(phone: Phone) -> None:
    user, first = await subscribed(phone)
    charge = first["telegram_payment_charge_id"]
    await phone.emu(f"users/{user}/subscription", {"charge": charge, "canceled": True})
    told = (await phone.updates())[-1]["subscription"]
    assert (told["user"]["id"], told["invoice_payload"], told["state"]) == (user, "pay_1", "canceled")
    await phone.push_clock(MONTH + 60)
    assert await phone.updates() == []
    await phone.emu(f"users/{user}/subscription", {"charge": charge, "canceled": False})
    assert (await phone.updates())[-1]["subscription"]["state"] == "active"
    assert "already" in await phone.refused(f"users/{user}/subscription", {"charge": charge, "canceled": False})


async def test_the_bot_stops_it_and_the_person_cannot_take_it_up(phone: Phone) -> None:
    user, first = await subscribed(phone)
    charge = first["telegram_payment_charge_id"]
    edit = {"user_id": user, "telegram_payment_charge_id": charge}
    await phone.ok("editUserStarSubscription", is_canceled=True, **edit)
    assert await phone.updates() == [], "the bot is not told of its own deed"
    assert "bot" in await phone.refused(f"users/{user}/subscription", {"charge": charge, "canceled": False})
    await phone.push_clock(MONTH + 60)
    assert await phone.updates() == []
    unknown = await phone.api(
        "editUserStarSubscription", is_canceled=True, **edit | {"telegram_payment_charge_id": "x"}
    )
    assert unknown["description"] == "Bad Request: CHARGE_ID_INVALID"


async def test_a_month_that_cannot_be_charged_is_told_once_and_charged_when_it_can(phone: Phone) -> None:
    user, _ = await subscribed(phone)
    await phone.emu(f"users/{user}/stars", {"amount": 100})
    await phone.push_clock(MONTH + 60)
    await phone.push_clock(60)
    assert [update["subscription"]["state"] for update in await phone.updates()] == ["failed"]
    await phone.emu(f"users/{user}/stars", {"amount": 1000})
    (update,) = await phone.updates()
    assert update["message"]["successful_payment"]["is_recurring"] is True


async def test_several_may_run_beside_each_other(phone: Phone) -> None:
    user, _ = await subscribed(phone)
    slug = await link(phone, subscription_period=MONTH, payload="pay_2")
    await pay(phone, user, slug)
    await phone.push_clock(MONTH + 60)
    payloads = [update["message"]["successful_payment"]["invoice_payload"] for update in await phone.updates()]
    assert sorted(payloads) == ["pay_1", "pay_2"]

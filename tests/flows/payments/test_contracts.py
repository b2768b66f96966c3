"""What payment services do and demand, where the answer is a whole story; the numbers are those of docs/testing.md."""

import io

import pytest

from ferryman.kit import log
from ferryman_sandbox.weather import Fault
from tests.flows.provider_till import at_the_till
from tests.support.shop import Town


def creations(shop: Town) -> int:
    """How often the bank was asked to open a payment."""
    return sum(call["method"] == "POST" and call["path"] == "/v3/payments" for call in shop.bank.calls)


@pytest.mark.parametrize(
    "answer",
    [
        {"status": 500, "body": {"type": "error"}},
        {"status": 202, "body": {"type": "processing", "retry_after": 1800}},
    ],
    ids=["500", "202"],
)
async def test_5_6_a_creation_is_repeated_ten_and_thirty_seconds_later_and_no_sooner(
    shop: Town, answer: dict[str, object]
) -> None:
    spec = {"mode": "status", "route": "/v3/payments", "method": "POST", "times": 2, **answer}
    shop.bank.weather.add(Fault.from_json(spec))
    assert (await shop.order(await shop.customer())).pay_url is None
    made = [creations(shop)]
    for seconds in (9, 1, 19, 1):
        await shop.later(seconds=seconds)
        made.append(creations(shop))
    assert made == [1, 1, 2, 2, 3]
    assert len(shop.bank.shop.payments()) == 1
    assert await shop.value("SELECT state FROM payments") == "pending"


async def test_28_a_wrong_token_is_answered_200_changes_nothing_and_is_in_the_log(shop: Town) -> None:
    async with at_the_till(shop, "coingate") as till:
        external_id = await till.external_id(await till.press())
        await till.control.post("forge", {"payment_id": external_id})
        lines = io.StringIO()
        log.configure("json", "debug", lines)
        assert await till.hear(*await till.told()) == [(200, "")]
        assert '"event": "webhook_refused"' in lines.getvalue()
        assert await shop.value("SELECT count(*) FROM webhook_events") == 0
        assert await shop.value("SELECT state FROM payments") == "pending"


async def test_31_what_fails_after_it_was_confirming_is_never_granted(shop: Town) -> None:
    async with at_the_till(shop, "coingate") as till:
        external_id = await till.external_id(await till.press())
        for move, said in (("confirm", 1), ("invalidate", 2)):
            await till.control.post(f"payments/{external_id}/{move}")
            await till.hear(*await till.told(said))
        assert await shop.rows("SELECT state, reason FROM payments") == [("cancelled", "invalid")]
        assert await till.granted() == 0


async def test_32_the_cap_on_orders_is_no_error_of_the_customer_and_the_link_follows(shop: Town) -> None:
    async with at_the_till(shop, "coingate") as till:
        await till.control.post("app", {"orders_per_hour": 1})
        assert (await till.press(tap="first")).pay_url is not None
        lines = io.StringIO()
        log.configure("json", "debug", lines)
        assert (await till.press(await shop.customer(8), "second")).pay_url is None
        assert "takes no more orders this hour" in lines.getvalue()
        assert await shop.value("SELECT state FROM payments ORDER BY id DESC LIMIT 1") == "creating"
        assert await shop.value("SELECT count(*) FROM notices") == 0
        await till.control.post("app", {"orders_per_hour": 0})
        await shop.later(seconds=31)
        assert await shop.rows("SELECT kind FROM notices") == [("payment_link",)]


async def test_34_two_invoices_told_under_one_number_are_both_granted(shop: Town) -> None:
    async with at_the_till(shop, "cryptopay") as till:
        await till.control.post("app", {"same_update_id": True})
        for person in (7, 8):
            await till.pay(await till.press(await shop.customer(person), f"tap {person}"))
        await till.hear(*await till.told(2))
        assert await till.granted() == 2
        assert await shop.value("SELECT count(DISTINCT customer_id) FROM subscriptions") == 2


async def test_35_what_ran_out_without_a_word_is_closed_by_asking(shop: Town) -> None:
    async with at_the_till(shop, "cryptopay") as till:
        await till.press()
        await till.control.post("clock", {"advance": 3601})
        await shop.later(seconds=3601)
        assert await shop.rows("SELECT state, reason FROM payments") == [("cancelled", "expired")]
        assert till.control.hook.received == []


async def test_37_too_much_is_granted_and_the_surplus_is_in_the_books(shop: Town) -> None:
    async with at_the_till(shop, "heleket") as till:
        external_id = await till.external_id(await till.press())
        await till.control.post(f"payments/{external_id}/pay", {"how": "more", "coin": "LTC"})
        await till.hear(*await till.told())
        assert await till.granted() == 1
        assert float(await shop.value("SELECT details->>'surplus' FROM payments")) > 0
        assert await shop.value("SELECT state FROM payments") == "succeeded"

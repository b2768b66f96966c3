"""What about money needs a person is told to the staff once for as long as it lasts."""

import pytest

from ferryman.flows.payments import alarming
from ferryman.flows.shop import staff
from ferryman.people.customer import Customer
from tests.support.messages import Outbox
from tests.support.shop import Town

OPERATOR = 900


@pytest.fixture
async def told(shop: Town, outbox: Outbox) -> Outbox:
    await staff.add(shop.tools, OPERATOR, "Olga")
    async with shop.tools.db.unit() as session:
        session.add(Customer(telegram_id=OPERATOR, first_name="Olga", language="en"))
    return outbox


async def alarmed(shop: Town, told: Outbox, times: int = 2) -> list[str]:
    """The first lines of what Olga was told, after the sweep has come round a few times."""
    for _ in range(times):
        await alarming.sweep(shop.tools)
        await shop.work()
    return [sent.text.splitlines()[0] for sent in told.sent if sent.chat_id == OPERATOR]


async def test_nothing_is_said_while_all_is_well(shop: Town, told: Outbox) -> None:
    await shop.webhook(shop.pay(await shop.order(await shop.customer())))
    await shop.work()
    shop.tools.clock.advance(minutes=10)  # type: ignore[attr-defined]
    assert await alarmed(shop, told) == []


async def test_a_paid_key_that_is_missing_for_two_minutes(shop: Town, told: Outbox) -> None:
    shop.fault("nl-1", mode="status", status=500, times=-1)
    await shop.webhook(shop.pay(await shop.order(await shop.customer())))
    await shop.work()
    assert await alarmed(shop, told) == []
    shop.tools.clock.advance(minutes=3)  # type: ignore[attr-defined]
    assert await alarmed(shop, told, times=3) == ["💸 <b>Paid, and no key</b>"]


async def test_a_node_that_is_down_has_an_alert_of_its_own(shop: Town, told: Outbox) -> None:
    shop.fault("nl-1", mode="status", status=500, times=-1)
    await shop.webhook(shop.pay(await shop.order(await shop.customer())))
    await shop.work()
    await shop.rows("UPDATE nodes SET state = 'down' WHERE name = 'nl-1' RETURNING id")
    shop.tools.clock.advance(minutes=3)  # type: ignore[attr-defined]
    assert await alarmed(shop, told) == []


async def test_access_that_nobody_paid_for(shop: Town, told: Outbox) -> None:
    await shop.webhook(shop.pay(await shop.order(await shop.customer())))
    await shop.work()
    await shop.rows("UPDATE subscriptions SET ends_at = ends_at + interval '1 day' RETURNING id")
    assert await alarmed(shop, told) == ["🎭 <b>Access that nobody paid for</b>"]


async def test_a_payment_in_review_and_a_webhook_that_nobody_has_read(shop: Town, told: Outbox) -> None:
    paid = shop.pay(await shop.order(await shop.customer()))
    shop.rewrite(paid, amount={"value": "1.00", "currency": "RUB"})
    await shop.webhook(paid)
    await shop.work()
    assert await alarmed(shop, told) == ["🔎 <b>Payments wait for your decision</b>"]
    shop.tools.clock.advance(minutes=2)  # type: ignore[attr-defined]
    await shop.rows("UPDATE webhook_events SET processed_at = NULL, due_at = now() + interval '1 day' RETURNING id")
    assert (await alarmed(shop, told))[1:] == ["📥 <b>Webhooks wait to be worked through</b>"]


async def test_a_bank_that_pays_and_has_fallen_silent(shop: Town, told: Outbox) -> None:
    await shop.webhook(shop.pay(await shop.order(await shop.customer())))
    await shop.work()
    shop.tools.clock.advance(hours=12)  # type: ignore[attr-defined]
    for person in range(10, 13):
        shop.pay(await shop.order(await shop.customer(person)))
    await shop.later(minutes=2)
    assert await shop.value("SELECT count(*) FROM grants") == 4
    assert await alarmed(shop, told) == ["🔕 <b>A payment provider sends no webhooks</b>"]

"""What about money needs a person is told to the staff: of each case once, for as long as it stands."""

import pytest

from ferryman.flows.payments import alarming, banking
from ferryman.flows.refunds import refunding
from ferryman.flows.shop import staff
from ferryman.kit.errors import AccessDenied
from ferryman.people.customer import Customer
from tests.flows.refund_shop import REFUNDS, Counter, bought, refunds, storm
from tests.support.messages import Outbox
from tests.support.shop import Town

OPERATOR = 900
ENDLESS = "♾ <b>A payment stays open for days</b>"


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


async def test_a_node_that_is_down_hides_only_what_is_missing_there(shop: Town, told: Outbox) -> None:
    """nl-1 is known to be down; de-1 is up, and refuses a paid key."""
    for name in ("nl-1", "de-1"):
        shop.fault(name, mode="status", status=500, times=-1)
    await shop.webhook(shop.pay(await shop.order(await shop.customer())))
    await shop.work()
    await shop.rows("UPDATE nodes SET state = 'down' WHERE name = 'nl-1' RETURNING id")
    shop.tools.clock.advance(minutes=3)  # type: ignore[attr-defined]
    assert await alarmed(shop, told) == ["💸 <b>Paid, and no key</b>"]


async def test_a_node_that_is_down_does_not_hide_what_was_never_granted(shop: Town, told: Outbox) -> None:
    await shop.webhook(shop.pay(await shop.order(await shop.customer())))
    await shop.work()
    await shop.rows("UPDATE nodes SET state = 'down' WHERE name = 'nl-1' RETURNING id")
    await shop.rows("DELETE FROM grants RETURNING id")
    shop.tools.clock.advance(minutes=3)  # type: ignore[attr-defined]
    assert await alarmed(shop, told) == ["💸 <b>Paid, and no key</b>"]


async def short(shop: Town, person: int) -> str:
    """A payment that waits for a decision; answers its ref."""
    paid = shop.pay(await shop.order(await shop.customer(person)))
    shop.rewrite(paid, amount={"value": "1.00", "currency": "RUB"})
    await shop.webhook(paid)
    await shop.work()
    return str(await shop.value("SELECT ref FROM payments ORDER BY id DESC LIMIT 1"))


async def test_a_case_that_stands_hides_no_later_one(shop: Town, told: Outbox) -> None:
    for count in (1, 2, 3):
        ref = await short(shop, 20 + count)
        assert len(await alarmed(shop, told)) == count
        assert f"🔢 {count} ·" in told.sent[-1].text
        assert f"{ref}:" in told.sent[-1].text
        shop.tools.clock.advance(minutes=10)  # type: ignore[attr-defined]


async def test_what_becomes_wrong_within_minutes_is_told_in_one_message(shop: Town, told: Outbox) -> None:
    await short(shop, 20)
    assert len(await alarmed(shop, told)) == 1
    for person in (21, 22):
        shop.tools.clock.advance(minutes=2)  # type: ignore[attr-defined]
        await short(shop, person)
        assert len(await alarmed(shop, told)) == 1
    shop.tools.clock.advance(minutes=6)  # type: ignore[attr-defined]
    assert len(await alarmed(shop, told, times=3)) == 2
    assert "🔢 3 ·" in told.sent[-1].text


async def test_a_case_that_was_over_and_comes_back_is_told_again(shop: Town, told: Outbox) -> None:
    ref = await short(shop, 20)
    assert len(await alarmed(shop, told)) == 1
    for state, minutes, messages in (("cancelled", 5, 1), ("review", 5, 1), ("cancelled", 15, 1), ("review", 15, 2)):
        await shop.rows("UPDATE payments SET state = :state WHERE ref = :ref RETURNING id", state=state, ref=ref)
        assert len(await alarmed(shop, told)) == messages
        shop.tools.clock.advance(minutes=minutes)  # type: ignore[attr-defined]


async def test_who_joins_the_staff_hears_of_what_stands(shop: Town, told: Outbox) -> None:
    await short(shop, 20)
    await alarmed(shop, told)
    await staff.add(shop.tools, 901, "Oleg")
    async with shop.tools.db.unit() as session:
        session.add(Customer(telegram_id=901, first_name="Oleg", language="en"))
    assert len(await alarmed(shop, told)) == 1
    assert [sent.chat_id for sent in told.sent if "wait for your decision" in sent.text] == [OPERATOR, 901]


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


async def test_a_customer_who_is_blocked_and_pays_all_the_same(shop: Town, told: Outbox) -> None:
    anna = await shop.customer()
    checkout = await shop.order(anna)
    await shop.rows("UPDATE customers SET banned = true WHERE id = :id RETURNING id", id=anna.id)
    paid = shop.pay(checkout)
    for _ in range(2):
        await shop.webhook(paid)
        await shop.work()
    ref = await shop.value("SELECT ref FROM payments")
    (said,) = [sent.text for sent in told.sent if sent.chat_id == OPERATOR]
    assert said.startswith("⛔ <b>A blocked customer has paid ₽199</b>")
    assert f"refund make {ref} all" in said
    assert await alarmed(shop, told) == [said.splitlines()[0]]


async def shut_out(shop: Town, told: Outbox, days: int) -> list[str]:
    """So many days pass on which the bank refuses our key, whatever it is asked; what Olga was told."""
    storm(shop, mode="status", status=401, times=-1)
    return await pass_days(shop, told, days)


async def pass_days(shop: Town, told: Outbox, days: int) -> list[str]:
    for _ in range(days):
        shop.tools.clock.advance(days=1)  # type: ignore[attr-defined]
        for sweep in (refunding.sweep, banking.sweep):
            await sweep(shop.tools)
        await shop.work()
        await alarmed(shop, told, times=1)
    return await alarmed(shop, told)


async def asked_for(shop: Town) -> Counter:
    """A refund that the bank has carried out, and whose answer was lost."""
    one = await bought(shop)
    storm(shop, mode="drop_after", times=1, **REFUNDS)
    await one.give_back()
    assert await refunds(shop) == [("requested", "operator", 19900)]
    return one


async def test_a_refund_that_nobody_can_ask_about(shop: Town, told: Outbox) -> None:
    await asked_for(shop)
    assert (await shut_out(shop, told, 3))[0] == "⏳ <b>A refund has no end</b>"


async def test_a_refund_that_banks_think_about_for_long(shop: Town, told: Outbox) -> None:
    await asked_for(shop)
    await shop.rows("UPDATE refunds SET state = 'sent', sent_at = created_at RETURNING id")
    shop.tools.clock.advance(days=9)  # type: ignore[attr-defined]
    assert await alarmed(shop, told) == []
    shop.tools.clock.advance(days=2)  # type: ignore[attr-defined]
    assert "⏳ <b>A refund has no end</b>" in await alarmed(shop, told)


@pytest.mark.parametrize(("before", "patience"), [(0, 1), (2, 3)])
async def test_books_that_cannot_be_compared(shop: Town, told: Outbox, before: int, patience: int) -> None:
    """Whether they ever were or not."""
    assert await pass_days(shop, told, before) == []
    assert await shut_out(shop, told, patience - 1) == []
    assert await shut_out(shop, told, 1) == ["🏦 <b>The books cannot be held beside a provider's list</b>"]
    assert "yookassa" in told.sent[-1].text


async def test_a_shop_that_was_closed_for_long_is_given_time_to_compare(shop: Town, told: Outbox) -> None:
    assert await pass_days(shop, told, 2) == []
    shop.tools.clock.advance(days=30)  # type: ignore[attr-defined]
    assert await alarmed(shop, told) == []
    shop.tools.clock.advance(minutes=10)  # type: ignore[attr-defined]
    await banking.sweep(shop.tools)
    await shop.work()
    assert await pass_days(shop, told, 3) == []


async def test_a_provider_that_keeps_us_out_is_told_of_once(shop: Town, told: Outbox) -> None:
    storm(shop, mode="status", status=401, times=-1)
    with pytest.raises(AccessDenied):
        await shop.order(await shop.customer())
    assert await alarmed(shop, told) == ["🔐 <b>A payment provider keeps us out</b>"]
    assert "yookassa" in told.sent[-1].text


async def test_a_status_that_nobody_knows_is_told_of_and_grants_nothing(shop: Town, told: Outbox) -> None:
    """Two payments of which the bank says the same word are one case."""
    two = [shop.pay(await shop.order(await shop.customer(person))) for person in (7, 8)]
    for paid in two:
        shop.rewrite(paid, status="teleported")
        await shop.webhook(paid)
    await shop.work()
    assert await alarmed(shop, told) == ["❓ <b>A provider says of payments what we do not know</b>"]
    assert "yookassa: unknown status teleported" in told.sent[-1].text
    assert await shop.rows("SELECT state FROM payments") == [("pending",)] * 2
    shop.rewrite(two[1], status="succeeded")
    await shop.webhook(two[1])
    await shop.work()
    assert await shop.rows("SELECT state, reason IS NULL FROM payments ORDER BY id") == [
        ("pending", False),
        ("succeeded", True),
    ]


async def test_a_provider_that_opens_no_payments(shop: Town, told: Outbox) -> None:
    """It does not answer, or has a cap on orders: the customer waits for the link."""
    storm(shop, mode="status", status=500, times=-1)
    for person in (7, 8):
        assert (await shop.order(await shop.customer(person))).pay_url is None
    await shop.later(minutes=9)
    assert await alarmed(shop, told) == []
    await shop.later(minutes=2)
    assert await alarmed(shop, told) == ["🚫 <b>A provider opens no payments</b>"]
    assert "2 · ⏱ 11 min" in told.sent[-1].text
    shop.bank.weather.clear()
    await shop.later(minutes=15)
    assert await shop.rows("SELECT state FROM payments") == [("pending",)] * 2


async def test_a_payment_that_has_no_end(shop: Town, told: Outbox) -> None:
    await shop.order(await shop.customer())
    assert ENDLESS not in await pass_days(shop, told, 2)
    assert ENDLESS in await pass_days(shop, told, 2)


async def test_a_link_that_nobody_has_used_may_wait(shop: Town, told: Outbox) -> None:
    """There is nothing at the provider yet that could come to an end."""
    await shop.order(await shop.customer())
    await shop.rows("UPDATE payments SET external_id = NULL RETURNING id")
    assert await pass_days(shop, told, 4) == []

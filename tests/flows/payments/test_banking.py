"""The books against the bank's own list, both ways: what can be settled is, the rest is found and told once."""

from datetime import timedelta
from typing import Any

import pytest

from ferryman.billing import findings
from ferryman.flows.payments import banking, settling
from ferryman.flows.shop import staff
from ferryman.people.customer import Customer
from ferryman_sandbox.weather import Fault
from tests.support.messages import Outbox
from tests.support.shop import Town

OPERATOR = 900


@pytest.fixture
async def told(shop: Town, outbox: Outbox) -> Outbox:
    """Olga of the staff hears of what is found."""
    await staff.add(shop.tools, OPERATOR, "Olga")
    async with shop.tools.db.unit() as session:
        session.add(Customer(telegram_id=OPERATOR, first_name="Olga", language="en"))
    return outbox


def alarms(told: Outbox) -> list[str]:
    return [sent.text for sent in told.sent if sent.chat_id == OPERATOR]


async def open_findings(shop: Town) -> list[tuple[str, str]]:
    async with shop.tools.db.unit() as session:
        return [(one.kind, one.external_id) for one in await findings.unresolved(session)]


async def test_what_was_paid_and_nobody_told_us_of_is_granted_by_the_comparison(shop: Town) -> None:
    shop.pay(await shop.order(await shop.customer()))
    found = await banking.compare(shop.tools, "yookassa")
    assert (found.theirs, found.recovered, found.differences) == (1, 1, [])
    assert await shop.value("SELECT count(*) FROM grants") == 1
    again = await banking.compare(shop.tools, "yookassa")
    assert (again.theirs, again.ours, again.recovered) == (1, 1, 0)
    assert await shop.rows("SELECT theirs, ours, recovered FROM bank_comparisons") == [(1, 1, 0)]


async def test_a_refund_whose_webhook_was_lost_is_found(shop: Town) -> None:
    paid = shop.pay(await shop.order(await shop.customer()))
    await shop.webhook(paid)
    await shop.work()
    shop.bank.shop.refund({"payment_id": paid["id"], "amount": {"value": "199.00", "currency": "RUB"}})
    assert (await banking.compare(shop.tools, "yookassa")).recovered == 1
    assert await shop.value("SELECT refunded FROM payments") == 19900
    assert (await banking.compare(shop.tools, "yookassa")).recovered == 0


async def test_money_that_belongs_to_no_order_is_a_finding_told_once_and_over_when_it_is_gone(
    shop: Town, told: Outbox
) -> None:
    paid = shop.pay(await shop.order(await shop.customer()))
    stray = {**paid, "id": "2f000000-000f-5000-8000-000000000001", "metadata": {}}
    shop.bank.store.put("payment", stray["id"], {**(shop.bank.store.get("payment", paid["id"]) or {}), "object": stray})
    for _ in range(3):
        await banking.compare(shop.tools, "yookassa")
        await shop.work()
        assert await open_findings(shop) == [("unknown_here", stray["id"])]
    assert len(alarms(told)) == 1
    assert "199.00 RUB came in at yookassa" in alarms(told)[0]
    assert "1 payment is not the same" in alarms(told)[0]
    shop.rewrite(stray, status="canceled", paid=False)
    await banking.compare(shop.tools, "yookassa")
    assert await open_findings(shop) == []


async def test_what_counts_as_paid_here_and_is_not_on_their_list_is_a_finding(shop: Town) -> None:
    paid = shop.pay(await shop.order(await shop.customer()))
    await shop.webhook(paid)
    await shop.work()
    shop.bank.store.drop("payment", paid["id"])
    await banking.compare(shop.tools, "yookassa")
    # So lately that their list may not have it yet.
    assert await open_findings(shop) == []
    shop.tools.clock.advance(hours=2)  # type: ignore[attr-defined]
    await banking.compare(shop.tools, "yookassa")
    assert await open_findings(shop) == [("unknown_there", paid["id"])]


async def test_a_short_look_settles_and_finds_nothing(shop: Town) -> None:
    paid = shop.pay(await shop.order(await shop.customer()))
    stray = {**paid, "id": "2f000000-000f-5000-8000-000000000002", "metadata": {}}
    shop.bank.store.put("payment", stray["id"], {**(shop.bank.store.get("payment", paid["id"]) or {}), "object": stray})
    assert (await banking.compare(shop.tools, "yookassa", whole=False)).recovered == 1
    assert await open_findings(shop) == []
    assert await shop.value("SELECT count(*) FROM bank_comparisons") == 0


async def test_a_payment_that_staff_made_to_try_the_bank_out_is_nobodys_finding(shop: Town) -> None:
    paid = shop.pay(await shop.order(await shop.customer()))
    trial = {**paid, "metadata": {"payment_id": f"{settling.TRIAL}abc"}, "id": "2f000000-000f-5000-8000-000000000003"}
    shop.bank.store.put("payment", trial["id"], {**(shop.bank.store.get("payment", paid["id"]) or {}), "object": trial})
    await banking.compare(shop.tools, "yookassa")
    assert await open_findings(shop) == []
    await shop.webhook(trial)
    await shop.work()
    assert await shop.value("SELECT verdict FROM webhook_events") == "trial"


async def test_the_sweep_compares_all_of_three_days_once_a_day_and_two_hours_in_between(
    shop: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[timedelta] = []
    compare = banking.compare

    async def watched(tools: Any, name: str, *, whole: bool = True) -> banking.Comparison:
        done = await compare(tools, name, whole=whole)
        seen.append(done.until - done.since)
        return done

    monkeypatch.setattr(banking, "compare", watched)
    for _ in range(2):
        await banking.sweep(shop.tools)
        await shop.work()
    shop.tools.clock.advance(hours=25)  # type: ignore[attr-defined]
    await banking.sweep(shop.tools)
    await shop.work()
    assert seen == [banking.WHOLE, banking.SHORT, banking.WHOLE]


@pytest.mark.weather
async def test_a_bank_that_does_not_answer_is_asked_again_next_time(shop: Town) -> None:
    shop.pay(await shop.order(await shop.customer()))
    shop.bank.weather.clear()
    shop.bank.weather.add(Fault.from_json({"mode": "status", "status": 500, "times": -1}))
    await banking.compare_bank(shop.tools, "yookassa", whole=1)
    assert await shop.value("SELECT count(*) FROM grants") == 0
    shop.bank.weather.clear()
    await banking.compare_bank(shop.tools, "yookassa", whole=1)
    assert await shop.value("SELECT count(*) FROM grants") == 1


@pytest.mark.weather
async def test_all_webhooks_are_lost_for_a_day_and_everything_is_granted_by_asking(shop: Town) -> None:
    orders = [await shop.order(await shop.customer(person)) for person in range(1, 6)]
    for order in orders:
        shop.pay(order)
    for _ in range(6):
        await shop.later(minutes=10)
    assert await shop.value("SELECT count(*) FROM grants") == 5
    assert await shop.value("SELECT count(*) FROM webhook_events") == 0

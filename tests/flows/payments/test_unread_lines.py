"""A line of a provider's list that nobody can read: it is a finding, and hides nothing that stands beside it."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from ferryman.billing import findings
from ferryman.flows.payments import banking, bookkeeping
from ferryman.kit.errors import FerrymanError
from tests.flows.provider_till import Till, at_the_till
from tests.support.shop import Town


@pytest.fixture
async def till(shop: Town) -> AsyncIterator[Till]:
    await shop.customer(99)
    await shop.rows("INSERT INTO staff (telegram_id, name) VALUES (99, 'Boss') RETURNING telegram_id")
    async with at_the_till(shop, "stripe") as found:
        yield found


async def two_payments(till: Till) -> tuple[str, str]:
    """Paid, and we have heard of neither."""
    customers = [await till.shop.customer(number) for number in (1, 2)]
    first, second = [await till.pay(await till.press(one, f"tap-{one.id}")) for one in customers]
    return first, second


def spoil(till: Till, session: str, **fields: Any) -> dict[str, Any]:
    """From now on Stripe tells this of a session; answers what it told before."""
    store = till.control.emulator.store
    kept: dict[str, Any] = store.get("session", session)
    store.put("session", session, kept | fields)
    return kept


async def open_findings(shop: Town) -> list[tuple[str, str]]:
    async with shop.tools.db.unit() as session:
        return [(one.kind, one.external_id) for one in await findings.unresolved(session)]


@pytest.mark.parametrize("which", [0, 1])
async def test_it_is_a_finding_and_the_payments_before_and_behind_it_are_found(till: Till, which: int) -> None:
    sessions = await two_payments(till)
    before = spoil(till, sessions[which], amount_total="nineteen euros")
    found = await banking.compare(till.shop.tools, "stripe")
    assert (found.recovered, [one.kind for one in found.differences]) == (1, ["unreadable"])
    assert await till.granted() == 1
    assert await open_findings(till.shop) == [("unreadable", sessions[which])]
    assert await till.shop.value("SELECT minor FROM bank_findings") == 19900, "it is a payment of ours"
    assert await till.shop.value("SELECT count(*) FROM notices WHERE kind = 'bank_differs'") == 1
    await banking.compare(till.shop.tools, "stripe")
    assert await till.shop.value("SELECT count(*) FROM notices WHERE kind = 'bank_differs'") == 1
    spoil(till, sessions[which], **before)
    assert (await banking.compare(till.shop.tools, "stripe")).recovered == 1
    assert await open_findings(till.shop) == []


async def test_what_was_paid_here_and_cannot_be_read_there_is_not_called_unknown_there(till: Till) -> None:
    first, _ = await two_payments(till)
    await till.hear(*await till.told(2))
    till.shop.tools.clock.advance(hours=2)  # type: ignore[attr-defined]
    spoil(till, first, livemode=None)
    await banking.compare(till.shop.tools, "stripe")
    assert await open_findings(till.shop) == [("unreadable", first)]
    day = await till.shop.value("SELECT min(succeeded_at) FROM payments")
    report = await bookkeeping.settlement(till.shop.tools, "stripe", day.date())
    assert [(row.payment is not None, row.difference) for row in report.differences] == [
        (True, "their line cannot be read")
    ]


async def test_a_line_without_an_id_is_a_finding_too(till: Till) -> None:
    first, _ = await two_payments(till)
    spoil(till, first, id=None)
    await banking.compare(till.shop.tools, "stripe")
    assert await open_findings(till.shop) == [("unreadable", "?")]
    assert await till.shop.value("SELECT currency FROM bank_findings") == "XXX"
    assert await till.granted() == 1


async def test_a_service_that_is_too_busy_still_ends_the_comparison(till: Till) -> None:
    await two_payments(till)
    await till.control.fault(mode="status", status=429, route="/v1/payment_intents", times=9)
    with pytest.raises(FerrymanError):
        await banking.compare(till.shop.tools, "stripe")
    assert await open_findings(till.shop) == []


async def test_at_yookassa_refunds_that_cannot_be_read_hide_no_other_payment(shop: Town) -> None:
    paid = [shop.pay(await shop.order(await shop.customer(number))) for number in (1, 2)]
    back = shop.bank.shop.refund({"payment_id": paid[0]["id"], "amount": {"value": "50.00", "currency": "RUB"}})
    kept = shop.bank.store.get("refund", back["id"])
    assert kept is not None
    shop.bank.store.put("refund", back["id"], kept | {"amount": "fifty"})
    found = await banking.compare(shop.tools, "yookassa")
    assert found.recovered == 1
    assert ("unreadable", paid[0]["id"]) in [(one.kind, one.external_id) for one in found.differences]

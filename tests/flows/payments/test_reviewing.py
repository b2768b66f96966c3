"""Payments that a person decides about: accepted they grant once, credited they are on the balance."""

import pytest

from ferryman.billing import ledger
from ferryman.flows.payments import reviewing
from ferryman.kit.errors import NotFound, Refused
from tests.support.shop import Town


async def in_review(shop: Town, value: str = "150.00") -> str:
    """The ref of a payment for which too little came."""
    paid = shop.pay(await shop.order(await shop.customer()))
    shop.rewrite(paid, amount={"value": value, "currency": "RUB"}, income_amount=None)
    await shop.webhook(paid)
    await shop.work()
    assert await shop.value("SELECT state FROM payments") == "review"
    return str(await shop.value("SELECT ref FROM payments"))


async def books(shop: Town) -> dict[str, int]:
    async with shop.tools.db.unit() as session:
        assert set((await ledger.trial_balance(session)).values()) <= {0}
        held = await ledger.balances(session)
    return {account.partition(":")[0]: minor for (account, _), minor in held.items() if minor}


async def test_accepted_it_counts_as_paid_and_what_is_missing_is_the_shops_loss(shop: Town) -> None:
    ref = await in_review(shop)
    assert [one.ref for one in await reviewing.waiting(shop.tools)] == [ref]
    assert await books(shop) == {"provider": 15000, "unmatched": -15000}, "what came waits apart"
    settled = await reviewing.accept(shop.tools, ref, "a good customer", "operator:cli")
    assert settled.outcome == "paid"
    assert await books(shop) == {"provider": 15000, "sales": -19900, "shortfall": 4900}
    assert await shop.value("SELECT count(*) FROM grants") == 1
    await shop.work()
    assert await shop.value("SELECT count(*) FROM money_without_key") == 0
    assert await reviewing.waiting(shop.tools) == []


async def test_more_than_was_asked_for_is_a_windfall_when_accepted(shop: Town) -> None:
    await reviewing.accept(shop.tools, await in_review(shop, "250.00"), "they said so", "operator:cli")
    assert await books(shop) == {"provider": 25000, "sales": -19900, "shortfall": -5100}


async def test_credited_what_came_is_on_the_balance_and_nothing_is_granted(shop: Town) -> None:
    ref = await in_review(shop)
    assert (await reviewing.credit(shop.tools, ref, "not what they wanted", "operator:cli")).outcome != "paid"
    assert await books(shop) == {"provider": 15000, "customer": -15000}
    assert await shop.value("SELECT count(*) FROM grants") == 0
    assert await shop.value("SELECT count(*) FROM money_without_key") == 0


@pytest.mark.parametrize("decide", [reviewing.accept, reviewing.credit])
async def test_it_is_decided_once_with_a_reason_and_only_in_review(shop: Town, decide: object) -> None:
    assert callable(decide)
    ref = await in_review(shop)
    with pytest.raises(Refused, match="reason"):
        await decide(shop.tools, ref, "  ", "operator:cli")
    await decide(shop.tools, ref, "because", "operator:cli")
    with pytest.raises(Refused, match="not in review"):
        await reviewing.accept(shop.tools, ref, "again", "operator:cli")
    with pytest.raises(NotFound):
        await decide(shop.tools, "no-such-payment", "because", "operator:cli")
    assert await shop.value("SELECT details->'decided'->>'why' FROM payments") == "because"


async def test_the_same_money_told_again_after_the_decision_changes_nothing(shop: Town) -> None:
    ref = await in_review(shop)
    await reviewing.accept(shop.tools, ref, "because", "operator:cli")
    before = await books(shop)
    for payment in [kept["object"] for _, kept in shop.bank.store.all("payment")]:
        await shop.webhook(payment, "payment.waiting_for_capture")
    await shop.work()
    assert await books(shop) == before
    assert await shop.value("SELECT count(*) FROM grants") == 1

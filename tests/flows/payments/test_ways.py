"""The operator's ways to be paid, and what customers are offered of them."""

import asyncio
from typing import Any

import pytest

from ferryman.catalog.plan import Term
from ferryman.flows.orders import offering
from ferryman.flows.orders.offering import NotForSale
from ferryman.flows.payments import buying, trying, ways
from ferryman.kit.errors import AccessDenied, Misconfigured, NotFound, Refused
from ferryman.kit.money import Money
from tests.support.shop import Town


async def offered(shop: Town) -> list[str]:
    """What a customer sees, in order."""
    async with shop.tools.db.unit() as session:
        term = await session.get_one(Term, await shop.term())
        return [one.method for one in await offering.offers(shop.tools, session, term, 0)]


async def test_every_way_of_a_provider_is_a_button_of_its_own(shop: Town) -> None:
    found = await offered(shop)
    assert found[0] == "yookassa.bank_card"
    assert {"yookassa.sbp", "yookassa.yoo_money", "yookassa.sberbank", "yookassa.tinkoff_bank"} <= set(found)


async def test_a_way_that_is_off_is_not_offered_and_its_old_button_buys_nothing(shop: Town) -> None:
    await ways.dress(shop.tools, "yookassa", "sbp", enabled=False)
    assert "yookassa.sbp" not in await offered(shop)
    anna, term = await shop.customer(), await shop.term()
    with pytest.raises(NotForSale):
        await buying.begin(shop.tools, buying.Wish(anna.id, term, "yookassa.sbp", "tap"))
    assert (await buying.begin(shop.tools, buying.Wish(anna.id, term, "yookassa.yoo_money", "tap"))).pay_url


async def test_the_way_chosen_is_asked_of_the_bank(shop: Town) -> None:
    anna, term = await shop.customer(), await shop.term()
    order = await buying.begin(shop.tools, buying.Wish(anna.id, term, "yookassa.sbp", "tap"))
    assert await shop.value("SELECT way FROM payments") == "sbp"
    kept = next(kept for _, kept in shop.bank.store.all("payment"))
    assert kept["only_method"] == "sbp"
    assert order.pay_url is not None


async def test_the_operator_puts_a_way_first_and_names_it(shop: Town) -> None:
    title = {"ru": "По номеру телефона", "en": "By phone number"}
    await ways.dress(shop.tools, "yookassa", "sbp", position=-1, icon="📱", title=title)
    async with shop.tools.db.unit() as session:
        term = await session.get_one(Term, await shop.term())
        first = (await offering.offers(shop.tools, session, term, 0))[0]
    assert (first.method, first.icon, first.title) == ("yookassa.sbp", "📱", title)


async def test_a_price_beyond_what_a_way_takes_is_not_offered_that_way(shop: Town) -> None:
    await shop.rows("UPDATE prices SET minor = 40000000 RETURNING minor")
    found = await offered(shop)
    assert "yookassa.bank_card" not in found
    assert "yookassa.sbp" in found


async def test_a_provider_is_changed_in_part_and_tried_before_it_is_kept(shop: Town) -> None:
    with pytest.raises(AccessDenied):
        await ways.edit(shop.tools, "yookassa", ways.Edit({"secret_key": "live_wrong"}))
    assert (await shop.order(await shop.customer())).pay_url
    with pytest.raises(Misconfigured, match="no_such"):
        await ways.edit(shop.tools, "yookassa", ways.Edit({"no_such": "x"}))
    with pytest.raises(NotFound, match="there are"):
        await ways.edit(shop.tools, "nobody", ways.Edit())
    assert "accepts the key" in await ways.edit(shop.tools, "yookassa", ways.Edit(position=7))
    assert await ways.edit(shop.tools, "yookassa", ways.Edit(enabled=False)) == "switched off"
    assert await offered(shop) == []
    listed = {one.name: one for one in await ways.listed(shop.tools)}
    assert (listed["yookassa"].enabled, listed["yookassa"].configured, listed["yookassa"].position) == (False, True, 7)
    assert not listed["coingate"].configured


async def test_a_provider_without_anybody_to_ask_is_just_switched_on(shop: Town) -> None:
    await ways.edit(shop.tools, "balance", ways.Edit(enabled=True))
    assert next(one for one in await ways.listed(shop.tools) if one.name == "balance").enabled


async def test_what_is_not_there_cannot_be_dressed(shop: Town) -> None:
    with pytest.raises(NotFound):
        await ways.dress(shop.tools, "yookassa", "cheque", enabled=False)
    with pytest.raises(Refused, match="Set coingate up first"):
        await ways.dress(shop.tools, "coingate", "", enabled=False)


async def trial(shop: Town, pays: bool = True, **more: Any) -> list[trying.Step]:
    """Every step of a trial at the bank, which is paid as soon as its link is there."""
    steps = []
    wanted: dict[str, Any] = {"way": "", "amount": None, "patience": 20.0, **more}
    async for step in trying.trial(shop.tools, "yookassa", **wanted):
        steps.append(step)
        if step.link and pays:
            shop.bank.shop.pay(next(kept["object"]["id"] for _, kept in shop.bank.store.all("payment")))
    return steps


async def test_a_trial_is_opened_paid_and_given_back_and_leaves_nothing_in_our_books(shop: Town) -> None:
    steps = await trial(shop)
    assert [step.icon for step in steps] == ["✅", "🔗", "💰", "⚠️", "↩️"]
    payment = next(kept["object"] for _, kept in shop.bank.store.all("payment"))
    assert payment["refunded_amount"]["value"] == payment["amount"]["value"] == "1.00"
    assert await shop.value("SELECT count(*) FROM payments") == 0
    assert await shop.value("SELECT count(*) FROM ledger_entries") == 0


async def test_a_trial_that_nobody_pays_ends(shop: Town) -> None:
    with pytest.raises(Refused, match="not paid within"):
        await trial(shop, pays=False, patience=0.2)


async def test_a_trial_of_another_way_and_sum(shop: Town) -> None:
    await trial(shop, way="yoo_money", amount=Money(1500, "RUB"))
    payment = next(kept["object"] for _, kept in shop.bank.store.all("payment"))
    assert (payment["amount"]["value"], payment["payment_method"]["type"]) == ("15.00", "yoo_money")
    with pytest.raises(NotFound, match="it has: bank_card"):
        await trial(shop, way="cheque")


async def test_two_trials_at_once_do_not_meet(shop: Town) -> None:
    both = (trial(shop, pays=False, patience=0.1) for _ in range(2))
    ends = await asyncio.gather(*both, return_exceptions=True)
    assert [type(end) for end in ends] == [Refused, Refused]
    assert shop.bank.store.count("payment") == 2


async def test_a_trial_of_a_shop_that_sends_receipts_needs_an_address(shop: Town) -> None:
    await ways.edit(shop.tools, "yookassa", ways.Edit({"receipt": {"vat_code": 1}}))
    with pytest.raises(Refused, match="--contact"):
        await trial(shop)
    assert (await trial(shop, contact="olga@example.org"))[-1].icon == "↩️"

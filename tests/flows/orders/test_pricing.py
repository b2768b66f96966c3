"""Prices in the story of buying: what a customer is asked for, what they are granted, and what a code is good for."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from ferryman.catalog import pricing as engine
from ferryman.catalog.plan import Term
from ferryman.catalog.using import PromoRefused
from ferryman.flows.orders import discounting, offering, pricing
from ferryman.flows.orders.discounting import Limits, Terms
from ferryman.flows.payments import buying
from ferryman.flows.payments.buying import Checkout, Wish
from ferryman.flows.tools import Tools
from ferryman.kit.errors import Conflict, Misconfigured, NotFound, Refused
from ferryman.kit.money import Money
from ferryman.people.customer import Customer
from tests.support.shop import Town, opened

BY = "operator:tests"


@pytest.fixture
async def shop(tools: Tools) -> AsyncIterator[Town]:
    """One bank, one panel, two plans."""
    async with opened(tools, nodes=1) as world:
        yield world


async def buy(shop: Town, customer: Customer, plan: str = "standard", days: int = 30, **more: Any) -> Checkout:
    tap = more.pop("tap", secrets.token_hex(8))
    return await buying.begin(shop.tools, Wish(customer.id, await shop.term(plan, days), "yookassa", tap, **more))


async def bought(shop: Town, customer: Customer, plan: str = "standard", days: int = 30, **more: Any) -> Checkout:
    checkout = await buy(shop, customer, plan, days, **more)
    await shop.webhook(shop.pay(checkout))
    await shop.work()
    return checkout


async def summer(shop: Town, off: str = "50%", **limits: Any) -> None:
    await discounting.promo(shop.tools, "SUMMER", Terms(off), Limits(**limits), BY)


async def test_without_discounts_the_price_is_the_price(shop: Town) -> None:
    checkout = await bought(shop, await shop.customer())
    assert str(checkout.amount) == "199.00 RUB"
    assert await shop.value("SELECT count(*) FROM discount_uses") == 0
    (quote,) = (row[0] for row in await shop.rows("SELECT quote FROM orders"))
    assert engine.read(quote) == engine.Quote(Money(19900, "RUB"), Money(19900, "RUB"))


async def test_a_code_that_was_typed_makes_it_cheaper_and_is_used_up_by_paying(shop: Town) -> None:
    await summer(shop)
    anna = await shop.customer()
    await pricing.enter(shop.tools, anna.id, " summer ")
    checkout = await buy(shop, anna)
    assert str(checkout.amount) == "99.00 RUB"
    assert shop.payment_of(checkout)["amount"]["value"] == "99.00"
    assert await shop.rows("SELECT state FROM discount_uses") == [("reserved",)]
    await shop.webhook(shop.pay(checkout))
    await shop.work()
    assert await shop.rows("SELECT state FROM discount_uses") == [("consumed",)]
    assert await shop.value("SELECT count(*) FROM grants") == 1
    assert str((await buy(shop, anna)).amount) == "199.00 RUB"
    with pytest.raises(PromoRefused, match="already"):
        await pricing.enter(shop.tools, anna.id, "SUMMER")


async def test_the_same_press_finds_its_order_when_its_code_is_used_up_by_then(shop: Town) -> None:
    await summer(shop)
    anna = await shop.customer()
    first = await bought(shop, anna, promo="summer", tap="7:1:pay")
    again = await buy(shop, anna, promo="summer", tap="7:1:pay")
    assert again.order_ref == first.order_ref
    with pytest.raises(PromoRefused):
        await buy(shop, anna, promo="summer")


async def test_a_code_that_counts_no_more_is_said_before_the_customer_pays_more(shop: Town) -> None:
    await summer(shop)
    anna = await shop.customer()
    await pricing.enter(shop.tools, anna.id, "SUMMER")
    await discounting.off(shop.tools, "summer", BY)
    with pytest.raises(PromoRefused, match="ended"):
        await buy(shop, anna)
    assert await shop.value("SELECT count(*) FROM orders") == 0
    await pricing.forget(shop.tools, anna.id)
    assert str((await buy(shop, anna)).amount) == "199.00 RUB"


async def test_a_late_payment_is_honoured_at_the_price_of_its_order(shop: Town) -> None:
    await summer(shop, most=1)
    anna, boris = await shop.customer(7), await shop.customer(8)
    checkout = await buy(shop, anna, promo="SUMMER")
    await shop.later(hours=25)
    assert await shop.rows("SELECT state FROM discount_uses") == [("released",)]
    await bought(shop, boris, promo="SUMMER")
    await shop.webhook(shop.pay(checkout))
    await shop.work()
    assert await shop.value("SELECT count(*) FROM grants") == 2
    assert await shop.rows("SELECT state FROM discount_uses") == [("consumed",)] * 2


async def test_one_code_paid_in_five_orders_is_one_discount_and_the_rest_is_on_the_balance(shop: Town) -> None:
    await summer(shop)
    anna = await shop.customer()
    orders = [await buy(shop, anna, promo="SUMMER") for _ in range(5)]
    for checkout in orders:
        await shop.webhook(shop.pay(checkout))
    await shop.work()
    assert await shop.value("SELECT count(*) FROM grants") == 1
    query = "SELECT sum(minor)::int FROM ledger_entries WHERE account = :account"
    assert await shop.value(query, account=f"customer:{anna.id}") == -4 * 9900
    assert await shop.value("SELECT sum(minor)::int FROM ledger_entries") == 0
    assert await shop.value("SELECT count(*) FROM notices WHERE kind = 'code_spent_credited'") == 4


async def test_five_customers_and_a_code_for_two(shop: Town) -> None:
    await summer(shop, most=2)
    people = [await shop.customer(number) for number in range(10, 15)]
    tried = await asyncio.gather(*(buy(shop, one, promo="SUMMER") for one in people), return_exceptions=True)
    assert sorted(type(one).__name__ for one in tried) == ["Checkout"] * 2 + ["PromoRefused"] * 3
    assert await shop.value("SELECT count(*) FROM orders") == 2


async def test_a_code_for_newcomers_is_for_those_who_have_never_paid(shop: Town) -> None:
    await summer(shop, newcomers=True)
    anna = await shop.customer()
    await pricing.enter(shop.tools, anna.id, "SUMMER")
    await pricing.forget(shop.tools, anna.id)
    await bought(shop, anna)
    for attempt in (pricing.enter(shop.tools, anna.id, "SUMMER"), buy(shop, anna, promo="SUMMER")):
        with pytest.raises(PromoRefused) as refused:
            await attempt
        assert refused.value.reason == "not-for-you"


@pytest.mark.parametrize("typed", ["WINTER", "", "x" * 5000, "<b>&", "SUMMER SUMMER", "' OR 1=1 --", "\x00\x00\x00"])
async def test_a_code_that_is_none_is_unknown(shop: Town, typed: str) -> None:
    with pytest.raises(PromoRefused) as refused:
        await pricing.enter(shop.tools, (await shop.customer()).id, typed)
    assert refused.value.reason == "unknown"


async def test_a_code_for_one_plan_leaves_the_others_alone(shop: Town) -> None:
    await discounting.promo(shop.tools, "FAST", Terms("20%", plans=["unlimited"]), Limits(), BY)
    anna = await shop.customer()
    await pricing.enter(shop.tools, anna.id, "fast")
    assert str((await buy(shop, anna)).amount) == "199.00 RUB"
    assert await shop.value("SELECT count(*) FROM discount_uses") == 0, "it was not used up for nothing"
    assert str((await buy(shop, anna, "unlimited")).amount) == "279.00 RUB"


async def test_a_personal_discount_is_one_persons_and_the_last_one_counts(shop: Town) -> None:
    anna, boris = await shop.customer(7), await shop.customer(8)
    await discounting.personal(shop.tools, 7, Terms("50%"), BY)
    await discounting.personal(shop.tools, 7, Terms("10%"), BY)
    assert str((await buy(shop, anna)).amount) == "179.00 RUB"
    assert str((await buy(shop, boris)).amount) == "199.00 RUB"


async def test_a_volume_discount_begins_after_so_many_paid_orders_that_were_not_given_back(shop: Town) -> None:
    await discounting.volume(shop.tools, 2, Terms("10%"), BY)
    anna = await shop.customer()
    for _ in range(2):
        assert str((await bought(shop, anna)).amount) == "199.00 RUB"
    assert str((await buy(shop, anna)).amount) == "179.00 RUB"
    await shop.rows("UPDATE payments SET refunded = minor WHERE id = 1 RETURNING id")
    assert str((await buy(shop, anna)).amount) == "199.00 RUB"


async def test_a_fixed_discount_counts_in_its_currency(shop: Town) -> None:
    await shop.rows("INSERT INTO prices SELECT max(id), 'EUR', 500 FROM terms RETURNING term_id")
    await discounting.promo(shop.tools, "MINUS", Terms("49.50 RUB"), Limits(), BY)
    await discounting.promo(shop.tools, "EURO", Terms("1 EUR"), Limits(), BY)
    anna = await shop.customer()
    assert str((await buy(shop, anna, promo="MINUS")).amount) == "149.00 RUB"
    assert str((await buy(shop, anna, promo="EURO")).amount) == "199.00 RUB"


async def test_every_way_to_pay_is_offered_with_its_price(shop: Town) -> None:
    await summer(shop)
    anna = await shop.customer()
    await pricing.enter(shop.tools, anna.id, "SUMMER")
    async with shop.tools.db.unit() as session:
        counter = await pricing.counter(session, anna.id, shop.tools.clock.now())
        term = await session.get_one(Term, await shop.term())
        offers = await offering.offers(shop.tools, session, term, anna.id, counter)
    assert offers
    assert {(str(offer.amount), str(offer.was)) for offer in offers} == {("99.00 RUB", "199.00 RUB")}


async def test_a_discount_changed_after_the_order_does_not_change_the_order(shop: Town) -> None:
    await summer(shop)
    checkout = await buy(shop, await shop.customer(), promo="SUMMER")
    await shop.rows("UPDATE discounts SET percent = 99, active = false RETURNING id")
    await shop.webhook(shop.pay(checkout))
    await shop.work()
    assert await shop.value("SELECT minor FROM payments") == 9900
    assert await shop.value("SELECT count(*) FROM grants") == 1


@pytest.mark.parametrize(
    "off", ["0%", "100%", "-5%", "12.5%", "50", "RUB 50", "-1 RUB", "0 RUB", "1.234 RUB", "x", "٥%"]
)
async def test_what_is_no_discount_is_refused_with_a_sentence(tools: Tools, off: str) -> None:
    with pytest.raises(Misconfigured, match="is no discount"):
        await discounting.promo(tools, "SUMMER", Terms(off), Limits(), BY)


async def test_what_cannot_be_made_is_refused_with_a_sentence(shop: Town) -> None:
    await summer(shop)
    yesterday = shop.tools.clock.now() - timedelta(days=1)
    for error, attempt in (
        (Conflict, discounting.promo(shop.tools, "Summer", Terms("5%"), Limits(), BY)),
        (Misconfigured, discounting.promo(shop.tools, "no spaces", Terms("5%"), Limits(), BY)),
        (Misconfigured, discounting.promo(shop.tools, "NEW", Terms("5%"), Limits(each=3, newcomers=True), BY)),
        (Misconfigured, discounting.promo(shop.tools, "NEW", Terms("5%"), Limits(most=-1), BY)),
        (Misconfigured, discounting.promo(shop.tools, "NEW", Terms("5%", ends_at=yesterday), Limits(), BY)),
        (NotFound, discounting.promo(shop.tools, "NEW", Terms("5%", plans=["gold"]), Limits(), BY)),
        (Refused, discounting.promo(shop.tools, "NEW", Terms("5 ZZZ"), Limits(), BY)),
        (Refused, discounting.volume(shop.tools, 1, Terms("5 ZZZ"), BY)),
        (NotFound, discounting.personal(shop.tools, 404, Terms("5%"), BY)),
        (Misconfigured, discounting.volume(shop.tools, 0, Terms("5%"), BY)),
        (NotFound, discounting.off(shop.tools, "WINTER", BY)),
        (NotFound, discounting.off(shop.tools, "9" * 40, BY)),
    ):
        with pytest.raises(error):
            await attempt
    assert [one.discount.code for one in await discounting.listed(shop.tools)] == ["SUMMER"]

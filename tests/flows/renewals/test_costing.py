"""What a renewal costs: what the same term would cost this customer today, never more than was announced."""

from datetime import timedelta

import pytest

from ferryman.billing.provider import Way
from ferryman.billing.renewal import State
from ferryman.catalog import pricing as engine
from ferryman.flows.orders import discounting, pricing
from ferryman.flows.orders.discounting import Limits, Terms
from ferryman.flows.renewals import consenting
from ferryman.kit.money import Money
from tests.support.subscriber import TELEGRAM_ID, Subscriber

BY = "operator:tests"


async def personal(anna: Subscriber, off: str) -> None:
    await discounting.personal(anna.tools, TELEGRAM_ID, Terms(off), BY)


async def nothing_off(anna: Subscriber) -> None:
    await anna.do("UPDATE discounts SET active = false")


async def ref(anna: Subscriber) -> str:
    return (await anna.subscription()).ref


async def test_a_personal_discount_that_was_given_meanwhile_counts_and_is_announced(anna: Subscriber) -> None:
    await anna.buys()
    await personal(anna, "20%")
    await anna.reaches_the_charge()
    assert (await anna.last_words("renewal_ahead"))["amount"] == 15900, "159.20, rounded down as on any purchase"
    assert anna.bank.taken == [19900, 15900]
    quote = engine.read(await anna.value("SELECT quote FROM orders ORDER BY id DESC LIMIT 1"))
    assert (quote.base, quote.total) == (Money(19900, "RUB"), Money(15900, "RUB"))
    assert await anna.rows("SELECT state FROM discount_uses") == [("consumed",)]
    assert await anna.books() == (2, 2, 0)


async def test_a_volume_discount_begins_with_the_renewal_that_reaches_it(anna: Subscriber) -> None:
    await discounting.volume(anna.tools, 2, Terms("50%"), BY)
    await anna.buys()
    for _ in range(3):
        await anna.reaches_the_charge()
    assert anna.bank.taken == [19900, 19900, 9900, 9900]
    assert (await anna.agreement()).minor == 19900, "it was cheaper, and more was agreed to"


async def test_a_code_lowers_the_purchase_and_no_renewal_whether_it_is_used_up_or_typed_anew(anna: Subscriber) -> None:
    await discounting.promo(anna.tools, "SUMMER", Terms("50%"), Limits(each=0), BY)
    await pricing.enter(anna.tools, anna.customer_id, "SUMMER")
    await personal(anna, "10%")
    await anna.buys()
    assert (await anna.agreement()).minor == 17900, "agreed to what stood beside the tick: without the code"
    assert (await anna.last_words("renewal_on"))["amount"] == 17900
    await pricing.enter(anna.tools, anna.customer_id, "SUMMER")
    await anna.reaches_the_charge()
    assert anna.bank.taken == [8900, 17900]
    assert await anna.value("SELECT count(*) FROM entered_codes") == 1, "it waits for a purchase"


async def test_a_discount_that_ends_after_the_warning_was_promised_and_is_kept(anna: Subscriber) -> None:
    await anna.buys()
    await personal(anna, "20%")
    await anna.is_warned()
    await nothing_off(anna)
    await anna.goes_to(timedelta(days=1))
    assert anna.bank.taken == [19900, 15900]
    quote = engine.read(await anna.value("SELECT quote FROM orders ORDER BY id DESC LIMIT 1"))
    assert [(line.kind, line.off) for line in quote.lines] == [("announced", 4000)]
    await anna.reaches_the_charge()
    assert anna.bank.taken == [19900, 15900, 19900], "told of 199 in time, which was agreed to"


async def test_what_was_agreed_to_with_a_discount_needs_a_new_yes_without_it(anna: Subscriber) -> None:
    await personal(anna, "20%")
    await anna.buys()
    await nothing_off(anna)
    await anna.reaches_the_charge()
    assert (await anna.last_words("renewal_price_rose"))["amount"] == 19900
    assert anna.bank.taken == [15900]
    await anna.goes_to(timedelta(0))
    assert (await anna.agreement()).why == "price"


async def test_asked_for_more_and_the_price_comes_back_it_is_announced_and_charged(anna: Subscriber) -> None:
    await personal(anna, "20%")
    await anna.buys()
    await nothing_off(anna)
    await anna.is_warned()
    await personal(anna, "20%")
    await anna.later(hours=1)
    assert (await anna.last_words("renewal_ahead"))["amount"] == 15900
    assert anna.bank.taken == [15900]
    await anna.goes_to(timedelta(days=1))
    assert anna.bank.taken == [15900, 15900]


async def test_the_screen_says_what_will_be_charged(anna: Subscriber) -> None:
    await anna.buys()
    await personal(anna, "20%")
    seen = await consenting.look(anna.tools, anna.customer_id, await ref(anna))
    assert str(seen.amount) == "159.00 RUB"
    off = await consenting.switch_off(anna.tools, anna.customer_id, await ref(anna))
    assert str(off.amount) == "159.00 RUB"
    with pytest.raises(consenting.PriceChanged):
        await consenting.switch_on(anna.tools, anna.customer_id, await ref(anna), 19900)
    await consenting.switch_on(anna.tools, anna.customer_id, await ref(anna), 15900)
    assert (await anna.agreement()).minor == 15900


async def takes_at_least(anna: Subscriber, minor: int) -> None:
    way = Way("", "💳", {"ru": "Карта", "en": "Card"}, least={"RUB": minor}, keeps=True)
    anna.tools.providers["cards"].ways = (way,)


async def test_it_is_never_less_than_the_way_to_pay_takes(anna: Subscriber) -> None:
    await takes_at_least(anna, 12000)
    await anna.buys()
    await personal(anna, "90%")
    await anna.reaches_the_charge()
    assert (await anna.last_words("renewal_ahead"))["amount"] == 12000
    assert anna.bank.taken == [19900, 12000]


async def test_what_was_announced_and_is_too_little_by_then_is_announced_anew_and_not_charged(anna: Subscriber) -> None:
    await anna.buys()
    await personal(anna, "90%")
    await anna.is_warned()
    await takes_at_least(anna, 12000)
    await anna.goes_to(timedelta(days=1))
    assert [row[0] for row in await anna.rows(AMOUNTS)] == [1900, 12000]
    assert anna.bank.charges == 0, "a warning stands for a day at least"
    await anna.later(days=1)
    assert anna.bank.taken == [19900, 12000]


async def test_a_price_below_the_least_waits_as_a_way_that_is_out_of_order(anna: Subscriber) -> None:
    await anna.buys()
    await anna.is_warned()
    await takes_at_least(anna, 30000)
    await anna.goes_to(timedelta(days=1))
    assert (anna.bank.charges, (await anna.last_words("renewal_failed"))["reason"]) == (0, "method_off")
    assert (await anna.agreement()).state == State.ACTIVE


AMOUNTS = "SELECT (payload->>'amount')::int FROM notices WHERE kind = 'renewal_ahead' ORDER BY id"

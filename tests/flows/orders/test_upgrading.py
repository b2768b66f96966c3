"""Giving a subscription in for another plan: the link stays, nothing paid is lost, and nothing unpaid is gained."""

import secrets
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from ferryman.billing import ledger
from ferryman.catalog.plan import Term
from ferryman.flows.keys import lifecycle
from ferryman.flows.keys.handling import Cause
from ferryman.flows.orders import discounting, pricing, worth
from ferryman.flows.orders.discounting import Limits, Terms
from ferryman.flows.orders.worth import UpgradeRefused
from ferryman.flows.payments import buying
from ferryman.flows.payments.buying import Checkout, Wish
from ferryman.flows.refunds import refunding
from ferryman.flows.tools import Tools
from ferryman.kit.errors import NotFound
from ferryman.kit.money import Money
from ferryman.people.customer import Customer
from ferryman.subscriptions.subscription import Subscription
from tests.support.shop import Town, opened

GB = 1024**3
MINUTE = timedelta(minutes=1)
STAFF = Cause("operator:tests", "a test of ours")


@pytest.fixture
async def shop(tools: Tools) -> AsyncIterator[Town]:
    """One bank, one panel, two plans."""
    async with opened(tools, nodes=1) as world:
        yield world


@pytest.fixture
async def anna(shop: Town) -> Customer:
    return await shop.customer()


async def order(shop: Town, who: Customer, plan: str = "standard", days: int = 30, **more: Any) -> Checkout:
    wish = Wish(who.id, await shop.term(plan, days), "yookassa", secrets.token_hex(8), **more)
    return await buying.begin(shop.tools, wish)


async def pay(shop: Town, checkout: Checkout) -> None:
    await shop.webhook(shop.pay(checkout))
    await shop.work()


async def bought(shop: Town, who: Customer, plan: str = "standard", days: int = 30, **more: Any) -> Checkout:
    checkout = await order(shop, who, plan, days, **more)
    await pay(shop, checkout)
    return checkout


async def held(shop: Town, plan: str) -> Subscription:
    async with shop.tools.db.unit() as session:
        number = await shop.value("SELECT id FROM subscriptions WHERE plan_code = :plan", plan=plan)
        return await session.get_one(Subscription, number)


async def worth_of(shop: Town, plan: str) -> dict[str, int]:
    """In whole rubles, to the nearest: a second that has passed already takes a kopeck along."""
    async with shop.tools.db.unit() as session:
        found = await worth.left_of(session, await held(shop, plan), shop.tools.clock.now())
    return {currency: (minor + 50) // 100 for currency, minor in found.items()}


def pass_days(shop: Town, days: float) -> None:
    shop.tools.clock.advance(days=days)  # type: ignore[attr-defined]


def left(shop: Town, one: Subscription) -> timedelta:
    return one.ends_at - shop.tools.clock.now()


async def explained(shop: Town) -> None:
    """The books balance, every change of the end has its cause, and nobody paid for nothing."""
    assert await shop.value("SELECT count(*) FROM key_without_money") == 0
    assert await shop.value("SELECT coalesce(sum(minor), 0)::int FROM ledger_entries") == 0
    assert await shop.value("SELECT count(*) FROM money_without_key WHERE why = 'not granted'") == 0


async def test_what_is_left_comes_off_the_price_and_link_and_key_stay(shop: Town, anna: Customer) -> None:
    await bought(shop, anna)
    before = await held(shop, "standard")
    pass_days(shop, 10)
    checkout = await order(shop, anna, "unlimited", upgrade_of=before.ref)
    assert str(checkout.amount) == "217.00 RUB", "349 less two thirds of 199, in whole rubles"
    await pay(shop, checkout)
    after = await held(shop, "unlimited")
    for name in ("id", "ref", "token", "uuid", "password", "sub_id"):
        assert getattr(after, name) == getattr(before, name)
    assert timedelta(days=30) - MINUTE < left(shop, after) < timedelta(days=30, hours=2)
    assert (after.traffic_bytes, after.devices) == (0, 0)
    assert await shop.value("SELECT count(*) FROM subscriptions") == 1
    (client,) = shop.clients("de-1").values()
    assert (client["totalGB"], client["limitIp"]) == (0, 0)
    await explained(shop)


async def test_an_upgrade_can_be_upgraded_and_is_worth_what_went_into_it(shop: Town, anna: Customer) -> None:
    await bought(shop, anna)
    await bought(shop, anna, "unlimited", upgrade_of=(await held(shop, "standard")).ref)
    total = await shop.value("SELECT sum(minor)::int FROM payments WHERE state = 'succeeded'")
    (minor,) = (await worth_of(shop, "unlimited")).values()
    assert total - 100 < minor * 100 <= total + 50
    checkout = await bought(shop, anna, "standard", 90, upgrade_of=(await held(shop, "unlimited")).ref)
    assert 199_00 < checkout.amount.minor <= 201_00
    assert await shop.value("SELECT count(*) FROM upgrades") == 2
    await explained(shop)


async def test_an_order_of_the_first_day_paid_on_the_last_buys_what_is_paid_and_no_month_for_a_ruble(
    shop: Town, anna: Customer
) -> None:
    await bought(shop, anna)
    checkout = await order(shop, anna, "unlimited", upgrade_of=(await held(shop, "standard")).ref)
    price = checkout.amount.minor
    pass_days(shop, 29)
    await pay(shop, checkout)
    one = await held(shop, "unlimited")
    fair = timedelta(days=30) * ((price + 19900 / 30) / 34900)
    assert abs(left(shop, one) - fair) < timedelta(hours=2)
    assert await shop.value("SELECT minor FROM payments ORDER BY id DESC LIMIT 1") == price, "at the price of its order"
    told = "SELECT payload->>'days' FROM notices WHERE kind = 'payment_succeeded' ORDER BY id DESC LIMIT 1"
    assert await shop.value(told) == str(round(fair / timedelta(days=1))), "and that is what the customer is told"
    await explained(shop)


async def test_a_renewal_between_order_and_payment_is_not_lost(shop: Town, anna: Customer) -> None:
    await bought(shop, anna)
    checkout = await order(shop, anna, "unlimited", upgrade_of=(await held(shop, "standard")).ref)
    await bought(shop, anna, days=90)
    await pay(shop, checkout)
    one = await held(shop, "unlimited")
    fair = timedelta(days=30) * (1 + 54900 / 34900)
    assert abs(left(shop, one) - fair) < timedelta(hours=3)
    await explained(shop)


async def test_two_upgrades_paid_at_the_same_time_are_worth_what_was_paid(shop: Town, anna: Customer) -> None:
    await bought(shop, anna)
    ref = (await held(shop, "standard")).ref
    orders = [await order(shop, anna, "unlimited", upgrade_of=ref) for _ in range(2)]
    for checkout in orders:
        await shop.webhook(shop.pay(checkout))
    await shop.work()
    one = await held(shop, "unlimited")
    paid = 19900 + sum(checkout.amount.minor for checkout in orders)
    assert left(shop, one) <= timedelta(days=30) * (paid / 34900) + MINUTE
    assert left(shop, one) > timedelta(days=30) * (paid / 34900) - timedelta(hours=3)
    await explained(shop)


async def test_given_days_are_worth_nothing(shop: Town, anna: Customer) -> None:
    await bought(shop, anna)
    one = await held(shop, "standard")
    await lifecycle.extend(shop.tools, one.ref, 300, STAFF)
    assert await worth_of(shop, "standard") == {"RUB": 199}
    pass_days(shop, 31)
    assert await worth_of(shop, "standard") == {}
    checkout = await order(shop, anna, "unlimited", upgrade_of=one.ref)
    assert str(checkout.amount) == "349.00 RUB"


async def test_frozen_time_is_not_new_time(shop: Town, anna: Customer) -> None:
    await bought(shop, anna)
    one = await held(shop, "standard")
    pass_days(shop, 15)
    await lifecycle.freeze(shop.tools, one.ref, STAFF)
    with pytest.raises(UpgradeRefused, match="frozen"):
        await order(shop, anna, "unlimited", upgrade_of=one.ref)
    pass_days(shop, 20)
    assert await worth_of(shop, "standard") == {"RUB": 99}
    await lifecycle.unfreeze(shop.tools, one.ref, STAFF)
    assert await worth_of(shop, "standard") == {"RUB": 99}


async def test_used_up_traffic_cannot_be_given_in(shop: Town, anna: Customer) -> None:
    await bought(shop, anna)
    one = await held(shop, "standard")
    await shop.rows("UPDATE subscriptions SET used_down = :used RETURNING id", used=75 * GB)
    assert await worth_of(shop, "standard") == {"RUB": 50}
    await shop.rows("UPDATE subscriptions SET used_down = :used RETURNING id", used=100 * GB)
    checkout = await bought(shop, anna, "unlimited", upgrade_of=one.ref)
    assert str(checkout.amount) == "349.00 RUB"
    assert (await held(shop, "unlimited")).ref == one.ref


async def money_back(shop: Town, number: int, wish: str) -> None:
    """Of a payment, by its id; the access stays as it is."""
    ref = await shop.value("SELECT ref FROM payments WHERE id = :number", number=number)
    await refunding.make(shop.tools, ref, wish, STAFF, keep_access=True)


async def test_money_that_went_back_cannot_be_given_in(shop: Town, anna: Customer) -> None:
    await bought(shop, anna)
    await money_back(shop, 1, "99.00")
    assert await worth_of(shop, "standard") == {"RUB": 100}
    await bought(shop, anna, "unlimited", upgrade_of=(await held(shop, "standard")).ref)
    before = (await worth_of(shop, "unlimited"))["RUB"]
    await money_back(shop, 1, "50.00")
    assert before - (await worth_of(shop, "unlimited"))["RUB"] in (50, 51), "also what was given in before"
    for number in (1, 2):
        await money_back(shop, number, "all")
    assert await worth_of(shop, "unlimited") == {}


async def test_a_promo_counts_for_the_upgrade_and_gives_way_to_what_was_paid(shop: Town, anna: Customer) -> None:
    await bought(shop, anna)
    await discounting.promo(shop.tools, "HALF", Terms("50%"), Limits(), "operator:tests")
    await discounting.promo(shop.tools, "TEN", Terms("10%"), Limits(), "operator:tests")
    ref = (await held(shop, "standard")).ref
    assert str((await order(shop, anna, "unlimited", upgrade_of=ref, promo="TEN")).amount) == "116.00 RUB"
    assert str((await order(shop, anna, "unlimited", upgrade_of=ref, promo="HALF")).amount) == "1.00 RUB"


@pytest.mark.parametrize(
    ("deed", "plan", "days", "reason"),
    [
        ("nothing", "standard", 90, "same-plan"),
        ("pass", "unlimited", 30, "ended"),
        ("second", "unlimited", 30, "held"),
        ("year", "unlimited", 30, "worth-more"),
        ("stars", "unlimited", 30, "other-currency"),
        ("disable", "unlimited", 30, "not-now"),
    ],
)
async def test_what_cannot_be_given_in_is_refused_with_a_reason(
    shop: Town, anna: Customer, deed: str, plan: str, days: int, reason: str
) -> None:
    await bought(shop, anna)
    ref = (await held(shop, "standard")).ref
    if deed == "pass":
        pass_days(shop, 31)
    elif deed == "second":
        await bought(shop, anna, "unlimited")
    elif deed == "year":
        await bought(shop, anna, days=90)
    elif deed == "stars":
        await shop.rows("UPDATE payments SET currency = 'XTR' RETURNING id")
    elif deed == "disable":
        await lifecycle.disable(shop.tools, ref, STAFF)
    with pytest.raises(UpgradeRefused) as refused:
        await order(shop, anna, plan, days, upgrade_of=ref)
    assert refused.value.reason == reason
    assert await shop.value("SELECT count(*) FROM orders WHERE kind = 'upgrade'") == 0


async def test_nobody_gives_in_what_is_another_persons(shop: Town, anna: Customer) -> None:
    await bought(shop, anna)
    boris = await shop.customer(8)
    for ref in ((await held(shop, "standard")).ref, "nosuchref"):
        with pytest.raises(NotFound):
            await order(shop, boris, "unlimited", upgrade_of=ref)


async def test_when_the_other_plan_was_bought_meanwhile_the_payment_extends_it_and_the_old_one_stays(
    shop: Town, anna: Customer
) -> None:
    await bought(shop, anna)
    checkout = await order(shop, anna, "unlimited", upgrade_of=(await held(shop, "standard")).ref)
    await bought(shop, anna, "unlimited")
    before = await held(shop, "unlimited")
    await pay(shop, checkout)
    after, old = await held(shop, "unlimited"), await held(shop, "standard")
    fair = timedelta(days=30) * (checkout.amount.minor / 34900)
    assert abs((after.ends_at - before.ends_at) - fair) < timedelta(minutes=2)
    assert left(shop, old) > timedelta(days=29)
    assert await worth_of(shop, "standard") == {"RUB": 199}
    await explained(shop)


async def test_a_subscription_that_ended_long_ago_does_not_stand_in_the_way(shop: Town, anna: Customer) -> None:
    await bought(shop, anna, "unlimited")
    pass_days(shop, 40)
    await bought(shop, anna)
    ended, running = await held(shop, "unlimited"), await held(shop, "standard")
    await bought(shop, anna, "unlimited", upgrade_of=running.ref)
    assert (await held(shop, "unlimited")).ref == running.ref
    assert (await held(shop, "standard")).ref == ended.ref
    await explained(shop)


async def test_a_renewal_after_an_upgrade_extends_the_new_plan(shop: Town, anna: Customer) -> None:
    await bought(shop, anna)
    await bought(shop, anna, "unlimited", upgrade_of=(await held(shop, "standard")).ref)
    await bought(shop, anna, "unlimited")
    assert timedelta(days=60) - MINUTE < left(shop, await held(shop, "unlimited")) < timedelta(days=60, hours=3)
    (minor,) = (await worth_of(shop, "unlimited")).values()
    paid = await shop.value("SELECT sum(minor)::int FROM payments WHERE state = 'succeeded'")
    assert paid - 200 < minor * 100 <= paid + 50


@pytest.mark.parametrize(("account", "minor", "worth_now"), [("gifts", 19900, {}), ("shortfall", 9900, {"RUB": 100})])
async def test_what_nobody_paid_for_is_worth_nothing(
    shop: Town, anna: Customer, account: str, minor: int, worth_now: dict[str, int]
) -> None:
    await bought(shop, anna)
    cause = f"payment:{await shop.value('SELECT ref FROM payments')}"
    async with shop.tools.db.unit() as session:
        money = Money(minor, "RUB")
        await ledger.post(session, "another", cause, [(account, money), ("sales", ledger.negative(money))])
    assert await worth_of(shop, "standard") == worth_now


async def test_the_price_of_an_upgrade_is_shown_without_a_way_to_pay(shop: Town, anna: Customer) -> None:
    await bought(shop, anna)
    async with shop.tools.db.unit() as session:
        now = shop.tools.clock.now()
        counter = await pricing.counter(session, anna.id, now, upgrade_of=await held(shop, "standard"))
        term = await session.get_one(Term, await shop.term("unlimited"))
        quote = counter.quote(term, ("RUB",))
    assert quote.total.minor in (15000, 15100)

"""A subscription that renews itself and is given in: the old plan is charged no more, the new one after a yes only."""

import secrets
from datetime import timedelta
from typing import Any

import pytest

from ferryman.billing.renewal import By
from ferryman.catalog.plan import Plan, Price, Term
from ferryman.faces.bot.press import parse
from ferryman.flows.orders import opening
from ferryman.flows.payments import applying, buying, reviewing, settling
from ferryman.flows.renewals import agreeing, consenting
from ferryman.flows.tools import Tools
from ferryman.kit.money import Money
from ferryman.messaging import notice
from ferryman.messaging.texts import voice
from tests.support.subscriber import TELEGRAM_ID, Subscriber


@pytest.fixture
async def anna(tools: Tools) -> Subscriber:
    """A shop with a second plan, for 349 a month."""
    made = Subscriber(tools)
    await made.open()
    texts = {"ru": "Без границ", "en": "Unlimited"}
    plan = Plan(code="unlimited", icon="🚢", title=texts, description={}, terms=[])
    term = Term(days=30, plan=plan, prices=[Price(currency="RUB", minor=34900), Price(currency="XTR", minor=300)])
    async with tools.db.unit() as session:
        session.add_all([plan, term])
    return made


async def moves(anna: Subscriber, *, keep: bool = False, method: str = "cards", short: bool = False) -> str:
    """Gives the standard plan in for the other one; answers the payment's ref. `short`: too little comes."""
    term_id = await anna.value("SELECT t.id FROM terms t JOIN plans p ON p.id = t.plan_id WHERE p.code = 'unlimited'")
    old = await anna.value("SELECT ref FROM subscriptions WHERE plan_code = 'standard'")
    wish = buying.Wish(anna.customer_id, term_id, method, secrets.token_hex(8), keep=keep, upgrade_of=old)
    checkout = await buying.begin(anna.tools, wish)
    ref, number = await anna.row(
        "SELECT p.ref, p.id FROM payments p JOIN orders o ON o.id = p.order_id WHERE o.ref = :ref",
        ref=checkout.order_ref,
    )
    fact = anna.bank.pay(ref, keep=keep)
    if short:
        anna.bank.say(fact.external_id, amount=Money(fact.amount.minor - 100, fact.amount.currency))
    await settling.settle_payment(anna.tools, number)
    await anna.tools.jobs.drain()
    return str(ref)


async def test_it_stops_is_told_at_once_and_one_press_agrees_to_the_new_plan(anna: Subscriber) -> None:
    await anna.buys()
    await moves(anna)
    one = await anna.agreement()
    assert (one.active, one.why) == (False, "upgraded")
    said = await anna.last_words("renewal_moved")
    assert (said["amount"], said["days"], said["title"]["en"]) == (34900, 30, "Unlimited")
    keyboard = notice.read("renewal_moved", said).keyboard(voice("en"))
    assert keyboard is not None
    press = parse(keyboard.rows[0][0].data or "")
    assert press.verb == "renewal-on"
    taken = anna.bank.taken
    for _ in range(2):
        await consenting.switch_on(anna.tools, anna.customer_id, press.words["ref"], press.number("minor"))
    agreed = await anna.agreement()
    assert (agreed.by, agreed.minor, agreed.days) == (By.KEPT, 34900, 30)
    assert await anna.value("SELECT count(*) FROM renewals") == 2
    await anna.reaches_the_charge()
    assert anna.bank.taken == [*taken, 34900]
    assert await anna.value("SELECT count(*) FROM subscriptions") == 1


async def test_one_that_a_person_let_count_ends_the_old_agreement_as_well(anna: Subscriber) -> None:
    await anna.buys()
    ref = await moves(anna, keep=True, short=True)
    assert (await anna.agreement()).active
    await reviewing.accept(anna.tools, ref, "a good customer", "operator:tests")
    await anna.comes_round()
    one = await anna.agreement()
    assert (one.active, one.why) == (False, "upgraded")
    assert (await anna.told()).count("renewal_moved") == 1
    for _ in range(12):
        await anna.later(days=3)
    assert anna.bank.charges == 0


async def test_without_a_yes_nothing_is_ever_charged(anna: Subscriber) -> None:
    await anna.buys()
    await moves(anna)
    for _ in range(12):
        await anna.later(days=3)
    assert anna.bank.charges == 0


async def test_the_yes_to_the_old_price_is_none_to_the_new_one(anna: Subscriber) -> None:
    await anna.buys()
    await moves(anna)
    with pytest.raises(consenting.PriceChanged):
        await consenting.switch_on(anna.tools, anna.customer_id, (await anna.subscription()).ref, 19900)
    assert not (await anna.agreement()).active


async def test_agreed_to_while_paying_for_the_new_plan_nothing_is_asked_twice(anna: Subscriber) -> None:
    await anna.buys()
    await moves(anna, keep=True)
    assert "renewal_moved" not in await anna.told()
    one = await anna.agreement()
    assert (one.active, one.minor) == (True, 34900), "and not what the upgrade cost"
    assert await anna.rows("SELECT state, why FROM renewals ORDER BY id") == [("stopped", "upgraded"), ("active", "")]


async def test_without_a_card_to_charge_it_is_told_that_it_is_off(anna: Subscriber) -> None:
    await anna.buys()
    await anna.do("UPDATE renewals SET sealed_token = NULL")
    await moves(anna)
    assert (await anna.last_words("renewal_stopped"))["why"] == "upgraded"


async def test_a_charge_that_was_on_its_way_opens_no_second_subscription(anna: Subscriber) -> None:
    await anna.buys()
    anna.bank.verdicts = [None]
    await anna.reaches_the_charge()
    charged = list(anna.bank.payments)[-1]
    await moves(anna)
    anna.bank.say(charged, state="succeeded")
    await anna.later(hours=2)
    assert await anna.rows("SELECT plan_code FROM subscriptions") == [("unlimited",)]
    assert await anna.value("SELECT sum(minor) FROM ledger_entries WHERE account LIKE 'customer:%'") == -19900
    assert "renewal_credited" in await anna.told()
    assert await anna.books() == (2, 2, 0)


async def hears(anna: Subscriber, fact: Any) -> str | None:
    async with anna.tools.db.unit() as session:
        provider = await opening.collecting(anna.tools, session, "repeats")
    return await applying.apply_fact(anna.tools, provider, fact)


async def test_what_telegram_repeats_is_stopped_there_and_what_comes_all_the_same_is_on_the_balance(
    anna: Subscriber,
) -> None:
    first = await anna.buys(method="repeats")
    await moves(anna, method="repeats")
    assert (await anna.last_words("renewal_stopped"))["why"] == "upgraded"
    await anna.comes_round()
    assert anna.bank.stopped == [("stop", TELEGRAM_ID, first.external_id)]
    assert await hears(anna, anna.bank.repeat(first)) == "second_payment_credited"
    assert await anna.rows("SELECT plan_code FROM subscriptions") == [("unlimited",)]
    assert "renewal_credited" in await anna.told()
    assert first.ref is not None
    await agreeing.star_subscription_changed(anna.tools, first.ref, TELEGRAM_ID, "active")
    await anna.comes_round()
    assert [verb for verb, _, _ in anna.bank.stopped] == ["stop", "stop"], "taken up over there, it is stopped again"
    assert not (await anna.agreement()).active


async def test_what_could_not_be_given_in_is_renewed_no_more_either_and_that_is_told(anna: Subscriber) -> None:
    """The other plan was bought separately between order and payment: the old subscription stays beside it."""
    await anna.buys()
    term_id = await anna.value("SELECT t.id FROM terms t JOIN plans p ON p.id = t.plan_id WHERE p.code = 'unlimited'")
    old = (await anna.subscription()).ref
    orders = []
    for upgrade_of in (old, ""):
        wish = buying.Wish(anna.customer_id, term_id, "cards", secrets.token_hex(8), upgrade_of=upgrade_of)
        orders.append((await buying.begin(anna.tools, wish)).order_ref)
    for order_ref in reversed(orders):
        payment, number = await anna.row(
            "SELECT p.ref, p.id FROM payments p JOIN orders o ON o.id = p.order_id WHERE o.ref = :ref", ref=order_ref
        )
        anna.bank.pay(payment)
        await settling.settle_payment(anna.tools, number)
    assert await anna.value("SELECT count(*) FROM subscriptions") == 2
    said = await anna.last_words("renewal_stopped")
    assert (said["why"], said["ref"]) == ("upgraded", old)
    await anna.later(days=29, minutes=1)
    assert anna.bank.charges == 0
    assert timedelta(0) < await anna.ends_at() - anna.tools.clock.now() < timedelta(days=1), "what was paid stays"

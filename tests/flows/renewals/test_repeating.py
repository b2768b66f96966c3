"""Payments that somebody else repeats, as Telegram does with Stars: each is granted once, and stopping stops them."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from ferryman.billing.provider import Fact
from ferryman.billing.renewal import By, State
from ferryman.flows.orders import opening
from ferryman.flows.payments import applying, buying, reviewing, settling
from ferryman.flows.renewals import agreeing, consenting
from ferryman.flows.tools import Tools
from ferryman.kit.errors import AccessDenied, NotFound, Refused, Unreachable
from ferryman.kit.money import Money
from tests.support.subscriber import TELEGRAM_ID, Subscriber


@pytest.fixture
async def first(anna: Subscriber) -> Fact:
    """The first payment of her row; she has a month."""
    return await anna.buys(method="repeats")


async def hears(anna: Subscriber, fact: Fact) -> str | None:
    async with anna.tools.db.unit() as session:
        provider = await opening.collecting(anna.tools, session, "repeats")
    return await applying.apply_fact(anna.tools, provider, fact)


async def test_the_first_of_a_row_is_agreed_to_with_its_handle(anna: Subscriber, first: Fact) -> None:
    one = await anna.agreement()
    assert (one.by, one.external_id, str(one.amount), one.sealed_token) == (
        By.STARS, first.external_id, "150 XTR", None
    )  # fmt: skip
    assert (await anna.last_words("renewal_on"))["on"] == (await anna.ends_at()).isoformat()


async def test_the_same_payload_with_a_new_id_is_a_new_month_and_told_again_it_is_not(
    anna: Subscriber, first: Fact
) -> None:
    ends_at = await anna.ends_at()
    second = anna.bank.repeat(first)
    assert await hears(anna, second) == "paid"
    for _ in range(3):
        assert await hears(anna, second) == "already_settled"
    assert await hears(anna, first) == "already_settled"
    assert await anna.ends_at() == ends_at + timedelta(days=30)
    assert await anna.books() == (2, 2, 0)
    third = anna.bank.repeat(first)
    await asyncio.gather(*(hears(anna, third) for _ in range(4)))
    assert await anna.books() == (3, 3, 0)
    assert (await anna.told()).count("renewed") == 2
    assert await anna.rows("SELECT DISTINCT kind FROM orders ORDER BY kind") == [("purchase",), ("renewal",)]


async def test_it_is_told_of_before_and_never_charged_by_us(anna: Subscriber, first: Fact) -> None:
    await anna.reaches_the_charge()
    assert (await anna.last_words("renewal_ahead"))["by"] == By.STARS
    assert anna.bank.charges == 0
    await hears(anna, anna.bank.repeat(first))
    one = await anna.agreement()
    assert (one.active, one.told_at, one.period_end) == (True, None, await anna.ends_at())


async def test_one_that_never_came_is_given_up_and_still_granted_when_it_does(anna: Subscriber, first: Fact) -> None:
    await anna.is_warned()
    await anna.goes_to(timedelta(days=-3))
    one = await anna.agreement()
    assert (one.state, one.why) == (State.FAILED, "unpaid")
    assert await hears(anna, anna.bank.repeat(first)) == "paid"
    assert await anna.books() == (2, 2, 0)


async def test_stopping_is_said_there_too_and_said_again_until_it_is_heard(anna: Subscriber, first: Fact) -> None:
    anna.bank.failures = [(Unreachable("No answer."), "stop"), (Unreachable("No answer."), "stop")]
    ref = (await anna.subscription()).ref
    seen = await consenting.switch_off(anna.tools, anna.customer_id, ref)
    assert seen.phase == "off"
    assert (await anna.agreement()).unhooked is False
    await anna.comes_round(2)
    await anna.comes_round(2)
    assert anna.bank.stopped == [("stop", TELEGRAM_ID, first.external_id)]
    assert (await anna.agreement()).unhooked is True


async def test_what_is_not_known_there_any_more_is_stopped(anna: Subscriber, first: Fact) -> None:
    anna.bank.failures = [(Refused("There is no such payment."), "stop")]
    await consenting.switch_off(anna.tools, anna.customer_id, (await anna.subscription()).ref)
    assert (await anna.agreement()).unhooked is True
    assert anna.bank.stopped == []


async def test_it_can_be_taken_up_again_while_its_time_runs(anna: Subscriber, first: Fact) -> None:
    ref = (await anna.subscription()).ref
    await consenting.switch_off(anna.tools, anna.customer_id, ref)
    seen = await consenting.switch_on(anna.tools, anna.customer_id, ref, 150)
    assert (seen.phase, anna.bank.stopped[-1]) == ("on", ("resume", TELEGRAM_ID, first.external_id))


async def test_it_is_not_on_when_nobody_knows_whether_it_is_there(anna: Subscriber, first: Fact) -> None:
    ref = (await anna.subscription()).ref
    await consenting.switch_off(anna.tools, anna.customer_id, ref)
    anna.bank.failures = [(Unreachable("No answer."), "resume")]
    with pytest.raises(Unreachable):
        await consenting.switch_on(anna.tools, anna.customer_id, ref, 150)
    assert (await consenting.look(anna.tools, anna.customer_id, ref)).phase == "off"


@pytest.mark.parametrize(
    ("said", "state", "why"), [("canceled", State.STOPPED, "telegram"), ("failed", State.FAILED, "unpaid")]
)
async def test_what_the_customer_does_over_there_is_believed_and_not_said_back(
    anna: Subscriber, first: Fact, said: str, state: State, why: str
) -> None:
    assert first.ref is not None
    for _ in range(2):
        await agreeing.star_subscription_changed(anna.tools, first.ref, TELEGRAM_ID, said)
    one = await anna.agreement()
    assert (one.state, one.why, one.unhooked) == (state, why, True)
    await agreeing.star_subscription_changed(anna.tools, first.ref, TELEGRAM_ID, "active")
    assert (await anna.agreement()).active
    assert anna.bank.stopped == []


async def test_nobody_speaks_for_somebody_else(anna: Subscriber, first: Fact) -> None:
    assert first.ref is not None
    for ref, who in ((first.ref, TELEGRAM_ID + 1), ("no-such-ref", TELEGRAM_ID)):
        with pytest.raises(NotFound):
            await agreeing.star_subscription_changed(anna.tools, ref, who, "canceled")
    assert (await anna.agreement()).active


async def test_a_plan_that_is_sold_no_more_is_stopped_there_and_what_came_is_granted(
    anna: Subscriber, first: Fact
) -> None:
    await anna.do("UPDATE plans SET active = false")
    await anna.is_warned()
    await anna.comes_round()
    assert [verb for verb, _, _ in anna.bank.stopped] == ["stop"]
    assert await hears(anna, anna.bank.repeat(first)) == "paid"
    assert await anna.books() == (2, 2, 0)


@pytest.mark.parametrize(
    ("deed", "why", "told"),
    [
        ("UPDATE customers SET banned = true", "banned", 0),
        ("UPDATE subscriptions SET disabled_at = starts_at", "disabled", 1),
    ],
)
async def test_who_is_blocked_or_switched_off_is_not_charged_by_telegram_either(
    anna: Subscriber, first: Fact, deed: str, why: str, told: int
) -> None:
    """Weeks before the end: Telegram charges on a day of its own."""
    await anna.do(deed)
    await anna.comes_round(2)
    assert anna.bank.stopped == [("stop", TELEGRAM_ID, first.external_id)]
    one = await anna.agreement()
    assert (one.state, one.why) == (State.STOPPED, why)
    assert (await anna.told()).count("renewal_stopped") == told


async def test_another_card_takes_over_and_the_row_is_stopped(anna: Subscriber, first: Fact) -> None:
    await anna.buys()
    await anna.comes_round()
    assert anna.bank.stopped == [("stop", TELEGRAM_ID, first.external_id)]
    assert (await anna.agreement()).by == By.KEPT


async def test_a_blocked_customers_next_payment_goes_to_their_balance(anna: Subscriber, first: Fact) -> None:
    await anna.do("UPDATE customers SET banned = true")
    assert await hears(anna, anna.bank.repeat(first)) == "credited_to_barred_customer"
    assert await anna.books() == (1, 1, 0)


async def _is_blocked(anna: Subscriber, ref: str) -> None:
    await anna.do("UPDATE customers SET banned = true")
    anna.bank.pay(ref)


async def _has_it_back(anna: Subscriber, ref: str) -> None:
    paid = anna.bank.pay(ref)
    anna.bank.say(paid.external_id, refunded=paid.amount)


async def _pays_twice(anna: Subscriber, ref: str) -> None:
    other = replace(anna.bank.pay(ref), external_id="bank-twin")
    anna.bank.payments[other.external_id] = other
    await hears(anna, other)


async def _is_let_count(anna: Subscriber, ref: str) -> None:
    paid = anna.bank.pay(ref)
    await hears(anna, anna.bank.say(paid.external_id, amount=Money(paid.amount.minor - 1, paid.amount.currency)))
    await reviewing.accept(anna.tools, ref, "a good customer", "operator:tests")


@pytest.mark.parametrize("happens", [_is_blocked, _has_it_back, _pays_twice, _is_let_count])
async def test_a_row_whose_first_payment_leads_to_no_agreement_is_stopped_however_long_that_takes(
    anna: Subscriber, happens: Callable[[Subscriber, str], Awaitable[None]]
) -> None:
    anna.bank.failures = [(AccessDenied("Another token."), "stop"), (Unreachable("No answer."), "stop")]
    wish = buying.Wish(anna.customer_id, anna.term_id, "repeats", "tap", keep=True)
    await buying.begin(anna.tools, wish)
    ref, number = await anna.row("SELECT ref, id FROM payments")
    await happens(anna, ref)
    await settling.settle_payment(anna.tools, number)
    for _ in range(3):
        assert anna.bank.stopped == []
        await anna.comes_round()
    await anna.comes_round(2)
    assert len(anna.bank.stopped) == 1
    assert anna.bank.stopped[0][:2] == ("stop", TELEGRAM_ID)
    assert await anna.value("SELECT count(*) FROM renewals WHERE external_id = :id", id=anna.bank.stopped[0][2]) == 0


async def test_one_that_nobody_agreed_to_and_is_taken_up_again_over_there_is_stopped_again(anna: Subscriber) -> None:
    await buying.begin(anna.tools, buying.Wish(anna.customer_id, anna.term_id, "repeats", "tap", keep=True))
    ref, number = await anna.row("SELECT ref, id FROM payments")
    with pytest.raises(NotFound):
        await agreeing.star_subscription_changed(anna.tools, ref, TELEGRAM_ID, "active")
    await _is_blocked(anna, ref)
    await settling.settle_payment(anna.tools, number)
    await anna.comes_round()
    await agreeing.star_subscription_changed(anna.tools, ref, TELEGRAM_ID, "canceled")
    await anna.comes_round()
    assert len(anna.bank.stopped) == 1
    with pytest.raises(NotFound):
        await agreeing.star_subscription_changed(anna.tools, ref, TELEGRAM_ID + 1, "active")
    await agreeing.star_subscription_changed(anna.tools, ref, TELEGRAM_ID, "active")
    await anna.comes_round()
    assert len(anna.bank.stopped) == 2


@pytest.mark.parametrize("days", [29, 90])
async def test_only_thirty_days_repeat(tools: Tools, days: int) -> None:
    boris = Subscriber(tools)
    await boris.open(days=days)
    await boris.buys(method="repeats")
    assert await boris.value("SELECT count(*) FROM renewals") == 0
    assert await boris.value("SELECT (request ->> 'every_days')::int FROM payments") == 0

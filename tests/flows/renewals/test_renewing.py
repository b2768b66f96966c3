"""A subscription that renews itself: told before, charged once, extended once, told after; and every reason not to."""

from datetime import timedelta

import pytest

from ferryman.billing import checkout
from ferryman.billing.renewal import State
from ferryman.flows.keys import lifecycle, replacing
from ferryman.flows.keys.handling import Cause
from ferryman.flows.payments import settling
from ferryman.flows.refunds import giving_back
from ferryman.kit.db import LOCK
from ferryman.kit.errors import AccessDenied, Busy, Refused, Unreachable
from ferryman.kit.money import Money
from ferryman.people.customer import Customer
from tests.support.cardbank import CARD
from tests.support.messages import Outbox
from tests.support.subscriber import Subscriber

BY = Cause("operator:cli", "because of a test")


@pytest.fixture
async def renewing(anna: Subscriber) -> Subscriber:
    """Has a month, and a card that was kept."""
    await anna.buys()
    return anna


async def test_a_month_is_told_of_charged_and_told_of_again(renewing: Subscriber, outbox: Outbox) -> None:
    assert (await renewing.told())[-1] == "renewal_on"
    ends_at = await renewing.ends_at()
    await renewing.later(days=26)
    assert "renewal_ahead" not in await renewing.told()
    await renewing.later(days=1, minutes=1)
    ahead = await renewing.last_words("renewal_ahead")
    assert (ahead["amount"], ahead["way"], ahead["on"]) == (19900, CARD, (ends_at - timedelta(days=1)).isoformat())
    assert renewing.bank.taken == [19900]

    await renewing.goes_to(timedelta(days=1))
    assert renewing.bank.taken == [19900, 19900]
    assert await renewing.ends_at() == ends_at + timedelta(days=30)
    assert await renewing.books() == (2, 2, 0)
    assert (await renewing.told())[-1] == "renewed"
    assert f"{CARD}" in outbox.sent[-1].text
    one = await renewing.agreement()
    assert (one.active, one.tries, one.period_end) == (True, 0, await renewing.ends_at())
    kinds = await renewing.rows("SELECT kind, subscription_id IS NOT NULL FROM orders ORDER BY id")
    assert kinds[-1] == ("renewal", True)


async def test_it_goes_on_for_a_year_and_takes_one_price_a_month(renewing: Subscriber) -> None:
    for _ in range(12):
        await renewing.reaches_the_charge()
    assert renewing.bank.taken == [19900] * 13
    assert await renewing.books() == (13, 13, 0)
    assert (await renewing.told()).count("renewal_ahead") == 12
    assert (await renewing.told()).count("renewed") == 12


@pytest.mark.parametrize(("keep", "card"), [(False, True), (True, False)])
async def test_without_a_wish_or_without_a_card_nothing_is_agreed(anna: Subscriber, keep: bool, card: bool) -> None:
    """A kept instrument is stored only if the succeeded payment itself shows that it was kept."""
    await anna.buys(keep=keep, card=card)
    assert await anna.value("SELECT count(*) FROM renewals") == 0
    await anna.reaches_the_charge()
    assert anna.bank.charges == 0


async def test_the_token_of_a_card_is_sealed(renewing: Subscriber) -> None:
    one = await renewing.agreement()
    assert one.sealed_token is not None
    assert b"token-of" not in one.sealed_token
    assert "token-of" not in repr(vars(one))
    assert renewing.tools.vault.open(one.sealed_token) == {"token": "token-of-bank-0"}


async def test_a_charge_names_the_subscription_the_period_and_the_try(renewing: Subscriber) -> None:
    period = int((await renewing.ends_at()).timestamp())
    subscription = (await renewing.subscription()).id
    renewing.bank.verdicts = ["insufficient_funds"]
    await renewing.reaches_the_charge()
    await renewing.later(days=1)
    keys = [request.idempotency_key for request in renewing.bank.requests]
    assert keys == [f"renew-{subscription}-{period}-1", f"renew-{subscription}-{period}-2"]
    assert len({request.order_ref for request in renewing.bank.requests}) == 1, "one period, one order"


async def test_no_money_is_tried_for_on_three_days_and_then_given_up(renewing: Subscriber) -> None:
    renewing.bank.verdicts = ["insufficient_funds"] * 5
    await renewing.reaches_the_charge()
    assert (await renewing.last_words("renewal_failed"))["again"]
    await renewing.later(hours=23)
    assert renewing.bank.charges == 1
    await renewing.later(hours=2)
    assert renewing.bank.charges == 2
    await renewing.later(days=2)
    assert renewing.bank.charges == 3
    one = await renewing.agreement()
    assert (one.state, one.why) == (State.FAILED, "insufficient_funds")
    last = await renewing.last_words("renewal_failed")
    assert (last["reason"], last["again"]) == ("insufficient_funds", "")
    await renewing.later(days=10)
    assert renewing.bank.charges == 3
    assert await renewing.books() == (1, 1, 0)
    assert "payment_cancelled" not in await renewing.told()


async def test_the_second_try_may_succeed_after_the_end_and_lapsed_time_is_not_charged_for(
    renewing: Subscriber,
) -> None:
    renewing.bank.verdicts = ["issuer_unavailable", "issuer_unavailable"]
    await renewing.reaches_the_charge()
    await renewing.later(days=1)
    await renewing.later(days=2)
    assert await renewing.books() == (2, 2, 0)
    assert 29.9 < await renewing.days_left() <= 30
    assert (await renewing.agreement()).active


@pytest.mark.parametrize("reason", ["permission_revoked", "card_expired", "payment_method_restricted"])
async def test_a_card_that_is_no_good_any_more_is_charged_no_more(renewing: Subscriber, reason: str) -> None:
    renewing.bank.verdicts = [reason]
    await renewing.reaches_the_charge()
    await renewing.later(days=5)
    assert renewing.bank.charges == 1
    one = await renewing.agreement()
    assert (one.state, one.why) == (State.FAILED, reason)
    assert (await renewing.last_words("renewal_failed"))["again"] == ""


async def test_a_charge_that_the_bank_thinks_about_is_waited_for(renewing: Subscriber) -> None:
    renewing.bank.verdicts = [None]
    await renewing.reaches_the_charge()
    for _ in range(30):
        await renewing.later(hours=3)
    assert renewing.bank.charges == 1, "asked about by its id, and nothing is charged beside it"
    assert (await renewing.agreement()).active
    renewing.bank.say(list(renewing.bank.payments)[-1], state="succeeded")
    await renewing.later(hours=1)
    assert await renewing.books() == (2, 2, 0)


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_lost_answer_is_asked_for_again_under_the_same_key(renewing: Subscriber, when: str) -> None:
    renewing.bank.failures = [(Unreachable("No answer."), when), (Busy("Not now."), when)]
    await renewing.is_warned()
    left = await renewing.ends_at() - renewing.tools.clock.now() - timedelta(days=1)
    await renewing.later(seconds=left.total_seconds() + 1)
    await renewing.later(minutes=2)
    await renewing.later(minutes=10)
    assert renewing.bank.taken == [19900, 19900]
    assert len({request.idempotency_key for request in renewing.bank.requests}) == 1
    assert await renewing.books() == (2, 2, 0)
    assert await renewing.value("SELECT count(*) FROM renewal_charges") == 1


async def test_an_unknown_charge_of_yesterday_is_looked_for_and_not_repeated(renewing: Subscriber) -> None:
    """Keys are forgotten after a day: charging under an old one might take the money twice."""
    renewing.bank.failures = [(Unreachable("No answer."), "after")]
    await renewing.is_warned()
    left = await renewing.ends_at() - renewing.tools.clock.now() - timedelta(days=1)
    renewing.tools.clock.advance(seconds=left.total_seconds() + 1)  # type: ignore[attr-defined]
    await renewing.comes_round(1)
    renewing.bank.keys.clear()
    await renewing.later(hours=24)
    assert renewing.bank.charges == 1
    assert await renewing.books() == (2, 2, 0)


async def test_a_charge_that_never_reached_the_bank_is_tried_anew_once_that_is_certain(renewing: Subscriber) -> None:
    renewing.bank.failures = [(Unreachable("No answer."), "before")]
    await renewing.is_warned()
    left = await renewing.ends_at() - renewing.tools.clock.now() - timedelta(days=1)
    renewing.tools.clock.advance(seconds=left.total_seconds() + 1)  # type: ignore[attr-defined]
    await renewing.comes_round(1)
    await renewing.later(hours=24)
    await renewing.later(hours=1)
    assert [request.idempotency_key[-2:] for request in renewing.bank.requests] == ["-1", "-2"]
    assert renewing.bank.taken == [19900, 19900]


async def test_a_bank_that_refuses_the_request_itself_is_not_asked_again(renewing: Subscriber) -> None:
    renewing.bank.failures = [(Refused("There is no such card."), "before")]
    await renewing.reaches_the_charge()
    one = await renewing.agreement()
    assert (one.state, one.why) == (State.FAILED, "refused")
    assert await renewing.value("SELECT state FROM payments ORDER BY id DESC LIMIT 1") == "cancelled"


async def test_wrong_credentials_are_the_shops_affair_and_the_charge_waits(renewing: Subscriber) -> None:
    renewing.bank.failures = [(AccessDenied("Who are you?"), "before")]
    await renewing.reaches_the_charge()
    await renewing.later(minutes=5)
    assert await renewing.books() == (2, 2, 0)


async def test_a_first_try_that_succeeds_after_it_was_cancelled_is_granted_and_the_next_is_not_made(
    renewing: Subscriber,
) -> None:
    renewing.bank.verdicts = ["general_decline"]
    await renewing.reaches_the_charge()
    late = renewing.bank.say(list(renewing.bank.payments)[-1], state="succeeded", reason=None)
    number = await renewing.value("SELECT id FROM payments WHERE external_id = :id", id=late.external_id)
    await settling.settle_payment(renewing.tools, number)
    await renewing.later(days=2)
    assert renewing.bank.charges == 1
    assert await renewing.books() == (2, 2, 0)


async def test_two_tries_that_both_succeed_renew_once_and_the_other_goes_to_the_balance(renewing: Subscriber) -> None:
    renewing.bank.verdicts = ["general_decline"]
    await renewing.reaches_the_charge()
    late = renewing.bank.say(list(renewing.bank.payments)[-1], state="succeeded", reason=None)
    await renewing.later(days=1)
    assert renewing.bank.charges == 2
    number = await renewing.value("SELECT id FROM payments WHERE external_id = :id", id=late.external_id)
    await settling.settle_payment(renewing.tools, number)
    assert await renewing.books() == (2, 2, 0)
    assert await renewing.value("SELECT sum(minor) FROM ledger_entries WHERE account LIKE 'customer:%'") == -19900


# What is around it.


async def test_who_pays_by_hand_in_time_is_charged_a_month_later(renewing: Subscriber) -> None:
    await renewing.is_warned()
    await renewing.buys(keep=False)
    await renewing.later(days=2)
    await renewing.later(days=1)
    assert renewing.bank.charges == 0
    assert (await renewing.agreement()).period_end == await renewing.ends_at()
    await renewing.reaches_the_charge()
    assert renewing.bank.charges == 1
    assert (await renewing.told()).count("renewal_ahead") == 2, "told again of the new day"


async def test_days_given_away_move_the_charge(renewing: Subscriber) -> None:
    await renewing.is_warned()
    await lifecycle.extend(renewing.tools, (await renewing.subscription()).ref, 20, BY)
    await renewing.later(days=3)
    assert renewing.bank.charges == 0
    await renewing.reaches_the_charge()
    assert renewing.bank.taken == [19900, 19900]


async def test_frozen_time_is_neither_told_of_nor_charged_for(renewing: Subscriber) -> None:
    await renewing.is_warned()
    ref = (await renewing.subscription()).ref
    await lifecycle.freeze(renewing.tools, ref, BY)
    for _ in range(10):
        await renewing.later(days=2)
    assert renewing.bank.charges == 0
    await lifecycle.unfreeze(renewing.tools, ref, BY)
    await renewing.later(hours=2)
    await renewing.goes_to(timedelta(days=1))
    assert renewing.bank.taken == [19900, 19900]


async def test_a_key_that_is_switched_off_is_not_charged_for_until_it_is_on_again(renewing: Subscriber) -> None:
    ref = (await renewing.subscription()).ref
    await renewing.is_warned()
    await lifecycle.disable(renewing.tools, ref, BY)
    await renewing.goes_to(timedelta(days=1))
    assert renewing.bank.charges == 0
    await lifecycle.enable(renewing.tools, ref, BY)
    await renewing.later(hours=2)
    assert renewing.bank.charges == 1


async def test_a_key_that_stays_off_ends_its_renewal(renewing: Subscriber) -> None:
    await renewing.is_warned()
    await lifecycle.disable(renewing.tools, (await renewing.subscription()).ref, BY)
    for _ in range(4):
        await renewing.later(days=2)
    assert renewing.bank.charges == 0
    assert (await renewing.agreement()).why == "disabled"


async def test_a_replaced_key_is_renewed_like_the_one_before(renewing: Subscriber) -> None:
    await renewing.is_warned()
    await replacing.replace(renewing.tools, (await renewing.subscription()).ref, BY)
    await renewing.goes_to(timedelta(days=1))
    assert renewing.bank.taken == [19900, 19900]


async def test_a_deleted_subscription_is_not_begun_anew(renewing: Subscriber) -> None:
    await lifecycle.delete(renewing.tools, (await renewing.subscription()).ref, BY, forced=True)
    for _ in range(20):
        await renewing.later(days=2)
    assert renewing.bank.charges == 0
    assert (await renewing.agreement()).why == "ended"


@pytest.mark.parametrize(
    ("what", "why"),
    [
        ("UPDATE customers SET banned = true", "banned"),
        ("UPDATE plans SET active = false", "withdrawn"),
        ("UPDATE terms SET active = false", "withdrawn"),
        ("DELETE FROM prices WHERE currency = 'RUB'", "currency"),
    ],
)
@pytest.mark.parametrize("warned", [False, True])
async def test_what_ends_it_by_itself(renewing: Subscriber, what: str, why: str, warned: bool) -> None:
    if warned:
        await renewing.is_warned()
    await renewing.do(what)
    await renewing.reaches_the_charge()
    assert renewing.bank.charges == 0
    one = await renewing.agreement()
    assert (one.state, one.why) == (State.STOPPED, why)
    assert ("renewal_stopped" in await renewing.told()) == (why != "banned")


async def test_a_method_that_is_off_is_waited_for_on_the_days_of_the_tries(renewing: Subscriber) -> None:
    await renewing.do("UPDATE payment_methods SET enabled = false")
    await renewing.reaches_the_charge()
    assert (await renewing.last_words("renewal_failed"))["reason"] == "method_off"
    await renewing.do("UPDATE payment_methods SET enabled = true")
    await renewing.later(days=1)
    assert renewing.bank.taken == [19900, 19900]


async def test_a_method_that_stays_off_ends_it(renewing: Subscriber) -> None:
    await renewing.do("INSERT INTO payment_ways (provider, code, enabled, position) VALUES ('cards', '', false, 0)")
    await renewing.reaches_the_charge()
    await renewing.later(days=1)
    await renewing.later(days=2)
    one = await renewing.agreement()
    assert (renewing.bank.charges, one.state, one.why) == (0, State.FAILED, "method_off")


async def test_a_lower_price_is_what_is_told_and_charged(renewing: Subscriber) -> None:
    await renewing.do("UPDATE prices SET minor = 14900 WHERE currency = 'RUB'")
    await renewing.reaches_the_charge()
    assert (await renewing.last_words("renewal_ahead"))["amount"] == 14900
    assert renewing.bank.taken == [19900, 14900]


async def test_a_price_that_rises_after_the_warning_is_not_charged(renewing: Subscriber) -> None:
    await renewing.do("UPDATE prices SET minor = 14900 WHERE currency = 'RUB'")
    await renewing.is_warned()
    await renewing.do("UPDATE prices SET minor = 24900 WHERE currency = 'RUB'")
    await renewing.goes_to(timedelta(days=1))
    assert renewing.bank.taken == [19900, 14900]


async def test_a_higher_price_than_agreed_is_asked_for_and_never_taken(renewing: Subscriber) -> None:
    await renewing.do("UPDATE prices SET minor = 24900 WHERE currency = 'RUB'")
    await renewing.is_warned()
    asked = await renewing.last_words("renewal_price_rose")
    assert (asked["amount"], asked["was"]) == (24900, 19900)
    await renewing.goes_to(timedelta(days=1))
    await renewing.goes_to(timedelta(0))
    assert renewing.bank.charges == 0
    one = await renewing.agreement()
    assert (one.state, one.why) == (State.STOPPED, "price")


async def test_two_agreements_about_one_subscription_are_one_the_newer(renewing: Subscriber) -> None:
    await renewing.buys()
    states = await renewing.rows("SELECT state, why FROM renewals ORDER BY id")
    assert states == [("stopped", "replaced"), ("active", "")]
    await renewing.reaches_the_charge()
    assert renewing.bank.charges == 1
    assert await renewing.books() == (3, 3, 0)


async def test_a_new_card_does_not_charge_while_the_old_ones_charge_is_unknown(renewing: Subscriber) -> None:
    renewing.bank.verdicts = [None]
    await renewing.reaches_the_charge()
    await renewing.do("UPDATE renewals SET state = 'stopped', stopped_at = now(), next_try_at = NULL")
    await renewing.do(
        """INSERT INTO renewals (subscription_id, customer_id, by, provider, sealed_token, term_id, days, minor,
                                 currency, period_end, next_try_at, told_at, told_minor, agreed_at)
           SELECT subscription_id, customer_id, by, provider, sealed_token, term_id, days, minor, currency, period_end,
                  agreed_at, told_at, told_minor, agreed_at FROM renewals"""
    )
    await renewing.later(hours=2)
    await renewing.later(hours=2)
    assert renewing.bank.charges == 1
    renewing.bank.say(list(renewing.bank.payments)[-1], state="cancelled", reason="general_decline")
    await renewing.later(hours=2)
    await renewing.later(minutes=2)
    assert [request.idempotency_key[-2:] for request in renewing.bank.requests] == ["-1", "-2"]
    assert await renewing.books() == (2, 2, 0)


@pytest.mark.parametrize(
    ("minor", "chargeback", "ends"), [(19900, False, True), (5000, False, False), (5000, True, True)]
)
async def test_who_got_their_money_back_is_charged_no_more(
    renewing: Subscriber, minor: int, chargeback: bool, ends: bool
) -> None:
    """A part that was given back of good will changes nothing; what a bank took back, any of it, ends it."""
    await renewing.reaches_the_charge()
    number = await renewing.value("SELECT max(id) FROM payments")
    async with renewing.tools.db.unit() as session:
        await session.get_one(Customer, renewing.customer_id, with_for_update=LOCK)
        payment = await checkout.held(session, number)
        back, now = Money(minor, "RUB"), renewing.tools.clock.now()
        await giving_back.taken_back(renewing.tools, session, payment, back, chargeback=chargeback, now=now)
    one = await renewing.agreement()
    assert one.active is not ends
    assert ("renewal_stopped" in await renewing.told()) is ends
    assert one.why == ("refunded" if ends else "")


async def test_a_renewal_that_was_given_back_does_not_stand_in_the_way_of_a_later_one(renewing: Subscriber) -> None:
    """The end falls back to where it was: what is placed then is not the order that was paid and given back."""
    ends_at = await renewing.ends_at()
    await renewing.reaches_the_charge()
    await renewing.do("UPDATE subscriptions SET ends_at = :at", at=ends_at)
    await renewing.do("UPDATE renewals SET next_try_at = agreed_at")
    await renewing.comes_round()
    await renewing.later(hours=23, minutes=59)
    await renewing.later(minutes=5)
    assert renewing.bank.taken == [19900] * 3
    assert await renewing.books() == (3, 3, 0)
    assert await renewing.value("SELECT count(*) FROM orders WHERE state = 'paid'") == 3

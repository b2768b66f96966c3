"""What ends a renewal from outside: an operator who takes the key away for good, and a bank that takes money back."""

from datetime import timedelta

from ferryman.billing.provider import Fact, PaymentState
from ferryman.billing.renewal import State
from ferryman.flows.keys import lifecycle
from ferryman.flows.keys.handling import Cause
from ferryman.flows.orders import opening
from ferryman.flows.payments import applying
from ferryman.kit.money import Money
from tests.support.subscriber import TELEGRAM_ID, Subscriber

BY = Cause("operator:cli", "because of a test")


async def is_deleted(anna: Subscriber, *, forced: bool = True) -> None:
    await lifecycle.delete(anna.tools, (await anna.subscription()).ref, BY, forced=forced)


async def test_the_renewal_of_a_deleted_subscription_is_off_at_once_and_its_customer_hears_of_it_once(
    anna: Subscriber,
) -> None:
    await anna.buys()
    for _ in range(2):
        await is_deleted(anna)
    one = await anna.agreement()
    assert (one.state, one.why) == (State.STOPPED, "ended")
    assert (await anna.told()).count("renewal_stopped") == 1


async def test_who_was_deleted_and_buys_anew_without_the_tick_is_not_charged_by_the_old_agreement(
    anna: Subscriber,
) -> None:
    await anna.buys(keep=True)
    await is_deleted(anna)
    await anna.later(days=2)
    await anna.buys(keep=False)
    await anna.reaches_the_charge()
    await anna.goes_to(timedelta(hours=-1))
    assert anna.bank.charges == 0
    assert (await anna.told()).count("renewal_ahead") == 0


async def test_a_row_in_stars_is_stopped_at_telegram_soon_after_its_subscription_was_deleted(anna: Subscriber) -> None:
    """Long before anybody would look at it: the subscription was paid for further than Telegram's month."""
    await anna.buys(keep=False)
    first = await anna.buys(method="repeats")
    await is_deleted(anna)
    await anna.comes_round()
    assert anna.bank.stopped == [("stop", TELEGRAM_ID, first.external_id)]


async def test_a_row_in_stars_that_is_agreed_to_after_a_deletion_goes_on(anna: Subscriber) -> None:
    await anna.buys()
    await is_deleted(anna)
    await anna.buys(method="repeats")
    await anna.comes_round(2)
    assert (await anna.agreement()).active
    assert anna.bank.stopped == []


async def test_a_subscription_that_has_run_out_and_is_deleted_is_not_tried_again(anna: Subscriber) -> None:
    await anna.buys()
    anna.bank.verdicts = ["insufficient_funds"] * 3
    await anna.reaches_the_charge()
    await anna.goes_to(timedelta(hours=-1))
    tried = anna.bank.charges
    await is_deleted(anna, forced=False)
    for _ in range(4):
        await anna.later(days=1)
    assert anna.bank.charges == tried
    assert not (await anna.agreement()).active


async def hears(anna: Subscriber, fact: Fact) -> str | None:
    async with anna.tools.db.unit() as session:
        provider = await opening.collecting(anna.tools, session, "cards")
    return await applying.apply_fact(anna.tools, provider, fact)


async def has_paid_twice(anna: Subscriber) -> Fact:
    """Both tries of one renewal have succeeded after all; the one that is returned is on her balance."""
    await anna.buys()
    anna.bank.verdicts = ["insufficient_funds"]
    await anna.reaches_the_charge()
    failed = list(anna.bank.payments)[-1]
    await anna.later(days=1)
    late = anna.bank.say(failed, state=PaymentState.SUCCEEDED, reason=None)
    await hears(anna, late)
    assert (await anna.told())[-1] == "second_payment_credited"
    return late


async def test_a_bank_that_takes_back_a_charge_that_was_credited_ends_the_renewal_too(anna: Subscriber) -> None:
    credited = await has_paid_twice(anna)
    ends_at = await anna.ends_at()
    for part in (Money(5000, "RUB"), credited.amount):
        await hears(anna, anna.bank.say(credited.external_id, charged_back=part))
    one = await anna.agreement()
    assert (one.state, one.why) == (State.STOPPED, "refunded")
    assert (await anna.told()).count("renewal_stopped") == 1
    assert await anna.ends_at() == ends_at, "it had bought nothing that could be taken back"


async def test_giving_back_what_was_charged_twice_leaves_the_renewal_on(anna: Subscriber) -> None:
    """It is the shop that gives it back, and the subscription that is renewed stays paid."""
    credited = await has_paid_twice(anna)
    await hears(anna, anna.bank.say(credited.external_id, refunded=credited.amount))
    assert (await anna.agreement()).active

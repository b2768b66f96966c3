"""A reminder that Telegram does not take: the charge waits for it, and not longer than the subscription lasts."""

from datetime import timedelta

import pytest

from ferryman.flows.renewals import consenting
from ferryman.flows.shop import telling
from ferryman.kit.errors import AccessDenied, Refused
from ferryman.messaging.sender import Blocked
from tests.support.messages import Outbox
from tests.support.subscriber import Subscriber

REVOKED = AccessDenied("The token was revoked.")


@pytest.fixture
async def anna(anna: Subscriber) -> Subscriber:
    """Has a month, and a card that was kept."""
    await anna.buys()
    return anna


async def reminder(anna: Subscriber) -> str:
    state: str = await anna.value("SELECT state FROM notices WHERE kind = 'renewal_ahead'")
    return state


async def is_sent(anna: Subscriber, outbox: Outbox) -> None:
    """Telegram takes messages again."""
    outbox.trouble.clear()
    await telling.sweep(anna.tools)
    await anna.tools.jobs.drain()
    assert await reminder(anna) == "sent"


async def test_nothing_is_charged_a_day_before_the_end_while_the_reminder_waits(
    anna: Subscriber, outbox: Outbox
) -> None:
    outbox.trouble = [REVOKED] * 1000
    await anna.reaches_the_charge()
    await anna.comes_round(2)
    assert (await reminder(anna), anna.bank.charges) == ("queued", 0)


async def test_once_it_is_sent_it_stands_for_a_day_before_the_charge(anna: Subscriber, outbox: Outbox) -> None:
    outbox.trouble = [REVOKED] * 1000
    await anna.is_warned()
    await anna.goes_to(timedelta(hours=30))
    await is_sent(anna, outbox)
    await anna.goes_to(timedelta(hours=7))
    assert anna.bank.charges == 0
    await anna.goes_to(timedelta(hours=5))
    assert anna.bank.taken == [19900, 19900]


@pytest.mark.parametrize("sent_at_last", [False, True])
async def test_a_subscription_does_not_end_because_its_reminder_was_held_up(
    anna: Subscriber, outbox: Outbox, sent_at_last: bool
) -> None:
    ends_at = await anna.ends_at()
    outbox.trouble = [REVOKED] * 1000
    await anna.reaches_the_charge()
    await anna.goes_to(timedelta(hours=2))
    if sent_at_last:
        await is_sent(anna, outbox)
    assert anna.bank.charges == 0
    await anna.goes_to(timedelta(hours=1))
    assert anna.bank.taken == [19900, 19900]
    assert await anna.ends_at() == ends_at + timedelta(days=30)


@pytest.mark.parametrize(
    ("trouble", "state"), [(Blocked("The bot was blocked."), "blocked"), (Refused("No such chat."), "failed")]
)
async def test_who_cannot_be_written_to_is_charged_on_the_day_as_agreed(
    anna: Subscriber, outbox: Outbox, trouble: Exception, state: str
) -> None:
    outbox.trouble = [trouble]
    await anna.is_warned()
    assert await reminder(anna) == state
    await anna.goes_to(timedelta(days=1))
    assert anna.bank.taken == [19900, 19900]


async def test_a_yes_to_a_higher_price_says_that_it_was_read(anna: Subscriber, outbox: Outbox) -> None:
    """On the screen of the subscription: the message that asks for it is still held up."""
    outbox.trouble = [REVOKED] * 1000
    await anna.do("UPDATE prices SET minor = 24900 WHERE currency = 'RUB'")
    await anna.is_warned()
    await consenting.agree_to(anna.tools, anna.customer_id, (await anna.subscription()).ref, 24900)
    await anna.goes_to(timedelta(days=1))
    assert anna.bank.taken == [19900, 24900]

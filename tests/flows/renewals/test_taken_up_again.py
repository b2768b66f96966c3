"""A row of payments that is taken up again: in Telegram's settings, or here; alone, or beside a card."""

import pytest

from ferryman.billing.provider import Fact
from ferryman.billing.renewal import By, State
from ferryman.flows.orders import opening
from ferryman.flows.payments import applying
from ferryman.flows.renewals import agreeing, consenting
from ferryman.flows.tools import Tools
from tests.support.subscriber import TELEGRAM_ID, Subscriber


@pytest.fixture
async def anna(tools: Tools) -> Subscriber:
    made = Subscriber(tools)
    await made.open()
    return made


@pytest.fixture
async def first(anna: Subscriber) -> Fact:
    """The first payment of her row; she has a month."""
    return await anna.buys(method="repeats")


async def telegram_says(anna: Subscriber, first: Fact, state: str) -> None:
    assert first.ref is not None
    await agreeing.star_subscription_changed(anna.tools, first.ref, TELEGRAM_ID, state)


async def comes(anna: Subscriber, fact: Fact) -> str | None:
    async with anna.tools.db.unit() as session:
        provider = await opening.collecting(anna.tools, session, "repeats")
    return await applying.apply_fact(anna.tools, provider, fact)


async def agreements(anna: Subscriber) -> list[tuple[str, str, bool]]:
    return [tuple(row) for row in await anna.rows("SELECT by, state, unhooked FROM renewals ORDER BY id")]


async def test_what_is_taken_up_over_there_while_a_card_renews_is_stopped_there_again(
    anna: Subscriber, first: Fact
) -> None:
    await telegram_says(anna, first, "canceled")
    await anna.buys()
    for _ in range(2):
        await telegram_says(anna, first, "active")
        await anna.comes_round()
    stop = ("stop", TELEGRAM_ID, first.external_id)
    assert anna.bank.stopped == [stop, stop]
    assert await agreements(anna) == [(By.STARS, State.STOPPED, True), (By.KEPT, State.ACTIVE, True)]
    assert (await anna.told()).count("renewal_on") == 2, "of each agreement once"


async def test_it_is_taken_up_when_the_card_was_switched_off_before(anna: Subscriber, first: Fact) -> None:
    await telegram_says(anna, first, "canceled")
    await anna.buys()
    await consenting.switch_off(anna.tools, anna.customer_id, (await anna.subscription()).ref)
    await telegram_says(anna, first, "active")
    await anna.comes_round()
    assert anna.bank.stopped == []
    assert await agreements(anna) == [(By.STARS, State.ACTIVE, True), (By.KEPT, State.STOPPED, True)]


async def test_a_payment_of_a_row_that_nobody_knew_to_be_taken_up_is_granted_and_its_row_stopped(
    anna: Subscriber, first: Fact
) -> None:
    """Telegram's word of it was lost: the next payment is the first that is heard."""
    await telegram_says(anna, first, "canceled")
    await anna.buys()
    ends_at = await anna.ends_at()
    assert await comes(anna, anna.bank.repeat(first)) == "paid"
    await anna.comes_round()
    assert anna.bank.stopped == [("stop", TELEGRAM_ID, first.external_id)]
    assert await anna.ends_at() > ends_at
    assert (await anna.agreement()).period_end == await anna.ends_at()

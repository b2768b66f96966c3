"""A row of payments that is taken up again: in Telegram's settings, or here; alone, or beside a card."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from ferryman.billing.provider import Fact
from ferryman.billing.renewal import By, State
from ferryman.flows.orders import opening
from ferryman.flows.payments import applying
from ferryman.flows.renewals import agreeing, consenting, renewing
from ferryman.kit.errors import FerrymanError, Refused, Unreachable
from tests.support.subscriber import TELEGRAM_ID, Subscriber


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


async def switches_on(anna: Subscriber) -> consenting.Consent:
    return await consenting.switch_on(anna.tools, anna.customer_id, (await anna.subscription()).ref, 150)


async def switches_off(anna: Subscriber) -> consenting.Consent:
    return await consenting.switch_off(anna.tools, anna.customer_id, (await anna.subscription()).ref)


def meanwhile(anna: Subscriber, verb: str, happens: Callable[[], Awaitable[object]]) -> None:
    """Something happens when Telegram has heard `verb` for the first time, and before its answer is here."""
    kind = anna.tools.providers["repeats"]
    plain = getattr(kind, verb)

    async def heard(self: object, payer: int, external_id: str) -> None:
        setattr(kind, verb, plain)
        await plain(self, payer, external_id)
        await happens()

    setattr(kind, verb, heard)


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
    await switches_off(anna)
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


async def _withdraws_the_plan(anna: Subscriber) -> None:
    await anna.do("UPDATE plans SET active = false")


async def _loses_the_answer(anna: Subscriber) -> None:
    raise Unreachable("No answer.")


@pytest.mark.parametrize(("happens", "stops"), [(_withdraws_the_plan, ["stop", "stop"]), (_loses_the_answer, ["stop"])])
async def test_what_was_resumed_there_and_never_agreed_to_here_is_stopped_there_again(
    anna: Subscriber, first: Fact, happens: Callable[[Subscriber], Awaitable[None]], stops: list[str]
) -> None:
    """At once when that is known, and by the sweep when no resumption can be on its way any more."""
    await switches_off(anna)
    meanwhile(anna, "resume", lambda: happens(anna))
    with pytest.raises(FerrymanError):
        await switches_on(anna)
    await anna.comes_round()
    await anna.later(minutes=3)
    assert [verb for verb, _, _ in anna.bank.stopped] == ["stop", "resume", *stops]
    assert await agreements(anna) == [(By.STARS, State.STOPPED, True)]


async def test_the_sweep_does_not_stop_what_is_being_taken_up(anna: Subscriber, first: Fact) -> None:
    await switches_off(anna)
    meanwhile(anna, "resume", lambda: renewing.sweep(anna.tools))
    assert (await switches_on(anna)).phase == "on"
    await anna.comes_round()
    assert [verb for verb, _, _ in anna.bank.stopped] == ["stop", "resume"]


async def test_two_presses_at_once_switch_it_on_once(anna: Subscriber, first: Fact) -> None:
    await switches_off(anna)
    await anna.later(minutes=1)
    meanwhile(anna, "resume", lambda: switches_on(anna))
    assert (await switches_on(anna)).phase == "on"
    await anna.later(minutes=3)
    assert [verb for verb, _, _ in anna.bank.stopped] == ["stop", "resume", "resume", "resume"], "and by the sweep"
    assert await agreements(anna) == [(By.STARS, State.ACTIVE, True)]
    assert (await anna.told()).count("renewal_on") == 2, "when it was bought, and now"


async def test_what_is_taken_up_while_it_is_being_stopped_is_resumed_until_both_agree(
    anna: Subscriber, first: Fact
) -> None:
    """The stop was on its way, and may have come after the resumption."""
    meanwhile(anna, "stop", lambda: switches_on(anna))
    await switches_off(anna)
    assert await agreements(anna) == [(By.STARS, State.ACTIVE, False)]
    await anna.later(minutes=3)
    await anna.comes_round()
    assert [verb for verb, _, _ in anna.bank.stopped] == ["stop", "resume", "resume"]
    assert await agreements(anna) == [(By.STARS, State.ACTIVE, True)]


@pytest.mark.parametrize("answered", [True, False], ids=["answered", "sweep killed"])
async def test_a_stop_that_comes_after_the_resumption_is_not_the_last_word(
    anna: Subscriber, first: Fact, answered: bool
) -> None:
    """The sweep says the stop again, and it is heard between the resumption and the agreement here."""
    anna.bank.failures = [(Unreachable("No answer."), "stop")]
    await switches_off(anna)
    kind: Any = anna.tools.providers["repeats"]
    stop, on_its_way, resumed = kind.stop, asyncio.Event(), asyncio.Event()

    async def late(self: Any, payer: int, external_id: str) -> None:
        kind.stop = stop
        on_its_way.set()
        await resumed.wait()
        await stop(self, payer, external_id)
        if not answered:
            raise asyncio.CancelledError

    async def the_stop_is_heard() -> None:
        resumed.set()
        await asyncio.wait([sweeping])

    kind.stop = late
    sweeping = asyncio.create_task(renewing.sweep(anna.tools))
    await on_its_way.wait()
    meanwhile(anna, "resume", the_stop_is_heard)
    assert (await switches_on(anna)).phase == "on"
    assert [verb for verb, _, _ in anna.bank.stopped] == ["resume", "stop"]
    await anna.later(minutes=3)
    assert [verb for verb, _, _ in anna.bank.stopped] == ["resume", "stop", "resume"]
    assert await agreements(anna) == [(By.STARS, State.ACTIVE, True)]


async def test_a_resumption_that_telegram_does_not_want_to_hear_twice_is_said_no_more(
    anna: Subscriber, first: Fact
) -> None:
    await switches_off(anna)
    await switches_on(anna)
    anna.bank.failures = [(Refused("It is not stopped."), "resume")]
    await anna.later(minutes=3)
    await anna.comes_round()
    assert [verb for verb, _, _ in anna.bank.stopped] == ["stop", "resume"]
    assert await agreements(anna) == [(By.STARS, State.ACTIVE, True)]


async def test_a_resumption_does_not_outlive_a_quick_press_that_switches_it_off(anna: Subscriber, first: Fact) -> None:
    """Stopped, resumed after all, and the answer to the stop is the slower one."""
    await switches_off(anna)
    await switches_on(anna)

    async def resumed_after_all() -> None:
        anna.bank.stopped.append(("resume", TELEGRAM_ID, first.external_id))

    meanwhile(anna, "stop", resumed_after_all)
    await switches_off(anna)
    assert await agreements(anna) == [(By.STARS, State.STOPPED, False)]
    await anna.comes_round()
    await anna.later(minutes=3)
    assert [verb for verb, _, _ in anna.bank.stopped] == ["stop", "resume", "stop", "resume", "stop"]
    assert await agreements(anna) == [(By.STARS, State.STOPPED, True)]

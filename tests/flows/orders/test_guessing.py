"""Promo codes that are guessed: ten wrong ones an hour, whoever asks how fast, and never the customer's own."""

import asyncio
from datetime import timedelta

import pytest

from ferryman.catalog.using import PromoRefused
from ferryman.faces.bot import prices_screens
from ferryman.flows.orders import discounting, guessing, pricing
from ferryman.flows.orders.discounting import Limits, Terms
from ferryman.flows.orders.guessing import TooManyGuesses
from ferryman.messaging.texts import voice
from tests.support.shop import Town

BY = "operator:cli"


async def guess(shop: Town, customer_id: int, *codes: str) -> list[str]:
    """What each is answered with."""
    answers = []
    for code in codes:
        try:
            await pricing.enter(shop.tools, customer_id, code)
            answers.append("entered")
        except (PromoRefused, TooManyGuesses) as error:
            answers.append(type(error).__name__)
    return answers


async def test_after_ten_wrong_codes_even_a_right_one_waits_and_the_wait_is_named(shop: Town) -> None:
    await discounting.promo(shop.tools, "SUMMER", Terms("10%"), Limits(), BY)
    anna, boris = await shop.customer(), await shop.customer(8)
    assert set(await guess(shop, anna.id, *(f"GUESS{number}" for number in range(10)))) == {"PromoRefused"}
    shop.tools.clock.advance(minutes=15)  # type: ignore[attr-defined]
    with pytest.raises(TooManyGuesses) as slow:
        await pricing.enter(shop.tools, anna.id, "SUMMER")
    assert slow.value.minutes in (45, 46)
    assert await guess(shop, boris.id, "SUMMER") == ["entered"], "others do not wait"
    shop.tools.clock.advance(minutes=slow.value.minutes)  # type: ignore[attr-defined]
    assert await guess(shop, anna.id, "SUMMER") == ["entered"]


async def test_the_window_moves_with_the_guesses(shop: Town) -> None:
    anna = await shop.customer()
    await guess(shop, anna.id, "FIRST")
    shop.tools.clock.advance(minutes=50)  # type: ignore[attr-defined]
    await guess(shop, anna.id, *(f"GUESS{number}" for number in range(9)))
    assert await guess(shop, anna.id, "TEN") == ["TooManyGuesses"]
    shop.tools.clock.advance(minutes=11)  # type: ignore[attr-defined]
    assert await guess(shop, anna.id, "TEN", "ELEVEN") == ["PromoRefused", "TooManyGuesses"]


async def test_many_at_once_are_counted_one_by_one(shop: Town) -> None:
    anna = await shop.customer()
    answers = await asyncio.gather(*(guess(shop, anna.id, f"GUESS{number}") for number in range(16)))
    assert [answer for (answer,) in answers].count("PromoRefused") == guessing.MOST_GUESSES
    assert await shop.value("SELECT count(*) FROM gift_guesses") == guessing.MOST_GUESSES


async def test_what_somebody_has_used_themselves_is_no_guess_and_what_is_over_is_one(shop: Town) -> None:
    await discounting.promo(shop.tools, "SUMMER", Terms("10%"), Limits(), BY)
    ends_at = shop.tools.clock.now() + timedelta(minutes=1)
    await discounting.promo(shop.tools, "SPRING", Terms("10%", ends_at=ends_at), Limits(), BY)
    anna = await shop.customer()
    await pricing.enter(shop.tools, anna.id, "SUMMER")
    order = await shop.order(anna)
    await shop.webhook(shop.pay(order))
    await shop.work()
    assert set(await guess(shop, anna.id, *["SUMMER"] * 12)) == {"PromoRefused"}
    assert await shop.value("SELECT count(*) FROM gift_guesses") == 0
    shop.tools.clock.advance(minutes=2)  # type: ignore[attr-defined]
    await guess(shop, anna.id, "SPRING")
    assert await shop.value("SELECT count(*) FROM gift_guesses") == 1


@pytest.mark.parametrize("language", ["ru", "en"])
def test_the_customer_reads_when_to_try_again(language: str) -> None:
    assert "45" in prices_screens.slow(voice(language), 45).text

"""Cancelling in the bot: a button on every order that waits, one press, and a word on what happens to money."""

from collections.abc import Callable
from typing import Any

import pytest

from ferryman.faces.bot import pages, screens
from ferryman.faces.bot.press import parse
from ferryman.faces.bot.screens import Screen
from ferryman.faces.bot.visit import Visit
from ferryman.flows.payments.buying import Checkout
from ferryman.flows.tools import Tools
from ferryman.kit.money import Money
from ferryman.messaging.texts import LANGUAGE_NAMES, voice
from ferryman.people.customer import Customer
from ferryman_sandbox.telegram.entities import formatted
from tests.support.subscriber import Subscriber

Press = Callable[..., Any]
WAITS = Checkout("FM-20X", "⛵", {"en": "Standard"}, 30, Money(19900, "RUB"), "https://bank.example/pay")


@pytest.fixture
async def anna(tools: Tools) -> Subscriber:
    made = Subscriber(tools)
    await made.open()
    return made


@pytest.fixture
def press(anna: Subscriber) -> Press:
    async def pressed(said: str, tap: str = "a-press") -> Screen:
        async with anna.tools.db.unit() as session:
            customer = await session.get_one(Customer, anna.customer_id)
        return await pages.page(Visit(anna.tools, customer, tap=tap), parse(said))

    return pressed


def data(screen: Screen) -> list[str]:
    assert screen.keyboard is not None
    return [button.data or "" for row in screen.keyboard.rows for button in row]


@pytest.mark.parametrize("language", LANGUAGE_NAMES)
def test_every_order_that_waits_can_be_cancelled_and_no_other(language: str) -> None:
    speak = voice(language)
    for waiting in (screens.checkout(speak, WAITS, "v1:term:1"), screens.order(speak, "FM-20X", "pending", None)):
        assert "v1:cancel:FM-20X" in data(waiting)
    for state in ("paid", "cancelled", "dropped", "review"):
        screen = screens.order(speak, "FM-20X", state, None)
        assert not [one for one in data(screen) if "cancel" in one]
        assert "FM-20X" in formatted(screen.text, "html").text
    label = [button.text for row in screens.checkout(speak, WAITS, "v1:buy").keyboard.rows for button in row]  # type: ignore[union-attr]
    assert [one for one in label if one.startswith("✖")]


async def test_one_press_cancels_and_the_old_buttons_lead_nowhere_else(anna: Subscriber, press: Press) -> None:
    pay = next(one for one in data(await press(f"v1:term:{anna.term_id}")) if one.startswith("v1:pay:cards"))
    cancel = next(one for one in data(await press(pay)) if one.startswith("v1:cancel"))
    dropped = await press(cancel)
    assert "cancelled" in dropped.text
    assert "not lost" in dropped.text
    assert data(dropped) == ["v1:buy", "v1:home"]
    for old in (cancel, cancel.replace("cancel", "check"), pay):
        assert (await press(old)).text == dropped.text
    assert await anna.rows("SELECT state FROM orders") == [("cancelled",)]


async def test_paid_before_the_press_it_says_so(anna: Subscriber, press: Press) -> None:
    pay = next(one for one in data(await press(f"v1:term:{anna.term_id}")) if one.startswith("v1:pay:cards"))
    cancel = next(one for one in data(await press(pay)) if one.startswith("v1:cancel"))
    anna.bank.pay(await anna.value("SELECT ref FROM payments"))
    assert "Payment received" in (await press(cancel)).text


async def test_somebody_elses_order_is_nobodys(anna: Subscriber, press: Press) -> None:
    assert "no such" in (await press("v1:cancel:FM-20X")).text

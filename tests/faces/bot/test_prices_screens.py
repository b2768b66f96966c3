"""Screens about prices: within Telegram's limits in every language, and true to the last ruble."""

from datetime import timedelta

import pytest

from ferryman.catalog.discount import Discount
from ferryman.catalog.using import REASONS as PROMO_REASONS
from ferryman.faces.bot import prices_screens, screens
from ferryman.faces.bot.press import parse
from ferryman.faces.bot.screens import Screen
from ferryman.flows.orders.offering import Offer
from ferryman.flows.orders.pricing import Counter
from ferryman.flows.orders.worth import REASONS as UPGRADE_REASONS
from ferryman.flows.orders.worth import GivenIn
from ferryman.kit.money import Money
from ferryman.messaging.prices import CodeSpentCredited
from ferryman.messaging.texts import LANGUAGE_NAMES, voice
from ferryman_sandbox.telegram.entities import formatted
from tests.faces.bot.test_screens import ENDED, NOW, ODD, RUB, WAY, Case, data_of, plan, subscription, texts_of

SPACE = "\N{NO-BREAK SPACE}"
PROMO = Discount(id=1, kind="promo", code="SUMMER", percent=25, plans=[])
FIXED = Discount(id=2, kind="promo", code="Ж" * 32, minor=10000, currency="RUB", plans=[])
COUNTER = Counter((PROMO,), PROMO)
GIVEN = Counter(given_in=GivenIn(1, "plan2", {"RUB": 10050}))
TERMS = [(term, GIVEN.quote(term, RUB)) for term in plan(terms=60).terms]
MANY = [Offer("yookassa.tinkoff_bank", "💳", {"en": ODD, "ru": ODD}, Money(1, "RUB"), WAY, Money(2, "RUB"))] * 9
LEFT = [Money(10050, "RUB"), Money(150, "XTR")]


CASES = [
    Case("asking for a code", prices_screens.ask_for_code),
    Case("plans, cheaper", lambda v: screens.plans(v, [plan()], RUB, COUNTER)),
    Case("terms, cheaper", lambda v: screens.terms(v, plan(), RUB, COUNTER)),
    Case("methods, cheaper", lambda v: screens.methods(v, plan().terms[0], MANY, "aB3dE6gH")),
    Case("plans with a code", lambda v: prices_screens.with_promo(v, screens.plans(v, [plan()], RUB), PROMO)),
    Case("plans with a long code", lambda v: prices_screens.with_promo(v, screens.plans(v, [plan()], RUB), FIXED)),
    Case("plans without a code", lambda v: prices_screens.with_promo(v, screens.plans(v, [plan()], RUB), None)),
    Case("upgrades", lambda v: prices_screens.upgrades(v, subscription(), LEFT, TERMS)),
    Case("upgrades of what is worth nothing", lambda v: prices_screens.upgrades(v, subscription(), [], TERMS)),
    Case("upgrade methods", lambda v: prices_screens.upgrade_methods(v, "abcdefghjk", TERMS[0][0], MANY, "aB3dE6gH")),
    Case("no upgrade methods", lambda v: prices_screens.upgrade_methods(v, "abcdefghjk", TERMS[0][0], [], "aB3dE6gH")),
    *(
        Case(f"upgrade refused: {reason}", lambda v, reason=reason: prices_screens.upgrade_refused(v, reason, "abc"))  # type: ignore[misc]
        for reason in (*UPGRADE_REASONS, "nothing")
    ),
    *(
        Case(f"code refused: {reason}", lambda v, reason=reason: Screen(prices_screens.refused(v, reason)))  # type: ignore[misc]
        for reason in PROMO_REASONS
    ),
]


@pytest.mark.parametrize("language", LANGUAGE_NAMES)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_screen_is_one_that_telegram_takes(case: Case, language: str) -> None:
    screen = case.draw(voice(language))
    said = formatted(screen.text, "html")
    assert 1 <= len(said.text) <= 4096
    assert "{" not in said.text
    rows = screen.keyboard.rows if screen.keyboard else ()
    assert sum(len(row) for row in rows) <= 100
    for button in (button for row in rows for button in row):
        assert len(button.text) <= 120
        assert button.data
        assert parse(button.data)
        assert len(button.data.encode()) <= 64


def test_a_price_is_shown_beside_what_it_was() -> None:
    cheaper = screens.plans(voice("ru"), [plan()], RUB, COUNTER)
    assert texts_of(cheaper)[0].endswith(f"от 149{SPACE}₽ вместо 199{SPACE}₽")
    assert texts_of(screens.terms(voice("en"), plan(), RUB, COUNTER))[0].endswith("₽149 instead of ₽199")
    assert "вместо" not in texts_of(screens.plans(voice("ru"), [plan()], RUB))[0]


def test_the_code_that_counts_is_named_and_can_be_taken_away() -> None:
    shown = prices_screens.with_promo(voice("ru"), screens.plans(voice("ru"), [plan()], RUB), PROMO)
    assert "Промокод <b>SUMMER</b> · −25%" in shown.text
    assert data_of(shown)[-2:] == ["v1:nopromo", "v1:home"]
    fixed = prices_screens.with_promo(voice("ru"), screens.plans(voice("ru"), [plan()], RUB), FIXED)
    assert f"−100{SPACE}₽" in fixed.text
    without = prices_screens.with_promo(voice("ru"), screens.plans(voice("ru"), [plan()], RUB), None)
    assert data_of(without)[-2:] == ["v1:promo", "v1:home"]


def test_an_upgrade_says_what_is_left_and_what_is_to_be_paid() -> None:
    shown = prices_screens.upgrades(voice("en"), subscription(), LEFT, TERMS[:1])
    assert "₽100.50 + ⭐150" in shown.text
    assert texts_of(shown)[0].endswith("30 days · ₽99")
    assert data_of(shown)[:2] == ["v1:upterm:abcdefghjk:101", "v1:sub:abcdefghjk"]


@pytest.mark.parametrize("since", ["frozen_at", "disabled_at", "replacing_since"])
def test_a_plan_is_changed_only_while_the_subscription_runs(since: str) -> None:
    running, standing = subscription(), subscription()
    setattr(standing, since, NOW - timedelta(days=1))
    for one, offered in ((running, True), (standing, False), (ENDED, False)):
        drawn = screens.subscription(voice("en"), one, [], NOW, "v1:buy")
        shown = prices_screens.with_upgrade(voice("en"), drawn, one, NOW)
        assert ("v1:up:abcdefghjk" in data_of(shown)) is offered


@pytest.mark.parametrize("language", LANGUAGE_NAMES)
def test_who_paid_with_a_code_that_was_used_up_is_told_where_the_money_is(language: str) -> None:
    text = CodeSpentCredited("FM-1", 9900, "RUB").text(voice(language))
    assert "99" in text
    assert "FM-1" in text

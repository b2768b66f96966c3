"""Every screen in every language: within Telegram's limits, parseable with any name, and with buttons that we know."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ferryman.billing.provider import Way
from ferryman.catalog.plan import GIGABYTE, Plan, Price, Term
from ferryman.faces.bot import screens
from ferryman.faces.bot.press import parse
from ferryman.faces.bot.screens import Screen
from ferryman.fleet.keyring import KeyView
from ferryman.flows.orders.offering import Offer
from ferryman.flows.payments.buying import Checkout
from ferryman.kit.money import Money
from ferryman.messaging.texts import LANGUAGE_NAMES, Voice, voice
from ferryman.subscriptions.subscription import Subscription
from ferryman_sandbox.telegram.entities import formatted
from ferryman_sandbox.telegram.keyboards import checked

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
ODD = '<b>&"🙂'
LINK = "https://shop.example/s/abcdefghijklmnopqrstuvwx"
RUB = ("RUB",)


@dataclass(frozen=True)
class Case:
    name: str
    draw: Callable[[Voice], Screen]


def plan(number: int = 1, title: str = ODD, description: str = ODD, terms: int = 3, **more: Any) -> Plan:
    made = Plan(
        id=number,
        code=f"plan{number}",
        icon="⛵",
        title={"ru": title, "en": title},
        description={"ru": description},
        **{"traffic_bytes": 0, "devices": 0, "active": True, **more},
    )
    for order in range(1, terms + 1):
        price = Price(currency="RUB", minor=19900 * order)
        made.terms.append(Term(id=number * 100 + order, days=30 * order, active=True, prices=[price]))
    return made


def subscription(left: timedelta = timedelta(days=12), whole: int = 30, title: str = ODD) -> Subscription:
    return Subscription(
        ref="abcdefghjk",
        snapshot={"icon": "⛵", "title": {"ru": title, "en": title}},
        traffic_bytes=100 * GIGABYTE,
        devices=3,
        starts_at=NOW + left - timedelta(days=whole),
        ends_at=NOW + left,
    )


def checkout(pay_url: str | None) -> Checkout:
    return Checkout("FM20261122-ABCDEF", "⛵", {"en": ODD, "ru": ODD}, 30, Money(19900, "RUB"), pay_url)


MANY_PLANS = [plan(number, "Ж" * 64, "<&" * 500) for number in range(1, 60)]
MANY_KEYS = [KeyView(f"n{number}", {"en": ODD * 5, "ru": ODD * 5}, "🇳🇱", number % 2 == 0) for number in range(60)]
WAY = Way("", "💳", {"en": "Card", "ru": "Карта"})
OFFERS = [Offer("yookassa", "💳", {"en": ODD, "ru": ODD}, Money(19900, "RUB"), WAY) for _ in range(9)]
ENDED = subscription(timedelta(days=-3))

CASES = [
    Case("home of somebody new", lambda v: screens.home(v, ODD, [], NOW)),
    Case("home of a subscriber", lambda v: screens.home(v, ODD, [subscription()], NOW)),
    Case("home after the end", lambda v: screens.home(v, "", [ENDED], NOW)),
    Case("home with a name of spaces", lambda v: screens.home(v, "  ", [], NOW)),
    Case("plans", lambda v: screens.plans(v, [plan()], RUB)),
    Case("many plans", lambda v: screens.plans(v, MANY_PLANS, RUB)),
    Case("no plans", lambda v: screens.plans(v, [], RUB)),
    Case("plans that nobody can pay", lambda v: screens.plans(v, [plan()], ("XTR",))),
    Case("terms", lambda v: screens.terms(v, plan(terms=12, devices=5, traffic_bytes=GIGABYTE), RUB)),
    Case("methods", lambda v: screens.methods(v, plan().terms[0], OFFERS, "aB3dE6gH")),
    Case("no methods", lambda v: screens.methods(v, plan().terms[0], [], "aB3dE6gH")),
    Case("checkout", lambda v: screens.checkout(v, checkout("https://pay.example/1"), "v1:term:1")),
    Case("checkout without a link yet", lambda v: screens.checkout(v, checkout(None), "v1:term:1")),
    Case("paying refused", lambda v: screens.paying_refused(v, "v1:term:1")),
    *(
        Case(f"order {state}", lambda v, state=state: screens.order(v, "FM1", state, "https://pay.example/1"))  # type: ignore[misc]
        for state in ("open", "waiting", "paid", "cancelled", "review", "creating", "pending")
    ),
    Case("no subscriptions", screens.no_subscriptions),
    Case("subscriptions", lambda v: screens.subscriptions(v, [subscription(), ENDED] * 60, NOW)),
    Case("subscription", lambda v: screens.subscription(v, subscription(), MANY_KEYS, NOW, "v1:plan:1")),
    Case("subscription without keys", lambda v: screens.subscription(v, subscription(), [], NOW, "v1:buy")),
    Case("subscription that ended", lambda v: screens.subscription(v, ENDED, MANY_KEYS, NOW, "v1:buy")),
    Case("key", lambda v: screens.key(v, subscription(), LINK)),
    Case("key with a long link", lambda v: screens.key(v, subscription(), "https://x.example/s/" + "a" * 300)),
    Case("help", lambda v: screens.help_(v, "")),
    Case("help with a name", lambda v: screens.help_(v, "@support_of_shop")),
    Case("help with a link", lambda v: screens.help_(v, "https://help.example/")),
    Case("help with words", lambda v: screens.help_(v, ODD)),
    Case("language", screens.language),
    Case("rules", screens.rules),
    Case("banned", screens.banned),
]


@pytest.mark.parametrize("language", LANGUAGE_NAMES)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_screen_is_one_that_telegram_takes(case: Case, language: str) -> None:
    screen = case.draw(voice(language)).after(voice(language).html("gone"))
    said = formatted(screen.text, "html")
    assert 1 <= len(said.text) <= (1024 if screen.photo else 4096)
    assert "{" not in said.text
    rows = screen.keyboard.rows if screen.keyboard else ()
    assert sum(len(row) for row in rows) <= 100
    for button in (button for row in rows for button in row):
        assert len(button.text) <= 120
        assert button.data is None or parse(button.data)
        if button.url:
            checked({"inline_keyboard": [[{"text": "x", "url": button.url}]]}, local_http=False)


def texts_of(screen: Screen) -> list[str]:
    return [button.text for row in screen.keyboard.rows for button in row] if screen.keyboard else []


def data_of(screen: Screen) -> list[str | None]:
    return [button.data for row in screen.keyboard.rows for button in row] if screen.keyboard else []


def test_what_people_wrote_is_shown_as_they_wrote_it() -> None:
    for language in LANGUAGE_NAMES:
        for draw in (CASES[0].draw, lambda v: screens.plans(v, [plan()], RUB)):
            assert ODD in formatted(draw(voice(language)).text, "html").text
        labels = texts_of(screens.plans(voice(language), [plan()], RUB))
        assert any(ODD in label for label in labels), "buttons know no markup"


@pytest.mark.parametrize(
    ("left", "shown"),
    [
        (timedelta(days=12), "12 дней"),
        (timedelta(days=1), "1 день"),
        (timedelta(minutes=1), "1 день"),
        (timedelta(days=21, seconds=1), "22 дня"),
    ],
)
def test_the_subscription_button_says_how_many_days_are_left(left: timedelta, shown: str) -> None:
    home = screens.home(voice("ru"), "Anna", [subscription(left)], NOW)
    assert f"🔑 Моя подписка · ещё {shown}" in texts_of(home)


def test_an_ended_subscription_says_so_on_its_button() -> None:
    home = screens.home(voice("en"), "Anna", [ENDED], NOW)
    assert "⌛ My subscription · ended" in texts_of(home)
    assert "November 19, 2026" in home.text


@pytest.mark.parametrize(
    ("left", "whole", "full"), [(30, 30, 10), (15, 30, 5), (1, 365, 1), (364, 365, 10), (0, 30, 0), (-5, 30, 0)]
)
def test_the_bar_shows_what_is_left(left: int, whole: int, full: int) -> None:
    screen = screens.subscription(voice("en"), subscription(timedelta(days=left), whole), [], NOW, "v1:buy")
    assert (screen.text.count("🟩"), screen.text.count("⬜")) == (full, 10 - full)


def test_locations_say_whether_they_are_ready() -> None:
    keys = [KeyView("a", {"en": "Germany"}, "🇩🇪", True), KeyView("b", {"en": "Finland"}, "🇫🇮", False)]
    text = screens.subscription(voice("en"), subscription(), keys, NOW, "v1:buy").text
    assert "✅ 🇩🇪 Germany" in text
    assert "⏳ 🇫🇮 Finland — being prepared" in text


def test_the_lowest_price_stands_on_a_plan_and_each_on_its_term() -> None:
    made = plan(title="Standard")
    made.terms[0].active = False
    assert texts_of(screens.plans(voice("ru"), [made], RUB))[0] == "⛵ Standard · от 398\N{NO-BREAK SPACE}₽"
    assert texts_of(screens.terms(voice("ru"), made, RUB))[:2] == [
        "📅 60 дней · 398\N{NO-BREAK SPACE}₽",
        "📅 90 дней · 597\N{NO-BREAK SPACE}₽",
    ]


def test_every_showing_of_the_methods_is_an_order_of_its_own() -> None:
    term = plan().terms[0]
    first, second = (data_of(screens.methods(voice("ru"), term, OFFERS[:1], nonce)) for nonce in ("one", "two"))
    assert first[0] != second[0]
    assert first[1] == second[1] == "v1:plan:1"


def test_a_key_that_fits_a_button_can_be_copied_from_it() -> None:
    short, long = (screens.key(voice("en"), subscription(), link) for link in (LINK, LINK + "a" * 256))
    assert short.keyboard
    assert [button.copy for row in short.keyboard.rows for button in row if button.copy] == [LINK]
    assert long.keyboard
    assert not [button for row in long.keyboard.rows for button in row if button.copy]
    assert f"<code>{LINK}</code>" in short.text
    assert short.photo is not None
    assert short.photo.startswith(b"\x89PNG")


def test_support_is_a_button_where_there_is_an_address() -> None:
    def urls(contact: str) -> list[str | None]:
        keyboard = screens.help_(voice("en"), contact).keyboard
        assert keyboard
        return [button.url for row in keyboard.rows for button in row if button.url]

    assert urls("@shop") == ["https://t.me/shop"]
    assert urls("https://help.example/") == ["https://help.example/"]
    assert urls("call us") == urls("") == urls("http://plain.example") == []

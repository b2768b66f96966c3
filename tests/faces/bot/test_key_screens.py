"""Screens about a key's place and its replacement, in every language."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ferryman.faces.bot import key_screens, screens
from ferryman.faces.bot.press import parse
from ferryman.faces.bot.screens import Screen
from ferryman.fleet.places import Place
from ferryman.fleet.withdrawing import Left
from ferryman.flows.keys.switching import Choices
from ferryman.messaging.texts import LANGUAGE_NAMES, Voice, voice
from ferryman.subscriptions.subscription import Subscription
from ferryman_sandbox.telegram.entities import formatted

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
ODD = '<b>&"🙂'
REASONS = ("resting", "busy", "same", "soon", "full", "gone")


def one(**more: Any) -> Subscription:
    snapshot = {"icon": "⛵", "title": {"ru": ODD, "en": ODD}, "places": {"rule": "one", "switch_hours": 24}}
    fields = {"snapshot": snapshot, "traffic_bytes": 0, "devices": 0, "starts_at": NOW, **more}
    return Subscription(**{"ref": "abcdefghjk", "ends_at": NOW + timedelta(days=12), **fields})


def place(code: str, flag: str = "🇳🇱", title: str = "Netherlands", *, takes: bool = True, load: float = 0.0) -> Place:
    return Place(code, flag, {"en": title, "ru": title}, takes, load)


PLACES = [
    place("de", "🇩🇪", "Germany"),
    place("nl", load=0.7),
    place("fi", "🇫🇮", "Finland", load=0.9),
    place("us", "🇺🇸", "USA", takes=False, load=1.0),
]
LEFT = [Left(1, "de-1", "🇩🇪", {"en": "Germany", "ru": "Германия"}, 3, "no answer")] * 2


def choices(phase: str = "settled", **more: Any) -> Choices:
    fields = {"places": PLACES, "current": "de", "every_hours": 24, "next_at": None, **more}
    return Choices(subscription=one(), phase=phase, **fields)


MANY = [place(f"place-{number}", title=ODD * 6) for number in range(60)]
CASES: dict[str, Callable[[Voice], Screen]] = {
    "places": lambda v: key_screens.places(v, choices(), NOW),
    "places at any time": lambda v: key_screens.places(v, choices(every_hours=0), NOW),
    "places not yet": lambda v: key_screens.places(v, choices(next_at=NOW + timedelta(hours=5)), NOW),
    "many places": lambda v: key_screens.places(v, choices(places=MANY, current=None), NOW),
    "no places": lambda v: key_screens.places(v, choices(places=[], current="gone"), NOW),
    "a place": lambda v: key_screens.place(v, choices(), "nl", "aB3dE6gH"),
    "a place with the longest name": lambda v: key_screens.place(v, choices(every_hours=0), "n" * 31, "aB3dE6gH"),
    **{
        f"switching, {phase}": lambda v, phase=phase: key_screens.places(v, choices(phase, waiting=LEFT), NOW)  # type: ignore[misc]
        for phase in ("closing", "held", "opening")
    },
    **{
        f"refused: {reason}": lambda v, reason=reason: key_screens.places(v, choices(), NOW).after(  # type: ignore[misc]
            key_screens.cannot_switch(v, reason, choices(next_at=NOW + timedelta(minutes=3)), NOW)
        )
        for reason in REASONS
    },
    "rekey": lambda v: key_screens.rekey(v, one(), "aB3dE6gH"),
    "rekey too soon": lambda v: key_screens.rekey(v, one(), "aB3dE6gH").after(v.html("rekey-soon")),
    "rekeying": lambda v: key_screens.rekeying(v, one(), [Left(1, "de-1", "🇩🇪", {}, 0, "")] * 3),
    "rekeying, held": lambda v: key_screens.rekeying(v, one(), LEFT),
    "rekeying, nothing left": lambda v: key_screens.rekeying(v, one(), []),
    **{
        f"subscription {name}": lambda v, name=name: screens.subscription(v, one(**{name: NOW}), [], NOW, "v1:buy")  # type: ignore[misc]
        for name in ("frozen_at", "disabled_at", "exhausted_at", "replacing_since")
    },
}


@pytest.mark.parametrize("language", LANGUAGE_NAMES)
@pytest.mark.parametrize("name", CASES)
def test_every_screen_is_one_that_telegram_takes(name: str, language: str) -> None:
    screen = CASES[name](voice(language))
    said = formatted(screen.text, "html")
    assert 1 <= len(said.text) <= 4096
    assert "{" not in said.text
    assert screen.keyboard is not None
    for button in (button for row in screen.keyboard.rows for button in row):
        assert len(button.text) <= 120
        assert button.data is None or parse(button.data)


def labels(screen: Screen) -> list[str]:
    return [button.text for row in screen.keyboard.rows for button in row] if screen.keyboard else []


def data(screen: Screen) -> list[str | None]:
    return [button.data for row in screen.keyboard.rows for button in row] if screen.keyboard else []


def test_the_list_marks_where_one_is_and_how_busy_the_others_are() -> None:
    shown = key_screens.places(voice("en"), choices(), NOW)
    assert labels(shown)[:4] == [
        "✅ 🇩🇪 Germany · you are here",
        "🇳🇱 Netherlands · 🟡 busy",
        "🇫🇮 Finland · 🟠 few places",
        "🚫 🇺🇸 USA · no room",
    ]
    assert "once in 24 hours" in shown.text


@pytest.mark.parametrize(
    ("left", "russian", "english"),
    [
        (timedelta(seconds=5), "1 минуту", "1 minute"),
        (timedelta(minutes=22), "22 минуты", "22 minutes"),
        (timedelta(minutes=59, seconds=1), "1 час", "1 hour"),
        (timedelta(hours=2, minutes=1), "3 часа", "3 hours"),
        (timedelta(hours=23, minutes=59), "24 часа", "24 hours"),
    ],
)
def test_the_time_until_the_next_switch_is_rounded_up(left: timedelta, russian: str, english: str) -> None:
    found = choices(next_at=NOW + left)
    assert f"через <b>{russian}</b>" in key_screens.places(voice("ru"), found, NOW).text
    assert f"in <b>{english}</b>" in key_screens.places(voice("en"), found, NOW).text


def test_every_question_is_a_switch_or_a_replacement_of_its_own() -> None:
    first, second = (key_screens.place(voice("ru"), choices(), "nl", nonce) for nonce in ("one", "two"))
    assert data(first)[0] == "v1:switch:abcdefghjk:nl:one"
    assert data(second)[0] == "v1:switch:abcdefghjk:nl:two"
    assert data(key_screens.rekey(voice("ru"), one(), "one"))[0] == "v1:rekeyed:abcdefghjk:one"


def test_one_can_stay_for_as_long_as_no_new_key_is_there() -> None:
    for phase, may in (("closing", True), ("held", True), ("opening", False)):
        shown = key_screens.places(voice("ru"), choices(phase, waiting=LEFT), NOW)
        assert ("v1:stay:abcdefghjk" in data(shown)) is may


def test_what_holds_a_change_is_named_once() -> None:
    for language, name in (("ru", "Германия"), ("en", "Germany")):
        for shown in (
            key_screens.places(voice(language), choices("held", waiting=LEFT), NOW),
            key_screens.rekeying(voice(language), one(), LEFT),
        ):
            assert shown.text.count(f"🇩🇪 {name}") >= 1
            assert "🇩🇪 Germany · 🇩🇪" not in shown.text
            assert "no answer" not in shown.text, "a panel's words are not for customers"


def test_only_a_plan_with_a_choice_offers_one() -> None:
    chooses = screens.subscription(voice("ru"), one(), [], NOW, "v1:buy")
    fixed = one()
    fixed.snapshot = {**fixed.snapshot, "places": {"rule": "all"}}
    assert "v1:places:abcdefghjk" in data(chooses)
    assert "v1:places:abcdefghjk" not in data(screens.subscription(voice("ru"), fixed, [], NOW, "v1:buy"))


def test_frozen_time_shows_what_is_left_of_it_and_an_end_that_moves() -> None:
    frozen = one(frozen_at=NOW)
    later = NOW + timedelta(days=100)
    shown = screens.subscription(voice("en"), frozen, [], later, "v1:buy")
    assert "frozen" in shown.text
    assert "12 days" in shown.text
    assert voice("en").date(later + timedelta(days=12)) in shown.text

"""The languages say the same things with the same words to fill in, every message is used, and grammar holds."""

import re
from collections import Counter
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from fluent.syntax import FluentParser, ast
from fluent.syntax.visitor import Visitor

import ferryman
from ferryman.kit.money import Money
from ferryman.messaging import texts
from ferryman.messaging.notice import Notice
from ferryman.messaging.texts import LANGUAGE_NAMES, Voice, voice
from ferryman.people.customer import LANGUAGES

SOURCE = Path(ferryman.__file__).parent
LOCALES = SOURCE / "messaging" / "locales"
# Messages that code calls by a made-up name: the family, and a word that stands in the code.
FAMILIES = (
    "actor", "button", "command", "history", "notice", "order", "promo-refused", "refused", "sub", "switching",
    "unswitched", "upgrade-refused",
)  # fmt: skip
NBSP = "\N{NO-BREAK SPACE}"


class _Names(Visitor):
    """What a message needs: variables, and other messages."""

    def __init__(self) -> None:
        self.variables: set[str] = set()
        self.messages: set[str] = set()

    def visit_VariableReference(self, node: ast.VariableReference) -> None:  # noqa: N802 - fluent's name
        self.variables.add(node.id.name)

    def visit_MessageReference(self, node: ast.MessageReference) -> None:  # noqa: N802 - fluent's name
        self.messages.add(node.id.name)


def parsed(language: str) -> dict[str, ast.Message]:
    found: dict[str, ast.Message] = {}
    for file in sorted((LOCALES / language).glob("*.ftl")):
        for entry in FluentParser().parse(file.read_text(encoding="utf-8")).body:
            assert not isinstance(entry, ast.Junk), f"{file.name}: {entry.content}"
            if isinstance(entry, ast.Message):
                assert entry.id.name not in found, f"{entry.id.name} stands twice in {language}"
                found[entry.id.name] = entry
    return found


def needs(language: str) -> dict[str, set[str]]:
    """Message → the variables it must be given, those of messages inside it among them."""
    messages = parsed(language)

    def variables(name: str) -> set[str]:
        names = _Names()
        names.visit(messages[name])
        return names.variables.union(*(variables(inner) for inner in names.messages))

    return {name: variables(name) for name in messages}


def test_every_language_has_the_same_messages_with_the_same_variables() -> None:
    assert set(LANGUAGE_NAMES) == set(LANGUAGES) == {path.name for path in LOCALES.iterdir()}
    ours = needs("ru")
    for language in LANGUAGE_NAMES:
        assert needs(language) == ours


def test_every_message_is_used_and_every_used_one_exists() -> None:
    code = "\n".join(path.read_text(encoding="utf-8") for path in SOURCE.rglob("*.py"))
    quoted = set(re.findall(r"[\"']([a-z]+(?:[-_][a-z]+)*)[\"']", code))
    inside = _Names()
    for message in parsed("en").values():
        inside.visit(message)
    for name in parsed("en"):
        prefix, _, rest = name.partition("-")
        families = [family for family in FAMILIES if name.startswith(f"{family}-")]
        made = any(name.removeprefix(f"{family}-") in quoted | {"home"} for family in families)
        notice = prefix == "notice" and rest.replace("-", "_") in Notice.kinds
        assert name in quoted | inside.messages or made or notice, f"nobody says {name!r}"
    spoken = set(re.findall(r"\.(?:html|plain)\(\s*\"([a-z-]+)\"", code))
    assert spoken <= set(parsed("en"))


@pytest.mark.parametrize(
    ("days", "russian", "english"),
    [
        (0, "0 дней", "0 days"),
        (1, "1 день", "1 day"),
        (2, "2 дня", "2 days"),
        (4, "4 дня", "4 days"),
        (5, "5 дней", "5 days"),
        (11, "11 дней", "11 days"),
        (12, "12 дней", "12 days"),
        (21, "21 день", "21 days"),
        (22, "22 дня", "22 days"),
        (111, "111 дней", "111 days"),
        (365, "365 дней", "365 days"),
    ],
)
def test_days_are_counted_as_the_language_counts_them(days: int, russian: str, english: str) -> None:
    assert voice("ru").plain("days", days=days) == russian
    assert voice("en").plain("days", days=days) == english


@pytest.mark.parametrize(
    ("amount", "russian", "english"),
    [
        (Money(19900, "RUB"), f"199{NBSP}₽", "₽199"),
        (Money(19950, "RUB"), f"199,50{NBSP}₽", "₽199.50"),
        (Money(123456700, "RUB"), f"1{NBSP}234{NBSP}567{NBSP}₽", "₽1,234,567"),
        (Money(250, "USD"), f"2,50{NBSP}$", "$2.50"),
        (Money(300, "USDT"), f"3{NBSP}USDT", f"3{NBSP}USDT"),
        (Money(250, "XTR"), f"250{NBSP}⭐", "⭐250"),
        (Money(5, "EUR"), f"0,05{NBSP}€", "€0.05"),
    ],
)
def test_money_is_written_as_the_language_writes_it(amount: Money, russian: str, english: str) -> None:
    assert voice("ru").money(amount) == russian
    assert voice("en").money(amount) == english


def test_dates_are_the_day_in_utc() -> None:
    late = datetime(2026, 12, 23, 1, 30, tzinfo=timezone(timedelta(hours=3)))
    assert voice("ru").date(late) == "22 декабря 2026\u202fг."
    assert voice("en").date(late.astimezone(UTC)) == "December 22, 2026"


def test_html_escapes_what_people_wrote_and_plain_does_not() -> None:
    arguments = {"icon": "🚤", "title": "<b>&\"'🙂"}
    assert voice("en").html("button-sub-ended", **arguments) == "⌛ 🚤 &lt;b&gt;&amp;&quot;&#x27;🙂"
    assert voice("en").plain("button-sub-ended", **arguments) == "⌛ 🚤 <b>&\"'🙂"


def test_a_persons_text_is_never_read_as_a_pattern() -> None:
    assert "{ $until } { days }" in voice("en").plain("home-new", name="{ $until } { days }")


def test_a_long_argument_is_no_shorter_afterwards() -> None:
    name = "<Ж>" * 1000
    assert voice("ru").plain("home-new", name=name).count("<Ж>") == 1000
    assert voice("ru").html("home-new", name=name).count("&lt;Ж&gt;") == 1000


@pytest.mark.parametrize("arguments", [{}, {"names": "x"}])
def test_a_missing_argument_is_an_error(arguments: dict[str, str]) -> None:
    with pytest.raises(LookupError, match="home-new"):
        voice("ru").html("home-new", **arguments)


def test_an_unknown_message_is_an_error() -> None:
    with pytest.raises(LookupError, match="nonsense"):
        voice("ru").html("nonsense")


def test_an_unknown_language_speaks_english() -> None:
    assert voice("de").language == texts.FALLBACK
    assert voice("de").plain("someone") == voice("en").plain("someone")


def test_the_operators_text_is_taken_in_the_nearest_language() -> None:
    assert voice("ru").pick({"ru": "Да", "en": "Yes"}) == "Да"
    assert voice("ru").pick({"en": "Yes", "de": "Ja"}) == "Yes"
    assert voice("ru").pick({"de": "Ja"}) == "Ja"
    assert voice("ru").pick({"ru": "", "en": "Yes"}) == "Yes"
    assert voice("ru").pick({}) == ""


def test_texts_are_rich_in_icons_and_free_of_stray_markup() -> None:
    for language in LANGUAGE_NAMES:
        for file in (LOCALES / language).glob("*.ftl"):
            source = file.read_text(encoding="utf-8")
            tags = Counter(re.findall(r"</?([a-z]+)>", source))
            assert set(tags) <= {"b", "code", "i"}
            for tag in tags:
                assert source.count(f"<{tag}>") == source.count(f"</{tag}>")
        titles = [name for name in parsed(language) if name.startswith("button-")]
        speaks = Voice(language)
        for name in titles:
            if not needs(language)[name]:
                assert not speaks.plain(name)[0].isascii(), f"{name} has no icon"

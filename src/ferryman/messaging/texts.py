"""Every word a customer reads: Fluent messages by language, with dates and money as that language writes them."""

import html
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from importlib.resources import files

from babel import Locale
from babel.dates import format_date
from babel.numbers import format_decimal, get_currency_symbol
from fluent.runtime import FluentBundle, FluentResource

from ferryman.kit.money import Money, exponent

FALLBACK = "en"
LANGUAGE_NAMES = {"ru": "🇷🇺 Русский", "en": "🇬🇧 English"}
_LOCALES = files("ferryman.messaging") / "locales"
# The signs people know, where the English locale would write a three-letter code.
_SIGNS = {"RUB": "₽", "XTR": "⭐"}
_UNBROKEN = "\N{NO-BREAK SPACE}"
# Private-use characters, which no text of ours contains; those of other people's texts are lost.
_STAND_IN = re.compile("\ue000([a-z_]*)\ue001")
LONG = 500


class Voice:
    """One language. `html` escapes every string argument; `plain` is for button labels, which know no markup.

    Both raise LookupError for a message that does not exist or an argument that it misses.
    """

    def __init__(self, language: str) -> None:
        self.language = language
        self._locale = Locale.parse(language)
        self._bundle = FluentBundle([language], use_isolating=False)
        for file in sorted((_LOCALES / language).iterdir(), key=lambda one: one.name):
            self._bundle.add_resource(FluentResource(file.read_text(encoding="utf-8")))

    def html(self, message: str, **arguments: str | int) -> str:
        safe = {name: html.escape(value) if isinstance(value, str) else value for name, value in arguments.items()}
        return self.plain(message, **safe)

    def plain(self, message: str, **arguments: str | int) -> str:
        if not self._bundle.has_message(message):
            raise LookupError(f"no message {message!r} in {self.language}")
        pattern = self._bundle.get_message(message).value
        if pattern is None:
            raise LookupError(f"the message {message!r} in {self.language} has no text")
        # Fluent refuses arguments of more than 1000 characters; those are put in afterwards.
        long = {name: value for name, value in arguments.items() if isinstance(value, str) and len(value) > LONG}
        stand_ins = {name: f"\ue000{name}\ue001" for name in long}
        text, problems = self._bundle.format_pattern(pattern, {**arguments, **stand_ins})
        if problems:
            raise LookupError(f"{message!r} in {self.language}: {problems[0]}")
        return _STAND_IN.sub(lambda found: str(long.get(found[1], "")), str(text))

    def pick(self, by_language: Mapping[str, str]) -> str:
        """The operator's text in this language, or in the nearest one they wrote."""
        return by_language.get(self.language) or by_language.get(FALLBACK) or next(iter(by_language.values()), "")

    def money(self, amount: Money) -> str:
        """ "199 ₽", "$2.50", "3 USDT": no zeros after a whole amount."""
        digits = exponent(amount.currency)
        value = Decimal(amount.minor).scaleb(-digits)
        shown = "0" if value == value.to_integral_value() else "0." + "0" * digits
        number = format_decimal(value, format=f"#,##{shown}", locale=self._locale)
        sign = _SIGNS.get(amount.currency) or get_currency_symbol(amount.currency, locale=self._locale)
        leads = self._locale.currency_formats["standard"].pattern.startswith("¤") and not sign.isalpha()
        return f"{sign}{number}" if leads else f"{number}{_UNBROKEN}{sign}"

    def bytes(self, count: int) -> str:
        """ "12,3 ГБ", "0.9 GB", "512 MB": in units of 1024, as plans are sold."""
        megabytes = Decimal(count) / 1024**2
        unit, value = ("unit-gigabytes", megabytes / 1024) if megabytes >= 1000 else ("unit-megabytes", megabytes)
        shown = format_decimal(value, format="#,##0.#" if unit == "unit-gigabytes" else "#,##0", locale=self._locale)
        return f"{shown}{_UNBROKEN}{self.plain(unit)}"

    def date(self, moment: datetime) -> str:
        """The day in UTC: "22 декабря 2026 г.", "December 22, 2026"."""
        return format_date(moment.astimezone(UTC).date(), format="long", locale=self._locale)


@cache
def voice(language: str) -> Voice:
    """The voice of a language, read once; an unknown one speaks English."""
    return Voice(language if language in LANGUAGE_NAMES else FALLBACK)

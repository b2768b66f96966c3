"""What a pressed button says. Buttons live for ever and anybody can send any data, so everything is checked here."""

import re
from dataclasses import dataclass, field

from ferryman.people.customer import LANGUAGES

VERSION = "v1"

_NUMBER = r"[1-9][0-9]{0,17}"
_REF = r"[A-Za-z0-9_-]{1,40}"
_CODE = r"[a-z0-9][a-z0-9-]{0,30}"
_NONCE = r"[A-Za-z0-9]{1,12}"
# The provider, and which of its ways. A button's data holds 64 bytes.
_METHOD = r"[a-z][a-z0-9_]{0,15}(?:\.[a-z][a-z0-9_]{0,14})?"
# Verb → what may follow it. The nonce of `pay` makes each showing of the methods an order of its own, and a second
# press on the same showing the same order; so it is with `switch` and `rekeyed`.
_GRAMMAR = {
    "home": "",
    "buy": "",
    "gift": "",
    "plan": rf":(?P<plan>{_NUMBER})",
    "term": rf":(?P<term>{_NUMBER})",
    "pay": rf":(?P<method>{_METHOD}):(?P<term>{_NUMBER})(?::(?P<nonce>{_NONCE}))?",
    "again": rf":(?P<term>{_NUMBER})",
    "keep": rf":(?P<method>{_METHOD}):(?P<term>{_NUMBER})(?::(?P<nonce>{_NONCE}))?",
    "promo": "",
    "nopromo": "",
    "up": rf":(?P<ref>{_REF})",
    "upterm": rf":(?P<ref>{_REF}):(?P<term>{_NUMBER})",
    "upp": rf":(?P<method>{_METHOD}):(?P<ref>{_REF}):(?P<term>{_NUMBER}):(?P<nonce>{_NONCE})",
    "check": rf":(?P<order>{_REF})",
    "cancel": rf":(?P<order>{_REF})",
    "subs": "",
    "sub": rf":(?P<ref>{_REF})",
    "key": rf":(?P<ref>{_REF})",
    "places": rf":(?P<ref>{_REF})",
    "place": rf":(?P<ref>{_REF}):(?P<code>{_CODE})",
    "switch": rf":(?P<ref>{_REF}):(?P<code>{_CODE}):(?P<nonce>{_NONCE})",
    "stay": rf":(?P<ref>{_REF})",
    "rekey": rf":(?P<ref>{_REF})",
    "rekeyed": rf":(?P<ref>{_REF}):(?P<nonce>{_NONCE})",
    "renewal": rf":(?P<ref>{_REF})",
    "renewal-off": rf":(?P<ref>{_REF})",
    "renewal-on": rf":(?P<ref>{_REF}):(?P<minor>{_NUMBER})",
    "renewal-yes": rf":(?P<ref>{_REF}):(?P<minor>{_NUMBER})",
    "renewal-forget": rf":(?P<ref>{_REF})",
    "help": "",
    "rules": "",
    "lang": rf"(?::(?P<language>{'|'.join(LANGUAGES)}))?",
}
_READERS = {verb: re.compile(rf"{VERSION}:{verb}{rest}") for verb, rest in _GRAMMAR.items()}


class NotAPress(ValueError):
    """Data of an older version of the bot, or of no version at all."""


@dataclass(frozen=True)
class Press:
    """A verb with its words; `data` is the whole again. Nothing in it is to be believed before the database agrees."""

    verb: str
    data: str
    words: dict[str, str] = field(default_factory=dict)

    def number(self, name: str) -> int:
        return int(self.words[name])


def parse(data: str) -> Press:
    """Raises NotAPress for whatever this version does not put on its buttons."""
    verb = data.split(":", 2)[1] if data.startswith(f"{VERSION}:") else ""
    found = _READERS[verb].fullmatch(data) if verb in _READERS else None
    if found is None:
        raise NotAPress("not a button of this version")
    return Press(verb, data, {name: word for name, word in found.groupdict().items() if word is not None})

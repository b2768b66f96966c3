"""What a pressed button says. Buttons live for ever and anybody can send any data, so everything is checked here."""

import re
from dataclasses import dataclass, field

from ferryman.people.customer import LANGUAGES

VERSION = "v1"

_NUMBER = r"[1-9][0-9]{0,17}"
_REF = r"[A-Za-z0-9_-]{1,40}"
# Verb → what may follow it. The nonce of `pay` makes each showing of the methods an order of its own, and a second
# press on the same showing the same order.
_GRAMMAR = {
    "home": "",
    "buy": "",
    "plan": rf":(?P<plan>{_NUMBER})",
    "term": rf":(?P<term>{_NUMBER})",
    "pay": rf":(?P<method>[a-z][a-z0-9_]{{0,19}}):(?P<term>{_NUMBER})(?::(?P<nonce>[A-Za-z0-9]{{1,12}}))?",
    "check": rf":(?P<order>{_REF})",
    "subs": "",
    "sub": rf":(?P<ref>{_REF})",
    "key": rf":(?P<ref>{_REF})",
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

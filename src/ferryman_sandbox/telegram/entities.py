"""Formatted text: HTML to plain text with entities, whose offsets and lengths are UTF-16 code units.

Modelled: every HTML tag of the Bot API, the parser's complaints with their byte offsets, trimming, and the entities
the server finds by itself (links, commands, mentions). Not modelled: Markdown, e-mail, phone and hashtag detection.
"""

import html
import re
from dataclasses import dataclass
from typing import Any

from ferryman_sandbox.telegram.answers import bad

Entity = dict[str, Any]

TAGS = {
    "b": "bold",
    "strong": "bold",
    "i": "italic",
    "em": "italic",
    "u": "underline",
    "ins": "underline",
    "s": "strikethrough",
    "strike": "strikethrough",
    "del": "strikethrough",
    "tg-spoiler": "spoiler",
    "span": "spoiler",
    "a": "text_link",
    "tg-emoji": "custom_emoji",
    "code": "code",
    "pre": "pre",
    "blockquote": "blockquote",
}
VERBATIM = ("code", "pre")
OPAQUE = (*VERBATIM, "text_link", "text_mention", "custom_emoji")
MARKUP = re.compile(r"<|&(?:lt|gt|amp|quot|#\d{1,7}|#x[0-9a-fA-F]{1,6});")
TAG = re.compile(r"<(?P<slash>/?)(?P<name>[^\s<>/]*)(?P<rest>[^<>]*)>")
ATTRIBUTE = re.compile(r"""([a-zA-Z-]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+)))?""")
FOUND = (
    ("url", re.compile(r"https?://[^\s<>\"«»]+[^\s<>\"«».,:;!?)\]}']")),
    ("bot_command", re.compile(r"(?<![\w/<>])/[A-Za-z0-9_]{1,64}(?:@[A-Za-z0-9_]{3,32})?(?![\w/])")),
    ("mention", re.compile(r"(?<!\w)@[A-Za-z][A-Za-z0-9_]{3,31}(?!\w)")),
)
ENTITY_FIELDS = ("type", "offset", "length", "url", "user", "language", "custom_emoji_id")


@dataclass(frozen=True)
class Formatted:
    text: str
    entities: list[Entity]


@dataclass
class _Open:
    name: str
    start: int
    attributes: dict[str, str]


def units(text: str) -> int:
    """Length in UTF-16 code units: an emoji outside the basic plane counts as two."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def formatted(source: str, parse_mode: str, entities: Any = None) -> Formatted:
    """Raises ApiError `can't parse entities: …` for markup that does not parse."""
    match parse_mode.lower():
        case "":
            plain, marked = source, _given(source, entities)
        case "html":
            plain, marked = _HtmlParser(source).parse()
        case _:
            raise bad(f"unsupported parse_mode: this emulator reads HTML or entities, not {parse_mode}")
    text, kept = _trimmed(plain, marked)
    return Formatted(text, _in_order(kept + _found(text, kept)))


def _given(text: str, entities: Any) -> list[Entity]:
    if entities is None:
        return []
    if not isinstance(entities, list):
        raise bad("can't parse entities: expected an Array of MessageEntity")
    longest = units(text)
    for entity in entities:
        if not isinstance(entity, dict) or not isinstance(entity.get("type"), str):
            raise bad("can't parse entities: can't parse MessageEntity: Can't find field \"type\"")
        offset, length = entity.get("offset"), entity.get("length")
        if not isinstance(offset, int) or not isinstance(length, int):
            raise bad("can't parse entities: offset and length must be Numbers")
        if offset < 0 or length <= 0 or offset + length > longest:
            raise bad(f"can't parse entities: entity at UTF-16 offset {offset} ends after the end of the text")
    return [{name: entity[name] for name in ENTITY_FIELDS if entity.get(name) is not None} for entity in entities]


class _HtmlParser:
    def __init__(self, source: str) -> None:
        self.source = source
        self.plain: list[str] = []
        self.length = 0
        self.open: list[_Open] = []
        self.entities: list[Entity] = []

    def parse(self) -> tuple[str, list[Entity]]:
        at = 0
        while (found := MARKUP.search(self.source, at)) is not None:
            self._say(self.source[at : found.start()])
            if found.group().startswith("&"):
                self._say(html.unescape(found.group()))
                at = found.end()
            else:
                at = self._tag(found.start())
        self._say(self.source[at:])
        if self.open:
            raise bad(f"can't parse entities: Can't find end tag corresponding to start tag \"{self.open[-1].name}\"")
        return "".join(self.plain), self.entities

    def _say(self, text: str) -> None:
        self.plain.append(text)
        self.length += units(text)

    def _tag(self, at: int) -> int:
        offset = len(self.source[:at].encode())
        tag = TAG.match(self.source, at)
        if tag is None:
            raise bad(f"can't parse entities: Unclosed start tag at byte offset {offset}")
        name = tag["name"].lower()
        if tag["slash"]:
            self._close(name, offset)
        else:
            self._start(name, tag["rest"], offset)
        return tag.end()

    def _start(self, name: str, rest: str, offset: int) -> None:
        attributes = {
            key.lower(): html.unescape(double or single or bare)
            for key, double, single, bare in ATTRIBUTE.findall(rest)
        }
        if name not in TAGS or (name == "span" and attributes.get("class") != "tg-spoiler"):
            raise bad(f'can\'t parse entities: Unsupported start tag "{name}" at byte offset {offset}')
        self.open.append(_Open(name, self.length, attributes))

    def _close(self, name: str, offset: int) -> None:
        if not self.open:
            raise bad(f"can't parse entities: Unexpected end tag at byte offset {offset}")
        tag = self.open.pop()
        if name not in ("", tag.name):
            raise bad(
                f"can't parse entities: Unmatched end tag at byte offset {offset},"
                f' expected "</{tag.name}>", found "</{name}>"'
            )
        if self.length > tag.start:
            self._entity(tag)

    def _entity(self, tag: _Open) -> None:
        entity: Entity = {"offset": tag.start, "length": self.length - tag.start, "type": TAGS[tag.name]}
        if any(outer.name in VERBATIM for outer in self.open):
            self._language(tag)
            return
        match entity["type"]:
            case "text_link":
                url = tag.attributes.get("href") or "".join(self.plain)[-entity["length"] :]
                if not re.match(r"(?i)(https?|tg)://\S", url):
                    return  # the server drops a link it cannot open, and keeps the words
                entity["url"] = url
            case "custom_emoji":
                entity["custom_emoji_id"] = tag.attributes.get("emoji-id", "")
            case "pre" if tag.attributes.get("language"):
                entity["language"] = tag.attributes["language"]
            case "blockquote" if "expandable" in tag.attributes:
                entity["type"] = "expandable_blockquote"
        self.entities.append(entity)

    def _language(self, tag: _Open) -> None:
        language = tag.attributes.get("class", "")
        if tag.name == "code" and self.open[-1].name == "pre" and language.startswith("language-"):
            self.open[-1].attributes["language"] = language.removeprefix("language-")


def _trimmed(text: str, entities: list[Entity]) -> tuple[str, list[Entity]]:
    """Without the white space around it; entities that lose all their text go too."""
    short = text.strip()
    if short == text:
        return text, entities
    skipped = units(text[: len(text) - len(text.lstrip())])
    longest = units(short)
    kept = []
    for entity in entities:
        start = min(max(entity["offset"] - skipped, 0), longest)
        end = min(max(entity["offset"] + entity["length"] - skipped, 0), longest)
        if end > start:
            kept.append({**entity, "offset": start, "length": end - start})
    return short, kept


def _found(text: str, marked: list[Entity]) -> list[Entity]:
    taken = [(one["offset"], one["offset"] + one["length"]) for one in marked if one["type"] in OPAQUE]
    found: list[Entity] = []
    for kind, pattern in FOUND:
        for match in pattern.finditer(text):
            start = units(text[: match.start()])
            end = start + units(match.group())
            if all(end <= other_start or start >= other_end for other_start, other_end in taken):
                taken.append((start, end))
                found.append({"offset": start, "length": end - start, "type": kind})
    return found


def _in_order(entities: list[Entity]) -> list[Entity]:
    return sorted(entities, key=lambda one: (one["offset"], -one["length"], one["type"]))

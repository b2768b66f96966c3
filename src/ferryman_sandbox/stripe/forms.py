"""Form bodies with brackets, `line_items[0][price_data][currency]=usd`, as one document of text, dicts and lists."""

import re
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

from ferryman_sandbox.stripe.errors import ApiError, invalid

Json = dict[str, Any]

_NAME = re.compile(r"([a-z_0-9]+)((?:\[[A-Za-z_0-9]*\])*)")
_PART = re.compile(r"\[([A-Za-z_0-9]*)\]")


def nested(pairs: Iterable[tuple[str, str]]) -> Json:
    """Numbered parts stay dicts with numbers for names, except those without a number, which are lists."""
    document: Json = {}
    for name, value in pairs:
        shape = _NAME.fullmatch(name)
        if shape is None:
            raise ApiError(400, f"Received unknown parameter: {name[:60]}", code="parameter_unknown")
        _put(document, [shape[1], *_PART.findall(shape[2])], value)
    return document


def _put(document: Json, path: list[str], value: str) -> None:
    for part, after in pairwise(path):
        if not after:
            document.setdefault(part, []).append(value)
            return
        document = document.setdefault(part, {})
        if not isinstance(document, dict):
            raise ApiError(400, "Invalid object", code="parameter_invalid")
    document[path[-1]] = value


def section(given: Json, name: str) -> Json:
    """A part that is itself a document; empty when it is not there."""
    found = given.get(name, {})
    if not isinstance(found, dict):
        raise invalid(name, "Invalid object", "parameter_invalid")
    return found


def whole(given: Json, name: str) -> int:
    value = given.get(name, "")
    if not isinstance(value, str) or not value.isdecimal() or len(value) > 12:
        raise invalid(name, f"Invalid integer: {value}", "parameter_invalid_integer")
    return int(value)


def metadata(given: Json) -> dict[str, str]:
    found = section(given, "metadata")
    if len(found) > 50 or any(len(name) > 40 or len(str(value)) > 500 for name, value in found.items()):
        raise invalid("metadata", "Metadata takes 50 keys of 40 characters, with values of 500", "parameter_invalid")
    return {name: str(value) for name, value in found.items()}

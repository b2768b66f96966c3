"""Which handler answers a call: paths relative to the base path, each valid for a range of versions.

A dialect is a tuple of `Route`s in the module that serves it; another generation is another module with its own.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from ferryman_sandbox.xui.binding import bind, parse_json
from ferryman_sandbox.xui.envelope import Refusal, Reply
from ferryman_sandbox.xui.panel import Panel
from ferryman_sandbox.xui.versions import NEWEST, OLDEST, Version

# Who may call: anybody, a cookie session of the web pages, or a session or token of the API.
OPEN, PAGES, API = "open", "pages", "api"


class NoRoute(LookupError):
    """The panel has no such route in this version: an empty 404."""


@dataclass
class Call:
    """One request, already read. `path` and `params` are percent-decoded."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    cookies: Mapping[str, str]
    body: bytes = b""
    remote: str = ""
    host: str = ""
    params: dict[str, str] = field(default_factory=dict)

    @property
    def is_form(self) -> bool:
        return not self.headers.get("Content-Type", "").startswith("application/json")

    def json(self, struct: str, fields: Mapping[str, str]) -> dict[str, Any]:
        """The JSON body with these fields. Raises Refusal in the panel's words."""
        return bind(parse_json(self.body), fields, struct)

    def form(self) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(self.body.decode(errors="replace")).items()}

    def number(self, name: str) -> int:
        """A numeric path parameter. Raises Refusal when it is none."""
        text = self.params[name]
        try:
            return int(text)
        except ValueError as error:
            raise Refusal(f'strconv.Atoi: parsing "{text}": invalid syntax') from error


Handler = Callable[[Panel, Call], Reply]


@dataclass(frozen=True)
class Route:
    """`blame` is the word before the bracket when the handler refuses.

    `changes`: it writes; `rewrites`: it reads an inbound, edits it and writes all of it back, so that two at once may
    lose one of them.
    """

    method: str
    path: str
    handler: Handler
    area: str = API
    since: Version = OLDEST
    before: Version = (*NEWEST[:2], NEWEST[2] + 1)
    changes: bool = False
    rewrites: bool = False
    blame: str = "wrong"

    def serves(self, version: Version) -> bool:
        return self.since <= version < self.before


class RouteTable:
    """Fixed segments win over parameters, the leftmost first."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._by_shape: dict[tuple[str, int], list[tuple[list[str], Route]]] = {}
        for route in routes:
            segments = route.path.split("/")
            self._by_shape.setdefault((route.method, len(segments)), []).append((segments, route))
        for known in self._by_shape.values():
            known.sort(key=lambda one: [segment.startswith(":") for segment in one[0]])

    def find(self, method: str, path: str, version: Version) -> tuple[Route, dict[str, str]]:
        """Raises NoRoute."""
        asked = path.split("/")
        for segments, route in self._by_shape.get((method, len(asked)), ()):
            if route.serves(version) and _matches(segments, asked):
                return route, {name[1:]: text for name, text in zip(segments, asked, strict=True) if name[:1] == ":"}
        raise NoRoute(path)


def _matches(segments: list[str], asked: list[str]) -> bool:
    return all(
        text if segment.startswith(":") else segment == text for segment, text in zip(segments, asked, strict=True)
    )

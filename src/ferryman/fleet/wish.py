"""What an operator wants a node to be: one value, whichever face it came through, checked when it is made."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from ferryman.fleet.panel import NewInbound, PanelAccess
from ferryman.kit.errors import Misconfigured

NAME = r"[a-z0-9][a-z0-9-]{0,30}"
COUNTRY = r"[A-Z]{2}"
LONGEST_TAG = 32

# The panel's own ids, or every inbound that customers can use.
Wanted = Literal["all"] | Collection[int]


@dataclass(frozen=True)
class Place:
    """The location that a node stands in. What is empty stays as it is for a location that exists."""

    code: str
    country: str = ""
    title: Mapping[str, str] = field(default_factory=dict)
    city: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not re.fullmatch(NAME, self.code):
            raise Misconfigured(f"{self.code!r} cannot name a location.", "Use a-z, 0-9 and dashes, 31 at most.")
        if self.country and not re.fullmatch(COUNTRY, self.country):
            raise Misconfigured(f"{self.country!r} is no country.", "Give its ISO code in capitals: NL, DE, FI.")


@dataclass(frozen=True)
class Wish:
    """None leaves something as it is, or at its default for a new node.

    `tags` are by the panel's inbound id, `common_tags` for all inbounds. `new_inbound` is made in the panel first, and
    chosen beside the others. `capacity_bytes` count for thirty days; capacities of 0 mean no limit. Raises
    Misconfigured for what cannot be.
    """

    name: str
    panel: str
    access: PanelAccess
    address: str
    place: Place
    inbounds: Wanted | None = None
    tags: Mapping[int, Sequence[str]] = field(default_factory=dict)
    common_tags: Sequence[str] | None = None
    new_inbound: NewInbound | None = None
    enabled: bool | None = None
    position: int | None = None
    priority: int | None = None
    capacity_clients: int | None = None
    capacity_bytes: int | None = None

    def __post_init__(self) -> None:
        if not re.fullmatch(NAME, self.name):
            raise Misconfigured(f"{self.name!r} cannot name a node.", "Use a-z, 0-9 and dashes, 31 at most.")
        if not re.fullmatch(r"[^\s/?#@%\\]+", self.address):
            raise Misconfigured(
                f"{self.address!r} is no address for customers to connect to.",
                "Give a name or an IP address alone: no https://, no port, no path.",
            )
        if self.priority is not None and not 0 <= self.priority <= 100:
            raise Misconfigured(f"A priority of {self.priority} cannot be.", "Give 0 to 100; 50 is usual.")
        if min(self.capacity_clients or 0, self.capacity_bytes or 0) < 0:
            raise Misconfigured("A capacity cannot be negative.", "Give 0 for a node without limit.")
        for tag in (tag for tags in (self.common_tags or (), *self.tags.values()) for tag in tags):
            if not re.fullmatch(r"[\w-]+", tag) or len(tag) > LONGEST_TAG:
                raise Misconfigured(f"{tag!r} cannot be a tag.", f"Use letters, digits, dashes, {LONGEST_TAG} at most.")

"""The port to VPN panels: few verbs in words of access, never of inbounds' inner shape.

A panel type is one file or one small package plus one line under the entry-point group `ferryman.panels`.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Protocol

from pydantic import SecretStr

from ferryman.kit.clock import Clock
from ferryman.kit.errors import FerrymanError
from ferryman.kit.http import Http

GROUP = "ferryman.panels"


@dataclass(frozen=True)
class PanelAccess:
    """How one panel is reached. Either `token`, or `username` and `password`.

    `totp` is the base32 secret of the panel user's second factor. The certificate is verified against the usual
    authorities, or against `ca` (PEM), or by its `pin` (SHA-256 in hex), or not at all with `insecure`.
    """

    url: str
    token: SecretStr | None = None
    username: str = ""
    password: SecretStr | None = None
    pin: str = ""
    insecure: bool = False
    totp: SecretStr | None = None
    ca: str = ""


@dataclass(frozen=True)
class Access:
    """What one customer is owed on one node: the client to be there, word for word.

    `email` names the client on its panel and never changes; `ends_at` None = never; `traffic_bytes` and `devices` 0 =
    unlimited; `inbounds` are the panel's own ids.
    """

    email: str
    uuid: str
    password: str
    sub_id: str
    enabled: bool
    ends_at: datetime | None
    traffic_bytes: int
    devices: int
    inbounds: tuple[int, ...]
    comment: str = ""


@dataclass(frozen=True)
class Seen:
    """A client as the panel shows it. Bytes are the panel's own counters since its last reset.

    `flawed` says what no `Access` can express and `put` mends: entries twice in one inbound, parts that disagree.
    """

    email: str
    uuid: str
    password: str
    sub_id: str
    enabled: bool
    ends_at: datetime | None
    traffic_bytes: int
    devices: int
    inbounds: tuple[int, ...]
    up: int = 0
    down: int = 0
    flawed: str = ""


@dataclass(frozen=True)
class PanelInbound:
    """One inbound of a panel. `link` holds only what share links need; no private key is ever in it."""

    panel_id: int
    protocol: str
    transport: str
    security: str
    port: int
    remark: str
    enabled: bool
    link: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class PanelReport:
    """What a cheap probe found. `clock_skew` is the panel's clock minus ours in seconds, None when it did not say."""

    version: str
    core_running: bool
    clock_skew: float | None = None


@dataclass(frozen=True)
class NewInbound:
    """A VLESS inbound with REALITY to be made, keys by the panel. `target` is host:port of the site it looks like."""

    remark: str
    port: int
    target: str
    server_name: str


@dataclass(frozen=True)
class PanelTools:
    http: Http
    clock: Clock


class VpnPanel(Protocol):
    """One panel. Every verb may raise Unreachable, Busy, AccessDenied or Refused; messages name the panel's host.

    The verbs are idempotent: repeating one after any failure leads to the same state.
    """

    kind: ClassVar[str]

    def __init__(self, access: PanelAccess, tools: PanelTools) -> None: ...

    async def probe(self) -> PanelReport: ...

    async def inbounds(self) -> Sequence[PanelInbound]: ...

    async def see(self, email: str) -> Seen | None:
        """The client of that name; None when there is none."""
        ...

    async def put(self, access: Access) -> Seen:
        """Make the panel hold exactly this client, whatever was there before; answers what it read back.

        Raises Conflict when the name is taken by a client that is not ours (other uuid and other sub_id).
        """
        ...

    async def drop(self, email: str) -> None:
        """Make the panel hold no such client; one that is absent already is a success."""
        ...

    def everyone(self) -> AsyncIterator[Sequence[Seen]]:
        """Every client of the panel, ours or not, a page at a time, in as few calls as the panel allows.

        A client that changes while the pages are read may be shown twice or not at all: absence here is a reason to
        look, never a proof.
        """
        ...

    async def put_many(self, accesses: Sequence[Access]) -> Sequence[Seen | FerrymanError]:
        """As `put` for each, in as few calls as the panel allows; an outcome for each, in their order.

        What failed for one is its outcome; what stops all of them (no panel, no credentials) is raised.
        """
        ...

    async def drop_many(self, emails: Sequence[str]) -> Sequence[FerrymanError | None]:
        """As `drop` for each, in as few calls as the panel allows; an outcome for each, in their order."""
        ...

    async def online(self) -> frozenset[str]:
        """Names of the clients with a connection now, as far as the panel knows (it looks every 5 to 20 s)."""
        ...

    async def open_inbound(self, wanted: NewInbound) -> PanelInbound:
        """Make an inbound with fresh keys; answers what the panel shows. Raises Refused when the port is taken."""
        ...

"""The port to payment providers: four verbs, and the values that cross it.

A provider is one file (or one small package) plus one line under the entry-point group `ferryman.payments`. It
carries its own title, icon, currencies and settings; nothing in the core knows it by name.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Protocol

from pydantic import BaseModel

from ferryman.kit.clock import Clock
from ferryman.kit.http import Http
from ferryman.kit.money import Money

GROUP = "ferryman.payments"


class PaymentState(enum.StrEnum):
    """What a provider says of a payment. PENDING may still become either of the others."""

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    CANCELLED = "cancelled"


@dataclass(frozen=True)
class PaymentRequest:
    """What we ask a provider to collect.

    `ref` is our payment's public id; the provider must hand it back in `look_up`. `idempotency_key` makes a repeat of
    the same request harmless where the provider supports that. `description` is shown to the payer.
    """

    ref: str
    order_ref: str
    amount: Money
    description: str
    language: str
    return_url: str
    idempotency_key: str
    placed_at: datetime


@dataclass(frozen=True)
class Opened:
    """The provider has the payment: its id there, and the address where the customer pays."""

    external_id: str
    pay_url: str


@dataclass(frozen=True)
class Claim:
    """What a webhook says, which is a rumour: somebody claims that this payment changed.

    Either id may be missing, never both. `event` is the provider's word for what happened. `dedup_key` is equal for
    repeats of the same event and different for different ones.
    """

    event: str
    dedup_key: str
    external_id: str | None = None
    ref: str | None = None


@dataclass(frozen=True)
class Fact:
    """What the provider itself confirms when asked. `test` marks play money; `reason` says why it was cancelled.

    `refunded` is how much of a success has been given back so far, whoever did it.
    """

    external_id: str
    ref: str | None
    state: PaymentState
    amount: Money
    test: bool
    reason: str | None = None
    fee: Money | None = None
    refunded: Money | None = None


@dataclass(frozen=True)
class RawWebhook:
    """A webhook as it came in. `headers` have lower-case names; `remote_ip` is what the connection or proxy says."""

    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    remote_ip: str = ""


@dataclass(frozen=True)
class ProviderTools:
    """What a provider may use of the world."""

    http: Http
    clock: Clock
    sandbox: bool


class PaymentProvider(Protocol):
    """One way to pay. The class is made with its validated config and tools.

    Errors raised by every verb that calls out: Unreachable (effect unknown: repeat with the same request, or look up),
    Busy, AccessDenied (credentials), Refused. NotFound from `look_up` when the provider does not know the id.
    """

    name: ClassVar[str]
    title: ClassVar[Mapping[str, str]]
    icon: ClassVar[str]
    currencies: ClassVar[tuple[str, ...]]
    Config: ClassVar[type[BaseModel]]
    acknowledgement: ClassVar[tuple[int, str]]
    """Status and body of the answer that this provider wants to a webhook."""

    def __init__(self, config: Any, tools: ProviderTools) -> None: ...

    @property
    def test_mode(self) -> bool:
        """Whether the configured account is one for play money; a Fact must agree."""
        ...

    async def open(self, request: PaymentRequest) -> Opened:
        """Create the payment over there, or find the one that an earlier identical request created."""
        ...

    def read_webhook(self, raw: RawWebhook) -> Claim:
        """What the webhook claims. Raises Refused when it is not one of this provider's (shape, signature)."""
        ...

    async def look_up(self, external_id: str) -> Fact:
        """Ask the provider for the truth about one payment."""
        ...

    async def find(self, request: PaymentRequest) -> Fact | None:
        """The payment that an earlier `open` may have left behind, by our ref; None when there is certainly none."""
        ...

    async def check(self) -> str:
        """One read-only call that proves the credentials; answers a sentence for the operator. Raises as above."""
        ...

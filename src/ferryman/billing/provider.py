"""The port to payment providers: the verbs that every one has, those that some have, and the values that cross it.

A provider is one file (or one small package) plus one line under the entry-point group `ferryman.payments`. It
carries its own title, icon, ways to pay, currencies and settings; nothing in the core knows it by name. What it can do
beyond the ordinary is told by which of the smaller protocols it has: Capturing, Withdrawing, Charging, Refunding,
Listing, Watched. One that takes the money out of our own books instead of somebody's hands is an InHouse.
"""

import enum
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, ClassVar, Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict
from sqlalchemy.ext.asyncio import AsyncSession

from ferryman.billing.telegram import TelegramAccess
from ferryman.kit.clock import Clock
from ferryman.kit.errors import Refused
from ferryman.kit.http import Http
from ferryman.kit.money import Money

GROUP = "ferryman.payments"


class PaymentState(enum.StrEnum):
    """What a provider says of a payment.

    PENDING may still become any of the others. HELD: the money is reserved and waits for our `capture`. SHORT: less
    came than was asked for, and no more will come by itself. CANCELLED may still become SUCCEEDED with some.
    """

    PENDING = "pending"
    HELD = "held"
    SUCCEEDED = "succeeded"
    SHORT = "short"
    CANCELLED = "cancelled"


class RefundState(enum.StrEnum):
    """What a provider says of a refund."""

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(frozen=True)
class Way:
    """One way to pay as the customer sees it: a button. `code` names it within its provider, "" where there is but one.

    `currencies` empty: all of the provider's. `least` and `most`: what it takes at one time, in minor units by
    currency. `keeps`: the instrument can be kept, and charged again without the customer.
    """

    code: str
    icon: str
    title: Mapping[str, str]
    currencies: tuple[str, ...] = ()
    least: Mapping[str, int] = field(default_factory=dict)
    most: Mapping[str, int] = field(default_factory=dict)
    keeps: bool = False


@dataclass(frozen=True)
class PaymentRequest:
    """What we ask a provider to collect.

    `ref` is our payment's public id; the provider must hand it back in `look_up`. `idempotency_key` makes a repeat of
    the same request harmless where the provider supports that. `description` is shown to the payer. `hook_url` is where
    this provider's webhooks come in, for those that want to be told with each payment. `payer` is the customer's
    Telegram id; `contact` an e-mail address or a phone number ("+" and digits) for the receipt, "" when none is known.
    `keep` asks to keep the instrument; `every_days` for a payment that repeats by itself, 0 = once. `number` is unique
    among all our payments, for those that know their payments by a number of ours; what was made of it stands in
    `pay_url`, the link that the payer was given, "" before there is one.
    """

    ref: str
    order_ref: str
    amount: Money
    description: str
    language: str
    return_url: str
    idempotency_key: str
    placed_at: datetime
    way: str = ""
    hook_url: str = ""
    payer: int = 0
    contact: str = ""
    keep: bool = False
    every_days: int = 0
    number: int = 0
    pay_url: str = ""

    def must_be_in(self, currencies: Sequence[str], title: str) -> None:
        """Raises Refused for another currency, and for nothing at all; `title` is the provider's."""
        if self.amount.currency not in currencies or self.amount.minor <= 0:
            raise Refused(f"{title} cannot collect {self.amount}.")


@dataclass(frozen=True)
class Opened:
    """The provider has the payment: its id there, and the address where the customer pays.

    `external_id` None: it has no id before somebody pays.
    """

    external_id: str | None
    pay_url: str


@dataclass(frozen=True)
class Kept:
    """An instrument that may be charged again: the provider's `token` for it, and what a person knows it by."""

    token: str
    title: str


@dataclass(frozen=True)
class Claim:
    """What a webhook says, which is a rumour: somebody claims that this payment changed.

    Either id may be missing; both are when it is about something else than a payment. `event` is the provider's word
    for what happened. `dedup_key` is equal for repeats of the same event and different for different ones. `fact` only
    where the webhook is authentic beyond doubt (signed, or out of our own hands) and the provider cannot be asked; then
    it is believed instead.
    """

    event: str
    dedup_key: str
    external_id: str | None = None
    ref: str | None = None
    fact: "Fact | None" = None

    @classmethod
    def of_no_payment(cls, event: str, body: bytes) -> "Claim":
        """An event of a kind that we have no use for, known again by its text: kept, and nothing is done about it."""
        return cls(event, f"{event}:{sha256(body).hexdigest()[:32]}")


@dataclass(frozen=True)
class Fact:
    """What the provider itself confirms when asked. `test` marks play money; `reason` says why it was cancelled or what
    it waits for, by `remote.unknown_status` where nobody here knows the word.

    `amount` is what the payment was opened for, in the order's currency; that is what is compared. `refunded` and
    `charged_back` are how much of a success has been given back, or taken back by the payer's bank, so far, whoever
    did it; None = not said. `fee` is what the provider kept, `dispute_fee` what it keeps on top for chargebacks so
    far. `kept` is an instrument to be charged again. `renews`: one of the payments that follow by themselves upon a
    repeating one. `details` is worth keeping for the books, in plain JSON: what came in which coin at what rate, the
    surplus, the last digits of a card; never a secret.
    `came` is how much of a SHORT payment is there and ours to keep, in the order's currency at the rate that was asked
    for, rounded down; None = the provider does not say that any of it is ours.
    """

    external_id: str
    ref: str | None
    state: PaymentState
    amount: Money
    test: bool
    reason: str | None = None
    fee: Money | None = None
    refunded: Money | None = None
    charged_back: Money | None = None
    kept: Kept | None = None
    renews: bool = False
    details: Mapping[str, Any] = field(default_factory=dict)
    came: Money | None = None
    dispute_fee: Money | None = None


@dataclass(frozen=True)
class RefundRequest:
    """What we ask a provider to give back of a payment. `whole`: all that is left of it.

    `ref` and `idempotency_key` as in a PaymentRequest; `payer` is the customer's Telegram id. `contact` and
    `description` for the receipt, as the payment had them.
    """

    ref: str
    payment_external_id: str
    payment_ref: str
    amount: Money
    whole: bool
    idempotency_key: str
    payer: int
    description: str
    contact: str = ""


@dataclass(frozen=True)
class RefundFact:
    """What the provider says of a refund, ours or made in its dashboard (`ref` None)."""

    external_id: str
    payment_external_id: str
    state: RefundState
    amount: Money
    ref: str | None = None
    reason: str | None = None


@dataclass(frozen=True)
class RawWebhook:
    """A webhook as it came in. `headers` have lower-case names; `query` is the part after "?" as it was sent.

    `remote_ip` is the sender's address: the connection's, or what a trusted proxy wrote.
    """

    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    remote_ip: str = ""
    query: str = ""


@dataclass(frozen=True)
class ProviderTools:
    """What a provider may use of the world. `telegram` is None where no bot token is set; `base_url` is what the
    addresses for webhooks begin with."""

    http: Http
    clock: Clock
    sandbox: bool
    telegram: TelegramAccess | None = None
    base_url: str = ""


class NoSettings(BaseModel):
    """The settings of a provider that has nothing to be told."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class Offered(Protocol):
    """What every way of paying carries, whoever takes the money. `ways` empty: there is no button for it."""

    name: ClassVar[str]
    title: ClassVar[Mapping[str, str]]
    icon: ClassVar[str]
    currencies: ClassVar[tuple[str, ...]]
    """The codes it takes; empty = any."""
    ways: ClassVar[tuple[Way, ...]]
    Config: ClassVar[type[BaseModel]]

    def __init__(self, config: Any, tools: ProviderTools) -> None: ...

    @property
    def test_mode(self) -> bool:
        """Whether the configured account is one for play money; a Fact must agree."""
        ...

    async def check(self) -> str:
        """What proves that it works, by one read-only call over there at most; answers a sentence for the operator.

        Raises what a PaymentProvider's verbs raise.
        """
        ...


class PaymentProvider(Offered, Protocol):
    """One that collects over there. The class is made with its validated config and tools.

    Errors raised by every verb that calls out: Unreachable (effect unknown: repeat with the same request, or look up),
    Busy, AccessDenied (credentials), Refused. NotFound from `look_up` when the provider does not know the id.
    """

    @property
    def needs_contact(self) -> bool:
        """Whether a payment cannot be opened without the payer's e-mail address or phone number."""
        ...

    def answer(self, claim: Claim | None) -> tuple[int, str]:
        """Status and body that this provider wants to hear for a webhook; None = for one that is none of its own."""
        ...

    async def open(self, request: PaymentRequest) -> Opened:
        """Create the payment over there, or find the one that an earlier identical request created."""
        ...

    def read_webhook(self, raw: RawWebhook) -> Claim:
        """What the webhook claims, of whichever kind. Raises Refused when it is none of this provider's (shape,
        signature)."""
        ...

    async def look_up(self, external_id: str) -> Fact:
        """Ask the provider for the truth about one payment."""
        ...

    async def find(self, request: PaymentRequest) -> Fact | None:
        """The payment that an earlier `open` may have left behind, by our ref; None when there is certainly none."""
        ...


@runtime_checkable
class Capturing(Protocol):
    """Money may be HELD first."""

    async def capture(self, external_id: str, amount: Money, idempotency_key: str) -> Fact:
        """Take what is held; once, however often it is said."""
        ...


@runtime_checkable
class Withdrawing(Protocol):
    """A payment that waits can be called off, and be asked about afterwards all the same."""

    async def withdraw(self, external_id: str) -> Fact:
        """Nobody can pay it any more: the Fact is CANCELLED, or says that it was paid before."""
        ...


@runtime_checkable
class Charging(Protocol):
    """An instrument that was kept can be charged without the customer."""

    async def charge(self, request: PaymentRequest, token: str) -> Fact:
        """Charge it; a repeat of the same request finds the same payment. The Fact may be PENDING, CANCELLED, …"""
        ...


@runtime_checkable
class Repeating(Protocol):
    """A payment asked for with `every_days` repeats by itself over there, until it is stopped."""

    async def stop(self, payer: int, external_id: str) -> None:
        """No more payments follow the one with this id; what is paid is paid. Stopped before is stopped."""
        ...

    async def resume(self, payer: int, external_id: str) -> None:
        """They follow again, if its time has not run out. Raises Refused when that cannot be."""
        ...


@runtime_checkable
class Refunding(Protocol):
    """Money can be given back through the provider's API. `partly`: a part of it too, and more than once."""

    partly: ClassVar[bool]

    async def refund(self, request: RefundRequest) -> RefundFact:
        """Give back; once per request, however often it is said. What was given back before is SUCCEEDED."""
        ...

    async def look_up_refund(self, request: RefundRequest, external_id: str | None) -> RefundFact | None:
        """How our refund stands; None when the provider certainly has none. `external_id` None: the answer was lost."""
        ...


@runtime_checkable
class Listing(Protocol):
    """What the provider has can be read as a list, for the daily comparison."""

    def listed(self, since: datetime, until: datetime) -> AsyncIterator[Fact]:
        """Every payment that was created or paid in this time, ours or not; more may come along."""
        ...


@runtime_checkable
class Watched(Protocol):
    """What goes back of an old payment is not sure to stand in any list: its successes are asked about again, each by
    one `look_up`. `watched_for`: for how long money may still go back, or come back, after a payment."""

    watched_for: ClassVar[timedelta]


@runtime_checkable
class Revisited(Protocol):
    """Its link stays good, and each visit makes a payment of its own over there; ours knows the first by its id."""

    async def paid_beside(self, fact: Fact) -> Fact | None:
        """The payment of another visit by the same link that was paid, when the one of this Fact was not."""
        ...


@runtime_checkable
class Told(Protocol):
    """Hears of its payments from the bot, which has them from Telegram; its `read_webhook` refuses everything."""

    def read_message(self, raw: RawWebhook) -> Claim:
        """What Telegram says, as the bot hands it over: authentic, so the Claim may carry a Fact. Raises Refused."""
        ...


@runtime_checkable
class InHouse(Protocol):
    """Pays out of our own books, inside the caller's transaction: a balance, a code, somebody's word."""

    async def collect(self, session: AsyncSession, request: PaymentRequest, customer_id: int) -> Fact:
        """Take the money now. Raises Refused, with a sentence for the customer, when it is not there."""
        ...

    def account(self, request: PaymentRequest, customer_id: int) -> str:
        """The ledger account that the money comes from."""
        ...

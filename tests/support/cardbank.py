"""A card bank in memory, and the provider that speaks to it: keeps cards, and charges them under a key, once.

Put `bank.provider()` under its name into `tools.providers`. What it does not model: HTTP, webhooks, refunds, fees.
"""

import itertools
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from pydantic import BaseModel

from ferryman.billing.provider import (
    Claim,
    Fact,
    Kept,
    Opened,
    PaymentRequest,
    PaymentState,
    ProviderTools,
    RawWebhook,
    Way,
)
from ferryman.kit.errors import NotFound, Refused

CARD = "Card *4477"


@dataclass
class Bank:
    """`payments` by their id there, `keys` by which they were asked for.

    `verdicts` are what the next charges come to: a reason, "" = success, None = pending. `failures` are what the next
    calls raise: "before" a charge has its effect, "after" it, or at "look", "stop" and "resume".
    """

    payments: dict[str, Fact] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    requests: list[PaymentRequest] = field(default_factory=list)
    verdicts: list[str | None] = field(default_factory=list)
    failures: list[tuple[BaseException, str]] = field(default_factory=list)
    stopped: list[tuple[str, int, str]] = field(default_factory=list)
    charges: int = 0
    _ids: Any = field(default_factory=itertools.count)

    def provider(self) -> type["CardProvider"]:
        return type("CardProviderOfOneBank", (CardProvider,), {"bank": self})

    def repeating(self) -> type["CardProvider"]:
        """One that keeps nothing, and repeats its payments by itself every thirty days, as Telegram does with Stars."""
        fields = {"bank": self, "name": "repeats", "currencies": ("XTR",), "ways": (Way("", "⭐", {"en": "Stars"}),)}
        return type("RepeatingProvider", (CardProvider,), fields)

    def repeat(self, first: Fact) -> Fact:
        """The next payment of a row, thirty days later: it names our first payment, and has an id of its own."""
        number = f"bank-{next(self._ids)}"
        self.payments[number] = replace(first, external_id=number, renews=True, kept=None)
        return self.payments[number]

    def pay(self, ref: str, *, keep: bool = True) -> Fact:
        """The customer pays on the page."""
        (found,) = (one for one in self.payments.values() if one.ref == ref)
        kept = Kept(f"token-of-{found.external_id}", CARD) if keep else None
        return self.say(found.external_id, state=PaymentState.SUCCEEDED, kept=kept)

    def say(self, external_id: str, **changes: Any) -> Fact:
        """From now on the bank tells this of a payment."""
        self.payments[external_id] = replace(self.payments[external_id], **changes)
        return self.payments[external_id]

    @property
    def taken(self) -> list[int]:
        """What was taken in all, in minor units, oldest first."""
        return [one.amount.minor for one in self.payments.values() if one.state is PaymentState.SUCCEEDED]

    def make(self, request: PaymentRequest, state: PaymentState, reason: str | None = None) -> Fact:
        if request.idempotency_key in self.keys:
            return self.payments[self.keys[request.idempotency_key]]
        number = f"bank-{next(self._ids)}"
        self.keys[request.idempotency_key] = number
        self.payments[number] = Fact(number, request.ref, state, request.amount, test=True, reason=reason)
        return self.payments[number]

    def fail(self, when: str) -> None:
        if self.failures and self.failures[0][1] == when:
            raise self.failures.pop(0)[0]


class NoSettings(BaseModel):
    """There is nothing to set."""


class CardProvider:
    """`bank` is given by `Bank.provider`. One that repeats by itself, too, for what is told of such payments."""

    bank: ClassVar[Bank]
    name: ClassVar[str] = "cards"
    title: ClassVar[dict[str, str]] = {"ru": "Карта", "en": "Card"}
    icon: ClassVar[str] = "💳"
    currencies: ClassVar[tuple[str, ...]] = ("RUB", "XTR")
    ways: ClassVar[tuple[Way, ...]] = (Way("", "💳", {"ru": "Карта", "en": "Card"}, keeps=True),)
    Config: ClassVar[type[BaseModel]] = NoSettings
    test_mode = True
    needs_contact = False

    def __init__(self, config: Any, tools: ProviderTools) -> None:
        del config, tools

    def answer(self, claim: Claim | None) -> tuple[int, str]:
        return 200 if claim else 400, ""

    def read_webhook(self, raw: RawWebhook) -> Claim:
        raise Refused("It sends none.")

    async def open(self, request: PaymentRequest) -> Opened:
        return Opened(self.bank.make(request, PaymentState.PENDING).external_id, "https://bank.example/pay")

    async def look_up(self, external_id: str) -> Fact:
        self.bank.fail("look")
        if external_id not in self.bank.payments:
            raise NotFound("The bank has no such payment.")
        return self.bank.payments[external_id]

    async def find(self, request: PaymentRequest) -> Fact | None:
        return next((one for one in self.bank.payments.values() if one.ref == request.ref), None)

    async def check(self) -> str:
        return "There it is."

    async def charge(self, request: PaymentRequest, token: str) -> Fact:
        self.bank.charges += 1
        self.bank.requests.append(request)
        assert token.startswith("token-of-")
        self.bank.fail("before")
        known = request.idempotency_key in self.bank.keys
        verdict = self.bank.verdicts.pop(0) if self.bank.verdicts and not known else ""
        states = {None: PaymentState.PENDING, "": PaymentState.SUCCEEDED}
        made = self.bank.make(request, states.get(verdict, PaymentState.CANCELLED), verdict or None)
        self.bank.fail("after")
        return made

    async def stop(self, payer: int, external_id: str) -> None:
        self.bank.fail("stop")
        self.bank.stopped.append(("stop", payer, external_id))

    async def resume(self, payer: int, external_id: str) -> None:
        self.bank.fail("resume")
        self.bank.stopped.append(("resume", payer, external_id))

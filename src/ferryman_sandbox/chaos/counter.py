"""Buying without a bank: a gift code, the balance, and cash that the operator vouches for. They know no pay page.

What is outside of the product here is what the operator has handed out and been given: every code is made before the
storm, worth exactly what it is spent on, and cash is what a person says they have paid.
"""

import json
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar

from ferryman_sandbox.chaos.person import Paid, Person
from ferryman_sandbox.chaos.script import Errand
from ferryman_sandbox.chaos.ways import Taken
from ferryman_sandbox.world.recipe import PLANS

Json = dict[str, Any]
# Runs `ferryman …` to its end and answers what it printed.
Command = Callable[..., Awaitable[str]]

# What the persons buy is the first term of the first plan.
PLAN = PLANS[0]
DAYS, PRICES = PLAN["terms"][0]
CURRENCY = "RUB"
PRICE = PRICES[CURRENCY]
MINOR = int(PRICE.replace(".", ""))
WRONG_CODE = "XXXX-XXXX-XXXX-XXXX"
MOST_CODES = 500
PAID_BY_CODE = ("gift", "balance")


class OwnCounter:
    """One of them. `codes` are those that were made for it: the ref of each, and what is written on the card."""

    name: ClassVar[str]
    # What `ferryman gift make` is told, besides how many.
    worth: ClassVar[Sequence[str]] = ()

    def __init__(self, operator: Command) -> None:
        self._operator = operator
        self._codes: list[tuple[str, str]] = []
        self._spent: list[Taken] = []

    @property
    def codes_out(self) -> int:
        """What the codes that nobody has spent are worth, in minor units."""
        return MINOR * len(self._codes)

    async def prepare(self, count: int) -> None:
        """Have so many codes made. Raises WorldError with what the command said."""
        while self.worth and count > 0:
            made = min(count, MOST_CODES)
            told = await self._operator("gift", "make", *self.worth, "--count", str(made), "--why", "chaos", "--json")
            self._codes += [(one["ref"], one["code"]) for one in json.loads(told)]
            count -= made

    async def buy(self, person: Person, errand: Errand) -> Paid:
        """One purchase, to the moment at which the shop says that it is paid."""
        raise NotImplementedError

    async def taken(self) -> list[Taken]:
        """What persons have paid here."""
        return list(self._spent)

    def _note(self, payment: str, order: str, at: float) -> Paid:
        self._spent.append(Taken(payment, MINOR, CURRENCY))
        return Paid(self.name, payment, order, at)

    async def _redeem(self, person: Person, errand: Errand) -> str:
        """Write a code in until it is accepted; answers its ref."""
        ref, code = self._codes.pop()
        if errand.manner == "declined":
            await person.write_in(WRONG_CODE)
        for _ in range(2 if errand.manner == "hasty" else 1):
            await person.redeem(code)
        person.codes += 1
        return ref


class GiftCode(OwnCounter):
    """A code for a plan's term."""

    name = "gift"
    worth = ("--plan", PLAN["code"], "--days", str(DAYS), "--currency", CURRENCY)

    async def buy(self, person: Person, errand: Errand) -> Paid:
        began = time.time()
        return self._note(await self._redeem(person, errand), "", began)


class Balance(OwnCounter):
    """A code for money first, which is then spent to the last penny."""

    name = "balance"
    worth = ("--amount", PRICE, "--currency", CURRENCY)

    async def buy(self, person: Person, errand: Errand) -> Paid:
        ref = await self._redeem(person, errand)
        known = {paid.order for paid in person.paid}
        began = time.time()
        order = await person.pay_at_once(f"v1:pay:{self.name}", known, hasty=errand.manner == "hasty")
        return self._note(ref, order, began)


class Cash(OwnCounter):
    """The person gives money to the operator, who says so; the bank's page that the order came with is left alone."""

    name = "manual"

    def __init__(self, operator: Command, beside: str) -> None:
        super().__init__(operator)
        self._beside = beside

    async def buy(self, person: Person, errand: Errand) -> Paid:
        _, order = await person.order(person.ways[self._beside], hasty=errand.manner == "hasty")
        began = time.time()
        for _ in range(2 if errand.manner == "asks" else 1):
            await self._operator("payment", "mark-paid", order, "--why", "cash")
        return self._note(order, order, began)


def counters(operator: Command, ways: Iterable[str]) -> dict[str, OwnCounter]:
    """All of them, by the provider's name; cash is given for orders that were to be paid by the first of `ways`."""
    found: list[OwnCounter] = [GiftCode(operator), Balance(operator), Cash(operator, next(iter(ways)))]
    return {one.name: one for one in found}


async def prepare(all_of_them: Mapping[str, OwnCounter], people: Iterable[Iterable[Errand]], spare: int) -> None:
    """Make as many codes as the errands need, and `spare` ones of each kind for what comes on top."""
    errands = [errand.way for person in people for errand in person]
    for name, counter in all_of_them.items():
        await counter.prepare(errands.count(name) + spare)

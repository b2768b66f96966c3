"""Codes are made before they are needed, spent once, and what nobody has spent is still owed."""

import json

import pytest

from ferryman_sandbox.chaos.counter import MINOR, MOST_CODES, counters, prepare
from ferryman_sandbox.chaos.person import Person
from ferryman_sandbox.chaos.script import Errand


class Operator:
    """Keeps what it was told to do, and makes codes as the command does."""

    def __init__(self) -> None:
        self.told: list[tuple[str, ...]] = []

    async def __call__(self, *arguments: str) -> str:
        self.told.append(arguments)
        if arguments[0] != "gift":
            return ""
        count = int(arguments[arguments.index("--count") + 1])
        return json.dumps([{"ref": f"{len(self.told)}-{n}", "code": f"CODE-{n}"} for n in range(count)])


class Shopper(Person):
    """Believes that everything came about."""

    def __init__(self) -> None:
        super().__init__({}, None, {"bank": None}, "Shopper")  # type: ignore[arg-type, dict-item]
        self.wrote: list[str] = []

    async def write_in(self, code: str) -> None:
        self.wrote.append(code)

    async def redeem(self, code: str) -> None:
        self.wrote.append(code)

    async def pay_at_once(self, choice: str, known: object, *, hasty: bool) -> str:
        del known, hasty
        return choice

    async def order(self, way: object, *, hasty: bool) -> tuple[str, str]:
        del way, hasty
        return "page", "abcdef"


async def test_as_many_codes_are_made_as_are_needed_and_some_to_spare() -> None:
    operator = Operator()
    own = counters(operator, ["bank"])
    errands = [
        [Errand("gift", "plain"), Errand("gift", "hasty")],
        [Errand("bank", "plain"), Errand("balance", "plain")],
    ]
    await prepare(own, errands, spare=3)
    assert {name: one.codes_out // MINOR for name, one in own.items()} == {"gift": 5, "balance": 4, "manual": 0}


async def test_more_codes_than_one_command_makes_come_from_several() -> None:
    operator = Operator()
    own = counters(operator, ["bank"])
    await own["gift"].prepare(MOST_CODES + 1)
    assert len(operator.told) == 2
    assert own["gift"].codes_out == MINOR * (MOST_CODES + 1)


@pytest.mark.parametrize(("manner", "written"), [("plain", 1), ("hasty", 2), ("declined", 2)])
async def test_a_code_is_spent_once_however_clumsily_it_is_written_in(manner: str, written: int) -> None:
    own = counters(Operator(), ["bank"])
    await own["gift"].prepare(2)
    shopper = Shopper()
    paid = await own["gift"].buy(shopper, Errand("gift", manner))
    assert len(shopper.wrote) == written
    assert shopper.codes == 1
    assert [one.id for one in await own["gift"].taken()] == [paid.id]
    assert own["gift"].codes_out == MINOR


async def test_cash_is_marked_as_paid_by_the_operator() -> None:
    operator = Operator()
    paid = await counters(operator, ["bank"])["manual"].buy(Shopper(), Errand("manual", "plain"))
    assert operator.told == [("payment", "mark-paid", "abcdef", "--why", "cash")]
    assert (paid.order, paid.way) == ("abcdef", "manual")

"""`ferryman refund | ledger | gift | payment mark-paid`: money in an operator's hands, from a shell."""

import csv
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ferryman.faces.cli.tables import width
from ferryman.flows.tools import Tools
from tests.faces.shell import Shell
from tests.flows.refund_shop import PRICE, accounts, bought
from tests.support.shop import Town, opened


@pytest.fixture
async def shop(tools: Tools) -> AsyncIterator[Town]:
    async with opened(tools, nodes=1) as world:
        yield world


async def well(shell: Shell, *words: str) -> str:
    said = await shell.ferryman(*words)
    assert said.code == 0, said.err + said.out
    return said.out


async def test_a_refund_is_shown_then_made_then_listed(shell: Shell, shop: Town) -> None:
    one = await bought(shop)
    shown = await well(shell, "refund", "preview", one.checkout.order_ref, "66.33")
    assert "66.33 RUB would go back, the way it was paid" in shown
    assert "10.0 days and 33.3 GB are taken off" in shown
    assert one.at_the_bank() == "0.00"

    no = await shell.ferryman("refund", "make", one.payment, "66.33", "--why", "asked", typed="n\n")
    assert (no.code, one.at_the_bank()) == (1, "0.00")
    made = await well(shell, "refund", "make", one.payment, "66.33", "--why", "asked", "--yes")
    assert "✅ 66.33 RUB given back" in made
    assert one.at_the_bank() == "66.33"
    (listed,) = json.loads(await well(shell, "refund", "list", one.payment, "--json"))
    assert (listed["state"], listed["amount"], listed["why"]) == ("succeeded", "66.33 RUB", "asked")
    shown = await well(shell, "refund", "list")
    assert all(word in shown for word in ("66.33 RUB", "asked", listed["ref"], one.payment))
    assert listed["payment"] == one.payment
    assert max(width(line) for line in shown.splitlines()) <= 80
    assert "Nothing was given back" in await well(shell, "refund", "list", "--open")


async def test_what_cannot_be_refunded_says_why(shell: Shell, shop: Town) -> None:
    one = await bought(shop)
    idle = await shell.ferryman("refund", "make", one.payment, "all", "--why", " ", typed="y\n")
    assert (idle.code, "Give a reason" in idle.err, "Do it?" in idle.out) == (1, True, False)
    too_much = await shell.ferryman("refund", "make", one.payment, "500", "--why", "asked", "--yes")
    assert (too_much.code, "is more than the 199.00 RUB" in too_much.err) == (1, True)
    both = await shell.ferryman("refund", "preview", one.payment, "--to-balance", "--by-hand")
    assert (both.code, "choose one" in both.err) == (2, True)
    assert "no payment 'nothing'" in (await shell.ferryman("refund", "preview", "nothing")).err


async def the_day(shop: Town) -> str:
    """Of the last payment, for midnight may pass while a test runs."""
    return str(await shop.value("SELECT (max(succeeded_at) AT TIME ZONE 'UTC')::date FROM payments"))


async def test_the_books_from_a_shell(shell: Shell, shop: Town, tmp_path: Path) -> None:
    one = await bought(shop)
    await well(shell, "refund", "make", one.payment, "50.00", "--why", "asked", "--to-balance", "--yes")
    sheet = await well(shell, "ledger", "balance")
    assert "the sum of all entries is zero" in sheet
    assert "refunds" in sheet
    statement = await well(shell, "ledger", "statement", "7")
    assert "199.00 RUB" in statement
    assert "50.00 RUB" in statement
    day = await the_day(shop)
    target = tmp_path / "day.csv"
    report = await well(shell, "ledger", "report", "yookassa", day, "--csv", str(target))
    assert "✅ no differences" in report
    with target.open(encoding="utf-8-sig", newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["payment"], row["amount"], row["difference"]) == (one.payment, "199.00", "")
    nobody = await shell.ferryman("ledger", "statement", "12345")
    assert (nobody.code, "no customer" in nobody.err) == (1, True)


@pytest.mark.parametrize("number", [0, 2**63])
@pytest.mark.parametrize(
    "words",
    [("ledger", "statement"), ("events", "show"), ("events", "replay"), ("promo", "personal"), ("staff", "remove")],
)
async def test_a_number_that_nobody_can_have_is_named(shell: Shell, words: tuple[str, ...], number: int) -> None:
    discount = ["5%"] if words[0] == "promo" else []
    said = await shell.ferryman(*words, str(number), *discount)
    assert (said.code, "Invalid value" in said.err) == (2, True)


@pytest.mark.parametrize("day", ["0001-01-01", "1999-12-31", "2199-01-01", "9999-12-31"])
async def test_a_day_before_the_shop_or_to_come_has_no_report(shell: Shell, shop: Town, day: str) -> None:
    said = await shell.ferryman("ledger", "report", "yookassa", day)
    assert (said.code, f"{day} is not a day of the shop" in said.err) == (1, True)


async def test_a_report_that_differs_exits_with_one(shell: Shell, shop: Town) -> None:
    one = await bought(shop)
    await shop.rows("UPDATE payments SET fee = 1 RETURNING id")
    said = await shell.ferryman("ledger", "report", "yookassa", await the_day(shop))
    assert (said.code, f"⚠️  {one.payment}: fee" in said.out) == (1, True)


async def test_gift_codes_are_made_listed_and_voided(shell: Shell, shop: Town) -> None:
    wish = ["--plan", "standard", "--days", "30", "--count", "2", "--why", "fair", "--json"]
    made = json.loads(await well(shell, "gift", "make", *wish))
    assert [one["worth"] for one in made] == ["199.00 RUB", "199.00 RUB"]
    listed = await well(shell, "gift", "list")
    assert all(one["ref"] in listed and one["code"] not in listed for one in made)
    await well(shell, "gift", "void", made[0]["ref"], "--why", "lost")
    assert await accounts(shop) == {"giveaways": PRICE, "gifts": -PRICE}
    assert "500.00 RUB" in await well(shell, "gift", "make", "--amount", "500", "--currency", "rub")
    for words in (["--plan", "standard"], ["--amount", "5"], [], ["--amount", "x", "--currency", "RUB"]):
        assert (await shell.ferryman("gift", "make", *words)).code == 2
    said = await shell.ferryman("gift", "make", "--amount", "5", "--currency", "ZZZ")
    assert (said.code, "Nothing is sold in ZZZ; prices are in RUB." in said.err) == (1, True)


async def test_an_order_is_marked_as_paid_by_somebodys_word(shell: Shell, shop: Town) -> None:
    checkout = await shop.order(await shop.customer())
    assert (await shell.ferryman("payment", "mark-paid", checkout.order_ref)).code == 2
    assert "is paid" in await well(shell, "payment", "mark-paid", checkout.order_ref, "--why", "cash")
    again = await shell.ferryman("payment", "mark-paid", "nothing", "--why", "cash")
    assert (again.code, "no order" in again.err) == (1, True)
    assert await accounts(shop) == {"provider": PRICE, "sales": -PRICE}

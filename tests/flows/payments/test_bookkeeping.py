"""A customer's statement, and a day with a provider: ours held against theirs, every difference by name."""

import csv
import io
from datetime import UTC, date, datetime, timedelta

import pytest

from ferryman.billing.refund import Through
from ferryman.flows.payments import bookkeeping
from ferryman.kit.errors import NotFound
from tests.flows.refund_shop import PRICE, bought, paid_twice
from tests.support.shop import Town


async def the_day(shop: Town) -> date:
    """Of the last payment, for midnight may pass while a test runs."""
    paid: datetime = await shop.value("SELECT max(created_at) FROM payments")
    return paid.astimezone(UTC).date()


async def test_a_statement_has_a_line_for_every_movement_and_a_running_balance(shop: Town) -> None:
    one = await bought(shop)
    await paid_twice(one)
    await one.give_back("99.00", Through.BALANCE)
    await one.give_back("all")
    lines = await bookkeeping.customer_statement(shop.tools, 7)
    told = [(line.kind, line.paid.minor, line.credited.minor, line.balance.minor) for line in lines]
    assert told == [
        ("purchase", PRICE, 0, 0),
        ("credit", PRICE, PRICE, PRICE),
        ("refund", 0, 9900, PRICE + 9900),
        ("refund", -10000, 0, PRICE + 9900),
    ]
    held = "SELECT -sum(minor)::bigint FROM ledger_entries WHERE account LIKE 'customer:%'"
    assert lines[-1].balance.minor == await shop.value(held)


async def test_nobody_elses_money_is_in_it(shop: Town) -> None:
    await bought(shop)
    await bought(shop, await shop.customer(8))
    assert len(await bookkeeping.customer_statement(shop.tools, 7)) == 1
    with pytest.raises(NotFound):
        await bookkeeping.customer_statement(shop.tools, 12345)


async def test_the_sum_of_all_accounts_is_zero(shop: Town) -> None:
    await (await bought(shop)).give_back("50.00")
    accounts, total = await bookkeeping.balance_sheet(shop.tools)
    assert total == {"RUB": 0}
    assert accounts["refunds", "RUB"] == 5000


async def test_a_day_that_agrees_has_no_differences(shop: Town) -> None:
    one = await bought(shop)
    await bought(shop, await shop.customer(8))
    await one.give_back("50.00")
    report = await bookkeeping.settlement(shop.tools, "yookassa", await the_day(shop))
    assert report.differences == []
    assert report.theirs is not None
    ours, theirs = report.ours["RUB"], report.theirs["RUB"]
    assert (ours.count, ours.gross, ours.refunds, ours.chargebacks) == (2, 2 * PRICE, 5000, 0)
    assert ours == theirs
    assert ours.fees > 0


async def test_what_only_one_side_has_and_what_differs_is_named(shop: Town) -> None:
    one, other = await bought(shop), await bought(shop, await shop.customer(8))
    gone = shop.payment_of(other.checkout)
    stray = {**shop.payment_of(one.checkout)}
    shop.rewrite(stray, id="22e12f66-000f-5000-8000-18db351245c8", metadata={})
    shop.bank.store.drop("payment", gone["id"])
    await shop.rows("UPDATE payments SET fee = 1 WHERE ref = :ref RETURNING id", ref=one.payment)
    report = await bookkeeping.settlement(shop.tools, "yookassa", await the_day(shop))
    told = {row.payment.ref if row.payment else "": row.difference for row in report.differences}
    assert told[other.payment] == "paid here, unknown there"
    assert told[""] == "paid there, unknown here"
    assert told[one.payment].startswith("fee: 0.01 RUB here, ")


async def test_a_payment_that_is_open_here_and_paid_there_is_a_difference(shop: Town) -> None:
    checkout = await shop.order(await shop.customer())
    shop.pay(checkout)
    report = await bookkeeping.settlement(shop.tools, "yookassa", await the_day(shop))
    (row,) = report.rows
    assert row.difference == "paid there, pending here"


async def test_another_day_is_another_report_and_a_house_provider_has_no_list(shop: Town) -> None:
    await bought(shop)
    empty = await bookkeeping.settlement(shop.tools, "yookassa", await the_day(shop) - timedelta(days=9))
    assert (empty.rows, empty.ours) == ([], {})
    assert (await bookkeeping.settlement(shop.tools, "manual", await the_day(shop))).theirs is None


async def test_the_table_holds_every_payment_with_both_sides(shop: Town) -> None:
    one = await bought(shop)
    await one.give_back("50.00")
    report = await bookkeeping.settlement(shop.tools, "yookassa", await the_day(shop))
    head, row = csv.reader(io.StringIO(bookkeeping.csv_of(report).removeprefix("\ufeff")))
    told = dict(zip(head, row, strict=True))
    assert told["payment"] == one.payment
    assert (told["amount"], told["their_amount"]) == ("199.00", "199.00")
    assert (told["refunded"], told["their_refunded"], told["difference"]) == ("50.00", "50.00", "")

"""What the books say of one customer: everything that was paid, given back, credited or spent, line by line."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import String, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from ferryman.billing import ledger
from ferryman.billing.order import LedgerEntry, LedgerTransaction, Order, Payment
from ferryman.billing.refund import Refund
from ferryman.kit.money import Money


@dataclass(frozen=True)
class Line:
    """One movement. `paid` is what came from the customer (negative: went to them), `credited` what their balance
    changed by, `balance` what it was afterwards, in that currency."""

    at: datetime
    kind: str
    source: str
    paid: Money
    credited: Money
    balance: Money


@dataclass(frozen=True)
class Leg:
    """One entry with its movement, as it was read."""

    id: int
    at: datetime
    kind: str
    source: str
    account: str
    money: Money


async def of_customer(session: AsyncSession, customer_id: int) -> list[Line]:
    """A customer's whole statement, oldest first; what a provider kept for itself is no business of theirs."""
    mine = select(Payment.id, Payment.ref).join(Order, Order.id == Payment.order_id)
    payments = mine.where(Order.customer_id == customer_id).subquery()
    from_payments = select(func.concat("payment:", payments.c.ref, type_=String))
    from_refunds = select(func.concat("refund:", Refund.ref, type_=String)).where(
        Refund.payment_id.in_(select(payments.c.id))
    )
    touching = select(LedgerEntry.transaction_id).where(LedgerEntry.account == f"customer:{customer_id}")
    rows = await session.execute(
        select(LedgerTransaction, LedgerEntry)
        .join(LedgerEntry, LedgerEntry.transaction_id == LedgerTransaction.id)
        .where(
            LedgerTransaction.kind != ledger.FEE,
            or_(
                LedgerTransaction.source.in_(from_payments),
                LedgerTransaction.source.in_(from_refunds),
                LedgerTransaction.id.in_(touching),
            ),
        )
        .order_by(LedgerTransaction.id, LedgerEntry.id)
    )
    legs = [
        Leg(one.id, one.created_at, one.kind, one.source, entry.account, Money(entry.minor, entry.currency))
        for one, entry in rows
    ]
    return lines(legs, f"customer:{customer_id}")


def lines(legs: Iterable[Leg], account: str) -> list[Line]:
    """The statement of an account, from entries in their order: one line per movement and currency."""
    grouped: dict[tuple[int, str], list[Leg]] = defaultdict(list)
    for leg in legs:
        grouped[leg.id, leg.money.currency].append(leg)
    balance: dict[str, int] = defaultdict(int)
    found = []
    for (_, currency), group in grouped.items():
        paid = sum(leg.money.minor for leg in group if leg.account.startswith(("provider:", "fees:")))
        credited = -sum(leg.money.minor for leg in group if leg.account == account)
        balance[currency] += credited
        first = group[0]
        amounts = (Money(minor, currency) for minor in (paid, credited, balance[currency]))
        found.append(Line(first.at, first.kind, first.source, *amounts))
    return found

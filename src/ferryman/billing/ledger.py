"""The double-entry ledger: append-only, in minor units, summing to zero per currency, always.

Accounts: `provider:<name>` (money that a provider holds for us, debit), `sales` (what was bought, credit), `refunds`
(given back, debit), `fees:<provider>` (what it kept, debit), `customer:<id>` (what we owe a customer, credit),
`unmatched:<payment ref>` (came in, matches no order, credit), `shortfall` (sold for less than its price, debit),
`gifts` (codes that nobody has redeemed yet, credit), `giveaways` (what those cost that nobody paid for, debit).
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from ferryman.billing.order import LedgerEntry, LedgerTransaction
from ferryman.kit.money import Money

Leg = tuple[str, Money]

# The kind of what a provider keeps of a payment: a movement of the payment's own that moves nobody else's money.
FEE = "fee"


def negative(money: Money) -> Money:
    return Money(-money.minor, money.currency)


async def post(
    session: AsyncSession, kind: str, source: str, legs: Sequence[Leg], details: Mapping[str, Any] | None = None
) -> None:
    """Write one movement. Raises IntegrityError when this source caused one of this kind before."""
    movement = LedgerTransaction(kind=kind, source=source, details=dict(details or {}))
    session.add(movement)
    await session.flush()
    session.add_all(
        LedgerEntry(transaction_id=movement.id, account=account, minor=money.minor, currency=money.currency)
        for account, money in legs
    )
    await session.flush()


async def post_again(
    session: AsyncSession, kind: str, source: str, legs: Sequence[Leg], details: Mapping[str, Any] | None = None
) -> None:
    """As `post`, for what one source may cause several times: the second is of kind "KIND:2".

    The caller holds the row that the source stands for, so nobody else counts meanwhile.
    """
    mine = (LedgerTransaction.source == source, LedgerTransaction.kind.startswith(kind, autoescape=True))
    before = int(await session.scalar(select(func.count()).where(*mine)) or 0)
    await post(session, f"{kind}:{before + 1}" if before else kind, source, legs, details)


async def movements(session: AsyncSession, source: str) -> int:
    """How many movements this source has caused so far."""
    return int(await session.scalar(select(func.count()).where(LedgerTransaction.source == source)) or 0)


async def posted(session: AsyncSession, kind: str, source: str) -> bool:
    """Whether this source has caused a movement of this kind already."""
    mine = (LedgerTransaction.kind == kind, LedgerTransaction.source == source)
    return await session.scalar(select(LedgerTransaction.id).where(*mine)) is not None


async def booked(session: AsyncSession, source: str, account: str, currency: str) -> int:
    """Minor units that this source has put on an account, but for the fee of a payment."""
    found = (
        select(func.sum(LedgerEntry.minor))
        .join(LedgerTransaction, LedgerTransaction.id == LedgerEntry.transaction_id)
        .where(LedgerTransaction.source == source, LedgerTransaction.kind != FEE)
        .where(LedgerEntry.account == account, LedgerEntry.currency == currency)
    )
    return int(await session.scalar(found) or 0)


async def balance(session: AsyncSession, customer_id: int) -> dict[str, int]:
    """What we owe a customer, in minor units by currency: the sum of entries. Below zero they owe us."""
    return {money.currency: -money.minor for money in await held_on(session, f"customer:{customer_id}")}


async def held_on(session: AsyncSession, account: str) -> list[Money]:
    """What an account holds now, one sum per currency (credit is negative); empty when that is nothing."""
    total = func.sum(LedgerEntry.minor)
    rows = await session.execute(
        select(total, LedgerEntry.currency)
        .where(LedgerEntry.account == account)
        .group_by(LedgerEntry.currency)
        .having(total != 0)
    )
    return [Money(int(minor), currency) for minor, currency in rows]


async def balances(session: AsyncSession) -> dict[tuple[str, str], int]:
    """Minor units by (account, currency); accounts that came to zero are included."""
    rows = await session.execute(
        select(LedgerEntry.account, LedgerEntry.currency, func.sum(LedgerEntry.minor))
        .group_by(LedgerEntry.account, LedgerEntry.currency)
        .order_by(LedgerEntry.account)
    )
    return {(account, currency): int(minor) for account, currency, minor in rows}


async def trial_balance(session: AsyncSession) -> dict[str, int]:
    """The sum of everything per currency, in minor units: zero, or the books are broken."""
    rows = await session.execute(
        select(LedgerEntry.currency, func.sum(LedgerEntry.minor)).group_by(LedgerEntry.currency)
    )
    return {currency: int(minor) for currency, minor in rows}

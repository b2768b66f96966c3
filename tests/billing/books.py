"""A shop's books without the shop: one customer, one term, and as many orders and payments as a test wants."""

import itertools
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from ferryman.billing import checkout, settlement
from ferryman.billing.order import Order, Payment
from ferryman.billing.provider import Fact, PaymentState
from ferryman.catalog.plan import Plan, Price, Term
from ferryman.kit.db import Database
from ferryman.kit.money import Money
from ferryman.people.customer import Customer

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
PRICE = Money(19900, "RUB")


@dataclass
class Books:
    database: Database
    customer_id: int
    term_id: int
    numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    @classmethod
    async def open(cls, database: Database) -> "Books":
        async with database.unit() as session:
            plan = Plan(code="standard", icon="⛵", title={"ru": "Стандарт", "en": "Standard"}, description={})
            term = Term(days=30, prices=[Price(currency=PRICE.currency, minor=PRICE.minor)])
            plan.terms.append(term)
            customer = Customer(telegram_id=7, first_name="Anna", language="ru")
            session.add_all([plan, customer])
        return cls(database, customer.id, term.id)

    async def order(self, tap: str | None = None) -> Order:
        async with self.database.unit() as session:
            return (await self.place(session, tap or f"tap:{next(self.numbers)}"))[0]

    async def place(self, session: AsyncSession, tap: str) -> tuple[Order, bool]:
        term = await session.get_one(Term, self.term_id)
        wanted = checkout.Wanted(self.customer_id, term.id, term.plan.snapshot(term), PRICE)
        return await checkout.place(session, wanted, tap, NOW)

    async def payment(self, order: Order, external_id: str | None = None, provider: str = "bank") -> Payment:
        """An attempt to pay; with an `external_id` one that the provider has answered for."""
        async with self.database.unit() as session:
            payment = await checkout.attempt(session, order, provider, {}, NOW)
            if external_id is not None:
                payment.external_id, payment.state = external_id, "pending"
        return payment

    async def settle(self, payment: Payment, fact: Fact, *, test_mode: bool = False) -> settlement.Outcome:
        async with self.database.unit() as session:
            return (await settlement.settle(session, payment.id, fact, test_mode=test_mode, now=NOW)).outcome

    async def read(self, payment: Payment) -> Payment:
        async with self.database.unit() as session:
            return await session.get_one(Payment, payment.id)

    async def rows(self, query: str, **values: Any) -> list[Any]:
        async with self.database.unit() as session:
            return [tuple(row) for row in (await session.execute(text(query), values)).all()]

    async def accounts(self) -> dict[str, int]:
        """What stands on each kind of account, in minor units; kinds that came to zero are left out."""
        rows = await self.rows(
            """SELECT split_part(account, ':', 1), sum(minor)::bigint FROM ledger_entries
               GROUP BY 1 HAVING sum(minor) <> 0"""
        )
        return dict(rows)


def fact(payment: Payment, state: str = "succeeded", **changes: Any) -> Fact:
    """What the provider says of a payment when all is well."""
    told: dict[str, Any] = {
        "external_id": payment.external_id or f"ext-{payment.ref}",
        "ref": payment.ref,
        "state": PaymentState(state),
        "amount": payment.amount,
        "test": False,
    }
    return Fact(**{**told, **changes})

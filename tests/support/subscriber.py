"""One customer of a shop without nodes, who pays with a kept card at a bank in memory; time passes for both."""

import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import text

from ferryman.billing.methods import Method
from ferryman.billing.provider import Fact
from ferryman.billing.renewal import Agreement
from ferryman.catalog.plan import Plan, Price, Term
from ferryman.flows.payments import buying, settling
from ferryman.flows.renewals import renewing
from ferryman.flows.tools import Tools
from ferryman.people.customer import Customer
from ferryman.subscriptions.subscription import Subscription
from tests.support.cardbank import Bank

TELEGRAM_ID = 7


@dataclass
class Subscriber:
    """`bank` is what the card is at, to be looked into and tormented."""

    tools: Tools
    bank: Bank = field(default_factory=Bank)
    customer_id: int = 0
    term_id: int = 0

    async def open(self, days: int = 30, price: int = 19900) -> None:
        kinds = {"cards": self.bank.provider(), "repeats": self.bank.repeating()}
        self.tools.providers.update(kinds)  # type: ignore[attr-defined]
        texts = {"ru": "Стандарт", "en": "Standard"}
        plan = Plan(code="standard", icon="⛵", title=texts, description={}, terms=[])
        prices = [Price(currency="RUB", minor=price), Price(currency="XTR", minor=150)]
        term = Term(days=days, plan=plan, prices=prices)
        customer = Customer(telegram_id=TELEGRAM_ID, first_name="Anna", language="en")
        async with self.tools.db.unit() as session:
            session.add_all([plan, term, customer])
            for position, name in enumerate(kinds):
                session.add(Method(name=name, position=position, sealed_config=self.tools.vault.seal({})))
            await session.flush()
            self.customer_id, self.term_id = customer.id, term.id

    async def buys(self, *, keep: bool = True, card: bool = True, method: str = "cards") -> Fact:
        """A purchase, with the wish that it renews; `card` False: the bank keeps none."""
        wish = buying.Wish(self.customer_id, self.term_id, method, secrets.token_hex(8), keep=keep)
        checkout = await buying.begin(self.tools, wish)
        ref, number = await self.row(
            "SELECT p.ref, p.id FROM payments p JOIN orders o ON o.id = p.order_id WHERE o.ref = :ref",
            ref=checkout.order_ref,
        )
        fact = self.bank.pay(ref, keep=card)
        await settling.settle_payment(self.tools, number)
        await self.tools.jobs.drain()
        return fact

    async def subscription(self) -> Subscription:
        async with self.tools.db.unit() as session:
            return await session.get_one(Subscription, await self.value("SELECT id FROM subscriptions ORDER BY id"))

    async def agreement(self) -> Agreement:
        """The newest."""
        async with self.tools.db.unit() as session:
            return await session.get_one(Agreement, await self.value("SELECT max(id) FROM renewals"))

    async def ends_at(self) -> datetime:
        return (await self.subscription()).ends_at

    async def days_left(self) -> float:
        return (await self.ends_at() - self.tools.clock.now()) / timedelta(days=1)

    async def comes_round(self, times: int = 1) -> None:
        """The sweeps come round, and what they find is worked off."""
        for _ in range(times):
            await renewing.sweep(self.tools)
            await settling.sweep(self.tools)
            await self.tools.jobs.drain()

    async def later(self, **by: float) -> None:
        self.tools.clock.advance(**by)  # type: ignore[attr-defined]
        await self.comes_round()

    async def goes_to(self, before_end: timedelta) -> None:
        """Time passes until so long before the end."""
        await self._wait_until(before_end)
        await self.comes_round()

    async def stands_before_the_charge(self) -> None:
        """Told of it, and nobody has looked since the charge is due."""
        await self.is_warned()
        await self._wait_until(timedelta(days=1))

    async def _wait_until(self, before_end: timedelta) -> None:
        left = await self.ends_at() - self.tools.clock.now() - before_end
        self.tools.clock.advance(seconds=left.total_seconds() + 1)  # type: ignore[attr-defined]

    async def is_warned(self) -> None:
        await self.goes_to(timedelta(days=3))

    async def reaches_the_charge(self) -> None:
        await self.is_warned()
        await self.goes_to(timedelta(days=1))

    async def told(self) -> list[str]:
        """Kinds of all notices so far."""
        return [kind for (kind,) in await self.rows("SELECT kind FROM notices ORDER BY id")]

    async def last_words(self, kind: str) -> dict[str, Any]:
        """What the newest notice of a kind was given to say."""
        payload: dict[str, Any] = await self.value(
            "SELECT payload FROM notices WHERE kind = :kind ORDER BY id DESC LIMIT 1", kind=kind
        )
        return payload

    async def books(self) -> tuple[int, int, int]:
        """Grants, paid orders, and what the ledger comes to, which is nothing."""
        row = await self.row(
            """SELECT (SELECT count(*) FROM grants), (SELECT count(*) FROM orders WHERE state = 'paid'),
                      (SELECT coalesce(sum(minor), 0) FROM ledger_entries)"""
        )
        return int(row[0]), int(row[1]), int(row[2])

    async def do(self, statement: str, **values: Any) -> None:
        async with self.tools.db.unit() as session:
            await session.execute(text(statement), values)

    async def rows(self, query: str, **values: Any) -> list[Any]:
        async with self.tools.db.unit() as session:
            return list((await session.execute(text(query), values)).all())

    async def row(self, query: str, **values: Any) -> Any:
        return (await self.rows(query, **values))[0]

    async def value(self, query: str, **values: Any) -> Any:
        return (await self.row(query, **values))[0]

"""One customer who pays by card, and a bank that may take the money back."""

from dataclasses import dataclass
from datetime import timedelta

from ferryman.billing.provider import Fact, PaymentProvider
from ferryman.flows.orders.opening import collecting
from ferryman.people.customer import Customer
from tests.flows.provider_till import Till
from tests.support.shop import Town

DAY = timedelta(days=1)


@dataclass
class Case:
    """One customer who has paid by card, and whose bank has a mind of its own."""

    till: Till
    customer: Customer
    payment: str = ""
    heard: int = 0

    @property
    def shop(self) -> Town:
        return self.till.shop

    async def buys(self) -> str:
        """Answers the session at Stripe."""
        session = await self.till.pay(await self.till.press(self.customer, f"tap-{self.heard}"))
        await self.hears(1)
        return session

    async def disputes(self, session: str) -> str:
        dispute = await self.till.control.post(f"payments/{session}/dispute")
        await self.hears(2)
        return str(dispute["id"])

    async def decides(self, dispute: str, verdict: str) -> None:
        await self.till.control.post(f"disputes/{dispute}/{verdict}")
        await self.hears(2 if verdict == "win" else 1)

    async def hears(self, more: int) -> None:
        said = (await self.till.told(self.heard + more))[self.heard :]
        self.heard += len(said)
        await self.till.hear(*said)

    async def later(self, **by: float) -> None:
        self.shop.tools.clock.advance(**by)  # type: ignore[attr-defined]
        await self.till.control.post("clock", {"advance": timedelta(**by).total_seconds()})

    async def left(self) -> timedelta:
        ends_at = await self.shop.value("SELECT ends_at FROM subscriptions")
        return timedelta(minutes=round((ends_at - self.shop.tools.clock.now()) / timedelta(minutes=1)))

    async def kinds(self, telegram_id: int = 7) -> list[str]:
        query = """SELECT n.kind FROM notices n JOIN customers c ON c.id = n.customer_id
                   WHERE c.telegram_id = :id ORDER BY n.id"""
        return [kind for (kind,) in await self.shop.rows(query, id=telegram_id)]

    async def provider(self) -> PaymentProvider:
        async with self.shop.tools.db.unit() as session:
            return await collecting(self.shop.tools, session, "stripe")

    async def fact(self) -> Fact:
        return await (await self.provider()).look_up(await self.shop.value("SELECT external_id FROM payments"))

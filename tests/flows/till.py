"""A shop whose customers may pay from their balance, and what the attacks on its books ask about it."""

import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ferryman.billing import ledger
from ferryman.flows.orders import worth
from ferryman.flows.payments import buying
from ferryman.flows.payments.buying import Checkout, Wish
from ferryman.people.customer import Customer
from ferryman.subscriptions.subscription import Subscription
from tests.support.shop import Town

GB = 1024**3


@dataclass
class Till:
    shop: Town

    async def order(
        self, who: Customer, plan: str = "standard", days: int = 30, method: str = "yookassa", **more: Any
    ) -> Checkout:
        wish = Wish(who.id, await self.shop.term(plan, days), method, secrets.token_hex(8), **more)
        return await buying.begin(self.shop.tools, wish)

    async def pays(self, who: Customer, plan: str = "standard", days: int = 30, **more: Any) -> Checkout:
        """At the bank, and we hear of it."""
        checkout = await self.order(who, plan, days, **more)
        await self.shop.webhook(self.shop.pay(checkout))
        await self.shop.work()
        return checkout

    async def buys(self, who: Customer, plan: str = "standard", **more: Any) -> Checkout:
        """From the balance."""
        return await self.order(who, plan, method="balance", **more)

    async def balance(self, who: Customer) -> int:
        async with self.shop.tools.db.unit() as session:
            return (await ledger.balance(session, who.id)).get("RUB", 0)

    async def grants(self) -> int:
        return int(await self.shop.value("SELECT count(*) FROM grants"))

    async def running(self) -> int:
        """Subscriptions with more than a second left."""
        now = self.shop.tools.clock.now()
        query = "SELECT count(*) FROM subscriptions WHERE ends_at > :now + interval '1 second'"
        return int(await self.shop.value(query, now=now))

    async def ref(self, plan: str) -> str:
        return str(await self.shop.value("SELECT ref FROM subscriptions WHERE plan_code = :plan", plan=plan))

    async def has(self, plan: str) -> tuple[int, int, datetime]:
        """Traffic in bytes, devices, and the end."""
        query = "SELECT traffic_bytes, devices, ends_at FROM subscriptions WHERE plan_code = :plan"
        (row,) = await self.shop.rows(query, plan=plan)
        return row.traffic_bytes, row.devices, row.ends_at

    async def worth(self, plan: str) -> int:
        """What the only subscription to it could be given in for, in minor units."""
        number = await self.shop.value("SELECT id FROM subscriptions WHERE plan_code = :plan", plan=plan)
        async with self.shop.tools.db.unit() as session:
            one = await session.get_one(Subscription, number)
            return (await worth.left_of(session, one, self.shop.tools.clock.now())).get("RUB", 0)


async def till_of(shop: Town) -> Till:
    await shop.rows(
        "INSERT INTO payment_methods (name, enabled, position, sealed_config) VALUES ('balance', true, 9, :sealed) "
        "RETURNING name",
        sealed=shop.tools.vault.seal({}),
    )
    return Till(shop)

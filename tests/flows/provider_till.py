"""A shop that takes its money through one provider, whichever it is, in its emulator."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, SecretStr

from ferryman.billing import ledger
from ferryman.billing.methods import Method
from ferryman.billing.provider import RawWebhook
from ferryman.flows.payments import buying, settling
from ferryman.flows.payments.buying import Checkout
from tests.billing.providers.worlds import PLACES, Control, World
from tests.support.shop import Town

MINOR = 19900


@dataclass
class Till:
    """A shop that takes its money through one provider, and that provider's other side."""

    shop: Town
    world: World
    name: str

    @property
    def control(self) -> Control:
        assert self.world.control is not None
        return self.world.control

    async def open(self) -> None:
        """Its webhooks are received beside us, to be handed on as the test wants them."""
        tools = self.shop.tools
        tools.settings = tools.settings.model_copy(update={"public_url": self.control.hook.url})
        config: BaseModel = self.world.provider._config  # type: ignore[attr-defined]
        async with tools.db.unit() as session:
            method = await session.get(Method, self.name)
            if method is None:
                method = Method(name=self.name, enabled=True)
                session.add(method)
            method.position, method.sealed_config = -1, tools.vault.seal(revealed(config.model_dump()))
        await self.shop.rows(
            """INSERT INTO prices (term_id, currency, minor) SELECT id, :currency, :minor FROM terms
               ON CONFLICT (term_id, currency) DO UPDATE SET minor = :minor RETURNING minor""",
            currency=self.world.currency,
            minor=MINOR,
        )

    async def press(self, customer: Any = None, tap: str = "tap") -> Checkout:
        customer = customer or await self.shop.customer()
        method = f"{self.name}.{self.world.way}" if self.world.way else self.name
        return await buying.begin(self.shop.tools, buying.Wish(customer.id, await self.shop.term(), method, tap))

    async def external_id(self, checkout: Checkout) -> str:
        """The provider's number of what is to be paid; some have one only when the payer has come."""
        known = await self.shop.value("SELECT external_id FROM payments ORDER BY id DESC LIMIT 1")
        if known is not None:
            return str(known)
        assert checkout.pay_url is not None
        before = {one["id"] for one in await self.control.payments()}
        await self.control.visit(checkout.pay_url)
        (new,) = {one["id"] for one in await self.control.payments()} - before
        return str(new)

    async def pay(self, checkout: Checkout) -> str:
        external_id = await self.external_id(checkout)
        await self.control.pay(external_id)
        return external_id

    async def told(self, count: int = 1) -> list[RawWebhook]:
        return await self.control.webhooks(count)

    async def hear(self, *said: RawWebhook) -> list[tuple[int, str]]:
        answers = [await settling.webhook_came(self.shop.tools, self.name, one) for one in said]
        await self.shop.work()
        return answers

    async def granted(self) -> int:
        return int(await self.shop.value("SELECT count(*) FROM grants"))

    async def balanced(self) -> bool:
        async with self.shop.tools.db.unit() as session:
            return not any((await ledger.trial_balance(session)).values())


def revealed(value: Any) -> Any:
    """Settings as they would be stored."""
    if isinstance(value, dict):
        return {name: revealed(item) for name, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [revealed(item) for item in value]
    return value.get_secret_value() if isinstance(value, SecretStr) else value


@asynccontextmanager
async def at_the_till(shop: Town, name: str) -> AsyncIterator[Till]:
    async with PLACES[name]["emulator"].enter() as world:
        found = Till(shop, world, name)
        await found.open()
        yield found

"""A shop whose nodes are watched: time passes for everybody at once, and the watch comes round."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import update

from ferryman.fleet.node import Node
from ferryman.flows.fleet import watching
from ferryman.flows.keys import placing, provisioning
from ferryman.flows.shop import staff
from ferryman.kit.settings import Settings
from ferryman.people.customer import Customer
from tests.support.messages import Outbox
from tests.support.shop import Town

OPERATOR = 900


@dataclass
class Watch:
    """`shop` is watched; Olga of the staff hears of it."""

    shop: Town
    outbox: Outbox

    async def open(self) -> None:
        await staff.add(self.shop.tools, OPERATOR, "Olga")
        async with self.shop.tools.db.unit() as session:
            session.add(Customer(telegram_id=OPERATOR, first_name="Olga", language="ru"))

    async def passes(self, seconds: float = 40.0) -> None:
        """Time passes here and in every panel, each node whose time has come is looked at, and keys follow."""
        self.shop.tools.clock.advance(seconds=seconds)  # type: ignore[attr-defined]
        for panel in self.shop.panels.values():
            panel.clock.advance(seconds)
        await watching.sweep(self.shop.tools)
        await placing.sweep(self.shop.tools)
        await provisioning.sweep(self.shop.tools)
        await self.shop.work()

    async def watches(self, minutes: float, seconds: float = 40.0) -> None:
        for _ in range(round(minutes * 60 / seconds)):
            await self.passes(seconds)
        await watching.sweep(self.shop.tools)
        await self.shop.work()

    async def node(self, name: str = "nl-1") -> Any:
        return (await self.shop.rows("SELECT * FROM nodes WHERE name = :name", name=name))[0]

    async def states(self) -> dict[str, str]:
        return dict(map(tuple, await self.shop.rows("SELECT name, state FROM nodes")))

    async def change(self, name: str, **values: Any) -> None:
        async with self.shop.tools.db.unit() as session:
            await session.execute(update(Node).where(Node.name == name).values(**values))

    def alerts(self) -> list[str]:
        """What Olga was told, oldest first, by its icon."""
        return [sent.text.split()[0] for sent in self.outbox.sent if sent.chat_id == OPERATOR]

    def told(self) -> list[str]:
        return [sent.text for sent in self.outbox.sent if sent.chat_id == OPERATOR]

    def calls(self, node: str, path: str = "") -> int:
        return sum(path in call["path"] for call in self.shop.panels[node].calls)

    @contextmanager
    def settings(self, **changes: Any) -> Iterator[Settings]:
        before = self.shop.tools.settings
        self.shop.tools.settings = before.model_copy(update=changes)
        yield self.shop.tools.settings
        self.shop.tools.settings = before

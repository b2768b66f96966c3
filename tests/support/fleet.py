"""A fleet on panels in memory: nodes, people and what they are owed, without a shop around them."""

import secrets
import uuid
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from sqlalchemy import func, select, text, update

from ferryman.fleet.key import Key
from ferryman.fleet.location import Location
from ferryman.fleet.node import Inbound, Node
from ferryman.flows.keys import placing, provisioning
from ferryman.flows.tools import Tools
from ferryman.people.customer import Customer
from ferryman.subscriptions.subscription import Subscription
from tests.support.panel import MemoryPanel, Panels

ALL: dict[str, Any] = {"rule": "all"}
ONE: dict[str, Any] = {"rule": "one", "switch_hours": 0}


@dataclass
class Fleet:
    """`panels` by node name. Names of nodes begin with the code of the location that they stand in: "de-1"."""

    tools: Tools
    kinds: Panels = field(default_factory=Panels)
    panels: dict[str, MemoryPanel] = field(default_factory=dict)
    ids: dict[str, int] = field(default_factory=dict)

    async def nodes(self, *names: str, **fields: Any) -> None:
        for name in names:
            await self.node(name, **fields)

    async def node(self, name: str, **fields: Any) -> int:
        url = f"https://{name}.test"
        self.tools.connections.kinds.setdefault("memory", self.kinds)  # type: ignore[attr-defined]
        self.panels[name] = self.kinds.at(url)
        async with self.tools.db.unit() as session:
            node = Node(
                name=name,
                location=await self._location(session, name.partition("-")[0]),
                panel="memory",
                address=f"{name}.example.net",
                sealed_access=self.tools.vault.seal({"url": url}),
                position=len(self.ids),
                inbounds=[_inbound()],
                **fields,
            )
            session.add(node)
            await session.flush()
            await placing.fleet_changed(session)
        self.ids[name] = node.id
        return node.id

    async def change(self, name: str, **fields: Any) -> None:
        """Change a node as an operator or the watch would."""
        async with self.tools.db.unit() as session:
            await session.execute(update(Node).where(Node.name == name).values(**fields))
            await placing.fleet_changed(session)

    async def subscription(self, places: dict[str, Any] = ALL, **fields: Any) -> Subscription:
        """Somebody new, who is owed keys from now on; nothing has been done about it yet."""
        now = self.tools.clock.now()
        async with self.tools.db.unit() as session:
            person = Customer(telegram_id=await _next(session, Customer.telegram_id), first_name="Anna", language="ru")
            session.add(person)
            await session.flush()
            subscription = Subscription(
                **{
                    "ref": secrets.token_hex(5),
                    "customer_id": person.id,
                    "plan_code": "standard",
                    "token": secrets.token_urlsafe(18),
                    "uuid": str(uuid.uuid4()),
                    "password": secrets.token_urlsafe(18),
                    "sub_id": secrets.token_hex(8),
                    "snapshot": {"icon": "⛵", "title": {"ru": "Стандарт", "en": "Standard"}, "places": places},
                    "traffic_bytes": 0,
                    "devices": 0,
                    "starts_at": now,
                    "ends_at": now + timedelta(days=30),
                    **fields,
                }
            )
            session.add(subscription)
            await session.flush()
            await placing.place(self.tools, session, subscription)
        return subscription

    async def alter(self, subscription: Subscription, **fields: Any) -> None:
        """Change what somebody is owed, as the stories do: lock, change, a new revision, place."""
        async with self.tools.db.unit() as session:
            locked = await session.get_one(
                Subscription, subscription.id, with_for_update={"key_share": True}, populate_existing=True
            )
            for name, value in fields.items():
                setattr(locked, name, value)
            locked.revision += 1
            await session.flush()
            await placing.place(self.tools, session, locked)

    async def work(self) -> None:
        await self.tools.jobs.drain()

    async def round(self, **by: float) -> None:
        """Time passes, the sweeps come round, and what they find is worked off."""
        self.tools.clock.advance(**(by or {"seconds": 61}))  # type: ignore[attr-defined]
        await placing.sweep(self.tools)
        await provisioning.sweep(self.tools)
        await self.work()

    async def rounds(self, count: int = 3) -> None:
        for _ in range(count):
            await self.round()

    def holders(self, subscription: Subscription) -> set[str]:
        """Names of the nodes whose panels hold the subscription's client, switched on."""
        return {
            name
            for name, panel in self.panels.items()
            if (there := panel.clients.get(subscription.email)) is not None and there.enabled
        }

    async def keys(self, subscription: Subscription) -> dict[str, str]:
        """Each key row's standing by node: "ready", "owed", "going", or its error."""
        async with self.tools.db.unit() as session:
            rows = await session.execute(
                select(Node.name, Key).join(Key, Key.node_id == Node.id).where(Key.subscription_id == subscription.id)
            )
            return {name: _standing(key) for name, key in rows}

    async def history(self, subscription: Subscription) -> list[str]:
        """What was written down, oldest first: "ready de-1"."""
        rows = await self.rows(
            """SELECT e.what || coalesce(' ' || n.name, '') FROM key_events e LEFT JOIN nodes n ON n.id = e.node_id
               WHERE e.subscription_id = :id ORDER BY e.id""",
            id=subscription.id,
        )
        return [what for (what,) in rows]

    async def rows(self, query: str, **values: Any) -> list[Any]:
        async with self.tools.db.unit() as session:
            return list((await session.execute(text(query), values)).all())

    async def value(self, query: str, **values: Any) -> Any:
        return (await self.rows(query, **values))[0][0]

    async def _location(self, session: Any, code: str) -> Location:
        found: Location | None = await session.scalar(select(Location).where(Location.code == code))
        title = {"ru": f"Место {code}", "en": f"Place {code}"}
        return found or Location(code=code, country=code[:2].upper(), title=title, city={}, position=len(self.ids))


async def _next(session: Any, column: Any) -> int:
    return int(await session.scalar(select(func.coalesce(func.max(column), 0) + 1)))


def _standing(key: Key) -> str:
    if not key.wanted:
        return "going"
    return "ready" if key.seen_revision == key.wanted_revision else key.error or "owed"


def _inbound() -> Inbound:
    link = {"network": "tcp", "security": "reality", "flow": ""}
    return Inbound(
        panel_id=1, protocol="vless", transport="tcp", security="reality", port=443, remark="", enabled=True, link=link
    )

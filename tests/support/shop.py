"""A shop in a small world: one YooKassa, three panels, one customer; everything over real HTTP on loopback."""

import json
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import text

from ferryman.billing.provider import RawWebhook
from ferryman.flows.payments import buying, settling
from ferryman.flows.payments.buying import Checkout
from ferryman.flows.shop import setup
from ferryman.flows.tools import Tools
from ferryman.people.customer import Customer
from ferryman_sandbox.emulator import Server, serve
from ferryman_sandbox.store import Store
from ferryman_sandbox.weather import Fault
from ferryman_sandbox.xui import XuiEmulator, trojan_tls, vless_reality, vless_ws_tls
from ferryman_sandbox.yookassa import YooKassaEmulator

PLACES = (
    ("de-1", "DE", [vless_reality(port=21443)]),
    ("nl-1", "NL", [vless_ws_tls(port=22443)]),
    ("fi-1", "FI", [trojan_tls(port=23443)]),
)
PLANS = [
    {
        "code": "standard",
        "icon": "⛵",
        "title": {"ru": "Стандарт", "en": "Standard"},
        "traffic_gb": 100,
        "devices": 3,
        "terms": [{"days": 30, "prices": {"RUB": "199.00"}}, {"days": 90, "prices": {"RUB": "549.00"}}],
    },
    {
        "code": "unlimited",
        "icon": "🚀",
        "title": {"ru": "Безлимит", "en": "Unlimited"},
        "terms": [{"days": 30, "prices": {"RUB": "349.00"}}],
    },
]


@dataclass
class Town:
    """`bank` and `panels` are the emulators themselves, to be looked into and tormented."""

    tools: Tools
    bank: YooKassaEmulator
    panels: dict[str, XuiEmulator]
    servers: list[Server] = field(default_factory=list)
    spec: dict[str, Any] = field(default_factory=dict)

    async def open(self, nodes: int = 3) -> None:
        """Start the emulators and set the shop up in them."""
        bank = await serve(self.bank.app)
        self.servers.append(bank)
        listed = []
        for name, country, _ in PLACES[:nodes]:
            server = await serve(self.panels[name].app)
            self.servers.append(server)
            listed.append(_node(name, country, f"{server.url}/base/"))
        shop = {"shop_id": "100500", "secret_key": "live_key_of_the_tests", "api_base": f"{bank.url}/v3"}
        provider = {"name": "yookassa", "config": shop}
        self.spec = {"nodes": listed, "plans": PLANS, "providers": [provider]}
        await setup.apply(self.tools, setup.Shop.model_validate(self.spec))
        await self.tools.jobs.drain()

    async def close(self) -> None:
        for server in self.servers:
            await server.stop()

    async def customer(self, telegram_id: int = 7, **more: Any) -> Customer:
        async with self.tools.db.unit() as session:
            customer = Customer(telegram_id=telegram_id, first_name="Anna", language="ru", **more)
            session.add(customer)
        return customer

    async def term(self, plan: str = "standard", days: int = 30) -> int:
        query = "SELECT t.id FROM terms t JOIN plans p ON p.id = t.plan_id WHERE p.code = :plan AND t.days = :days"
        return int(await self.value(query, plan=plan, days=days))

    async def order(self, customer: Customer, plan: str = "standard", days: int = 30, tap: str = "") -> Checkout:
        term = await self.term(plan, days)
        return await buying.begin(self.tools, buying.Wish(customer.id, term, "yookassa", tap or secrets.token_hex(8)))

    def pay(self, checkout: Checkout) -> dict[str, Any]:
        """The customer pays at the bank; answers the bank's payment."""
        payment = self.payment_of(checkout)
        self.bank.shop.pay(payment["id"])
        return self.payment_of(checkout)

    def payment_of(self, checkout: Checkout) -> dict[str, Any]:
        """The bank's latest payment for an order of ours."""
        payments = [kept["object"] for _, kept in self.bank.store.all("payment")]
        return [one for one in payments if one["metadata"]["order_id"] == checkout.order_ref][-1]

    def rewrite(self, payment: dict[str, Any], **changes: Any) -> None:
        """From now on the bank tells another story about a payment; under another id, it tells both."""
        kept = self.bank.store.get("payment", payment["id"])
        assert kept is not None
        told = {**kept["object"], **changes}
        self.bank.store.put("payment", told["id"], {**kept, "object": told})

    async def webhook(self, payment: dict[str, Any], event: str = "payment.succeeded") -> None:
        """A notification as the bank would send it, straight into the story."""
        await settling.webhook_came(self.tools, "yookassa", RawWebhook(notification(payment, event)))

    async def work(self) -> None:
        """Let every job that is due run."""
        await self.tools.jobs.drain()

    async def later(self, **by: float) -> None:
        """Time passes, the sweeps come round, and what they find is worked off."""
        self.tools.clock.advance(**by)  # type: ignore[attr-defined]
        await settling.sweep(self.tools)
        await self.work()

    def clients(self, node: str) -> dict[str, dict[str, Any]]:
        """A panel's clients by e-mail."""
        return dict(self.panels[node].panel.state.records)

    def fault(self, node: str, **spec: Any) -> None:
        self.panels[node].weather.add(Fault.from_json(spec))

    async def rows(self, query: str, **values: Any) -> list[Any]:
        async with self.tools.db.unit() as session:
            return list((await session.execute(text(query), values)).all())

    async def value(self, query: str, **values: Any) -> Any:
        return (await self.rows(query, **values))[0][0]


def town(tools: Tools) -> Town:
    bank = YooKassaEmulator(Store(":memory:"), shop_id="100500", secret_key="live_key_of_the_tests")
    panels = {
        name: XuiEmulator(
            Store(":memory:"), version="3.6.0", base_path="/base/", api_token="panel-token", inbounds=inbounds
        )
        for name, _, inbounds in PLACES
    }
    return Town(tools, bank, panels)


@asynccontextmanager
async def opened(tools: Tools, nodes: int = 3) -> AsyncIterator[Town]:
    """A town whose shop is set up, with so many of its panels."""
    world = town(tools)
    try:
        await world.open(nodes)
        yield world
    finally:
        await world.close()


def notification(payment: dict[str, Any], event: str = "payment.succeeded") -> bytes:
    return json.dumps({"type": "notification", "event": event, "object": payment}).encode()


def _node(name: str, country: str, url: str) -> dict[str, Any]:
    return {
        "name": name,
        "title": {"ru": f"Узел {country}", "en": f"Node {country}"},
        "country": country,
        "url": url,
        "token": "panel-token",
        "address": f"{name}.example.net",
    }

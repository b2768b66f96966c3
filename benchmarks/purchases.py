"""From the webhook to the key: one at a time, twenty a second, and as fast as it goes.

Customers come and orders are placed through the product's own flows before the clock starts; then the bank is told to
pay, and calls the webhook. What is measured stands in the emulators: when the bank sent its webhook, and when each
panel made the client. Beside it, in the same run, the same three calls are made to a panel directly.
"""

import asyncio
import json
import secrets
import time
import uuid
from dataclasses import dataclass
from typing import Any

from benchmarks.report import Figures, milliseconds, quantile
from benchmarks.yard import NotMeasured, Yard
from ferryman.flows.payments import buying
from ferryman.flows.payments.buying import Wish
from ferryman.flows.tools import Tools
from ferryman_sandbox.world.recipe import PLACES

METHOD = "yookassa.bank_card"
PAYING_AT_ONCE = 16
PREPARING_AT_ONCE = 4
COME_AT_ONCE = 20

OWED = """
SELECT (SELECT count(*) FROM orders WHERE state = 'paid') - (SELECT count(*) FROM orders o
        JOIN grants g ON g.order_id = o.id JOIN keys k ON k.subscription_id = g.subscription_id
        WHERE k.seen_revision = k.wanted_revision) / (SELECT count(*) FROM nodes)"""
POSTPONED = """
UPDATE payments SET ask_at = now() + interval '1 hour' WHERE state = 'pending' RETURNING external_id"""
PAID = "SELECT count(*) FROM orders WHERE state = 'paid'"
HELD = """
SELECT p.external_id, s.sub_id
FROM payments p JOIN grants g ON g.payment_id = p.id JOIN subscriptions s ON s.id = g.subscription_id"""


@dataclass(frozen=True)
class Journey:
    """Seconds from the first sending of the webhook until the client was on the first, and on the last panel."""

    sent_at: float
    first: float
    last: float


class Till:
    """Prepared payments, to be taken from `ready`; `paid` counts those that are paid."""

    def __init__(self, yard: Yard) -> None:
        self._yard = yard
        self.ready: list[str] = []
        self.paid = 0

    async def prepare(self, tools: Tools, count: int) -> None:
        """Persons press Start, the product meets them, and each places an order that waits for its money."""
        known = {row[0] for row in self._yard.rows("SELECT telegram_id FROM customers")}
        room = asyncio.Semaphore(COME_AT_ONCE)
        born = set(await asyncio.gather(*(self._come(room) for _ in range(count))))
        await self._yard.until("SELECT count(*) FROM customers", len(known) + count, "customers")
        await self._yard.until("SELECT count(*) FROM telegram_updates WHERE state = 'new'", 0, "menus")
        customers = [
            id_ for id_, telegram_id in self._yard.rows("SELECT id, telegram_id FROM customers") if telegram_id in born
        ]
        term = self._yard.rows("SELECT id FROM terms WHERE days = 30 ORDER BY id LIMIT 1")[0][0]
        room = asyncio.Semaphore(PREPARING_AT_ONCE)
        await asyncio.gather(*(self._order(tools, room, customer, term) for customer in customers))
        # Hundreds that are opened at once would all be asked about at once: no day in a shop's life, and not measured.
        opened = self._yard.rows(POSTPONED)
        self.ready = [row[0] for row in opened]
        if len(self.ready) != count:
            raise NotMeasured(f"{len(self.ready)} of {count} payments were opened")

    async def pay(self, payment: str) -> None:
        """The bank takes the money; its webhook leaves at once."""
        await self._yard.emu(self._yard.site["yookassa"], f"payments/{payment}/pay", {})
        self.paid += 1

    async def done(self, pause: float = 0.02) -> None:
        """Wait until everything that was paid has its keys on every node."""
        await self._yard.until(PAID, self.paid, "paid orders", pause=pause)
        await self._yard.until(OWED, 0, "keys still owed", pause=pause)

    async def journeys(self, payments: list[str]) -> list[Journey]:
        sent: dict[str, float] = {}
        for delivery in await self._yard.emu(self._yard.site["yookassa"], "deliveries"):
            payment = delivery["body"]["object"]["id"]
            sent[payment] = min(delivery["at"], sent.get(payment, delivery["at"]))
        made: list[dict[str, float]] = []
        for panel in self._yard.panels.values():
            clients = (await self._yard.emu(panel, "state"))["clients"]
            made.append({client["subId"]: client["createdAt"] / 1000 for client in clients})
        held = dict(self._yard.rows(HELD))
        times = {payment: sorted(panel[held[payment]] for panel in made) for payment in payments}
        return [Journey(sent[payment], at[0] - sent[payment], at[-1] - sent[payment]) for payment, at in times.items()]

    async def _come(self, room: asyncio.Semaphore) -> int:
        async with room:
            telegram = self._yard.site["telegram"]
            person = await self._yard.emu(telegram, "users", {"first_name": "Anna", "language_code": "en"})
            await self._yard.emu(telegram, f"users/{person['id']}/start", {})
            return int(person["id"])

    async def _order(self, tools: Tools, room: asyncio.Semaphore, customer: int, term: int) -> None:
        async with room:
            await buying.begin(tools, Wish(customer, term, METHOD, secrets.token_hex(8)))


class Direct:
    """What a panel itself takes: look, add, look again, for a client that is none of the product's."""

    def __init__(self, yard: Yard) -> None:
        self._yard, self._place = yard, PLACES[0]
        self._url = f"{yard.panels[self._place.name]}{self._place.base_path}panel/api"
        self._headers = {"Authorization": f"Bearer {yard.world.secrets.panel_tokens[self._place.name]}"}
        self.seconds: list[float] = []

    async def once(self) -> None:
        name = f"direct-{secrets.token_hex(6)}"
        client = {"email": name, "id": str(uuid.uuid4()), "password": name, "subId": name, "enable": True}
        inbounds = list(range(1, len(self._place.inbounds) + 1))
        began = time.perf_counter()
        await self._call("GET", f"clients/get/{name}")
        await self._call("POST", "clients/add", {"client": client, "inboundIds": inbounds}, must=True)
        await self._call("GET", f"clients/get/{name}", must=True)
        self.seconds.append(time.perf_counter() - began)

    async def _call(self, method: str, path: str, body: Any = None, *, must: bool = False) -> None:
        http = self._yard.http
        async with http.request(method, f"{self._url}/{path}", json=body, headers=self._headers) as answer:
            said = await answer.read()
            if answer.status != 200 or (must and not json.loads(said)["success"]):
                raise NotMeasured(f"the panel answered {answer.status} to {path}: {said[:200]!r}")


async def one_at_a_time(yard: Yard, till: Till, count: int) -> Figures:
    """Paid to key on an idle machine, with the panel's own time before each."""
    direct, payments = Direct(yard), [till.ready.pop() for _ in range(count)]
    for payment in payments:
        await direct.once()
        await till.pay(payment)
        await till.done()
    found = await till.journeys(payments)
    first = [journey.first for journey in found]
    return {
        "benchmark": "paid_to_key_idle",
        "purchases": count,
        **milliseconds("panel_itself", direct.seconds),
        **milliseconds("webhook_to_first_key", first),
        **milliseconds("webhook_to_last_key", [journey.last for journey in found]),
        "over_the_panel_p50_ms": round((quantile(first, 50) - quantile(direct.seconds, 50)) * 1000, 1),
    }


async def at_a_rate(yard: Yard, till: Till, per_second: float, seconds: float) -> Figures:
    """Payments at even distances, whatever becomes of the earlier ones."""
    payments = [till.ready.pop() for _ in range(int(per_second * seconds))]
    direct = Direct(yard)
    began = time.monotonic()
    async with asyncio.TaskGroup() as together:
        for number, payment in enumerate(payments):
            await asyncio.sleep(max(0.0, began + number / per_second - time.monotonic()))
            together.create_task(till.pay(payment))
            if number % int(per_second) == 0:
                together.create_task(direct.once())
    await till.done()
    found = await till.journeys(payments)
    first, sent = [journey.first for journey in found], [journey.sent_at for journey in found]
    return {
        "benchmark": "paid_to_key_under_load",
        "purchases": len(payments),
        "asked_per_second": per_second,
        "sent_per_second": round((len(sent) - 1) / (max(sent) - min(sent)), 1),
        **milliseconds("panel_itself", direct.seconds),
        **milliseconds("webhook_to_first_key", first),
        **milliseconds("webhook_to_last_key", [journey.last for journey in found]),
        "over_the_panel_p99_ms": round((quantile(first, 99) - quantile(direct.seconds, 99)) * 1000, 1),
    }


async def as_fast_as_it_goes(till: Till, count: int) -> Figures:
    """All of them paid as fast as the bank can, and worked off: webhook, settle, grant, three panels."""
    payments = [till.ready.pop() for _ in range(count)]
    room = asyncio.Semaphore(PAYING_AT_ONCE)

    async def pay(payment: str) -> None:
        async with room:
            await till.pay(payment)

    await asyncio.gather(*(pay(payment) for payment in payments))
    await till.done(pause=0.1)
    found = await till.journeys(payments)
    began = min(journey.sent_at for journey in found)
    spent = max(journey.sent_at + journey.last for journey in found) - began
    webhooks = max(journey.sent_at for journey in found) - began
    return {
        "benchmark": "sustained_purchases",
        "purchases": count,
        "purchases_per_second": round(count / spent, 1),
        "seconds_until_the_last_key": round(spent, 2),
        "seconds_until_the_last_webhook": round(webhooks, 2),
        **milliseconds("webhook_to_first_key", [journey.first for journey in found]),
    }

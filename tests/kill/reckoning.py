"""Counts in every world what became of the money: the bank, the books, the panels and the chats must agree.

The product's own view is read, too, but nothing is believed because the product says so.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any

import aiohttp
import psycopg
from psycopg.rows import dict_row

from ferryman_sandbox.smoke import identity, share_links
from tests.kill.people import Person

Json = dict[str, Any]

TERM = timedelta(days=30)
# A notice may leave a second time when a kill fell between its sending and our knowing of it; never a third.
MOST_COPIES = 2

HOLDINGS = """
SELECT c.telegram_id, s.id, s.ref, s.uuid, s.password, s.sub_id, s.ends_at
FROM subscriptions s JOIN customers c ON c.id = s.customer_id ORDER BY s.id"""
GRANTS = """
SELECT g.subscription_id, g.order_id, p.external_id, g.days, g.ended_before, g.ends_at, g.created_at
FROM grants g JOIN payments p ON p.id = g.payment_id ORDER BY g.id"""
KEY_NOTICES = """
SELECT c.telegram_id, count(*) AS n, max(n.attempts) AS attempts
FROM notices n JOIN customers c ON c.id = n.customer_id WHERE n.kind = 'key_ready' GROUP BY 1"""
UNFINISHED = """
SELECT (SELECT count(*) FROM money_without_key) AS money_without_key,
       (SELECT count(*) FROM notices WHERE state = 'queued') AS notices,
       (SELECT count(*) FROM webhook_events WHERE processed_at IS NULL) AS events,
       (SELECT count(*) FROM telegram_updates WHERE state = 'new') AS updates,
       (SELECT count(*) FROM grants) AS granted"""
RECOVERIES = """
SELECT (SELECT count(*) FROM webhook_events WHERE attempts > 1) AS "events judged twice",
       (SELECT count(*) FROM webhook_events WHERE repeats > 0) AS "webhooks repeated by the bank",
       (SELECT count(*) FROM telegram_updates WHERE attempts > 1) AS "presses worked through twice",
       (SELECT count(*) FROM notices WHERE attempts > 1) AS "notices tried twice" """


@dataclass
class Books:
    """Everything that is compared, read once."""

    bank: list[Json]
    numbers: Json
    holdings: list[Json]
    grants: list[Json]
    ledger: dict[str, int]
    key_notices: dict[int, Json]
    panels: dict[str, list[Json]]
    links: dict[int, list[str]] = field(default_factory=dict)
    identities: dict[int, set[str]] = field(default_factory=dict)

    @property
    def succeeded(self) -> set[str]:
        return {payment["id"] for payment in self.bank if payment["status"] == "succeeded"}


class Counting:
    """`database_url` is the product's database; `people` are all customers there have ever been."""

    def __init__(self, site: Json, http: aiohttp.ClientSession, database_url: str, people: Sequence[Person]) -> None:
        self._site, self._http, self._database_url, self._people = site, http, database_url, people

    async def settled(self) -> bool:
        """Whether nothing is left to do for the product."""
        paid = sum(payment["status"] == "succeeded" for payment in await self._bank())
        left = self._rows(UNFINISHED)[0]
        return left.pop("granted") == paid and not any(left.values())

    async def left(self) -> Json:
        return self._rows(UNFINISHED)[0]

    def recoveries(self) -> Json:
        return self._rows(RECOVERIES)[0]

    async def read(self) -> Books:
        ledger = self._rows("SELECT account, sum(minor)::bigint AS minor FROM ledger_entries GROUP BY account")
        books = Books(
            bank=await self._bank(),
            numbers=(await self._get(f"{self._site['product']}/api/overview", operator=True))["numbers"],
            holdings=self._rows(HOLDINGS),
            grants=self._rows(GRANTS),
            ledger={row["account"]: row["minor"] for row in ledger},
            key_notices={row["telegram_id"]: row for row in self._rows(KEY_NOTICES)},
            panels={name: (await self._get(f"{url}/__emu/state"))["clients"] for name, url in self._panels()},
        )
        for person in self._people:
            books.links[person.id] = await person.key_messages()
            for link in set(books.links[person.id]):
                books.identities[person.id] = {identity(one) for one in await self._share_links(link)}
        return books

    async def wrong(self) -> list[str]:
        """Everything that is not as it must be, as sentences; empty when all is well."""
        books = await self.read()
        return [*_money(books, self._people), *_grants(books), *_panels(books, self._people), *_chats(books)]

    async def duplicates(self) -> int:
        """Key messages beyond one for each notice."""
        books = await self.read()
        return sum(len(links) - books.key_notices[person]["n"] for person, links in books.links.items() if links)

    async def _bank(self) -> list[Json]:
        return list(await self._get(f"{self._site['yookassa']}/__emu/payments"))

    def _panels(self) -> list[tuple[str, str]]:
        return list(self._site["panels"].items())

    async def _share_links(self, link: str) -> list[str]:
        async with self._http.get(link, headers={"User-Agent": "v2rayNG/1.10.0"}) as answer:
            assert answer.status == 200, f"the subscription link answers {answer.status}"
            return share_links(await answer.read())

    async def _get(self, url: str, *, operator: bool = False) -> Any:
        headers = {"Authorization": f"Bearer {self._site['operator_token']}"} if operator else {}
        async with self._http.get(url, headers=headers) as answer:
            assert answer.status == 200, f"{url} answers {answer.status}"
            return await answer.json()

    def _rows(self, query: str) -> list[Json]:
        with psycopg.connect(self._database_url, autocommit=True, row_factory=dict_row) as connection:
            return connection.execute(query.encode()).fetchall()


def _money(books: Books, people: Sequence[Person]) -> list[str]:
    wrong = [
        f"{name} is {books.numbers[name]}"
        for name in ("lost", "double", "money_without_key", "ledger_balance", "in_review")
        if books.numbers[name] != 0
    ]
    paid = Counter(payment for person in people for payment in person.paid)
    if set(paid) != books.succeeded or max(paid.values(), default=0) > 1:
        wrong.append(f"the bank took {len(books.succeeded)} payments, the persons made {paid.total()}")
    if books.numbers["paid"] != len(books.succeeded):
        wrong.append(f"{books.numbers['paid']} orders are paid, the bank took {len(books.succeeded)} payments")
    orders = Counter(payment["metadata"]["order_id"] for payment in books.bank)
    wrong += [f"order {order} has {n} payments at the bank" for order, n in orders.items() if n > 1]
    took = sum(Decimal(payment["amount"]["value"]) for payment in books.bank if payment["id"] in books.succeeded)
    if sum(books.ledger.values()) != 0:
        wrong.append(f"the ledger is off by {sum(books.ledger.values())}")
    held = books.ledger.get("provider:yookassa", 0) + books.ledger.get("fees:yookassa", 0)
    if (held, books.ledger.get("sales", 0)) != (int(took * 100), -int(took * 100)):
        wrong.append(f"the bank took {took}, the ledger says {books.ledger}")
    return wrong


def _grants(books: Books) -> list[str]:
    """Each success granted once, each grant for a success, and the ends of a subscription in one unbroken chain."""
    granted = Counter(grant["external_id"] for grant in books.grants)
    wrong = [f"payment {payment} was never granted" for payment in books.succeeded - set(granted)]
    wrong += [f"payment {payment} was granted and not paid" for payment in set(granted) - books.succeeded]
    wrong += [f"payment {payment} was granted {n} times" for payment, n in granted.items() if n > 1]
    chains: dict[int, list[Json]] = defaultdict(list)
    for grant in books.grants:
        chains[grant["subscription_id"]].append(grant)
    for holding in books.holdings:
        end = None
        for grant in chains[holding["id"]]:
            if grant["ended_before"] != end or grant["ends_at"] != (end or grant["created_at"]) + TERM:
                wrong.append(f"subscription {holding['ref']} was extended from {end} to {grant['ends_at']}")
            end = grant["ends_at"]
        if end != holding["ends_at"]:
            wrong.append(f"subscription {holding['ref']} ends at {holding['ends_at']}, granted was {end}")
    return wrong


def _panels(books: Books, people: Sequence[Person]) -> list[str]:
    """On every panel each customer once, with the subscription's end and identity, and nobody else."""
    customers = {person.id for person in people if person.paid}
    holders = Counter(holding["telegram_id"] for holding in books.holdings)
    wrong = [
        f"customer {id_} has {holders[id_]} subscriptions" for id_ in customers | set(holders) if holders[id_] != 1
    ]
    for name, clients in books.panels.items():
        if len(clients) != len(customers):
            wrong.append(f"{name} has {len(clients)} clients for {len(customers)} customers")
        for holding in books.holdings:
            secrets = {holding["uuid"], holding["password"]}
            mine = [
                one for one in clients if {one["uuid"], one["password"]} & secrets or one["subId"] == holding["sub_id"]
            ]
            wrong += [f"{name}: {holding['ref']}: {what}" for what in _one_client(mine, holding, books)]
    return wrong


def _one_client(mine: list[Json], holding: Json, books: Books) -> list[str]:
    if len(mine) != 1:
        return [f"{len(mine)} clients"]
    client, secrets = mine[0], {holding["uuid"], holding["password"]}
    wrong = []
    if not 0 <= client["expiryTime"] - holding["ends_at"].timestamp() * 1000 < 1:
        wrong.append(f"ends at {client['expiryTime']} instead of {holding['ends_at']}")
    if not {client["uuid"], client["password"]} & secrets or client["subId"] != holding["sub_id"]:
        wrong.append("has another identity than the subscription")
    if not {client["uuid"], client["password"]} & books.identities.get(holding["telegram_id"], set()):
        wrong.append("is not what the customer's link holds")
    if not (client["loaded"] and client["enable"] and client["inboundIds"]):
        wrong.append("is not served")
    return wrong


def _chats(books: Books) -> list[str]:
    """Every customer heard of the key, and of no notice more often than twice."""
    wrong = []
    for holding in books.holdings:
        person = holding["telegram_id"]
        links, notices = books.links.get(person, []), books.key_notices.get(person, {"n": 0})["n"]
        if not links:
            wrong.append(f"customer {person} never got a message with the key")
        if len(links) > MOST_COPIES * notices:
            wrong.append(f"customer {person} got {len(links)} messages with the key for {notices} notices")
        if len(set(links)) > 1:
            wrong.append(f"customer {person} was told different links")
    return wrong

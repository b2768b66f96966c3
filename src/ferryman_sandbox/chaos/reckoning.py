"""Counts in every world what became of the money: banks, books, panels and chats must agree.

The product's own view is read, too, but nothing is believed because the product says so.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import aiohttp

import ferryman_sandbox.chaos.words as words
from ferryman_sandbox.chaos.counter import CURRENCY, PAID_BY_CODE
from ferryman_sandbox.chaos.person import Person
from ferryman_sandbox.chaos.ways import Taken
from ferryman_sandbox.smoke import CLIENT_AGENT, identity, percentile, secrets_of, share_links

Json = dict[str, Any]

DAY = 24 * 3600.0
TERM_DAYS = 30
WRITES = re.compile(r"/clients/(add|update|bulk)")
ZEROS = ("lost", "double", "money_without_key", "ledger_balance", "in_review", "money_without_order")


class Taker(Protocol):
    """Who takes money, and knows how much. `codes_out` is what unspent codes are worth, in minor units."""

    @property
    def codes_out(self) -> int: ...

    async def taken(self) -> list[Taken]: ...


@dataclass
class Books:
    """Everything that is compared, read once. `chats`, `keys` and `links` are by person; keys then by panel.

    `codes_out` is what unspent codes are worth, in minor units.
    """

    taken: dict[str, list[Taken]]
    overview: Json
    panels: dict[str, list[Json]]
    chats: dict[int, Json] = field(default_factory=dict)
    links: dict[int, list[str]] = field(default_factory=dict)
    keys: dict[int, dict[str, list[Json]]] = field(default_factory=dict)
    codes_out: int = 0

    @property
    def numbers(self) -> dict[str, int]:
        return {name: value or 0 for name, value in self.overview["numbers"].items()}

    @property
    def credited(self) -> int:
        """What customers have on their balances, over all currencies, in minor units."""
        accounts = self.overview["ledger"]["accounts"]
        return -sum(int(one["minor"]) for one in accounts if one["account"].startswith("customer:"))


class Counting:
    """`takers` are by provider; `people` are all customers that there have ever been; `given_up` answers how many
    messages the shop gave up because it cannot know whether they arrived."""

    def __init__(
        self,
        site: Mapping[str, Any],
        http: aiohttp.ClientSession,
        takers: Mapping[str, Taker],
        people: Sequence[Person],
        given_up: Callable[[], int],
    ) -> None:
        self._site, self._http, self._takers, self._people, self._given_up = site, http, takers, people, given_up

    async def unfinished(self) -> list[str]:
        """What is still to be done, in words; empty when all has come to rest."""
        try:
            overview = await self._overview()
        except aiohttp.ClientError as error:
            return [f"the product does not answer yet ({type(error).__name__})"]
        numbers, left = overview["numbers"], []
        paid = sum(len(person.paid) for person in self._people)
        if numbers["granted"] < paid:
            left.append(f"{numbers['granted']} of {paid} payments are granted")
        left += [f"{name} is {numbers[name]}" for name in ("money_without_key",) if numbers[name]]
        waiting = [one["customer"] for one in overview["notices"] if one["state"] == "queued"]
        left += [f"a notice for {name} waits" for name in waiting]
        left += [f"event {one['id']} waits" for one in overview["inbox"] if one["processed_at"] is None]
        if left:
            return left
        customers = sum(1 for person in self._people if person.paid)
        held = {name: len(await self._clients(url)) for name, url in self._site["panels"].items()}
        left += [f"{name} has {n} clients for {customers} customers" for name, n in held.items() if n < customers]
        if left:
            return left
        for person in self._people:
            left += words.untold(person, await person.chat())
        return left if len(left) > self._given_up() else []

    async def read(self) -> Books:
        panels = {
            name: (await self._get(f"{url}/__emu/state"))["clients"] for name, url in self._site["panels"].items()
        }
        books = Books({name: await one.taken() for name, one in self._takers.items()}, await self._overview(), panels)
        books.codes_out = sum(one.codes_out for one in self._takers.values())
        for person in self._people:
            books.chats[person.id] = await person.chat()
            books.links[person.id] = links = await person.key_messages()
            mine = {identity(one) for link in set(links) for one in await self._share_links(link)}
            books.keys[person.id] = {
                name: [client for client in clients if mine & secrets_of(client)] for name, clients in panels.items()
            }
        return books

    async def written_twice(self) -> int:
        """Writes to panels beyond the one that each purchase needs on each; many clients in one call count as one."""
        wrote = 0
        for url in self._site["panels"].values():
            tally = await self._get(f"{url}/__emu/tally")
            wrote += sum(n for call, n in tally.items() if call.startswith("POST") and WRITES.search(call))
        return max(0, wrote - sum(len(person.paid) for person in self._people) * len(self._site["panels"]))

    async def _clients(self, panel: str) -> list[Json]:
        return list((await self._get(f"{panel}/__emu/state"))["clients"])

    async def _overview(self) -> Json:
        headers = {"Authorization": f"Bearer {self._site['operator_token']}"}
        return dict(await self._get(f"{self._site['product']}/api/overview", headers))

    async def _share_links(self, link: str) -> list[str]:
        async with self._http.get(link, headers=CLIENT_AGENT) as answer:
            return share_links(await answer.read()) if answer.status == 200 else []

    async def _get(self, url: str, headers: dict[str, str] | None = None) -> Any:
        async with self._http.get(url, headers=headers) as answer:
            answer.raise_for_status()
            return await answer.json()


def wrong(books: Books, people: Sequence[Person], given_up: int = 0) -> list[str]:
    """Everything that is not as it must be, as sentences; empty when all is well."""
    return [*money(books, people), *keys(books, people), *told(books, people, given_up)]


def money(books: Books, people: Sequence[Person]) -> list[str]:
    """Every payment is in the books once, and led to one purchase or to a balance."""
    numbers, paid = books.numbers, Counter((one.way, one.id) for person in people for one in person.paid)
    found = [f"{name} is {numbers[name]}" for name in (*ZEROS, "key_without_money") if numbers.get(name, 0) != 0]
    taken = {(way, one.id) for way, all_ in books.taken.items() for one in all_}
    if set(paid) != taken or max(paid.values(), default=0) > 1:
        found.append(f"banks took {len(taken)} payments, the persons made {paid.total()}")
    if numbers["granted"] != len(taken) or numbers["paid"] != len(taken):
        found.append(f"{len(taken)} payments came to {numbers['granted']} grants and {numbers['paid']} paid orders")
    if books.credited:
        found.append(f"{books.credited} minor units are on balances, and nobody paid twice")
    return found + _ledger(books)


def _ledger(books: Books) -> list[str]:
    """What each bank took stands in its account, whole or less the bank's own fee; what codes are out is still owed."""
    owed: dict[tuple[str, str], int] = defaultdict(int)
    for account in books.overview["ledger"]["accounts"]:
        kind, _, name = account["account"].partition(":")
        if kind in ("provider", "fees") and name:
            owed[name, account["currency"]] += account["minor"]
        if kind == "gifts":
            owed["codes", account["currency"]] += account["minor"]
    owed["codes", CURRENCY] += books.codes_out
    for way, payments in books.taken.items():
        for one in payments:
            # A code is paid for when it is made, not when it is spent.
            owed[way, one.currency] -= 0 if way in PAID_BY_CODE else one.minor
    return [f"{way}: the ledger is off by {by} {currency}" for (way, currency), by in owed.items() if by]


def keys(books: Books, people: Sequence[Person]) -> list[str]:
    """On every panel each customer once, served, for as long as was paid for; and nobody else."""
    customers = [person for person in people if person.paid]
    found = [
        f"{name} has {len(clients)} clients for {len(customers)} customers"
        for name, clients in books.panels.items()
        if len(clients) != len(customers)
    ]
    for person in customers:
        if len(set(books.links[person.id])) != 1:
            found.append(f"{person.name} has {len(set(books.links[person.id]))} links")
        for name, mine in books.keys[person.id].items():
            found += [f"{person.name} on {name}: {what}" for what in _one_client(mine, person)]
    return found


def _one_client(mine: Sequence[Json], person: Person) -> list[str]:
    if len(mine) != 1:
        return [f"{len(mine)} clients"]
    client = mine[0]
    found = [] if client["loaded"] and client["enable"] and not client["depleted"] else ["is not served"]
    days = (client["expiryTime"] / 1000 - person.paid[0].at) / DAY
    if round(days) != TERM_DAYS * len(person.paid):
        found.append(f"has {days:.2f} days for {len(person.paid)} months")
    return found


def told(books: Books, people: Sequence[Person], given_up: int) -> list[str]:
    """Nobody told too often, and nobody untold but those whose messages were given up in doubt."""
    untold = [one for person in people for one in words.untold(person, books.chats[person.id])]
    too_often = [one for person in people for one in words.duplicates(person, books.chats[person.id])[1]]
    return too_often + (untold if len(untold) > given_up else [])


def lies(books: Books, people: Sequence[Person]) -> list[str]:
    found = []
    for person in people:
        since = {name: [client["createdAt"] / 1000 for client in mine] for name, mine in books.keys[person.id].items()}
        found += words.lies(person, books.chats[person.id], since)
    return found


def doubled(books: Books, people: Sequence[Person]) -> int:
    """Messages that came more than once."""
    return sum(words.duplicates(person, books.chats[person.id])[0] for person in people)


def paid_to_key(books: Books, people: Sequence[Person]) -> dict[str, float | None]:
    """Milliseconds from a person's first payment to the first key on any panel."""
    times = []
    for person in people:
        made = [client["createdAt"] for mine in books.keys[person.id].values() for client in mine]
        if person.paid and made:
            times.append(max(0.0, min(made) - person.paid[0].at * 1000))
    times.sort()
    return {"p50": percentile(times, 50), "p99": percentile(times, 99)}

"""All clients of a panel of 3.1 or newer, in as few calls as its size allows."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ferryman.fleet.panel import Seen
from ferryman.fleet.panels.xui.clients import PAGE, Clients, Listed, Record
from ferryman.fleet.panels.xui.doubles import Doubles
from ferryman.fleet.panels.xui.naming import is_nobody, owner_of
from ferryman.fleet.panels.xui.parts import Parts
from ferryman.fleet.panels.xui.record import as_seen, row_differences

# The list of all clients in one answer is 850 bytes for each; beyond this many it is read in pages of 200, which lack
# keys, so that what is new or changed is asked for by name.
LISTED_AT_ONCE = 20_000
AT_ONCE = 4


class Roster:
    def __init__(self, clients: Clients, parts: Parts, doubles: Doubles) -> None:
        self._clients = clients
        self._doubles = doubles
        self._parts = parts
        self._size: int | None = None
        self._details: dict[str, tuple[Any, Mapping[str, Any]]] = {}

    async def size(self) -> int:
        """How many clients there were when last looked."""
        if self._size is None:
            self._size = await self._clients.total()
        return self._size

    async def pages(self) -> AsyncIterator[Sequence[Seen]]:
        await self._doubles.look()
        if await self.size() <= LISTED_AT_ONCE:
            yield self._joined(await self._all())
            return
        present: dict[str, tuple[Any, Mapping[str, Any]]] = {}
        async for page in self._in_pages():
            present.update({name(one): (stamp(one), one.record.fields) for one in page})
            yield self._joined(page)
        self._details = present

    async def by_name(self) -> Mapping[str, Listed]:
        """Every client with all of its fields."""
        if await self.size() <= LISTED_AT_ONCE:
            return {name(one): one for one in await self._all()}
        return {name(one): one async for page in self._in_pages() for one in page}

    async def _all(self) -> list[Listed]:
        listed = list(await self._clients.listed())
        self._size = len(listed)
        self._parts.learn(name(one) for one in listed)
        return listed

    async def _in_pages(self) -> AsyncIterator[list[Listed]]:
        number, total = 1, PAGE
        while (number - 1) * PAGE < total:
            items, total = await self._clients.page(number)
            self._size = total
            detailed: list[Listed] = []
            for start in range(0, len(items), AT_ONCE):
                detailed += await self._detailed(items[start : start + AT_ONCE])
            yield detailed
            number += 1

    async def _detailed(self, items: Sequence[Listed]) -> list[Listed]:
        found = await asyncio.gather(*(self._fields_of(one) for one in items))
        return [
            Listed(Record({**fields, **one.record.fields}, one.record.inbounds), one.traffic)
            for one, fields in zip(items, found, strict=True)
            if fields is not None
        ]

    async def _fields_of(self, one: Listed) -> Mapping[str, Any] | None:
        """None for a client that is gone by now."""
        known = self._details.get(name(one))
        if known is not None and known[0] == stamp(one):
            return known[1]
        record = await self._clients.get(name(one))
        return record.fields if record is not None else None

    def _joined(self, listed: Iterable[Listed]) -> list[Seen]:
        """Parts are not shown beside the client they belong to, and nobody's clients not at all."""
        whole: dict[str, Seen] = {}
        parts: dict[str, Seen] = {}
        for one in listed:
            email = name(one)
            if not email or is_nobody(email):
                continue
            owner = owner_of(email)
            seen = as_seen(one.record, one.traffic, self._doubles.flaw(email) or flaw(one))
            if owner == email:
                whole[email] = seen
            else:
                parts.setdefault(owner, replace(seen, email=owner))
        for owner, seen in parts.items():
            whole[owner] = replace(whole.get(owner, seen), flawed=self._parts.flaw(owner))
        return list(whole.values())


def name(one: Listed) -> str:
    return str(one.record.fields.get("email") or "")


def stamp(one: Listed) -> Any:
    return one.record.fields.get("createdAt"), one.record.fields.get("updatedAt")


def flaw(one: Listed) -> str:
    fields = one.record.fields
    if "limitHwid" in fields and (fields["limitHwid"] or 0) != (fields.get("limitIp") or 0):
        return "its device limits disagree"
    wrong = row_differences(one.record, one.traffic)
    return f"its counters disagree: {', '.join(wrong)}" if wrong else ""

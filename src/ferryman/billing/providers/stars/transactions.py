"""The bot's list of transactions, read from its newest end, whichever end Telegram begins with.

It has no search and says nothing of its length; a page holds a hundred. A refund stands in it under the id of the
payment, told apart by having a receiver.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar

from ferryman.billing.providers.stars.api import BotApi
from ferryman.kit.errors import Busy

PAGE = 100
MOST_PAGES = 300

Json = dict[str, Any]


@dataclass(frozen=True)
class Line:
    """One transaction with a person. `back`: it went back to them, or (`look` other than "user") was taken back."""

    id: str
    amount: int
    at: datetime
    back: bool
    look: str
    payload: str
    payer: int
    period: int


class Transactions:
    # Where each bot's list ended when it was last read: only a place to begin, and right or wrong at no other cost.
    _ends: ClassVar[dict[str, int]] = {}

    def __init__(self, api: BotApi) -> None:
        self._api = api

    async def back_to(self, moment: datetime) -> list[Line]:
        """What happened since then, newest first, each once. Raises Busy when that is more than can be read."""
        lines: dict[tuple[str, bool], Line] = {}
        async for line in self.newest_first():
            if line.at < moment:
                break
            lines[line.id, line.back] = line
        return list(lines.values())

    async def newest_first(self) -> AsyncIterator[Line]:
        """Raises Busy when there is more than it is willing to read."""
        first = await self._page(0, PAGE)
        dates = [_date(entry) for entry in first]
        rising = len(first) == PAGE and dates[0] < dates[-1]
        pages = self._from_the_end() if rising else self._from_the_front(first)
        async for page in pages:
            for entry in sorted(page, key=_date, reverse=True):
                line = _line(entry)
                if line is not None:
                    yield line

    async def _from_the_front(self, page: list[Json]) -> AsyncIterator[list[Json]]:
        offset = 0
        while page:
            yield page
            offset += len(page)
            if len(page) < PAGE:
                return
            if offset >= MOST_PAGES * PAGE:
                raise Busy(f"Telegram lists more than {offset} transactions.", after=3600.0)
            page = await self._page(offset, PAGE)

    async def _from_the_end(self) -> AsyncIterator[list[Json]]:
        end = total = await self._count()
        while end > 0:
            if total - end >= MOST_PAGES * PAGE:
                raise Busy(f"Telegram lists more than {total - end} transactions.", after=3600.0)
            begin = max(0, end - PAGE)
            yield await self._page(begin, end - begin)
            end = begin

    async def _count(self) -> int:
        """How many transactions there are, at least a page. The list does not say, so its end is searched for, from
        where it was seen last."""
        there = self._ends.get(self._api.bot, PAGE)
        tail = await self._page(there - 1, PAGE)
        if not tail:
            there, tail = PAGE, await self._page(PAGE - 1, PAGE)
        total = there - 1 + len(tail) if len(tail) < PAGE else await self._search(there - 1 + PAGE)
        self._ends[self._api.bot] = total
        return total

    async def _search(self, there: int) -> int:
        """The first empty place, when at least `there` are taken."""
        beyond = there * 2
        while await self._page(beyond - 1, 1):
            there, beyond = beyond, beyond * 2
        while there < beyond - 1:
            middle = (there + beyond) // 2
            if await self._page(middle - 1, 1):
                there = middle
            else:
                beyond = middle
        return there

    async def _page(self, offset: int, limit: int) -> list[Json]:
        answer = await self._api.call("getStarTransactions", {"offset": offset, "limit": limit}, changes=False)
        page = answer.get("transactions") if isinstance(answer, dict) else None
        if not isinstance(page, list) or not all(isinstance(entry, dict) for entry in page):
            raise Busy("Telegram's list of transactions cannot be read.")
        return page


def _line(entry: Json) -> Line | None:
    """None for what is no payment of a person: a withdrawal, a gift, whatever Telegram invents."""
    back = "receiver" in entry
    partner = entry.get("receiver" if back else "source")
    charge, amount = entry.get("id"), entry.get("amount")
    if not isinstance(partner, dict) or not isinstance(charge, str) or type(amount) is not int or amount < 1:
        return None
    look, user, carried = partner.get("type"), partner.get("user"), partner.get("invoice_payload")
    if not back and (look != "user" or partner.get("transaction_type", "invoice_payment") != "invoice_payment"):
        return None
    payer, period = user.get("id") if isinstance(user, dict) else 0, partner.get("subscription_period")
    return Line(
        charge,
        amount,
        _date(entry),
        back,
        str(look),
        carried if isinstance(carried, str) else "",
        payer if type(payer) is int else 0,
        period if type(period) is int else 0,
    )


def _date(entry: Json) -> datetime:
    given = entry.get("date")
    try:
        if type(given) is int:
            return moment_of(given)
    except ValueError as error:
        raise Busy("A transaction in Telegram's list has no date.") from error
    raise Busy("A transaction in Telegram's list has no date.")


def moment_of(seconds: int) -> datetime:
    """Raises ValueError for one beyond all calendars."""
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, OSError) as error:
        raise ValueError("not a moment") from error

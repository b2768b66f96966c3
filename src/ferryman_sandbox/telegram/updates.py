"""What waits for a bot: numbered updates, their lifetimes, the long poll, and the queues a webhook sender drains."""

import asyncio
from dataclasses import dataclass
from typing import Any

from ferryman_sandbox.store import Document
from ferryman_sandbox.telegram.answers import conflict
from ferryman_sandbox.telegram.world import FIRST_UPDATE, World

DAY = 86_400.0
LIFETIMES = {"callback_query": 150.0, "shipping_query": 150.0, "pre_checkout_query": 150.0, "inline_query": 30.0}
NOT_BY_DEFAULT = ("chat_member", "message_reaction", "message_reaction_count")
OTHER_POLL = "terminated by other getUpdates request; make sure that only one bot instance is running"
WEBHOOK_CAME = "terminated by setWebhook request"


@dataclass
class _Poll:
    ended_by: str = ""


class Updates:
    """Updates live in the store until they are confirmed or too old. Ids grow by one for each bot."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._polls: dict[int, _Poll] = {}
        self.duplicates_left = 0

    def push(self, bot_id: int, kind: str, body: dict[str, Any], user_id: int) -> int:
        """Queue an update and wake its receiver; answers its id, or 0 when the bot did not ask for this kind."""
        wanted = self._world.bot(bot_id)["allowed_updates"]
        if kind not in wanted if wanted else kind in NOT_BY_DEFAULT:
            return 0
        number = self._world.store.next_number(f"update:{bot_id}", FIRST_UPDATE)
        copies = 1
        if self.duplicates_left > 0:
            self.duplicates_left -= 1
            copies = 2
        now = self._world.now()
        update = {
            "update": {"update_id": number, kind: body},
            "lane": f"{user_id}:{kind}",
            "at": now,
            "dies_at": now + LIFETIMES.get(kind, DAY),
            "next_at": now,
            "attempts": 0,
            "copies": copies,
        }
        self._world.store.put(_kind(bot_id), number, update)
        self.ring(bot_id)
        return number

    def ring(self, bot_id: int) -> None:
        self._world.bell(_kind(bot_id)).ring()
        self._world.bell("webhooks").ring()

    def pending(self, bot_id: int) -> list[Document]:
        """Oldest first; what outlived its kind's lifetime is forgotten here."""
        alive = []
        for number, update in self._world.store.all(_kind(bot_id)):
            if update["dies_at"] <= self._world.now():
                self._world.store.drop(_kind(bot_id), number)
            else:
                alive.append(update)
        return alive

    def keep(self, bot_id: int, update: Document) -> None:
        """Write back a changed update, unless it was confirmed or dropped meanwhile."""
        if self._world.store.get(_kind(bot_id), number_of(update)) is not None:
            self._world.store.put(_kind(bot_id), number_of(update), update)

    def drop(self, bot_id: int, update: Document) -> None:
        self._world.store.drop(_kind(bot_id), number_of(update))

    def drop_all(self, bot_id: int) -> None:
        for update in self.pending(bot_id):
            self.drop(bot_id, update)

    def confirm(self, bot_id: int, offset: int) -> None:
        """Forget every update below `offset`; a negative one keeps only the last -offset updates."""
        waiting = self.pending(bot_id)
        done = waiting[:offset] if offset < 0 else [update for update in waiting if number_of(update) < offset]
        for update in done:
            self.drop(bot_id, update)

    async def poll(self, bot_id: int, limit: int, timeout: float) -> list[dict[str, Any]]:
        """Wait until something is there, at most `timeout` real seconds.

        Raises ApiError 409 in the older of two polls, and when a webhook is set meanwhile.
        """
        self.end_poll(bot_id, OTHER_POLL)
        mine = self._polls[bot_id] = _Poll()
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        try:
            while True:
                if mine.ended_by:
                    raise conflict(mine.ended_by)
                ready = self.pending(bot_id)[:limit]
                left = deadline - loop.time()
                if ready or left <= 0 or self._world.closing:
                    return [update["update"] for update in ready for _ in range(update["copies"])]
                await self._world.bell(_kind(bot_id)).wait(left)
        finally:
            if self._polls.get(bot_id) is mine:
                del self._polls[bot_id]

    def polling(self) -> list[int]:
        """The bots whose long poll waits at this moment."""
        return sorted(self._polls)

    def end_poll(self, bot_id: int, why: str) -> None:
        """The waiting poll of this bot, if any, is answered 409 with this sentence."""
        if bot_id in self._polls:
            self._polls[bot_id].ended_by = why
            self._world.bell(_kind(bot_id)).ring()


def number_of(update: Document) -> int:
    return int(update["update"]["update_id"])


def _kind(bot_id: int) -> str:
    return f"update:{bot_id}"

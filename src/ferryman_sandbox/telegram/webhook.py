"""Delivery to a webhook: a queue for each person and kind, the ladder of repeats, lifetimes, the secret header.

After the first failure the update is repeated at once, then after 2, 4, 8 … seconds of the emulator's clock up to
`LONGEST_STEP` (the real server draws 60 to 120 by lot; here it is always 60). Not modelled: method calls in a multipart
answer, the certificate, and slow starts of `max_connections`.
"""

import asyncio
import contextlib
import json
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import aiohttp
from aiohttp import web

from ferryman_sandbox.store import Document
from ferryman_sandbox.telegram.answers import ApiError
from ferryman_sandbox.telegram.call import from_json
from ferryman_sandbox.telegram.cloud import Cloud
from ferryman_sandbox.telegram.updates import number_of
from ferryman_sandbox.telegram.world import Unknown

LONGEST_STEP = 60.0
LONGEST_RETRY_AFTER = 3600.0
ANSWER_SECONDS = 60.0
GONE_SECONDS = 23 * 3600
IDLE_SECONDS = 3600.0
IGNORED_IN_ANSWERS = ("get", "setwebhook", "deletewebhook", "close", "logout")

Execute = Callable[[Document, str, dict[str, str]], Awaitable[Any]]


@dataclass(frozen=True)
class _Outcome:
    """What a receiver answered: status 0 for nothing, a complaint unless it was well, the pause it asked for."""

    status: int
    complaint: str = ""
    pause: float | None = None


class WebhookSender:
    """Runs beside the server (`run` is an aiohttp cleanup context). `attempts` is for whoever wants to look on."""

    def __init__(self, cloud: Cloud, execute: Execute) -> None:
        self._cloud = cloud
        self._execute = execute
        self._flying: set[tuple[int, int]] = set()
        self.attempts: deque[dict[str, Any]] = deque(maxlen=1000)

    async def run(self, _: web.Application) -> AsyncIterator[None]:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ANSWER_SECONDS)) as session:
            loop = asyncio.create_task(self._deliver_for_ever(session))
            yield
            loop.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await loop

    async def _deliver_for_ever(self, session: aiohttp.ClientSession) -> None:
        bell = self._cloud.world.bell("webhooks")
        async with asyncio.TaskGroup() as flights:
            while True:
                wait = IDLE_SECONDS
                for bot in self._cloud.world.bots():
                    if bot["webhook"].get("url"):
                        wait = min(wait, self._launch(flights, session, bot))
                await bell.wait(wait)

    def _launch(self, flights: asyncio.TaskGroup, session: aiohttp.ClientSession, bot: Document) -> float:
        """Start what is due, one for each queue; answers the seconds until something else is."""
        now = self._cloud.world.now()
        wait = IDLE_SECONDS
        busy = {lane for bot_id, lane in self._lanes_in_flight() if bot_id == bot["id"]}
        for update in self._cloud.updates.pending(bot["id"]):
            if update["lane"] in busy:
                continue
            busy.add(update["lane"])
            if update["next_at"] > now:
                wait = min(wait, update["next_at"] - now)
            elif sum(bot_id == bot["id"] for bot_id, _ in self._flying) < bot["webhook"]["max_connections"]:
                self._flying.add((bot["id"], number_of(update)))
                flights.create_task(self._deliver(session, bot, update))
        return wait

    def _lanes_in_flight(self) -> set[tuple[int, str]]:
        return {
            (bot["id"], update["lane"])
            for bot in self._cloud.world.bots()
            for update in self._cloud.updates.pending(bot["id"])
            if (bot["id"], number_of(update)) in self._flying
        }

    async def _deliver(self, session: aiohttp.ClientSession, bot: Document, update: Document) -> None:
        try:
            outcomes = await asyncio.gather(*(self._post(session, bot, update) for _ in range(update["copies"])))
            if any(not outcome.complaint for outcome in outcomes):
                self._cloud.updates.drop(bot["id"], update)
            else:
                self._postpone(bot["id"], update, outcomes[0].pause)
            for outcome in outcomes:
                self._note(bot["id"], outcome)
                made = {"at": self._cloud.world.now(), "update_id": number_of(update), "status": outcome.status}
                self.attempts.append(made)
        finally:
            self._flying.discard((bot["id"], number_of(update)))
            self._cloud.world.bell("webhooks").ring()

    async def _post(self, session: aiohttp.ClientSession, bot: Document, update: Document) -> _Outcome:
        headers = {"Content-Type": "application/json"}
        if bot["webhook"]["secret"]:
            headers["X-Telegram-Bot-Api-Secret-Token"] = bot["webhook"]["secret"]
        body = json.dumps(update["update"], ensure_ascii=False).encode()
        try:
            async with session.post(bot["webhook"]["url"], data=body, headers=headers, allow_redirects=False) as answer:
                said = await answer.read()
        except aiohttp.ClientError as error:
            return _Outcome(0, f"Connection failed: {type(error).__name__}")
        except TimeoutError:
            return _Outcome(0, "Read timeout expired")
        if not 200 <= answer.status < 300:
            complaint = f"Wrong response from the webhook: {answer.status} {answer.reason}"
            return _Outcome(answer.status, complaint, _seconds(answer.headers.get("Retry-After", "")))
        await self._act(bot, answer.content_type, said)
        return _Outcome(answer.status)

    async def _act(self, bot: Document, content_type: str, said: bytes) -> None:
        """The answer may be a method call; nobody learns its result."""
        if content_type != "application/json" or not said.strip().startswith(b"{"):
            return
        try:
            fields = from_json(said)
        except ApiError:
            return
        method = fields.pop("method", "")
        if method and not method.lower().startswith(IGNORED_IN_ANSWERS):
            await self._execute(bot, method, fields)

    def _postpone(self, bot_id: int, update: Document, pause: float | None) -> None:
        update["attempts"] += 1
        step = 0.0 if update["attempts"] == 1 else min(2.0 ** (update["attempts"] - 1), LONGEST_STEP)
        update["next_at"] = self._cloud.world.now() + (step if pause is None else min(pause, LONGEST_RETRY_AFTER))
        if update["next_at"] >= update["dies_at"]:
            self._cloud.updates.drop(bot_id, update)
        else:
            self._cloud.updates.keep(bot_id, update)

    def _note(self, bot_id: int, outcome: _Outcome) -> None:
        """Remember the last error for getWebhookInfo; 410 for 23 hours takes the webhook away."""
        try:
            bot = self._cloud.world.bot(bot_id)
        except Unknown:
            return  # the world was reset while this delivery was under way
        settings = bot["webhook"]
        if not settings or (not outcome.complaint and "gone_since" not in settings):
            return
        now = int(self._cloud.world.now())
        if outcome.complaint:
            settings |= {"last_error_date": now, "last_error_message": outcome.complaint}
        if outcome.status != 410:
            settings.pop("gone_since", None)
        elif now - settings.setdefault("gone_since", now) >= GONE_SECONDS:
            bot["webhook"] = {}
        self._cloud.world.save_bot(bot)


def _seconds(header: str) -> float | None:
    """A Retry-After in seconds; None when there is none."""
    return float(header) if header.strip().isdigit() else None

"""Notifications to the shop over real HTTP: tried at once, again up the ladder for 24 hours, kept across restarts.

The real service publishes no spacing; this ladder is ours. Only HTTP 200 counts as received, body and headers are
ignored, redirects are not followed. What happens on the way is set by `Disturbance`:

| mode            | the next `times` notifications                                                        |
|-----------------|---------------------------------------------------------------------------------------|
| `normal`        | arrive                                                                                |
| `drop`          | never leave                                                                           |
| `delay`         | leave `seconds` late                                                                  |
| `duplicate`     | are sent twice at the same moment                                                     |
| `reorder`       | wait until a later one was sent, `seconds` (default 5) at most                        |
| `before_answer` | reach the shop before its own create call is answered: the payment is paid on creation |
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import aiohttp

from ferryman_sandbox.store import Store
from ferryman_sandbox.yookassa.payment import Json
from ferryman_sandbox.yookassa.settings import Settings

LADDER = (5.0, 15.0, 60.0, 300.0, 900.0, 3600.0)
LIFETIME = 24 * 3600.0
ANSWER_TIMEOUT = aiohttp.ClientTimeout(total=10)
MODES = ("normal", "drop", "delay", "duplicate", "reorder", "before_answer")
REORDER_PATIENCE = 5.0


@dataclass
class Disturbance:
    """`times` is how many notifications are still to be hit, -1 = until changed."""

    mode: str = "normal"
    seconds: float = 0.0
    times: int = 1

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise ValueError(f"mode must be one of {', '.join(MODES)}")

    def take(self) -> str:
        """The mode for one notification, used up by one."""
        mode = self.mode
        self.times -= 1 if self.times > 0 else 0
        if self.times == 0:
            self.mode = "normal"
        return mode


@dataclass
class Notification:
    """One event to be told. `state` is waiting, delivered, dropped or given_up; times are Unix seconds of our clock."""

    id: int
    body: Json
    born_at: float
    next_at: float
    attempts: int = 0
    state: str = "waiting"
    behind: bool = False


class Notifier:
    """Owns the notifications that still wait and the log of every attempt with the shop's answer."""

    def __init__(self, store: Store, now: Callable[[], float], settings: Settings) -> None:
        self._store = store
        self._now = now
        self._settings = settings
        self._waiting: dict[int, Notification] = {}
        self._under_way: dict[int, asyncio.Task[Any]] = {}
        self.disturbance = Disturbance()
        self.wake = asyncio.Event()
        for _, document in store.all("notification"):
            if document["state"] == "waiting":
                self._waiting[document["id"]] = Notification(**document)

    def announce(self, event: str, thing: Json) -> Notification:
        """Write the notification down; the background task sends it."""
        body = {"type": "notification", "event": event, "object": thing}
        note = Notification(self._store.next_number("notification"), body, self._now(), self._now())
        match self.disturbance.take():
            case "drop":
                note.state = "dropped"
            case "delay":
                note.next_at += self.disturbance.seconds
            case "duplicate":
                self._keep(Notification(self._store.next_number("notification"), body, note.born_at, note.next_at))
            case "reorder":
                note.next_at += self.disturbance.seconds or REORDER_PATIENCE
                note.behind = True
        if not self._settings.notify_url:
            note.state = "dropped"
        self._keep(note)
        self.wake.set()
        return note

    def launch_due(self) -> list[asyncio.Task[Any]]:
        """Start an attempt for each notification whose time has come; give up those older than 24 hours."""
        now, started = self._now(), []
        for note in list(self._waiting.values()):
            if note.id in self._under_way or note.next_at > now:
                continue
            if now - note.born_at >= LIFETIME:
                note.state = "given_up"
                self._keep(note)
            else:
                self._under_way[note.id] = task = asyncio.create_task(self._attempt(note))
                started.append(task)
        return started

    async def send_now(self) -> None:
        """Send what is due and wait until it was answered."""
        await asyncio.gather(*self.launch_due())

    def next_due(self) -> float | None:
        return min((note.next_at for note in self._waiting.values() if note.id not in self._under_way), default=None)

    async def _attempt(self, note: Notification) -> None:
        """Send once and write down what came of it."""
        try:
            delivery = await self.send(note.body, note.id)
            note.attempts += 1
            if delivery["status"] == 200:
                note.state = "delivered"
            else:
                note.next_at = self._now() + LADDER[min(note.attempts, len(LADDER)) - 1]
            self._keep(note)
            self._release_those_behind(note)
        finally:
            self._under_way.pop(note.id, None)
            self.wake.set()

    async def send(self, body: Any, note: int = 0, headers: dict[str, str] | None = None) -> Json:
        """One POST, logged; `note` is 0 for a forged or repeated one."""
        started, at = time.perf_counter(), self._now()
        status, answer = await self._post(body, headers or {})
        delivery: Json = {
            "n": self._store.next_number("delivery"),
            "notification": note,
            "at": at,
            "url": self._settings.notify_url,
            "body": body,
            "status": status,
            "answer": answer[:500],
            "ms": round((time.perf_counter() - started) * 1000, 2),
        }
        self._store.put("delivery", delivery["n"], delivery)
        return delivery

    def deliveries(self) -> list[Json]:
        """Newest first."""
        return [delivery for _, delivery in self._store.all("delivery")][::-1]

    def forget(self) -> None:
        self._waiting.clear()
        self.disturbance = Disturbance()

    async def stop(self) -> None:
        tasks = list(self._under_way.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _post(self, body: Any, headers: dict[str, str]) -> tuple[int | None, str]:
        # A session per call: the shop may be killed and restarted between two, and a stale kept-alive connection would
        # look like a lost notification.
        connector = aiohttp.TCPConnector(local_addr=(self._settings.source, 0), force_close=True)
        async with aiohttp.ClientSession(connector=connector, timeout=ANSWER_TIMEOUT) as session:
            try:
                async with session.post(
                    self._settings.notify_url, json=body, headers=headers, allow_redirects=False
                ) as response:
                    return response.status, await response.text(errors="replace")
            except (aiohttp.ClientError, TimeoutError) as error:
                return None, f"{type(error).__name__}: {error}"

    def _release_those_behind(self, sent: Notification) -> None:
        for note in self._waiting.values():
            if note.behind and note.id < sent.id:
                note.behind, note.next_at = False, self._now()
                self._keep(note)

    def _keep(self, note: Notification) -> None:
        self._store.put("notification", note.id, asdict(note))
        if note.state == "waiting":
            self._waiting[note.id] = note
        else:
            self._waiting.pop(note.id, None)

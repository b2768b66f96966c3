"""Signed webhooks over real HTTP: tried at once, again up a ladder of the emulator's clock, kept across restarts.

What happens on the way is set by a Disturbance:

| mode            | the next `times` webhooks                                              |
|-----------------|------------------------------------------------------------------------|
| `normal`        | arrive                                                                 |
| `drop`          | never leave                                                            |
| `delay`         | leave `seconds` late                                                   |
| `duplicate`     | are sent twice at the same moment                                      |
| `reorder`       | wait until a later one was sent, `seconds` (default 5) at most         |

A service may know other modes as well.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import aiohttp

from ferryman_sandbox.store import Store

ANSWER_TIMEOUT = aiohttp.ClientTimeout(total=10)
MODES = ("normal", "drop", "delay", "duplicate", "reorder")
REORDER_PATIENCE = 5.0
LONGEST_NAP = 3600.0

Json = dict[str, Any]


@dataclass
class Disturbance:
    """`times` is how many webhooks are still to be hit, -1 = until changed."""

    mode: str = "normal"
    seconds: float = 0.0
    times: int = 1

    def take(self) -> str:
        """The mode for one webhook, used up by one."""
        mode = self.mode
        self.times -= 1 if self.times > 0 else 0
        if self.times == 0:
            self.mode = "normal"
        return mode


@dataclass
class Push:
    """One event to be told. `state` is waiting, delivered, dropped or given_up; times are Unix seconds of our clock.

    `url` is an address of its own, "" = where all go.
    """

    id: int
    body: str
    born_at: float
    next_at: float
    url: str = ""
    attempts: int = 0
    state: str = "waiting"
    behind: bool = False


@dataclass(frozen=True)
class Manners:
    """How a service pushes. `sign(body)` answers the headers of one attempt; `ladder` the pauses before the next ones.

    After the ladder's end the push is given up; with `lifetime` its last pause repeats instead, until the push is that
    many seconds old. With `switch_off` no more leave after one was given up, until an address is set again.
    `received`: the answers that end it well, empty = any 2xx; `ends`: those after which it is given up at once.
    `wants` is the text that the shop must answer to a body, None = any. `source` is the loopback address they come
    from, None = any. `modes` are those of a Disturbance, `shown` is how the log tells of an attempt.
    """

    sign: Callable[[bytes], Mapping[str, str]]
    ladder: tuple[float, ...]
    lifetime: float | None = None
    switch_off: bool = False
    received: tuple[int, ...] = ()
    ends: tuple[int, ...] = ()
    wants: Callable[[str], str] | None = None
    source: Callable[[], str] | None = None
    modes: tuple[str, ...] = MODES
    shown: Callable[[Json], Json] = dict

    def is_received(self, delivery: Json) -> bool:
        is_heard = self.wants is None or delivery["answer"] == self.wants(delivery["body"])
        return is_heard and delivery["status"] in (self.received or range(200, 300))

    def pause(self, attempts: int) -> float | None:
        """Seconds before the next attempt; None = there is none."""
        if attempts > len(self.ladder) and self.lifetime is None:
            return None
        return self.ladder[min(attempts, len(self.ladder)) - 1]

    def is_too_old(self, age: float) -> bool:
        return self.lifetime is not None and age >= self.lifetime


class Pusher:
    """Owns the webhooks that still wait and the log of every attempt with the shop's answer."""

    def __init__(self, store: Store, now: Callable[[], float], manners: Manners, notify_url: str | None) -> None:
        self._store = store
        self._now = now
        self._manners = manners
        self._waiting: dict[int, Push] = {}
        self._under_way: dict[int, asyncio.Task[Any]] = {}
        self._first_url = notify_url
        self.disturbance = Disturbance()
        self.wake = asyncio.Event()
        self.point_at(notify_url if notify_url is not None else self.notify_url)
        for _, document in store.all("push"):
            if document["state"] == "waiting":
                self._waiting[document["id"]] = Push(**document)

    @property
    def notify_url(self) -> str:
        """Where webhooks go; "" = nowhere."""
        return str((self._store.get("settings", "push") or {}).get("notify_url", ""))

    def point_at(self, notify_url: str) -> None:
        self._store.put("settings", "push", {"notify_url": notify_url})

    def announce(self, body: str, url: str = "") -> None:
        """Write the webhook down; the background task sends it, to `url` where one is given."""
        push = Push(self._store.next_number("push"), body, self._now(), self._now(), url)
        match self.disturbance.take():
            case "drop":
                push.state = "dropped"
            case "delay":
                push.next_at += self.disturbance.seconds
            case "duplicate":
                self._keep(Push(self._store.next_number("push"), body, push.born_at, push.next_at, url))
            case "reorder":
                push.next_at += self.disturbance.seconds or REORDER_PATIENCE
                push.behind = True
        if not (url or self.notify_url):
            push.state = "dropped"
        self._keep(push)
        self.wake.set()

    def launch_due(self) -> list[asyncio.Task[None]]:
        """Start an attempt for each webhook whose time has come; give up those that are too old."""
        now, started = self._now(), []
        for push in list(self._waiting.values()):
            if push.id in self._under_way or push.next_at > now:
                continue
            if self._manners.is_too_old(now - push.born_at):
                self._give_up(push)
                self._keep(push)
            else:
                self._under_way[push.id] = task = asyncio.create_task(self._attempt(push))
                started.append(task)
        return started

    async def send_now(self) -> None:
        """Send what is due and wait until it was answered."""
        await asyncio.gather(*self.launch_due())

    def next_due(self) -> float | None:
        return min((push.next_at for push in self._waiting.values() if push.id not in self._under_way), default=None)

    async def _attempt(self, push: Push) -> None:
        try:
            delivery = await self.send(push.body, push=push.id, url=push.url)
            push.attempts += 1
            pause = self._manners.pause(push.attempts)
            if self._manners.is_received(delivery):
                push.state = "delivered"
            elif pause is None or delivery["status"] in self._manners.ends:
                self._give_up(push)
            else:
                push.next_at = self._now() + pause
            self._keep(push)
            self._release_those_behind(push)
        finally:
            self._under_way.pop(push.id, None)
            self.wake.set()

    async def send(self, body: str, *, push: int = 0, headers: Mapping[str, str] | None = None, url: str = "") -> Json:
        """One POST, logged; signed unless `headers` are given. `push` is 0 for a forged or repeated one."""
        started, at, own, url = time.perf_counter(), self._now(), url, url or self.notify_url
        signed = self._manners.sign(body.encode()) if headers is None else headers
        status, answer = await _post(url, body, signed, self._manners.source)
        delivery: Json = {
            "n": self._store.next_number("delivery"),
            "push": push,
            "at": at,
            "url": url,
            "own_url": own,
            "body": body,
            "status": status,
            "answer": answer[:500],
            "ms": round((time.perf_counter() - started) * 1000, 2),
        }
        self._store.put("delivery", delivery["n"], delivery)
        return delivery

    async def resend(self, n: str) -> Json | None:
        """An attempt of the log once more; None when there is none."""
        delivery = self._store.get("delivery", n)
        return None if delivery is None else await self.send(delivery["body"], url=delivery["own_url"])

    def deliveries(self) -> list[Json]:
        """Newest first, as the log tells of them."""
        return [self.shown(delivery) for _, delivery in self._store.all("delivery")][::-1]

    def shown(self, delivery: Json) -> Json:
        return self._manners.shown(delivery)

    def disturb(self, spec: Any) -> None:
        """Raises TypeError or ValueError that names what is wrong."""
        disturbance = Disturbance(**spec)
        if disturbance.mode not in self._manners.modes:
            raise ValueError(f"mode must be one of {', '.join(self._manners.modes)}")
        self.disturbance = disturbance

    def forget(self) -> None:
        """The store was emptied."""
        self._waiting.clear()
        self.disturbance = Disturbance()
        self.point_at(self._first_url or "")

    def _give_up(self, push: Push) -> None:
        push.state = "given_up"
        if self._manners.switch_off:
            self.point_at("")

    def _release_those_behind(self, sent: Push) -> None:
        for push in self._waiting.values():
            if push.behind and push.id < sent.id:
                push.behind, push.next_at = False, self._now()
                self._keep(push)

    def _keep(self, push: Push) -> None:
        self._store.put("push", push.id, asdict(push))
        if push.state == "waiting":
            self._waiting[push.id] = push
        else:
            self._waiting.pop(push.id, None)

    async def run(
        self, let_time_pass: Callable[[], object], next_due: Callable[[], float | None]
    ) -> AsyncIterator[None]:
        """An application's life: what falls due happens, in a task, until the application is stopped."""
        task = asyncio.create_task(self._pass_time(let_time_pass, next_due))
        yield
        for one in (task, *self._under_way.values()):
            one.cancel()
        await asyncio.gather(task, *self._under_way.values(), return_exceptions=True)

    async def _pass_time(self, let_time_pass: Callable[[], object], next_due: Callable[[], float | None]) -> None:
        while True:
            self.wake.clear()
            let_time_pass()
            self.launch_due()
            due = [moment for moment in (next_due(), self.next_due()) if moment is not None]
            nap = min([LONGEST_NAP, *(max(0.0, moment - self._now()) for moment in due)])
            # Not wait_for: before Python 3.12 it swallows a cancellation that comes together with the wake-up.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(nap):
                    await self.wake.wait()


async def _post(
    url: str, body: str, headers: Mapping[str, str], source: Callable[[], str] | None
) -> tuple[int | None, str]:
    # A session per call: the shop may be killed and restarted between two, and a stale kept-alive connection would look
    # like a lost webhook.
    connector = aiohttp.TCPConnector(local_addr=(source(), 0) if source else None, force_close=True)
    sent = aiohttp.BytesPayload(body.encode(), content_type="application/json")
    async with aiohttp.ClientSession(connector=connector, timeout=ANSWER_TIMEOUT) as session:
        try:
            async with session.post(url, data=sent, headers=headers, allow_redirects=False) as answer:
                return answer.status, await answer.text(errors="replace")
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            return None, f"{type(error).__name__}: {error}"

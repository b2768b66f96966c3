"""The outermost ring: what happens to an update whose work fails, hangs, comes too late or is repeated."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlalchemy import text

from ferryman.faces.bot import consumer, inbox
from ferryman.faces.bot.consumer import Consumer
from ferryman.faces.bot.inbox import Claimed
from ferryman.flows.tools import Tools
from ferryman.kit.errors import Busy
from tests.conftest import MovableClock
from tests.faces.bot.test_inbox import BOT, message, press
from tests.support.chat import until


@dataclass
class Desk:
    """A consumer with handlers of the test's making, and what they were given."""

    tools: Tools
    handled: list[int] = field(default_factory=list)
    dropped: list[int] = field(default_factory=list)
    apologies: list[int] = field(default_factory=list)
    trouble: list[Exception] = field(default_factory=list)
    before: Callable[[Claimed], Awaitable[None]] | None = None

    def consumer(self) -> Consumer:
        return Consumer(self.tools, BOT, self.handle, self.drop, self.apologise)

    async def handle(self, one: Claimed) -> None:
        if self.before is not None:
            await self.before(one)
        self.handled.append(one.raw["update_id"])
        if self.trouble:
            raise self.trouble.pop(0)

    async def drop(self, one: Claimed) -> None:
        self.dropped.append(one.raw["update_id"])

    async def apologise(self, one: Claimed) -> None:
        self.apologies.append(one.raw["update_id"])

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Consumer]:
        stopping, working = asyncio.Event(), self.consumer()
        task = asyncio.create_task(working.run(stopping))
        try:
            yield working
        finally:
            stopping.set()
            await task

    async def receive(self, *updates: dict[str, Any]) -> None:
        async with self.tools.db.unit() as session:
            await inbox.keep(session, BOT, updates, self.tools.clock.now())

    async def rows(self, columns: str = "state") -> list[Any]:
        async with self.tools.db.unit() as session:
            query = f"SELECT {columns} FROM telegram_updates ORDER BY id"
            found = await session.execute(text(query))
            return [row[0] if len(row) == 1 else tuple(row) for row in found]

    async def sees(self, *states: str) -> None:
        async def reached() -> bool:
            return await self.rows() == list(states)

        await until(reached, f"states {states}")

    async def retried(self, clock: MovableClock, times: int) -> None:
        """Let the pause of the next attempt pass, that many times."""
        for _ in range(times):

            async def waits() -> bool:
                return await self.rows("attempts > 0 AND claimed_until IS NULL AND state = 'new'") == [True]

            await until(waits, "the update to wait for another attempt")
            before = len(self.handled)
            clock.advance(seconds=61)
            await until(lambda before=before: len(self.handled) > before, "another attempt")  # type: ignore[misc]


async def test_a_repeated_update_is_worked_through_once(tools: Tools) -> None:
    desk = Desk(tools)
    async with desk.open():
        await desk.receive(message(1), message(1))
        await desk.sees("done")
        await desk.receive(message(1))
        await desk.receive(message(2))
        await desk.sees("done", "done")
    assert desk.handled == [1, 2]


async def test_what_failed_succeeds_later_and_the_customer_is_told_once(tools: Tools, clock: MovableClock) -> None:
    desk = Desk(tools, trouble=[ZeroDivisionError("a bug"), ZeroDivisionError("again")])
    async with desk.open():
        await desk.receive(message(1))
        await desk.retried(clock, 2)
        await desk.sees("done")
    assert desk.handled == [1, 1, 1]
    assert desk.apologies == [1]


async def test_a_busy_neighbour_is_waited_for_without_a_word(tools: Tools, clock: MovableClock) -> None:
    desk = Desk(tools, trouble=[Busy("not now", 30.0)])
    async with desk.open():
        await desk.receive(message(1))

        async def put_off() -> bool:
            return bool(await desk.rows("next_try_at - received_at >= interval '30 seconds'") == [True])

        await until(put_off, "the hint to be heeded")
        await desk.retried(clock, 1)
        await desk.sees("done")
    assert desk.apologies == []


async def test_after_the_last_attempt_it_is_given_up_with_its_reason(tools: Tools, clock: MovableClock) -> None:
    attempts = len(consumer.PAUSES) + 1
    desk = Desk(tools, trouble=[Busy("the panel is away") for _ in range(attempts)])
    async with desk.open():
        await desk.receive(message(1))
        await desk.retried(clock, attempts - 1)
        await desk.sees("failed")
    assert desk.handled == [1] * attempts
    assert desk.apologies == [1]
    assert await desk.rows("error") == ["the panel is away"]


async def test_an_unexpected_error_leaves_its_name_only(tools: Tools) -> None:
    desk = Desk(tools, trouble=[RuntimeError("token 123456:AAF-secret-secret-secret-secret-secret")])
    async with desk.open():
        await desk.receive(message(1))
        await until(lambda: desk.apologies == [1], "the apology")
    assert await desk.rows("error") == ["RuntimeError"]


async def test_a_stale_press_is_dropped_and_its_spinner_stopped(tools: Tools, clock: MovableClock) -> None:
    desk = Desk(tools)
    await desk.receive(press(1), message(2, chat=8))
    clock.advance(seconds=151)
    async with desk.open():
        await desk.sees("stale", "done")
        await until(lambda: desk.dropped == [1], "the goodbye")
    assert desk.handled == [2]


async def test_one_chat_that_hangs_stops_nobody_else(tools: Tools) -> None:
    may_go_on = asyncio.Event()

    async def hang(one: Claimed) -> None:
        if one.raw["update_id"] == 1:
            await may_go_on.wait()

    desk = Desk(tools, before=hang)
    async with desk.open():
        await desk.receive(message(1, chat=7), message(2, chat=7), *(message(n, chat=n) for n in range(10, 20)))
        await until(lambda: len(desk.handled) == 10, "the other chats")
        assert not {1, 2} & set(desk.handled)
        may_go_on.set()
        await until(lambda: desk.handled[-2:] == [1, 2], "the chat that hung, in order")


async def test_a_wake_up_is_quicker_than_the_clock(tools: Tools) -> None:
    desk = Desk(tools)
    async with desk.open() as working:
        await asyncio.sleep(0.2)
        started = asyncio.get_running_loop().time()
        for number in range(1, 6):
            await desk.receive(message(number))
            working.wake()
            await until(lambda number=number: number in desk.handled, "the update")  # type: ignore[misc]
        assert asyncio.get_running_loop().time() - started < 5 * consumer.IDLE_SECONDS


async def test_a_kill_in_the_middle_is_made_up_for_by_another_process(tools: Tools, clock: MovableClock) -> None:
    async def for_ever(_: Claimed) -> None:
        await asyncio.Event().wait()

    dying, next_one = Desk(tools, before=for_ever), Desk(tools)
    task = asyncio.create_task(dying.consumer().run(asyncio.Event()))
    await dying.receive(message(1))

    async def claimed() -> bool:
        return await dying.rows("attempts") == [1]

    await until(claimed, "the claim")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    async with next_one.open():
        clock.advance(seconds=inbox.CLAIM_LASTS.total_seconds() + 1)
        await next_one.sees("done")
    assert next_one.handled == [1]


async def test_two_processes_share_the_work_and_repeat_nothing(tools: Tools) -> None:
    one, other = Desk(tools), Desk(tools)
    async with one.open(), other.open():
        await one.receive(*(message(number, chat=number % 20) for number in range(1, 101)))
        await one.sees(*["done"] * 100)
    assert sorted(one.handled + other.handled) == list(range(1, 101))


async def test_a_cancellation_is_never_lost_among_the_news(tools: Tools, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before Python 3.12, wait_for forgets one that arrives just after what it waits for."""

    async def nothing(_: Consumer) -> bool:
        return False

    monkeypatch.setattr(Consumer, "_take", nothing)
    for turns in range(6):
        working = Desk(tools).consumer()
        task = asyncio.create_task(working.run(asyncio.Event()))
        await asyncio.sleep(0.02)
        working.wake()
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        _, waiting = await asyncio.wait([task], timeout=3)
        assert not waiting

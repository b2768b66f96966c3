"""Sending no faster than Telegram likes, and not at all while it says stop."""

import asyncio

import pytest

from ferryman.kit.errors import Busy
from ferryman.messaging.pace import MARGIN, Pace


class Watch:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


async def test_a_burst_is_spread_out(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(round(seconds, 3))

    monkeypatch.setattr(asyncio, "sleep", sleep)
    pace = Pace(Watch(), per_second=25)
    for _ in range(4):
        await pace.turn()
    assert waited == [0.04, 0.08, 0.12]


async def test_more_than_a_moments_queue_is_sent_away() -> None:
    pace = Pace(Watch(), per_second=2)
    turns = [asyncio.create_task(pace.turn()) for _ in range(6)]
    outcomes = await asyncio.gather(*turns, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [type(None)] * 3 + [Busy] * 3


async def test_a_pause_holds_for_its_seconds_and_a_little(monkeypatch: pytest.MonkeyPatch) -> None:
    watch = Watch()
    pace = Pace(watch)
    assert pace.pause(3) == pytest.approx(3 + MARGIN)
    with pytest.raises(Busy) as busy:
        await pace.turn()
    assert busy.value.after == pytest.approx(3 + MARGIN)
    assert pace.pause(1) == pytest.approx(3 + MARGIN), "a shorter pause does not shorten a longer one"
    watch.now += 3 + MARGIN
    await pace.turn()


async def test_an_idle_bot_saves_nothing_up() -> None:
    watch = Watch()
    pace = Pace(watch, per_second=1)
    await pace.turn()
    watch.now += 100
    await pace.turn()
    watch.now += 0.9
    await asyncio.wait_for(pace.turn(), 1)

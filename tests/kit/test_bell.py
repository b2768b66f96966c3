"""The bell: many rings are one word, nothing that was rung for is forgotten, and closing does not hang."""

import asyncio

from ferryman.kit import bell
from ferryman.kit.bell import Bell
from tests.support.chat import until


class Listener:
    def __init__(self) -> None:
        self.told: list[list[str]] = []
        self.listens = asyncio.Event()
        self.listens.set()

    async def tell(self, names: list[str]) -> None:
        self.told.append(names)
        await self.listens.wait()


async def test_what_is_rung_for_while_the_last_word_is_on_its_way_is_one_word_more() -> None:
    listener = Listener()
    it = Bell(listener.tell)
    it.open()
    listener.listens.clear()
    it.ring("bank")
    await until(lambda: listener.told == [["bank"]], "the first word")
    for name in ("keys", "bank", "talk", "keys"):
        it.ring(name)
    listener.listens.set()
    await until(lambda: len(listener.told) == 2, "the second word")
    await it.close()
    assert listener.told == [["bank"], ["bank", "keys", "talk"]]


async def test_closing_tells_what_was_rung_for_before() -> None:
    listener = Listener()
    it = Bell(listener.tell)
    it.open()
    it.ring("keys")
    await it.close()
    assert listener.told == [["keys"]]


async def test_closing_does_not_wait_for_ever_for_somebody_who_does_not_listen() -> None:
    listener = Listener()
    listener.listens.clear()
    it = Bell(listener.tell)
    it.open()
    it.ring("keys")
    await asyncio.wait_for(it.close(), bell.LAST_WORD_SECONDS + 5)
    assert listener.told == [["keys"]]


async def test_it_is_opened_again_after_it_was_closed_and_rings_before_that_are_kept() -> None:
    listener = Listener()
    it = Bell(listener.tell)
    it.ring("early")
    for _ in range(2):
        it.open()
        await it.close()
    assert listener.told == [["early"]]

"""What is locked in one life is free as soon as that life is over."""

import psycopg
import pytest

from ferryman.kit.life import Life
from tests.support.chat import until
from tests.support.outage import CUT

LOCK = "SELECT pg_try_advisory_lock(%s)"


async def test_a_lock_is_kept_from_others_until_the_life_ends(database_url: str) -> None:
    one, other = Life(database_url), Life(database_url)
    try:
        assert await one.ask(LOCK, 7) == [(True,)]
        assert await other.ask(LOCK, 7) == [(False,)]
        await one.end()

        async def is_free() -> bool:
            return await other.ask(LOCK, 7) == [(True,)]

        await until(is_free, "the lock to be free")
    finally:
        await one.end()
        await other.end()


async def test_asking_after_the_end_begins_a_new_life(database_url: str) -> None:
    life = Life(database_url)
    try:
        await life.ask(LOCK, 7)
        await life.end()
        assert await life.ask(LOCK, 8) == [(True,)]
    finally:
        await life.end()


async def test_whoever_lost_their_locks_hears_of_it_once_and_may_begin_anew(database_url: str) -> None:
    life, other = Life(database_url), Life(database_url)
    try:
        await life.ask(LOCK, 7)
        await other.ask(f"{CUT} FROM pg_locks WHERE locktype = 'advisory' AND objid = 7")
        with pytest.raises(psycopg.OperationalError):
            await life.ask("SELECT 1")
        assert await life.ask("SELECT 1") == [(1,)]
    finally:
        await life.end()
        await other.end()

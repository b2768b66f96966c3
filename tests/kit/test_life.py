"""What is locked in one life is free as soon as that life is over."""

from ferryman.kit.life import Life

LOCK, FREE = "SELECT pg_try_advisory_lock(%s)", "SELECT pg_advisory_unlock(%s)"


async def test_a_lock_is_kept_from_others_until_the_life_ends(database_url: str) -> None:
    one, other = Life(database_url), Life(database_url)
    try:
        assert await one.ask(LOCK, 7) == [(True,)]
        assert await other.ask(LOCK, 7) == [(False,)]
        await one.end()
        assert await other.ask(LOCK, 7) == [(True,)]
    finally:
        await one.end()
        await other.end()


async def test_asking_after_the_end_begins_a_new_life(database_url: str) -> None:
    life = Life(database_url)
    try:
        await life.ask(LOCK, 7)
        await life.end()
        assert await life.ask(LOCK, 7) == [(True,)]
        assert await life.ask(FREE, 7) == [(True,)]
    finally:
        await life.end()

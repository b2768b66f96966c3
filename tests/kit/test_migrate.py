"""The schema: what the migrations make is what the models say, and two processes may start at once."""

import asyncio

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, create_engine

from ferryman.kit import migrate
from ferryman.kit.db import Base
from ferryman.kit.errors import Unreachable
from tests.support import models

assert models.ALL


def _differences(connection: Connection) -> list[object]:
    def ours(_: object, name: str | None, type_: str, *__: object) -> bool:
        return not (type_ == "table" and str(name).startswith("procrastinate_"))

    context = MigrationContext.configure(connection, opts={"include_object": ours, "compare_type": True})
    return list(compare_metadata(context, Base.metadata))


def test_the_migrations_make_exactly_what_the_models_say(database_url: str) -> None:
    engine = create_engine("postgresql+psycopg://" + database_url.partition("://")[2])
    with engine.connect() as connection:
        assert _differences(connection) == []
    engine.dispose()


async def test_a_migrated_database_is_not_pending(database_url: str) -> None:
    assert not await migrate.pending(database_url)


async def test_an_empty_database_is_pending_and_four_processes_may_bring_it_up_at_once(postgres_url: str) -> None:
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE race")
    url = postgres_url.replace("/postgres?", "/race?")
    assert await migrate.pending(url)
    assert set(await asyncio.gather(*(migrate.upgrade(url) for _ in range(4)))) == {"0004"}
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("DROP DATABASE race WITH (FORCE)")


async def test_a_database_that_is_not_there_is_unreachable() -> None:
    with pytest.raises(Unreachable, match="does not answer"):
        await migrate.upgrade("postgresql://nobody@127.0.0.1:9/none")

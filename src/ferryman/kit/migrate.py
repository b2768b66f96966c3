"""Bring the schema up to date: Alembic, one process at a time."""

import asyncio
from collections.abc import Callable
from importlib import resources
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import OperationalError

from ferryman.kit.errors import Unreachable

# Any number, as long as every process uses the same one: the first eight letters of the product's name.
ADVISORY_LOCK = int.from_bytes(b"ferryman", "big") >> 1


async def upgrade(database_url: str) -> str:
    """Apply what is missing and answer the revision reached. Waits while another process does the same.

    Raises Unreachable when the database does not answer.
    """
    return await asyncio.to_thread(_locked, database_url, _upgrade)


async def pending(database_url: str) -> bool:
    """Whether the schema is older than this version of the product."""
    return await asyncio.to_thread(_connected, database_url, lambda connection: _current(connection) != _head())


def config(connection: Connection | None = None) -> Config:
    made = Config()
    made.set_main_option("script_location", str(resources.files("ferryman") / "migrations"))
    made.attributes["connection"] = connection
    return made


def _upgrade(connection: Connection) -> str:
    command.upgrade(config(connection), "head")
    return _head()


def _locked(database_url: str, work: Callable[[Connection], Any]) -> Any:
    def under_lock(connection: Connection) -> Any:
        with connection.begin():
            connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": ADVISORY_LOCK})
        try:
            return work(connection)
        finally:
            connection.rollback()
            connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": ADVISORY_LOCK})

    return _connected(database_url, under_lock)


def _connected(database_url: str, work: Callable[[Connection], Any]) -> Any:
    engine = create_engine("postgresql+psycopg://" + database_url.partition("://")[2])
    try:
        with engine.connect() as connection:
            return work(connection)
    except OperationalError as error:
        raise Unreachable("The database does not answer.") from error
    finally:
        engine.dispose()


def _current(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _head() -> str:
    head = ScriptDirectory.from_config(config()).get_current_head()
    assert head is not None
    return head

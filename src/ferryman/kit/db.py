"""The database: engine, declarative base, and `Database.unit()`, which holds the only commit in the product."""

import select
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from functools import partial
from time import monotonic
from typing import Any

from sqlalchemy import BigInteger, DateTime, Dialect, MetaData, event
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import InterfaceError, InvalidatePoolError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolEmpty
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase

from ferryman.kit.errors import Unreachable

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}

# FOR NO KEY UPDATE: as exclusive among writers as FOR UPDATE, but rows that only point here may still be inserted;
# with FOR UPDATE a notice to a customer and a payment of theirs could deadlock over the customer's row.
LOCK = {"key_share": True}

# A pooled connection that has lain idle for this many seconds is asked whether it lives. Asking each time would cost a
# round trip in every transaction, and a server that went away properly is noticed without: see `_wakes`.
IDLE_SECONDS = 30.0


class Base(DeclarativeBase):
    """All times are aware, all ids 64 bits wide (Telegram's need 52), all documents JSONB."""

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map = {datetime: DateTime(timezone=True), int: BigInteger, dict[str, Any]: JSONB, list[Any]: JSONB}


class Database:
    """One pool. `url` is a plain `postgresql://…` address; `patience` is how many seconds to wait for a connection."""

    def __init__(self, url: str, *, pool_size: int = 10, patience: float = 30.0) -> None:
        self.url = url
        scheme, _, rest = url.partition("://")
        if scheme not in ("postgresql", "postgres"):
            raise ValueError("the database address must start with postgresql://")
        self.engine = create_async_engine(
            f"postgresql+psycopg://{rest}",
            pool_size=pool_size,
            max_overflow=pool_size,
            pool_timeout=patience,
            # A refused statement would bring its values, keys and tokens among them, into the error's text.
            hide_parameters=True,
        )
        _look_at_idle_connections(self.engine)
        self._sessions = async_sessionmaker(self.engine, expire_on_commit=False)

    @asynccontextmanager
    async def unit(self) -> AsyncIterator[AsyncSession]:
        """One transaction: committed when the block ends, rolled back when it raises.

        Raises Unreachable when the database is not there.
        """
        try:
            # Inside, for the rollback of a connection that was cut fails in its turn.
            async with self._sessions() as session:
                yield session
                await session.commit()
        except (OperationalError, InterfaceError, PoolEmpty) as error:
            raise Unreachable("The database does not answer.") from error

    async def close(self) -> None:
        await self.engine.dispose()


def _look_at_idle_connections(engine: AsyncEngine) -> None:
    event.listen(engine.sync_engine, "checkin", _rests)
    event.listen(engine.sync_engine, "checkout", partial(_wakes, engine.sync_engine.dialect))


def _rests(_: Any, record: Any) -> None:
    record.info["idle_since"] = monotonic()


def _wakes(dialect: Dialect, connection: Any, record: Any, _: Any) -> None:
    """Nobody sends anything on an idle connection but a server that ends it: then its socket has something to read."""
    idle = monotonic() - record.info.get("idle_since", monotonic())
    try:
        # Asking for the socket of a connection that the library has given up raises, too.
        if idle < IDLE_SECONDS and not _has_something_to_read(record.driver_connection.pgconn.socket):
            return
        dialect.do_ping(connection)
    except dialect.loaded_dbapi.Error as error:
        # The others in the pool are as old as this one: it starts afresh, and this checkout with it.
        raise InvalidatePoolError from error


def _has_something_to_read(socket: int) -> bool:
    poll = select.poll()
    poll.register(socket, select.POLLIN)
    return bool(poll.poll(0))

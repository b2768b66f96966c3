"""The database: engine, declarative base, and `Database.unit()`, which holds the only commit in the product."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from psycopg import AsyncConnection
from sqlalchemy import BigInteger, DateTime, MetaData
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolEmpty
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
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
            pool_pre_ping=True,
            # A refused statement would bring its values, keys and tokens among them, into the error's text.
            hide_parameters=True,
        )
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


async def driver_connection(session: AsyncSession) -> AsyncConnection[Any]:
    """The psycopg connection under a session, for work that must ride in the same transaction."""
    raw = await (await session.connection()).get_raw_connection()
    connection = raw.driver_connection
    assert isinstance(connection, AsyncConnection)
    return connection

"""A connection that lives exactly as long as its process: the database itself knows who is dead.

A lock taken on it is proof of life. However the process ends, the operating system closes its sockets, and PostgreSQL
frees what was locked there within milliseconds; a heartbeat would leave others waiting for it to be late.
"""

import asyncio
from typing import Any

import psycopg


class Life:
    """Opens on first use. When the connection is lost, and all locks with it, the next thing asked raises
    psycopg.OperationalError; what is asked after that begins a new life."""

    def __init__(self, database_url: str) -> None:
        self._url = database_url
        self._connection: psycopg.AsyncConnection[Any] | None = None
        self._opening = asyncio.Lock()

    async def ask(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """Run one statement in a transaction of its own; locks that it takes stay."""
        async with self._opening:
            if self._connection is None:
                self._connection = await psycopg.AsyncConnection.connect(self._url, autocommit=True)
                # Who lives is no fact to keep through a crash of the database: all of them are dead then.
                await self._connection.execute("SET synchronous_commit = off")
            try:
                cursor = await self._connection.execute(query.encode(), values)
                return list(await cursor.fetchall()) if cursor.description is not None else []
            except psycopg.OperationalError:
                await self._connection.close()
                self._connection = None
                raise

    async def end(self) -> None:
        """Let go of everything; asking again begins a new life."""
        async with self._opening:
            if self._connection is not None:
                await self._connection.close()
            self._connection = None

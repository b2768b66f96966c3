"""A database that goes away and comes back, for one test and nobody else."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

# pg_terminate_backend(pid) only sends a signal: on a busy machine the connection answers once more after it returned.
# With a second argument (milliseconds, PostgreSQL 14) it waits until the process is gone.
CUT = "SELECT pg_terminate_backend(pid, 20000)"


@contextmanager
def database_away(postgres_url: str, database_url: str) -> Iterator[None]:
    """Every connection to the database is cut, and no new one is let in, for as long as the block lasts."""
    name = psycopg.conninfo.conninfo_to_dict(database_url)["dbname"]
    with psycopg.connect(postgres_url, autocommit=True) as operator:
        operator.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        operator.execute(f"{CUT} FROM pg_stat_activity WHERE datname = %s", [name])
        try:
            yield
        finally:
            operator.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")


async def cut(database_url: str, backend: int) -> None:
    """Return when the server has ended this one connection."""
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as operator:
        await operator.execute(f"{CUT} FROM pg_stat_activity WHERE pid = %s", [backend])

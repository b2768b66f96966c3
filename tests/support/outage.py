"""A database that goes away and comes back, for one test and nobody else."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg


@contextmanager
def database_away(postgres_url: str, database_url: str) -> Iterator[None]:
    """Every connection to the database is cut, and no new one is let in, for as long as the block lasts."""
    name = psycopg.conninfo.conninfo_to_dict(database_url)["dbname"]
    with psycopg.connect(postgres_url, autocommit=True) as operator:
        operator.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        operator.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
        try:
            yield
        finally:
            operator.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")

"""What every test may use: a real PostgreSQL, a fresh migrated database per test, and a clock that tests can move."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from cryptography.fernet import Fernet
from hypothesis import HealthCheck
from hypothesis import settings as effort

from ferryman import wiring
from ferryman.flows.tools import Tools
from ferryman.kit import log, migrate
from ferryman.kit.db import Database
from ferryman.kit.postgres import EmbeddedPostgres
from ferryman.kit.settings import Settings
from ferryman_sandbox.ports import HeldPort
from tests.support.folders import short_folder
from tests.support.messages import Outbox

TEMPLATE = "ferryman_template"
# A test database need not survive a power cut, and its log need not fill the memory.
NOT_FOR_KEEPS = (
    "fsync = off",
    "synchronous_commit = off",
    "full_page_writes = off",
    "min_wal_size = '32MB'",
    "max_wal_size = '128MB'",
)

log.configure("console", "warning")

# Every run tries the same examples, however slow the machine is; `pytest --hypothesis-profile=explore` tries others.
effort.register_profile("explore", deadline=None, suppress_health_check=[HealthCheck.too_slow])
effort.register_profile("steady", effort.get_profile("explore"), derandomize=True, database=None)
effort.load_profile("steady")


class MovableClock:
    """Real time plus whatever the test has added; only forward, like the real one."""

    def __init__(self) -> None:
        self.added = timedelta(0)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.added

    def advance(self, **by: float) -> None:
        self.added += timedelta(**by)


@pytest.fixture
def port() -> Iterator[int]:
    """One that nobody listens on, and that nobody else is given while the test runs."""
    with HeldPort() as held:
        yield held.number


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A PostgreSQL server of this test run."""
    with short_folder() as folder, _serving(EmbeddedPostgres(folder / "pg")) as url:
        with psycopg.connect(url, autocommit=True) as connection:
            for setting in NOT_FOR_KEEPS:
                connection.execute(f"ALTER SYSTEM SET {setting}")
            connection.execute("SELECT pg_reload_conf()")
            connection.execute(f"CREATE DATABASE {TEMPLATE}")
        asyncio.run(migrate.upgrade(url.replace("/postgres?", f"/{TEMPLATE}?")))
        yield url


@contextmanager
def _serving(server: EmbeddedPostgres) -> Iterator[str]:
    try:
        yield server.start()
    finally:
        server.stop()


@pytest.fixture
def database_url(postgres_url: str) -> Iterator[str]:
    """The address of a fresh database with the current schema."""
    name = f"t_{uuid.uuid4().hex[:16]}"
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE} STRATEGY FILE_COPY")
        yield postgres_url.replace("/postgres?", f"/{name}?")
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url)
    yield database
    await database.close()


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        _env_file=None,
        env="sandbox",
        data_dir=tmp_path,
        secret_keys=[Fernet.generate_key().decode()],
        operator_token="operator-token-of-the-tests",
        hook_secret="hook-secret-of-the-tests",
        public_url="http://127.0.0.1:8080",
        probe_ports=False,  # nothing listens behind an emulator's inbounds
    )


@pytest.fixture
def outbox() -> Outbox:
    """What was sent to customers in this test; a sender that keeps instead of sending."""
    return Outbox()


@pytest.fixture
async def tools(settings: Settings, database_url: str, clock: MovableClock, outbox: Outbox) -> AsyncIterator[Tools]:
    async with wiring.built(settings, database_url, clock=clock, sender=outbox, up_to_date=False) as built:
        yield built

"""The worker face: works until told to stop, and comes back when its database does."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from ferryman import wiring
from ferryman.faces import worker
from ferryman.flows.tools import Tools
from ferryman.kit.errors import Unreachable
from ferryman.kit.postgres import EmbeddedPostgres
from ferryman.kit.settings import Settings
from tests.support.chat import until
from tests.support.folders import short_folder
from tests.support.outage import database_away


@pytest.fixture
def server() -> Iterator[EmbeddedPostgres]:
    """A database server that this test alone may stop."""
    with short_folder() as parent:
        server = EmbeddedPostgres(parent / "pg")
        yield server
        server.stop()


@asynccontextmanager
async def working(tools: Tools) -> AsyncIterator[asyncio.Task[None]]:
    stopping = asyncio.Event()
    task = asyncio.create_task(worker.run(tools, stopping))
    try:
        yield task
    finally:
        stopping.set()
        await asyncio.wait_for(task, 60)


class Notebook:
    """A job that writes down that it ran."""

    def __init__(self, tools: Tools) -> None:
        self.tools = tools
        self.done: list[str] = []
        tools.jobs.add("note", self._note)

    async def _note(self, what: str) -> None:
        self.done.append(what)

    async def runs(self, what: str) -> None:
        """A job deferred now is worked off; asks again while the database is not back yet."""

        async def deferred() -> bool:
            try:
                async with self.tools.db.unit() as session:
                    await self.tools.jobs.defer(session, "note", what=what)
            except Unreachable:
                return False
            return True

        await until(deferred, f"{what!r} to be deferred", 30)
        await until(lambda: what in self.done, f"{what!r} to be done", 60)


async def test_the_database_is_stopped_and_started_again_and_the_work_goes_on(
    settings: Settings, server: EmbeddedPostgres
) -> None:
    url = await asyncio.to_thread(server.start)
    async with wiring.built(settings, url) as tools:
        notebook = Notebook(tools)
        async with working(tools) as task:
            await notebook.runs("before")
            await asyncio.to_thread(server.stop)
            await asyncio.sleep(1.5)  # the outage itself
            await asyncio.to_thread(server.start)
            await notebook.runs("after")
            assert not task.done()


async def test_a_database_that_cuts_everybody_off_is_waited_for(
    tools: Tools, postgres_url: str, database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    notebook = Notebook(tools)
    with caplog.at_level(logging.ERROR):
        async with working(tools) as task:
            await notebook.runs("before")
            with database_away(postgres_url, database_url):
                await asyncio.sleep(1.0)  # the outage itself
            await notebook.runs("after")
            assert not task.done()


async def test_being_told_to_stop_ends_it_at_once_when_nothing_runs(tools: Tools) -> None:
    async with asyncio.timeout(20):
        async with working(tools):
            pass

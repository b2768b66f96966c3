"""The worker: runs jobs and sweeps until told to stop, and comes back when the database does."""

import asyncio

from ferryman.flows.tools import Tools
from ferryman.kit import log
from ferryman.kit.errors import Unreachable

_log = log.get("worker")
PAUSE_SECONDS = 1.0


async def run(tools: Tools, stopping: asyncio.Event) -> None:
    """Work until `stopping` is set, then finish what runs."""
    _log.info("worker_started", concurrency=tools.settings.worker_concurrency)
    while not stopping.is_set():
        try:
            await tools.jobs.run(concurrency=tools.settings.worker_concurrency, stopping=stopping)
        except Unreachable as error:
            _log.error("worker_waits", why=str(error), seconds=PAUSE_SECONDS)
        if not stopping.is_set():
            await asyncio.sleep(PAUSE_SECONDS)
    _log.info("worker_stopped")

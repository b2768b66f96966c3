"""Serves the web application until told to stop."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI

from ferryman.kit import log
from ferryman.kit.errors import Misconfigured

_log = log.get("web")
DRAIN_SECONDS = 10


class _Server(uvicorn.Server):
    """Leaves the signals alone: one handler for all faces of a process decides when to stop."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def run(app: FastAPI, host: str, port: int, stopping: asyncio.Event) -> None:
    """Serve until `stopping` is set, then finish what is in flight. Raises Misconfigured when the port is taken."""
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=DRAIN_SECONDS,
        # What proxies write is read where it matters, and only as far as FERRYMAN_PROXY_HOPS goes.
        proxy_headers=False,
    )
    server = _Server(config)
    serving = asyncio.create_task(_serve(server))
    stop = asyncio.create_task(stopping.wait())
    await asyncio.wait({serving, stop}, return_when=asyncio.FIRST_COMPLETED)
    stop.cancel()
    server.should_exit = True
    started = await serving
    if not started:
        raise Misconfigured(f"Port {port} on {host} cannot be listened on.", "Set FERRYMAN_PORT to a free one.")
    _log.info("web_stopped")


async def _serve(server: _Server) -> bool:
    """Whether it ever listened: uvicorn leaves by SystemExit when it cannot."""
    try:
        await server.serve()
    except SystemExit:
        return False
    return server.started

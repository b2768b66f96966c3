"""The commands that stay: `ferryman run | web | bot | worker`."""

import importlib

import typer

from ferryman.faces.cli.running import STARTED, TOGETHER, go
from ferryman.kit.settings import Settings


def add_to(app: typer.Typer) -> None:
    for command in (run, web, bot, worker):
        app.command()(command)


def run() -> None:
    """⛴  Web, bot and worker in one process: all that one machine needs."""
    _serve({"web", "bot", "worker"})


def web() -> None:
    """🌐 Webhooks in, subscription links out."""
    _serve({"web"})


def bot() -> None:
    """💬 The Telegram bot, by long polling."""
    _serve({"bot"})


def worker() -> None:
    """🛠  Jobs and sweeps."""
    _serve({"worker"})


def _serve(faces: set[str]) -> None:
    async def work(configured: Settings) -> None:
        # The web server alone doubles the time that any other command takes to start.
        together = importlib.import_module(TOGETHER)
        await together.serve(configured, faces, STARTED)

    go(work)

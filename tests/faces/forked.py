"""Runs `ferryman` in a process of its own that need not import everything again.

That takes more than a second of each command's one and a half, and the tests give some three hundred. A server that has
imported the command line is forked for each. It was started afresh, so what a test has changed is not in it.
"""

import asyncio
import multiprocessing
import os
import random
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ferryman.faces.cli import app

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["ferryman.faces.cli"])

STREAMS = (("in", os.O_RDONLY), ("out", os.O_WRONLY), ("err", os.O_WRONLY))


@dataclass(frozen=True)
class Order:
    """What is to be run: `streams` is a folder with the files "in", "out" and "err"."""

    words: Sequence[str]
    folder: Path
    environment: Mapping[str, str]
    streams: Path


async def run(order: Order, patience: float) -> int:
    """The exit code. Raises TimeoutError when it does not end within so many seconds; it is killed then."""
    process = _context.Process(target=_obey, args=(order,))
    await asyncio.to_thread(process.start)
    await asyncio.to_thread(process.join, patience)
    if process.exitcode is None:
        process.kill()
        await asyncio.to_thread(process.join)
        raise TimeoutError(f"ferryman {' '.join(order.words)} did not end within {patience} s")
    return process.exitcode


def _obey(order: Order) -> None:
    os.setsid()
    for number, (name, flags) in enumerate(STREAMS):
        os.dup2(os.open(order.streams / name, flags), number)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - for as long as the process lives
    os.environ.clear()
    os.environ.update(order.environment)
    os.chdir(order.folder)
    random.seed()
    sys.argv = ["ferryman", *order.words]
    app()

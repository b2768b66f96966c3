"""The product as real processes, each of which may be killed with no warning and started again."""

import asyncio
import contextlib
import json
import os
import signal
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp

from tests.support.chat import until

READY_SECONDS = 60.0
STOP_SECONDS = 25.0


@dataclass
class Process:
    """`ferryman VERB`. Every start writes a log of its own; `kills` counts those of a process that was running."""

    verb: str
    command: Sequence[str]
    folder: Path
    environment: dict[str, str]
    kills: int = 0
    logs: list[Path] = field(default_factory=list)
    child: asyncio.subprocess.Process | None = None

    @property
    def runs(self) -> bool:
        return self.child is not None and self.child.returncode is None

    @property
    def is_ready(self) -> bool:
        return self.runs and any(event.get("event") == "ready" for event in events(self.logs[-1]))

    async def start(self) -> None:
        self.logs.append(self.folder / f"{self.verb}-{len(self.logs)}.log")
        with self.logs[-1].open("wb") as log:
            self.child = await asyncio.create_subprocess_exec(
                *self.command,
                self.verb,
                cwd=self.folder,
                env=self.environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    async def kill(self) -> None:
        """kill −9; returns when the process is gone."""
        if self.child is None or not self.runs:
            return
        os.kill(self.child.pid, signal.SIGKILL)
        await self.child.wait()
        self.kills += 1

    async def stop(self) -> None:
        """Ask, wait, then force. Leaves no process behind."""
        if self.child is None:
            return
        if self.runs:
            self.child.terminate()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.child.wait(), STOP_SECONDS)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.child.pid, signal.SIGKILL)
        await self.child.wait()

    def last_words(self) -> str:
        return "\n".join(self.logs[-1].read_text(errors="replace").splitlines()[-12:]) if self.logs else ""


class Product:
    """All processes of one installation: `verbs` are ("run",) or ("web", "bot", "worker")."""

    def __init__(
        self, verbs: Sequence[str], command: Sequence[str], folder: Path, environment: dict[str, str], url: str
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._command, self._folder, self._environment, self._url = command, folder, environment, url
        self.processes = {verb: Process(verb, command, folder, environment) for verb in verbs}

    async def apply(self, recipe: Path) -> None:
        """`ferryman apply FILE`, to its end."""
        child = await asyncio.create_subprocess_exec(
            *self._command,
            "apply",
            str(recipe),
            cwd=self._folder,
            env=self._environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await child.communicate()
        assert child.returncode == 0, said.decode()

    async def start(self) -> None:
        await asyncio.gather(*(process.start() for process in self.processes.values()))
        await self.ready()

    async def kill(self, *verbs: str) -> None:
        """Kill these at one stroke; all of them when none is named."""
        await asyncio.gather(*(self.processes[verb].kill() for verb in verbs or self.processes))

    async def restart(self, *verbs: str) -> None:
        """Start these again, without waiting until they are ready."""
        await asyncio.gather(*(self.processes[verb].start() for verb in verbs or self.processes))

    async def ready(self, *verbs: str) -> None:
        """Wait until these are at work; all of them, and the web server answers, when none is named."""
        for process in [self.processes[verb] for verb in verbs or self.processes]:
            await until(partial(_is_ready_or_gone, process), f"{process.verb} to be ready", READY_SECONDS)
            assert process.runs, f"{process.verb} ended by itself:\n{process.last_words()}"
        if verbs:
            return
        async with aiohttp.ClientSession() as http:
            await until(lambda: self._serves(http), "the web server", READY_SECONDS)

    async def stop(self) -> None:
        await asyncio.gather(*(process.stop() for process in self.processes.values()))

    @property
    def kills(self) -> dict[str, int]:
        return {verb: process.kills for verb, process in self.processes.items()}

    def told(self) -> Counter[str]:
        """How often each event stands in all logs together."""
        logs = [log for process in self.processes.values() for log in process.logs]
        return Counter(str(event.get("event")) for log in logs for event in events(log))

    def surprises(self) -> list[dict[str, Any]]:
        """Errors nobody had foreseen: whatever was caught in an outermost net."""
        nets = ("job_failed", "update_failed", "face_failed")
        logs = [log for process in self.processes.values() for log in process.logs]
        return [event for log in logs for event in events(log) if event.get("event") in nets]

    async def _serves(self, http: aiohttp.ClientSession) -> bool:
        try:
            async with http.get(f"{self._url}/readyz") as answer:
                return answer.status == 200
        except aiohttp.ClientError:
            return False


def _is_ready_or_gone(process: Process) -> bool:
    return process.is_ready or not process.runs


def events(log: Path) -> Iterator[dict[str, Any]]:
    """The JSON lines of a log. A line that a kill cut short, or that is no JSON, is passed over."""
    for line in log.read_bytes().splitlines():
        with contextlib.suppress(ValueError):
            event = json.loads(line)
            if isinstance(event, dict):
                yield event

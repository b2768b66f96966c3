"""The product as a child process: set up, started, watched, restarted when it falls, and stopped without a trace."""

import asyncio
import contextlib
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import aiohttp

from ferryman_sandbox.world.wreck import WorldError

# Patience for a small machine that does something else beside; a product that died is noticed at once.
SETUP_SECONDS = 180.0
READY_SECONDS = 180.0
STOP_SECONDS = 15.0
RESTART_PAUSE = 1.0
LAST_LINES = 15

Say = Callable[[str], None]


def installed_command() -> list[str]:
    """The `ferryman` command that belongs to this Python. Raises WorldError when there is none."""
    beside = Path(sys.executable).parent / "ferryman"
    found = str(beside) if beside.exists() else shutil.which("ferryman")
    if found is None:
        raise WorldError("the command 'ferryman' is not installed beside this Python; run 'make setup'")
    return [found]


class Product:
    """`ferryman run` in a process group of its own. `restarts` counts unexpected ends."""

    def __init__(self, command: Sequence[str], folder: Path, environment: dict[str, str], url: str, say: Say) -> None:
        self._command = list(command)
        self._folder = folder
        self._environment = environment
        self._url = url
        self._say = say
        self._process: asyncio.subprocess.Process | None = None
        self._watcher: asyncio.Task[None] | None = None
        self._stopping = False
        self.log = folder / "ferryman.log"
        self.restarts = 0
        self.started_at = 0.0
        self.ready = False

    @property
    def pid(self) -> int | None:
        running = self._process is not None and self._process.returncode is None
        return self._process.pid if self._process and running else None

    async def apply(self, configuration: Path) -> None:
        """`ferryman apply FILE`, to its end. Raises WorldError with its last words."""
        process = await self._spawn("apply", str(configuration))
        try:
            code = await asyncio.wait_for(process.wait(), SETUP_SECONDS)
        except TimeoutError:
            await _end(process)
            raise WorldError(
                f"'ferryman apply' did not end within {SETUP_SECONDS:.0f} s\n{self.last_words()}"
            ) from None
        except asyncio.CancelledError:
            await _end(process)
            raise
        if code != 0:
            raise WorldError(f"'ferryman apply {configuration}' failed ({_fate(code)})\n{self.last_words()}")

    async def start(self) -> None:
        """Start and wait until it serves. Raises WorldError when it dies or is not ready in time."""
        await self._launch()
        await self._wait_until_ready()
        self._watcher = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        """Ask, wait, then force; afterwards neither it nor a database it started is running."""
        self._stopping = True
        if self._watcher is not None:
            self._watcher.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watcher
        if self._process is not None:
            await _end(self._process)
        await asyncio.to_thread(stop_databases, Path(self._environment["FERRYMAN_DATA_DIR"]))

    def kill(self) -> int:
        """kill −9, as a power cut would. Raises WorldError when it is not running."""
        pid = self.pid
        if pid is None:
            raise WorldError("the product is not running at this moment")
        os.kill(pid, signal.SIGKILL)
        return pid

    def last_words(self) -> str:
        try:
            lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            lines = []
        return "\n".join(f"   │ {line[:400]}" for line in lines[-LAST_LINES:]) or "   │ (it said nothing)"

    async def _spawn(self, *arguments: str) -> asyncio.subprocess.Process:
        with self.log.open("ab") as log:
            return await asyncio.create_subprocess_exec(
                *self._command,
                *arguments,
                cwd=self._folder,
                env=self._environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    async def _launch(self) -> None:
        self.ready = False
        self._process = await self._spawn("run")
        self.started_at = time.time()

    async def _wait_until_ready(self) -> None:
        process = self._process
        assert process is not None
        deadline = time.monotonic() + READY_SECONDS
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2)) as http:
            while time.monotonic() < deadline:
                if process.returncode is not None:
                    raise WorldError(f"'ferryman run' ended at once ({_fate(process.returncode)})\n{self.last_words()}")
                with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                    async with http.get(f"{self._url}/readyz") as response:
                        if response.status == 200:
                            self.ready = True
                            return
                await asyncio.sleep(0.05)
        raise WorldError(f"'ferryman run' was not ready within {READY_SECONDS:.0f} s\n{self.last_words()}")

    async def _watch(self) -> None:
        """Say so when it falls, and start it again a second later; for ever, or until stopped."""
        while not self._stopping:
            assert self._process is not None
            code = await self._process.wait()
            self.ready = False
            self.restarts += 1
            self._say(f"💥 the product ended by itself ({_fate(code)}); its last lines:\n{self.last_words()}")
            self._say(f"🔁 starting it again in {RESTART_PAUSE:.0f} s")
            await asyncio.sleep(RESTART_PAUSE)
            await self._launch()
            try:
                await self._wait_until_ready()
            except WorldError as error:
                self._say(f"🚨 {error}")
                continue
            self._say("✅ the product serves again")


async def _end(process: asyncio.subprocess.Process) -> None:
    """Terminate the process, wait, then kill whatever is left of its group."""
    if process.returncode is None:
        process.terminate()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), STOP_SECONDS)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()


def stop_databases(folder: Path) -> None:
    """A product that was killed could not stop the database it had started: a fast shutdown, by its own pid file."""
    for pid_file in folder.rglob("postmaster.pid"):
        try:
            pid = int(pid_file.read_text(encoding="utf-8").split("\n", 1)[0])
            os.kill(pid, signal.SIGINT)
        except (OSError, ValueError):
            continue
        deadline = time.monotonic() + STOP_SECONDS
        while pid_file.exists() and _is_alive(pid) and time.monotonic() < deadline:
            time.sleep(0.05)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True


def _fate(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"

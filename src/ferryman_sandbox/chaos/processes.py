"""The product as real processes that fall without warning, at a named step or at any moment, and stand up again."""

import asyncio
import contextlib
import json
import os
import signal
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ferryman_sandbox.chaos.script import Blow
from ferryman_sandbox.world.patience import until, whenever
from ferryman_sandbox.world.wreck import WorldError

READY_SECONDS = 90.0
STOP_SECONDS = 25.0
LOOK_SECONDS = 0.05
# One that cannot start is not started again at once, for ever.
PAUSE_SECONDS = 0.5
# Errors that nobody had foreseen end in one of these.
NETS = ("job_failed", "update_failed", "face_failed")


@dataclass
class Keeper:
    """Keeps `ferryman VERB` running whatever befalls it, and deals its blows. Every start writes a log of its own.

    `paid` answers how many purchases are paid by now. `killed` counts by step, "" for a random moment; `recovered` has
    the seconds from each death until the process was ready again.
    """

    verb: str
    command: Sequence[str]
    folder: Path
    environment: dict[str, str]
    paid: Callable[[], int]
    blows: deque[Blow] = field(default_factory=deque)
    killed: Counter[str] = field(default_factory=Counter)
    recovered: list[float] = field(default_factory=list)
    fell: list[str] = field(default_factory=list)
    logs: list[Path] = field(default_factory=list)
    _child: asyncio.subprocess.Process | None = None
    _closing: bool = False
    _calm: bool = False
    _asked_to_end: bool = False

    @property
    def runs(self) -> bool:
        return self._child is not None and self._child.returncode is None

    @property
    def is_ready(self) -> bool:
        return self.runs and any(event.get("event") == "ready" for event in events(self.logs[-1]))

    @property
    def is_through(self) -> bool:
        """Every blow was dealt, and it stands again."""
        return not self.blows and self.is_ready

    async def live(self) -> None:
        """Until `stop`: start, wait for the end, start again."""
        died = 0.0
        while not self._closing:
            aim = self._aim()
            await self._start(aim)
            dealing = asyncio.create_task(self._deal(aim, died))
            assert self._child is not None
            await self._child.wait()
            died = time.monotonic()
            dealing.cancel()
            await asyncio.gather(dealing, return_exceptions=True)
            self._note_end(aim)
            if self._child.returncode != -signal.SIGKILL:
                await asyncio.sleep(PAUSE_SECONDS)

    def calm(self) -> None:
        """No blow from now on, except one that was dealt already: a process armed for a step stays so until it is
        started again, which is the caller's business."""
        self._calm = True
        self.blows.clear()

    async def renew(self) -> None:
        """Let it end in good order and start again, unarmed."""
        if self._child is not None and self.runs:
            ended, self._asked_to_end = self._child, True
            ended.terminate()
            await asyncio.wait_for(ended.wait(), STOP_SECONDS)

    async def stop(self) -> None:
        """Ask, wait, then force. Leaves no process behind."""
        self._closing = True
        if self._child is None:
            return
        if self.runs:
            self._child.terminate()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._child.wait(), STOP_SECONDS)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._child.pid, signal.SIGKILL)
        await self._child.wait()

    def last_words(self) -> str:
        """The end of the newest log that has any."""
        said = (log.read_text(errors="replace").splitlines()[-8:] for log in reversed(self.logs))
        return "\n".join(next((lines for lines in said if lines), []))

    def _aim(self) -> Blow | None:
        """The next blow, if it is due and for a step: that must be known at the start."""
        head = self.blows[0] if self.blows else None
        return head if head is not None and head.step and head.after <= self.paid() else None

    async def _start(self, aim: Blow | None) -> None:
        self.logs.append(self.folder / f"{self.verb}-{len(self.logs)}.log")
        armed = {"FERRYMAN_KILL_AT": f"{aim.step}:{aim.time}"} if aim else {}
        with self.logs[-1].open("wb") as log:
            self._child = await asyncio.create_subprocess_exec(
                *self.command,
                self.verb,
                cwd=self.folder,
                env=self.environment | armed,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    async def _deal(self, aim: Blow | None, died: float) -> None:
        """Note when it is ready; then, unless it is armed and falls by itself, kill it when the next blow is due."""
        await whenever(lambda: self.is_ready)
        if died:
            self.recovered.append(time.monotonic() - died)
        await whenever(lambda: aim is None and bool(self.blows) and self.blows[0].after <= self.paid())
        await asyncio.sleep(self.blows[0].seconds)
        if self.runs and not self._calm:
            assert self._child is not None
            if not self.blows[0].step:
                self.blows.popleft()
            # For a step, this kill is what brings the armed process about.
            self.killed[""] += 1
            self._child.kill()

    def _note_end(self, aim: Blow | None) -> None:
        assert self._child is not None
        code = self._child.returncode
        if self._closing or self._asked_to_end:
            self._asked_to_end = False
            return
        if code != -signal.SIGKILL:
            self.fell.append(f"{self.verb} ended by itself ({code}):\n{self.last_words()}")
        elif aim is not None and self.blows and self.blows[0] is aim:
            self.killed[aim.step] += 1
            self.blows.popleft()


class Processes:
    """All processes of one installation: `verbs` are ("run",) or ("web", "bot", "worker")."""

    def __init__(self, keepers: Iterable[Keeper]) -> None:
        self.keepers = {keeper.verb: keeper for keeper in keepers}
        self._lives: list[asyncio.Task[None]] = []

    async def command(self, *arguments: str) -> str:
        """`ferryman ARGUMENTS`, to its end; answers what it printed. Raises WorldError with all that it said."""
        keeper = next(iter(self.keepers.values()))
        child = await asyncio.create_subprocess_exec(
            *keeper.command,
            *arguments,
            cwd=keeper.folder,
            env=keeper.environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        printed, complained = await child.communicate()
        if child.returncode != 0:
            said = (printed + complained).decode(errors="replace")
            raise WorldError(f"'ferryman {' '.join(arguments[:2])}' failed:\n{said}")
        return printed.decode()

    async def start(self) -> None:
        self._lives = [asyncio.create_task(keeper.live()) for keeper in self.keepers.values()]
        await self.ready()

    async def ready(self) -> None:
        """Wait until every process is at work. Raises WorldError with the last words of one that is not."""

        async def all_are() -> bool:
            return all(keeper.is_ready for keeper in self.keepers.values())

        try:
            await until(all_are, READY_SECONDS, "not every process was ready", LOOK_SECONDS)
        except WorldError as error:
            words = "\n".join(one.last_words() for one in self.keepers.values() if not one.is_ready)
            raise WorldError(f"{error}:\n{words}") from error

    async def calm(self) -> None:
        """No more blows; all are started anew, so that none is still armed."""
        for keeper in self.keepers.values():
            keeper.calm()
        await asyncio.gather(*(keeper.renew() for keeper in self.keepers.values()))
        await self.ready()

    async def stop(self) -> None:
        await asyncio.gather(*(keeper.stop() for keeper in self.keepers.values()))
        for life in self._lives:
            life.cancel()
        await asyncio.gather(*self._lives, return_exceptions=True)

    @property
    def left(self) -> dict[str, list[str]]:
        """Blows that are still to come, by process: the steps, and "" for a random moment."""
        return {verb: [blow.step for blow in keeper.blows] for verb, keeper in self.keepers.items() if keeper.blows}

    def killed(self) -> Counter[str]:
        return sum((keeper.killed for keeper in self.keepers.values()), Counter())

    def told(self) -> Counter[str]:
        """How often each event stands in all logs together."""
        return Counter(str(event.get("event")) for event in self._events())

    def given_up(self) -> int:
        """Messages that may have arrived twice or never, of which the shop can know nothing, and sends no more."""
        return self.told()["notice_outcome_unknown"]

    def surprises(self) -> list[str]:
        """Ends of their own, and errors nobody had foreseen: whatever was caught in an outermost net."""
        caught = [json.dumps(event)[:2000] for event in self._events() if event.get("event") in NETS]
        return [*(end for keeper in self.keepers.values() for end in keeper.fell), *caught]

    def _events(self) -> Iterator[dict[str, Any]]:
        for keeper in self.keepers.values():
            for log in keeper.logs:
                yield from events(log)


def events(log: Path) -> Iterator[dict[str, Any]]:
    """The JSON lines of a log. A line that a kill cut short, or that is no JSON, is passed over."""
    for line in log.read_bytes().splitlines():
        with contextlib.suppress(ValueError):
            event = json.loads(line)
            if isinstance(event, dict):
                yield event

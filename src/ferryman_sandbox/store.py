"""Where an emulator keeps its world: JSON documents in one SQLite file, so that a restart finds everything again."""

import json
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

Document = dict[str, Any]


class Store:
    """Documents by kind and id, in insertion order, written through at once.

    `path` may be ":memory:" for tests. Writes survive a kill of this process (WAL); they may not survive a power cut,
    which is fine for a sandbox.
    """

    def __init__(self, path: Path | str) -> None:
        self._db = sqlite3.connect(str(path), isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=OFF")
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS documents"
            " (seq INTEGER PRIMARY KEY, kind TEXT NOT NULL, id TEXT NOT NULL, body TEXT NOT NULL, UNIQUE (kind, id))"
        )
        self._db.execute("CREATE TABLE IF NOT EXISTS counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL)")

    def get(self, kind: str, id_: str | int) -> Document | None:
        row = self._db.execute("SELECT body FROM documents WHERE kind = ? AND id = ?", (kind, str(id_))).fetchone()
        return None if row is None else json.loads(row[0])

    def put(self, kind: str, id_: str | int, body: Document) -> None:
        self._db.execute(
            "INSERT INTO documents (kind, id, body) VALUES (?, ?, ?)"
            " ON CONFLICT (kind, id) DO UPDATE SET body = excluded.body",
            (kind, str(id_), json.dumps(body, ensure_ascii=False)),
        )

    def put_all(self, documents: Iterable[tuple[str, str, Document | None]]) -> None:
        """Several documents in one transaction, in order; None drops the document."""
        self._db.execute("BEGIN")
        try:
            for kind, id_, body in documents:
                if body is None:
                    self.drop(kind, id_)
                else:
                    self.put(kind, id_, body)
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def drop(self, kind: str, id_: str | int) -> bool:
        """True when there was such a document."""
        return self._db.execute("DELETE FROM documents WHERE kind = ? AND id = ?", (kind, str(id_))).rowcount > 0

    def all(self, kind: str) -> Iterator[tuple[str, Document]]:
        """Every document of one kind with its id, oldest first."""
        rows = self._db.execute("SELECT id, body FROM documents WHERE kind = ? ORDER BY seq", (kind,)).fetchall()
        for id_, body in rows:
            yield id_, json.loads(body)

    def count(self, kind: str) -> int:
        return int(self._db.execute("SELECT count(*) FROM documents WHERE kind = ?", (kind,)).fetchone()[0])

    def next_number(self, counter: str, start: int = 1) -> int:
        """The next value of a named counter; the first call answers `start`."""
        row = self._db.execute(
            "INSERT INTO counters (name, value) VALUES (?, ?)"
            " ON CONFLICT (name) DO UPDATE SET value = value + 1 RETURNING value",
            (counter, start),
        ).fetchone()
        return int(row[0])

    def clear(self) -> None:
        self._db.execute("DELETE FROM documents")
        self._db.execute("DELETE FROM counters")

    def close(self) -> None:
        self._db.close()

"""A folder that a database server can live in while a test runs."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Linux keeps this one in memory, where a database is made and dropped five times as fast as on a disk. A container may
# have left only a little of it, PostgreSQL wants some for itself, and each worker of a test run takes up to 300 MB.
IN_MEMORY = Path("/dev/shm")
ENOUGH_BYTES = 2 * 1024**3


@contextmanager
def short_folder() -> Iterator[Path]:
    """New, and gone afterwards. A socket's path has room for 107 bytes, so its own is short; the database's user, who
    is another one than root, may enter it."""
    folder = Path(tempfile.mkdtemp(prefix="fm-", dir=IN_MEMORY if _has_room(IN_MEMORY) else None))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _has_room(folder: Path) -> bool:
    try:
        return shutil.disk_usage(folder).free >= ENOUGH_BYTES
    except OSError:
        return False

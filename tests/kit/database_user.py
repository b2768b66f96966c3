"""A process that uses an embedded database until it is killed: `python -m tests.kit.database_user FOLDER`."""

import sys
import time
from pathlib import Path

from ferryman.kit.postgres import EmbeddedPostgres

if __name__ == "__main__":
    EmbeddedPostgres(Path(sys.argv[1])).start()
    print("started", flush=True)  # noqa: T201
    time.sleep(3600)

"""What the processes that tests start have for an environment."""

import os
import tempfile
from pathlib import Path

# Where bytecode must not be written beside the code, each process would compile everything anew, for seconds.
BYTECODE = Path(tempfile.gettempdir()) / "ferryman-tests-bytecode"


def surroundings(**variables: str) -> dict[str, str]:
    """Ours, without any setting of the product that this machine may have, and with these variables."""
    mine = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("FERRYMAN_") and name not in ("DATABASE_URL", "PYTHONDONTWRITEBYTECODE")
    }
    return {**mine, "PYTHONPYCACHEPREFIX": str(BYTECODE), **variables}

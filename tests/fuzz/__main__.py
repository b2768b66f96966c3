"""`python -m tests.fuzz N [--seed N]`: N bodies past every provider's reading, and all through the application."""

import argparse
import asyncio
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from cryptography.fernet import Fernet

from ferryman.kit import migrate
from ferryman.kit.postgres import EmbeddedPostgres
from ferryman.kit.settings import Settings
from tests.fuzz.gate import opened

# Every so many-th body goes through the application and into PostgreSQL, too.
SAMPLE = 10
MOST_A_SECOND = 10_000


async def run(database_url: str, folder: Path, count: int, seed: int) -> None:
    await migrate.upgrade(database_url)
    settings = Settings(
        _env_file=None,
        env="sandbox",
        data_dir=folder,
        secret_keys=[Fernet.generate_key().decode()],
        hook_secret="hook-secret-of-the-fuzz",
        # All come from one address, and are to be read.
        hooks_per_second=MOST_A_SECOND,
    )
    async with opened(settings, database_url) as gate:
        for provider in gate.providers:
            began = time.monotonic()
            read = await gate.read(provider, gate.mutator(provider, seed), count)
            sent = await gate.through(provider, gate.mutator(provider, seed + 1), max(1, count // SAMPLE))
            await gate.unmoved()
            tell(provider, read, sent, time.monotonic() - began)
            gate.heard.seek(0)
            gate.heard.truncate()


def tell(provider: str, read: Counter[str], sent: Counter[str], seconds: float) -> None:
    lines = [f"🎲 {provider}: {read.total():,} bodies read, {sent.total():,} sent, {seconds:.0f} s"]
    lines += [f"   {what:<24}{count:>10,}" for what, count in sorted(read.items()) + sorted(sent.items())]
    lines.append("   answered 5xx, granted, secrets in the log: 0\n")
    sys.stdout.write("\n".join(lines))
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("count", type=int, metavar="N", help="bodies for each provider")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    # A socket's path has room for 107 bytes, so the name is short.
    with tempfile.TemporaryDirectory(prefix="fz-", ignore_cleanup_errors=True) as temporary:
        server = EmbeddedPostgres(Path(temporary) / "pg")
        try:
            asyncio.run(run(server.start(), Path(temporary), options.count, options.seed))
        finally:
            server.stop()


if __name__ == "__main__":
    main()

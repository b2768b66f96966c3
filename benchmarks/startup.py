"""How long `ferryman run` takes until it serves, and what it keeps in memory when nothing happens."""

import asyncio
import subprocess
import time
from pathlib import Path

import psutil

from benchmarks.report import Figures, quantile
from benchmarks.yard import Yard, python, running
from ferryman_sandbox.world.product import installed_command

IMPORTS = "import ferryman.faces.cli, ferryman.faces.bot.app, ferryman.messaging.telegram"
IDLE_SECONDS = 10.0
MEGABYTE = 2**20


async def starting(yard: Yard, times: int) -> Figures:
    """Cold: the embedded database is made and migrated. Warm: it is there. Byte code is there in both."""
    cold, warm = [], []
    for number in range(times):
        environment = _with_own_database(yard, number)
        cold.append(await _start(yard, environment))
        warm.append(await _start(yard, environment))
    imports = [_seconds_of(python("-c", IMPORTS), yard) for _ in range(times)]
    nothing = [_seconds_of(python("-c", "pass"), yard) for _ in range(times)]
    share = (quantile(imports, 50) - quantile(nothing, 50)) / quantile(warm, 50)
    return {
        "benchmark": "start_to_ready",
        "starts": times,
        "cold_p50_ms": round(quantile(cold, 50) * 1000),
        "warm_p50_ms": round(quantile(warm, 50) * 1000),
        "warm_worst_ms": round(max(warm) * 1000),
        "python_itself_p50_ms": round(quantile(nothing, 50) * 1000),
        "imports_p50_ms": round(quantile(imports, 50) * 1000),
        "share_of_imports_in_warm_start": round(share, 2),
    }


async def resting(yard: Yard) -> Figures:
    """Idle memory. The database's processes share pages, so its sum is of proportional shares."""
    environment = _with_own_database(yard, 0)
    with running([*installed_command(), "run"], environment, yard.folder) as process:
        await yard.ready(process)
        await asyncio.sleep(IDLE_SECONDS)
        product = psutil.Process(process.pid).memory_full_info()
        database = _family_of(Path(environment["FERRYMAN_DATA_DIR"]) / "postgres" / "postmaster.pid")
        shares = [one.memory_full_info().pss for one in database]
    return {
        "benchmark": "memory_idle",
        "product_resident_mb": round(product.rss / MEGABYTE, 1),
        "product_unique_mb": round(product.uss / MEGABYTE, 1),
        "database_processes": len(database),
        "database_proportional_mb": round(sum(shares) / MEGABYTE, 1),
    }


def _with_own_database(yard: Yard, number: int) -> dict[str, str]:
    data = yard.folder / f"start-{number}"
    environment = {name: value for name, value in yard.environment.items() if name != "DATABASE_URL"}
    return environment | {"FERRYMAN_DATA_DIR": str(data)}


async def _start(yard: Yard, environment: dict[str, str]) -> float:
    began = time.perf_counter()
    with running([*installed_command(), "run"], environment, yard.folder) as process:
        await yard.ready(process)
        return time.perf_counter() - began


def _seconds_of(command: list[str], yard: Yard) -> float:
    began = time.perf_counter()
    subprocess.run(command, env=yard.environment, check=True, capture_output=True)
    return time.perf_counter() - began


def _family_of(pid_file: Path) -> list[psutil.Process]:
    postmaster = psutil.Process(int(pid_file.read_text(encoding="utf-8").split("\n", 1)[0]))
    return [postmaster, *postmaster.children(recursive=True)]

"""How figures are told: a table for a person, one line of JSON for a program, and the machine they were taken on."""

import json
import os
import platform
from collections.abc import Sequence
from typing import Any

import psutil

Figures = dict[str, Any]


def machine() -> Figures:
    """`load_before` is of the last minute before: above 0.5 a core, figures say more about the neighbours."""
    return {
        "benchmark": "machine",
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 2**30, 1),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "load_before": round(os.getloadavg()[0], 2),
    }


def tell(figures: Figures) -> None:
    """One benchmark: the table, then its line of JSON."""
    print(f"\n⏱  {figures['benchmark']}")
    for name, value in figures.items():
        if name != "benchmark":
            print(f"   {name.replace('_', ' '):<44}{_shown(value):>12}")
    print(json.dumps(figures), flush=True)


def quantile(values: Sequence[float], percent: float) -> float:
    """Nearest rank. Raises ValueError without any value."""
    if not values:
        raise ValueError("nothing was measured")
    ordered = sorted(values)
    rank = -(-len(ordered) * percent // 100)
    return ordered[max(0, min(len(ordered), int(rank)) - 1)]


def milliseconds(name: str, seconds: Sequence[float]) -> Figures:
    """Median, 95th and 99th percentile of a list of durations."""
    return {f"{name}_p{percent}_ms": round(quantile(seconds, percent) * 1000, 1) for percent in (50, 95, 99)}


def _shown(value: Any) -> str:
    return f"{value:,.1f}" if isinstance(value, float) else str(value)

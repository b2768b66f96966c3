"""A provider or a panel type is one file (or package) and one line: the two must name each other."""

from importlib.metadata import entry_points
from pathlib import Path

import pytest

from tests.architecture.house import SRC, pyproject

KINDS = [
    ("ferryman.payments", (SRC / "ferryman/billing/providers", SRC / "ferryman/billing/inhouse")),
    ("ferryman.panels", (SRC / "ferryman/fleet/panels",)),
]


def modules(folder: Path) -> set[str]:
    """Files and packages in a folder of plug-ins, by their full names."""
    package = ".".join(folder.relative_to(SRC).parts)
    files = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    return {f"{package}.{name}" for name in files | {path.parent.name for path in folder.glob("*/__init__.py")}}


@pytest.mark.parametrize(("group", "folders"), KINDS)
def test_every_plugin_file_is_registered_and_every_line_has_its_file(group: str, folders: tuple[Path, ...]) -> None:
    lines = pyproject()["project"]["entry-points"][group]
    named = {value.partition(":")[0] for value in lines.values()}
    there = {name for folder in folders for name in modules(folder)}
    assert named == there, f"the files and [project.entry-points.{group!r}] in pyproject.toml differ"


@pytest.mark.parametrize("group", [group for group, _ in KINDS])
def test_what_is_installed_is_what_is_written(group: str) -> None:
    installed = {entry.name: entry.value for entry in entry_points(group=group)}
    assert installed == pyproject()["project"]["entry-points"][group], "pyproject.toml has changed: run `make setup`"


@pytest.mark.parametrize("group", [group for group, _ in KINDS])
def test_a_plugin_is_called_what_its_line_says(group: str) -> None:
    for entry in entry_points(group=group):
        plugin = entry.load()
        assert entry.name == getattr(plugin, "name", None) or entry.name == getattr(plugin, "kind", None)

"""A provider or a panel type is one file (or package) and one line: the two must name each other."""

from importlib.metadata import entry_points
from pathlib import Path

import pytest

from tests.architecture.house import SRC, pyproject

KINDS = [
    ("ferryman.payments", SRC / "ferryman/billing/providers"),
    ("ferryman.panels", SRC / "ferryman/fleet/panels"),
]


def modules(folder: Path) -> set[str]:
    files = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    return files | {path.parent.name for path in folder.glob("*/__init__.py")}


@pytest.mark.parametrize(("group", "folder"), KINDS)
def test_every_plugin_file_is_registered_and_every_line_has_its_file(group: str, folder: Path) -> None:
    package = ".".join(folder.relative_to(SRC).parts)
    lines = pyproject()["project"]["entry-points"][group]
    named = {value.partition(":")[0].removeprefix(f"{package}.").partition(".")[0] for value in lines.values()}
    assert named == modules(folder), f"{folder.name}/ and [project.entry-points.{group!r}] in pyproject.toml differ"


@pytest.mark.parametrize(("group", "folder"), KINDS)
def test_what_is_installed_is_what_is_written(group: str, folder: Path) -> None:
    del folder
    installed = {entry.name: entry.value for entry in entry_points(group=group)}
    assert installed == pyproject()["project"]["entry-points"][group], "pyproject.toml has changed: run `make setup`"


@pytest.mark.parametrize(("group", "folder"), KINDS)
def test_a_plugin_is_called_what_its_line_says(group: str, folder: Path) -> None:
    del folder
    for entry in entry_points(group=group):
        plugin = entry.load()
        assert entry.name == getattr(plugin, "name", None) or entry.name == getattr(plugin, "kind", None)

"""Files and functions stay small enough to be read; tests weigh at least as much as what they test."""

import statistics
from collections.abc import Sequence
from graphlib import CycleError, TopologicalSorter

import pytest

from tests.architecture.house import Source, shipped, sources

LONGEST_FILE, TYPICAL_FILE = 400, 250
LONGEST_FUNCTION, TYPICAL_FUNCTION, MEDIAN_FUNCTION = 80, 35, 10


def percentile(values: Sequence[int], share: float) -> int:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def circle(files: Sequence[Source]) -> list[str]:
    """The modules of one import circle; empty when there is none."""
    known = {file.module for file in files}
    graph = {file.module: {name for name in file.imported() if name in known and name != file.module} for file in files}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_no_file_is_too_long_to_read() -> None:
    too_long = [f"{file.module}: {file.lines} lines" for file in shipped() if file.lines > LONGEST_FILE]
    assert not too_long


def test_most_files_are_a_few_pages_at_most() -> None:
    assert percentile([file.lines for file in shipped()], 0.9) <= TYPICAL_FILE


def test_no_function_is_too_long_to_hold_in_mind() -> None:
    too_long = [f"{name}: {n} lines" for file in shipped() for name, n in file.functions() if n > LONGEST_FUNCTION]
    assert not too_long


def test_functions_are_small() -> None:
    lengths = [n for file in shipped() for _, n in file.functions()]
    assert statistics.median(lengths) <= MEDIAN_FUNCTION
    assert percentile(lengths, 0.9) <= TYPICAL_FUNCTION


def test_tests_weigh_at_least_as_much_as_the_code() -> None:
    assert sum(file.lines for file in sources("tests")) >= sum(file.lines for file in shipped())


def test_nothing_imports_in_a_circle() -> None:
    assert circle(shipped()) == []


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ([Source("a", "import b"), Source("b", "from a import x")], True),
        ([Source("a", "import b"), Source("b", "from c import d"), Source("c.d", "import a"), Source("c", "")], True),
        ([Source("a", "import b"), Source("b", "import json")], False),
    ],
)
def test_a_circle_would_be_found(files: list[Source], found: bool) -> None:
    assert bool(circle(files)) is found

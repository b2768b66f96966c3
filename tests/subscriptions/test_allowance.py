"""Lines are held against what was bought last, not against sums since the first day."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferryman.subscriptions.allowance import crossed

GIGABYTE = 1024**3


@pytest.mark.parametrize(
    ("allowed", "bought", "used", "line"),
    [
        (100, 100, 0, 0),
        (100, 100, 79, 0),
        (100, 100, 80, 80),
        (100, 100, 94, 80),
        (100, 100, 95, 95),
        (100, 100, 99, 95),
        (100, 100, 100, 100),
        (100, 100, 250, 100),
        (0, 0, 10**15, 0),
        (0, 100, 10**15, 0),
        (1200, 100, 1090, 0),
        (1200, 100, 1180, 80),
        (1200, 100, 1195, 95),
        (50, 100, 39, 0),
        (50, 100, 40, 80),
        (50, 0, 40, 80),
    ],
)
def test_a_line_is_crossed_when_so_little_of_what_was_bought_is_left(
    allowed: int, bought: int, used: int, line: int
) -> None:
    assert crossed(allowed, bought, used) == line
    assert crossed(allowed * GIGABYTE, bought * GIGABYTE, used * GIGABYTE) == line


@given(st.integers(1, 10**15), st.integers(0, 10**15), st.lists(st.integers(0, 10**15)))
def test_lines_are_crossed_upwards_only_while_traffic_grows(allowed: int, bought: int, uses: list[int]) -> None:
    lines = [crossed(allowed, bought, used) for used in sorted(uses)]
    assert lines == sorted(lines)
    assert crossed(allowed, bought, allowed) == 100

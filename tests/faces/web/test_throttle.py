"""How often one address may knock, and whose address it is."""

import pytest
from starlette.requests import Request

from ferryman.faces.web.throttle import MOST_ADDRESSES, Throttle, sender


class Seconds:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_is_admitted_then_the_rate_and_others_do_not_suffer() -> None:
    clock = Seconds()
    throttle = Throttle(10.0, clock)
    assert sum(throttle.admits("203.0.113.7") for _ in range(100)) == 40
    assert throttle.admits("203.0.113.8")
    clock.now += 1.0
    assert sum(throttle.admits("203.0.113.7") for _ in range(100)) == 10
    clock.now += 3600.0
    assert sum(throttle.admits("203.0.113.7") for _ in range(100)) == 40


def test_a_flood_of_addresses_does_not_fill_the_memory() -> None:
    throttle = Throttle(1.0, Seconds())
    for number in range(3 * MOST_ADDRESSES):
        assert throttle.admits(str(number))
    assert len(throttle._buckets) <= MOST_ADDRESSES


@pytest.mark.parametrize(
    ("hops", "forwarded", "expected"),
    [
        (0, ["203.0.113.7"], "10.0.0.1"),
        (1, ["203.0.113.7"], "203.0.113.7"),
        (1, ["198.51.100.1, 203.0.113.7"], "203.0.113.7"),
        (1, ["198.51.100.1", "203.0.113.7"], "203.0.113.7"),
        (2, ["198.51.100.1, 203.0.113.7, 10.0.0.2"], "203.0.113.7"),
        (2, ["203.0.113.7"], "10.0.0.1"),
        (1, ["nonsense"], "10.0.0.1"),
        (1, [], "10.0.0.1"),
        (1, ["2a02:5180:0:1509::1"], "2a02:5180:0:1509::1"),
    ],
)
def test_the_sender_is_what_a_proxy_of_ours_wrote_and_nothing_that_came_from_outside(
    hops: int, forwarded: list[str], expected: str
) -> None:
    headers = [(b"x-forwarded-for", one.encode()) for one in forwarded]
    request = Request({"type": "http", "client": ("10.0.0.1", 5), "headers": headers})
    assert sender(request, hops) == expected

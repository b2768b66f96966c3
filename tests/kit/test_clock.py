"""The clock that is used where nobody gives another."""

from datetime import UTC, datetime, timedelta

from ferryman.kit.clock import SystemClock


def test_now_is_aware_and_in_utc_and_now() -> None:
    now = SystemClock().now()
    assert now.utcoffset() == timedelta(0)
    assert abs(datetime.now(UTC) - now) < timedelta(seconds=5)

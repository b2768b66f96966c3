"""The arithmetic of dates: paid time is never shortened, lapsed time never charged."""

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferryman.subscriptions.subscription import Subscription, allowed_bytes, extended

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)

moments = st.datetimes(datetime(2020, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
days = st.integers(1, 3650)


@given(moments, moments, days)
def test_the_new_end_is_never_before_the_old_one_nor_closer_than_what_was_bought(
    ends_at: datetime, now: datetime, bought: int
) -> None:
    end = extended(ends_at, now, bought)
    assert end >= ends_at + bought * DAY
    assert end >= now + bought * DAY
    assert end == max(ends_at, now) + bought * DAY


@given(moments, days)
def test_a_first_purchase_lasts_exactly_as_long_as_it_says(now: datetime, bought: int) -> None:
    assert extended(None, now, bought) - now == bought * DAY


@given(moments, moments, st.lists(days, min_size=1, max_size=5))
def test_left_time_is_kept_however_often_it_is_extended(start: datetime, now: datetime, bought: list[int]) -> None:
    end: datetime | None = start
    for each in bought:
        end = extended(end, now, each)
    assert end == max(start, now) + sum(bought) * DAY


@given(moments, moments, days, st.integers(0, 10_000_000))
def test_paying_later_never_gives_an_earlier_end(ends_at: datetime, now: datetime, bought: int, later: int) -> None:
    assert extended(ends_at, now + timedelta(seconds=later), bought) >= extended(ends_at, now, bought)


@given(moments, days, st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Tehran"]))
def test_a_day_is_24_hours_whatever_clocks_do_where_the_customer_lives(now: datetime, bought: int, zone: str) -> None:
    here = extended(None, now, bought).astimezone(ZoneInfo(zone))
    assert here - now.astimezone(ZoneInfo("UTC")) == bought * DAY


def test_a_summer_night_that_is_an_hour_short_does_not_shorten_what_was_paid_for() -> None:
    before = datetime(2026, 3, 28, 23, 30, tzinfo=UTC)  # Berlin's clocks jump at 01:00 UTC
    assert (extended(None, before, 1) - before).total_seconds() == 86_400
    other_zone = before.astimezone(timezone(timedelta(hours=14)))
    assert extended(other_zone, before, 1) == extended(before, before, 1)


@pytest.mark.parametrize(
    ("left", "shown"),
    [
        (timedelta(0), 0),
        (timedelta(seconds=-1), 0),
        (timedelta(days=-400), 0),
        (timedelta(microseconds=1), 1),
        (timedelta(hours=23, minutes=59), 1),
        (DAY, 1),
        (DAY + timedelta(seconds=1), 2),
        (timedelta(days=30), 30),
    ],
)
def test_days_left_are_rounded_up_and_end_at_zero(left: timedelta, shown: int) -> None:
    assert Subscription(ends_at=NOW + left).days_left(NOW) == shown


@given(moments, moments)
def test_days_left_covers_what_is_left(ends_at: datetime, now: datetime) -> None:
    shown = Subscription(ends_at=ends_at).days_left(now)
    assert shown >= 0
    assert now + shown * DAY >= ends_at
    if ends_at > now:
        assert now + (shown - 1) * DAY < ends_at


def test_the_clients_name_on_a_panel_is_made_from_the_ref_alone() -> None:
    assert Subscription(ref="abc234").email == "fm-abc234"


def test_whoever_used_more_than_was_allowed_gets_all_of_what_is_bought_next() -> None:
    assert allowed_bytes(100, 100, used=130) == 230
    assert allowed_bytes(100, 100, used=70) == 200
    assert allowed_bytes(None, 100) == 100
    assert allowed_bytes(0, 100, used=130) == allowed_bytes(100, 0, used=130) == 0

"""What a refund takes back: never more than is unused, never what somebody else paid for, and in parts as in one."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferryman.subscriptions.taking_back import (
    NOTHING,
    Bought,
    Share,
    Standing,
    Stretch,
    allowance_after,
    money_for_unused,
    taken_for,
)
from ferryman.subscriptions.taking_back import unused as unused_of

DAY = 86_400
GB = 1024**3
MONTH = Bought(30 * DAY, 100 * GB, limited=True)

seconds = st.integers(min_value=0, max_value=400 * DAY)
traffic = st.integers(min_value=0, max_value=900 * GB)
shares = st.builds(Share, seconds, traffic)
months = st.builds(
    lambda days, gigabytes: Bought(days * DAY, gigabytes * GB, limited=gigabytes > 0),
    st.integers(min_value=1, max_value=365),
    st.integers(min_value=0, max_value=500),
)
paid = st.integers(min_value=1, max_value=10_000_00)


def unused(bought: Bought, standing: Standing) -> Share:
    """Of a payment that shares its time with nobody."""
    alone = Stretch(bought.seconds, bought.bytes, bought.limited, taken=bought.taken)
    return unused_of(alone, bought, standing)


def left(days: float, gigabytes: float, later_days: float = 0, later_gigabytes: float = 0) -> Standing:
    return Standing(
        Share(int(days * DAY), int(gigabytes * GB)), Share(int(later_days * DAY), int(later_gigabytes * GB))
    )


def test_what_was_bought_and_not_touched_is_unused() -> None:
    assert unused(MONTH, left(30, 100)) == Share(30 * DAY, 100 * GB)


def test_time_left_from_before_is_used_first_and_stays() -> None:
    assert unused(MONTH, left(45, 130)) == Share(30 * DAY, 100 * GB)


def test_time_bought_later_lies_at_the_end_and_stays() -> None:
    assert unused(MONTH, left(40, 120, later_days=30, later_gigabytes=100)) == Share(10 * DAY, 20 * GB)


def test_time_that_has_lapsed_leaves_nothing_to_take() -> None:
    assert unused(MONTH, left(0, 0)) == NOTHING
    assert unused(MONTH, left(29, 90, later_days=30, later_gigabytes=100)) == NOTHING


def test_what_was_taken_before_is_not_there_twice() -> None:
    partly = replace(MONTH, taken=Share(20 * DAY, 60 * GB))
    assert unused(partly, left(40, 140)) == Share(10 * DAY, 40 * GB)


def test_unlimited_traffic_is_not_counted() -> None:
    unlimited = Bought(30 * DAY, 0, limited=False)
    assert unused(unlimited, left(15, 0)) == Share(15 * DAY, 0)
    assert money_for_unused(19900, 0, unlimited, Share(15 * DAY, 0)) == 9950


@pytest.mark.parametrize(
    ("days", "gigabytes", "minor"),
    [(30, 100, 19900), (20, 100, 13266), (20, 50, 9950), (28, 0, 0), (0, 100, 0)],
    ids=["untouched", "by time, rounded down", "by traffic", "all traffic used", "all time used"],
)
def test_the_unused_part_is_worth_what_is_left_of_the_scarcer_half(days: int, gigabytes: int, minor: int) -> None:
    assert money_for_unused(19900, 0, MONTH, Share(days * DAY, gigabytes * GB)) == minor


def test_the_shop_may_keep_a_part_and_gives_no_more_than_is_left_to_give() -> None:
    assert money_for_unused(19900, 0, MONTH, Share(15 * DAY, 100 * GB), kept_percent=10) == 8955
    assert money_for_unused(19900, 15000, MONTH, Share(15 * DAY, 100 * GB)) == 4900


def test_a_third_of_the_money_takes_a_third_of_the_time() -> None:
    assert taken_for(MONTH, Share(25 * DAY, 90 * GB), 30000, 10000) == Share(10 * DAY, 100 * GB // 3)


def test_used_time_is_not_taken_a_second_time() -> None:
    assert taken_for(MONTH, Share(4 * DAY, 1 * GB), 30000, 10000) == Share(4 * DAY, 1 * GB)


def test_an_allowance_never_becomes_unlimited_by_taking_it_away() -> None:
    assert allowance_after(100 * GB, 0, 100 * GB) == 1
    assert allowance_after(100 * GB, 30 * GB, 100 * GB) == 30 * GB
    assert allowance_after(0, 5, 10) == 0
    assert allowance_after(5, 9, 0) == 5


@given(months, shares, shares, paid, st.data())
def test_nothing_of_what_others_paid_for_is_taken(
    bought: Bought, now_left: Share, later: Share, price: int, data: st.DataObject
) -> None:
    back = data.draw(st.integers(min_value=0, max_value=price))
    mine = unused(bought, Standing(now_left, later))
    taken = taken_for(bought, mine, price, back)
    assert 0 <= taken.seconds <= mine.seconds <= bought.seconds
    assert 0 <= taken.bytes <= mine.bytes <= bought.bytes
    # What was added later, as far as it is still there, is there afterwards.
    assert now_left.seconds - taken.seconds >= min(now_left.seconds, later.seconds)
    assert now_left.bytes - taken.bytes >= min(now_left.bytes, later.bytes)


@given(months, shares, paid, st.lists(st.integers(min_value=1, max_value=100_000), max_size=6))
def test_many_small_refunds_and_one_large_one_take_the_same(
    bought: Bought, now_left: Share, price: int, steps: list[int]
) -> None:
    whole = taken_for(bought, unused(bought, Standing(now_left, NOTHING)), price, price)
    back, rest, one = 0, now_left, bought
    for step in [*steps, price]:
        back = min(price, back + step)
        taken = taken_for(one, unused(one, Standing(rest, NOTHING)), price, back)
        one = replace(one, taken=Share(one.taken.seconds + taken.seconds, one.taken.bytes + taken.bytes))
        rest = Share(rest.seconds - taken.seconds, rest.bytes - taken.bytes)
    assert one.taken == whole


@given(months, shares, paid, st.data())
def test_the_unused_part_costs_no_more_than_was_paid_and_leaves_no_free_time(
    bought: Bought, now_left: Share, price: int, data: st.DataObject
) -> None:
    given_back = data.draw(st.integers(min_value=0, max_value=price))
    mine = unused(bought, Standing(now_left, NOTHING))
    worth = money_for_unused(price, given_back, bought, mine)
    assert 0 <= worth <= price - given_back
    # Held against the scarcer half, at most the unused share of the money goes back.
    assert worth * bought.seconds <= price * mine.seconds


@given(traffic, traffic, traffic)
def test_an_allowance_stays_limited_and_covers_what_is_used(allowed: int, used: int, taken: int) -> None:
    after = allowance_after(allowed, used, taken)
    assert (after == 0) == (allowed == 0)
    if allowed:
        assert min(used, allowed) <= after <= allowed


def shared(mine: int, taken: Share = NOTHING) -> Stretch:
    """A month of another plan: 300.00 paid in all, and `mine` of that by the payment in question."""
    return Stretch(30 * DAY, 100 * GB, True, mine, 30000, taken)


def test_what_was_given_in_lives_on_as_its_part_of_what_it_came_to() -> None:
    old, new = shared(10000), shared(20000)
    assert old.bought(NOTHING).seconds == 10 * DAY
    assert unused_of(old, old.bought(NOTHING), left(30, 100)).seconds == 10 * DAY
    assert unused_of(new, new.bought(NOTHING), left(15, 50)) == Share(10 * DAY, 100 * GB // 3)


def test_who_shares_a_stretch_keeps_theirs_when_the_other_part_is_taken() -> None:
    first = shared(10000)
    taken = unused_of(first, first.bought(NOTHING), left(24, 100))
    assert taken.seconds == 8 * DAY
    other = shared(20000, taken)
    assert unused_of(other, other.bought(NOTHING), left(16, 66.7)).seconds == 16 * DAY
    again = shared(10000, taken)
    assert unused_of(again, again.bought(taken), left(16, 66.7)).seconds == 0


@given(st.integers(min_value=0, max_value=30000), shares, shares)
def test_the_parts_of_a_shared_stretch_never_come_to_more_than_there_is(
    mine: int, now_left: Share, later: Share
) -> None:
    standing = Standing(now_left, later)
    parts = [unused_of(shared(part), shared(part).bought(NOTHING), standing) for part in (mine, 30000 - mine)]
    assert sum(part.seconds for part in parts) <= max(now_left.seconds - later.seconds, 0)
    assert sum(part.bytes for part in parts) <= max(now_left.bytes - later.bytes, 0)

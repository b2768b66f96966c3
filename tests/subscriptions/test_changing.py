"""The rules of changing a subscription by hand: what each may do, and that nothing paid is ever taken away by one."""

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ferryman.kit.errors import Refused
from ferryman.subscriptions import changing
from ferryman.subscriptions.subscription import Subscription, allowed_devices

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)


def held(left: timedelta = 10 * DAY, **more: Any) -> Subscription:
    fields = {
        "ref": "abcdefghjk", "token": "the-old-token", "uuid": "the-old-uuid", "password": "old", "sub_id": "old-sub",
        "snapshot": {}, "traffic_bytes": 0, "devices": 3, "starts_at": NOW - 30 * DAY, "ends_at": NOW + left,
        "used_up": 0, "used_down": 0, "disabled_why": "",
    }  # fmt: skip
    return Subscription(**{**fields, **more})


def test_days_that_are_given_are_added_to_what_is_left() -> None:
    one = held()
    changes = changing.extend(one, 7, NOW)
    assert one.ends_at == NOW + 17 * DAY
    assert (changes["days"], changes["after"]) == (7, one.ends_at.isoformat())


def test_days_given_after_the_end_count_from_now() -> None:
    one = held(-5 * DAY)
    changing.extend(one, 7, NOW)
    assert one.ends_at == NOW + 7 * DAY


@pytest.mark.parametrize("days", [0, -1, changing.MOST_DAYS + 1])
def test_nobody_can_be_given_less_than_a_day_or_more_than_ten_years(days: int) -> None:
    with pytest.raises(Refused, match="days"):
        changing.extend(held(), days, NOW)


def test_frozen_time_stands_still_and_comes_back_whole() -> None:
    one = held()
    assert changing.freeze(one, NOW)
    assert not one.enabled
    for days in (1, 9, 40):
        assert one.days_left(NOW + days * DAY) == 10
        assert not one.ended(NOW + days * DAY)
    changing.unfreeze(one, NOW + 40 * DAY)
    assert one.ends_at == NOW + 50 * DAY
    assert one.enabled


def test_to_freeze_or_unfreeze_twice_is_to_do_it_once() -> None:
    one = held()
    changing.freeze(one, NOW)
    assert changing.freeze(one, NOW + DAY) == {}
    assert one.frozen_at == NOW
    changing.unfreeze(one, NOW + 2 * DAY)
    assert changing.unfreeze(one, NOW + 3 * DAY) == {}
    assert one.ends_at == NOW + 12 * DAY


def test_what_has_ended_cannot_be_frozen() -> None:
    with pytest.raises(Refused, match="ended"):
        changing.freeze(held(-DAY), NOW)


def test_days_given_while_it_is_frozen_are_added_even_long_after_its_old_end() -> None:
    one = held()
    changing.freeze(one, NOW)
    changing.extend(one, 7, NOW + 60 * DAY)
    changing.unfreeze(one, NOW + 61 * DAY)
    assert one.ends_at == NOW + 61 * DAY + 17 * DAY


def test_a_clock_that_goes_back_takes_nothing_away() -> None:
    one = held()
    changing.freeze(one, NOW)
    changing.unfreeze(one, NOW - DAY)
    assert one.ends_at == NOW + 10 * DAY


def test_a_lower_allowance_than_what_is_used_switches_off_and_a_higher_one_on() -> None:
    one = held(used_up=40, used_down=60)
    changing.limit(one, 100, None, NOW)
    assert (one.exhausted_at, one.enabled) == (NOW, False)
    assert changing.limit(one, 101, None, NOW) == {"traffic_bytes": [100, 101]}
    assert one.enabled
    changing.limit(one, 50, None, NOW)
    changing.limit(one, 0, None, NOW)
    assert one.enabled, "0 is unlimited"


def test_limits_that_are_so_already_change_nothing() -> None:
    assert changing.limit(held(), 0, 3, NOW) == {}
    with pytest.raises(Refused):
        changing.limit(held(), None, -1, NOW)


@pytest.mark.parametrize(
    ("before", "bought_before", "bought", "after"), [(None, None, 3, 3), (3, 3, 5, 5), (7, 3, 3, 7), (0, 3, 5, 0)]
)
def test_a_device_limit_that_staff_set_survives_a_renewal(
    before: int | None, bought_before: int | None, bought: int, after: int
) -> None:
    assert allowed_devices(before, bought_before, bought) == after


def test_switching_off_keeps_the_first_reason_and_the_time_runs_on() -> None:
    one = held()
    changing.disable(one, "shared in public", NOW)
    assert changing.disable(one, "another", NOW) == {}
    assert (one.disabled_why, one.enabled, one.days_left(NOW + DAY)) == ("shared in public", False, 9)
    assert changing.enable(one) == {"was": "shared in public"}
    assert one.enabled
    assert changing.enable(one) == {}


def test_a_replacement_voids_the_link_first_and_the_identity_last() -> None:
    one = held()
    changing.begin_replacing(one, NOW)
    assert one.token != "the-old-token"
    assert (one.uuid, one.password, one.sub_id) == ("the-old-uuid", "old", "old-sub")
    token = one.token
    assert changing.begin_replacing(one, NOW + DAY) == {}
    assert (one.token, one.replacing_since) == (token, NOW)
    changing.finish_replacing(one)
    assert not {one.uuid, one.password, one.sub_id} & {"the-old-uuid", "old", "old-sub"}
    assert (one.token, one.replacing_since, one.untold) == (token, None, "replaced")


def test_no_credential_stands_in_what_a_replacement_leaves_in_the_history() -> None:
    one = held()
    said = f"{changing.begin_replacing(one, NOW)}{changing.finish_replacing(one)}"
    assert not any(secret in said for secret in (one.token, one.uuid, one.password, one.sub_id, "the-old"))


def test_time_that_is_left_is_given_up_only_by_force() -> None:
    one = held()
    with pytest.raises(Refused, match="10 paid days left"):
        changing.end(one, NOW, forced=False)
    assert one.ends_at == NOW + 10 * DAY
    assert changing.end(one, NOW, forced=True)["lost_seconds"] == 10 * 86400
    assert one.ended(NOW)
    changing.end(one, NOW + DAY, forced=False)
    assert one.ends_at == NOW


def test_frozen_time_is_paid_time_too() -> None:
    one = held()
    changing.freeze(one, NOW)
    with pytest.raises(Refused, match="10 paid days left"):
        changing.end(one, NOW + 50 * DAY, forced=False)


Step = Callable[[Subscription, datetime], Any]
HARMLESS: list[Step] = [
    lambda one, now: changing.extend(one, 3, now),
    lambda one, now: changing.freeze(one, now) if not one.ended(now) else None,
    changing.unfreeze,
    lambda one, now: changing.disable(one, "why", now),
    lambda one, _: changing.enable(one),
    changing.begin_replacing,
    lambda one, _: changing.finish_replacing(one) if one.replacing_since else None,
    lambda one, now: changing.limit(one, 5, 1, now),
]


@pytest.mark.parametrize("seed", range(200))
def test_no_sequence_of_changes_shortens_the_time_that_is_left(seed: int) -> None:
    draw, one, now = random.Random(seed), held(), NOW
    for _ in range(30):
        left = one.ends_at - one.clock(now)
        draw.choice(HARMLESS)(one, now)
        assert one.ends_at - one.clock(now) >= left
        now += timedelta(hours=draw.randint(0, 30))

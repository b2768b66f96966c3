"""When a subscription is renewed by itself, and when it is not: the rules, without a database."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferryman.billing.renewal import (
    FINAL_REASONS,
    GRACE,
    RETRY_DAYS,
    Agreement,
    By,
    Next,
    Seen,
    State,
    Step,
    charge_at,
    charge_before,
    first_look,
    next_step,
    retry_at,
    to_charge,
    warn_before,
)
from ferryman.billing.renewals import begin_period, end, take_up
from ferryman.kit.money import Money

ENDS = datetime(2026, 12, 24, 12, 0, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
PRICE = Money(19900, "RUB")


def agreement(**more: Any) -> Agreement:
    fields = {
        "id": 1, "subscription_id": 1, "customer_id": 1, "by": By.KEPT, "provider": "cards", "way": "", "term_id": 1,
        "days": 30, "minor": 19900, "currency": "RUB", "state": State.ACTIVE, "period_end": ENDS, "tries": 0,
        "first_try_at": None, "last_reason": "", "told_at": None, "told_minor": None, "unhooked": True,
        "next_try_at": first_look(more.get("days", 30), ENDS),
    }  # fmt: skip
    return Agreement(**{**fields, **more})


def told(**more: Any) -> Agreement:
    return agreement(**{"told_at": ENDS - 3 * DAY, "told_minor": 19900, **more})


def seen(now: datetime, **more: Any) -> Seen:
    return Seen(**{"now": now, "ends_at": ENDS, "price": PRICE, **more})


def test_three_days_before_the_end_the_customer_is_told_and_a_day_before_it_the_card_is_charged() -> None:
    assert next_step(agreement(), seen(ENDS - 4 * DAY)) == Next(Step.WAIT, ENDS - 3 * DAY)
    assert next_step(agreement(), seen(ENDS - 3 * DAY)).step is Step.WARN
    assert next_step(told(), seen(ENDS - 2 * DAY)) == Next(Step.WAIT, ENDS - DAY)
    assert next_step(told(), seen(ENDS - DAY)).step is Step.CHARGE


@pytest.mark.parametrize(("days", "warned", "charged"), [(1, 12, 6), (3, 36, 18), (7, 72, 24), (30, 72, 24)])
def test_short_terms_are_warned_of_and_charged_later(days: int, warned: int, charged: int) -> None:
    assert (warn_before(days), charge_before(days)) == (warned * HOUR, charged * HOUR)


def test_a_late_warning_moves_the_charge_so_that_it_is_still_a_warning() -> None:
    late = told(told_at=ENDS - 2 * HOUR)
    assert charge_at(late, ENDS) == ENDS + 22 * HOUR
    assert next_step(late, seen(ENDS)) == Next(Step.WAIT, ENDS + 22 * HOUR)
    assert next_step(late, seen(ENDS + 22 * HOUR)).step is Step.CHARGE


def test_the_charge_waits_for_a_reminder_that_is_held_up_until_an_hour_before_the_end() -> None:
    late = ENDS - 30 * HOUR
    assert next_step(told(), seen(ENDS - DAY, waiting=True)) == Next(Step.WAIT, ENDS - 23 * HOUR)
    assert next_step(told(), seen(ENDS - DAY, reminded_at=late)) == Next(Step.WAIT, ENDS - 6 * HOUR)
    assert next_step(told(), seen(ENDS - 6 * HOUR, reminded_at=late)).step is Step.CHARGE
    assert next_step(told(), seen(ENDS - 2 * HOUR, reminded_at=ENDS - 2 * HOUR)) == Next(Step.WAIT, ENDS - HOUR)
    assert next_step(told(), seen(ENDS - HOUR, waiting=True)).step is Step.CHARGE
    dearer = seen(ENDS - HOUR, waiting=True, price=Money(24900, "RUB"))
    assert next_step(told(told_minor=24900), dearer).step is Step.WAIT, "it needs a yes"


def test_after_the_end_and_for_a_late_reminder_there_is_no_last_call() -> None:
    """The end has passed because the shop was closed; now the customer is to hear of it first."""
    assert next_step(told(), seen(ENDS, waiting=True)) == Next(Step.WAIT, ENDS + HOUR)
    assert next_step(told(), seen(ENDS, reminded_at=ENDS)) == Next(Step.WAIT, ENDS + DAY)
    late = told(told_at=ENDS - 2 * HOUR)
    assert next_step(late, seen(ENDS - HOUR, waiting=True)) == Next(Step.WAIT, ENDS)
    assert next_step(late, seen(ENDS + GRACE, waiting=True)) == Next(Step.FAIL, why="late")


@given(held_up=st.none() | st.integers(0, 150), closed=st.sets(st.integers(0, 150), max_size=100))
def test_however_long_a_reminder_is_held_up_it_stands_for_a_day_or_until_the_last_hour(
    held_up: int | None, closed: set[int]
) -> None:
    """Hours since it was written down: when it went out, and those in which the shop was closed."""
    one, start, step = told(), ENDS - 3 * DAY, Step.WAIT
    sent = None if held_up is None else start + held_up * HOUR
    for hour in sorted(set(range(150)) - closed):
        now = start + hour * HOUR
        out = sent if sent is not None and sent <= now else None
        step = next_step(one, seen(now, waiting=out is None, reminded_at=out)).step
        if step is Step.CHARGE:
            assert (out is not None and now - out >= DAY) or ENDS - HOUR <= now < ENDS
        if step is not Step.WAIT:
            break
    assert closed or step is Step.CHARGE, "nobody's time runs out because of it"


def test_nobody_is_warned_of_a_charge_that_would_come_too_late() -> None:
    assert next_step(agreement(), seen(ENDS + GRACE - DAY)) == Next(Step.FAIL, why="late")
    assert next_step(agreement(), seen(ENDS + GRACE - DAY - HOUR)).step is Step.WARN


def test_tries_are_a_day_and_three_days_after_the_first() -> None:
    first = ENDS - DAY
    for tries, days in ((1, 1), (2, 3)):
        one = told(tries=tries, first_try_at=first, last_reason="insufficient_funds")
        assert retry_at(one, "insufficient_funds") == first + days * DAY
        assert next_step(one, seen(first + days * DAY - HOUR)) == Next(Step.WAIT, first + days * DAY)
        assert next_step(one, seen(first + days * DAY)).step is Step.CHARGE
    assert retry_at(told(tries=3, first_try_at=first), "insufficient_funds") is None
    assert len(RETRY_DAYS) == 3


@pytest.mark.parametrize("reason", sorted(FINAL_REASONS))
def test_some_reasons_are_never_tried_again(reason: str) -> None:
    assert retry_at(told(tries=1, first_try_at=ENDS - DAY), reason) is None


@pytest.mark.parametrize("reason", ["insufficient_funds", "issuer_unavailable", "general_decline", "", "новая причина"])
def test_all_others_are(reason: str) -> None:
    assert retry_at(told(tries=1, first_try_at=ENDS - DAY), reason) == ENDS


def test_while_the_end_of_a_charge_is_unknown_nothing_else_happens() -> None:
    for now in (ENDS - 4 * DAY, ENDS - DAY, ENDS + 10 * DAY):
        assert next_step(told(), seen(now, open=True, banned=True, on_sale=False)).step is Step.WAIT


@pytest.mark.parametrize(
    ("around", "step", "why"),
    [
        ({"banned": True}, Step.STOP, "banned"),
        ({"on_sale": False}, Step.STOP, "withdrawn"),
        ({"price": None}, Step.STOP, "currency"),
        ({"payable": False}, Step.MISS, "method_off"),
        ({"frozen": True}, Step.WAIT, ""),
        ({"disabled": True}, Step.WAIT, ""),
    ],
)
def test_what_is_in_the_way_of_a_charge(around: dict[str, Any], step: Step, why: str) -> None:
    found = next_step(told(), seen(ENDS - DAY, **around))
    assert (found.step, found.why) == (step, why)


def test_what_is_in_the_way_is_nobodys_business_before_the_warning() -> None:
    found = next_step(agreement(), seen(ENDS - 4 * DAY, banned=True, on_sale=False))
    assert found == Next(Step.WAIT, ENDS - 3 * DAY)


def test_a_subscription_that_is_off_or_was_never_charged_is_given_up_in_the_end() -> None:
    after = ENDS + GRACE
    assert next_step(told(), seen(after, disabled=True)).why == "disabled"
    assert next_step(told(tries=1, last_reason="fraud_suspected"), seen(after)).why == "fraud_suspected"
    assert next_step(told(), seen(after)) == Next(Step.FAIL, why="late")
    assert next_step(told(), seen(after, frozen=True)).step is Step.WAIT


def test_a_higher_price_than_agreed_needs_a_new_yes() -> None:
    asks = told(told_minor=24900)
    assert asks.asks
    assert next_step(asks, seen(ENDS - DAY, price=Money(24900, "RUB"))).step is Step.WAIT
    assert next_step(asks, seen(ENDS - DAY, price=PRICE)).step is Step.WARN, "they were told that nothing is charged"
    assert next_step(asks, seen(ENDS, price=Money(24900, "RUB"))) == Next(Step.STOP, why="price")
    asks.minor = 24900
    assert next_step(asks, seen(ENDS - DAY, price=Money(24900, "RUB"))).step is Step.CHARGE


@pytest.mark.parametrize(("price", "charged"), [(19900, 19900), (14900, 14900), (24900, 19900)])
def test_nobody_is_charged_more_than_they_were_told(price: int, charged: int) -> None:
    assert to_charge(told(), Money(price, "RUB")) == Money(charged, "RUB")


def test_what_was_told_and_cannot_be_paid_any_more_is_told_anew_before_it_is_charged() -> None:
    dearer = told(told_minor=5000)
    around = {"price": PRICE, "least": 6000}
    assert next_step(dearer, seen(ENDS - DAY, **around)).step is Step.WARN
    dearer.told_at, dearer.told_minor = ENDS - DAY, 19900
    assert next_step(dearer, seen(ENDS - DAY, **around)) == Next(Step.WAIT, ENDS)
    assert next_step(dearer, seen(ENDS, **around)).step is Step.CHARGE
    never = told(told_minor=5000)
    assert next_step(never, seen(ENDS - DAY, price=Money(5000, "RUB"), least=6000, payable=False)).step is Step.MISS


@given(
    prices=st.lists(st.integers(1, 500), min_size=1, max_size=40),
    leasts=st.lists(st.integers(0, 300), min_size=1, max_size=40),
    agrees=st.lists(st.booleans(), min_size=1, max_size=5),
)
def test_however_prices_move_nobody_is_charged_more_than_was_announced_nor_less_than_can_be_paid(
    prices: list[int], leasts: list[int], agrees: list[bool]
) -> None:
    """Each three hours of one period a new price and a new least amount; the customer says yes, or does not."""
    one, answers, announced = agreement(), iter(agrees), 0
    for turn in range(80):
        now = ENDS - 4 * DAY + turn * 3 * HOUR
        price, least = prices[turn % len(prices)], leasts[turn % len(leasts)]
        around = {"price": Money(price, "RUB"), "least": least, "payable": price >= least}
        step = next_step(one, seen(now, **around)).step
        if step is Step.WARN:
            assert announced == 0 or one.asks or one.told_minor < least, "told anew for a reason only"  # type: ignore[operator]
            one.told_at, one.told_minor, announced = now, price, price
            if one.asks and next(answers, False):
                one.minor = price
        if step is Step.CHARGE:
            assert one.told_at is not None
            assert now - one.told_at >= charge_before(one.days)
            assert least <= to_charge(one, Money(price, "RUB")).minor <= min(announced, one.minor)
        if step in (Step.CHARGE, Step.STOP, Step.FAIL):
            return


@pytest.mark.parametrize(("moved", "why"), [(True, "upgraded"), (False, "withdrawn")])
def test_a_plan_that_was_given_in_is_told_apart_from_one_that_was_withdrawn(moved: bool, why: str) -> None:
    assert next_step(told(), seen(ENDS - DAY, on_sale=moved, moved=moved)) == Next(Step.STOP, why=why)


def test_stars_are_told_of_and_left_to_telegram() -> None:
    assert next_step(agreement(by=By.STARS), seen(ENDS - 3 * DAY)).step is Step.WARN
    ours = told(by=By.STARS)
    assert next_step(ours, seen(ENDS - DAY)) == Next(Step.WAIT, ENDS + GRACE)
    assert next_step(ours, seen(ENDS + GRACE)) == Next(Step.FAIL, why="unpaid")


@pytest.mark.parametrize(("around", "why"), [({"banned": True}, "banned"), ({"disabled": True}, "disabled")])
def test_telegram_waits_for_nobody_so_its_row_is_stopped_at_once(around: dict[str, Any], why: str) -> None:
    assert next_step(agreement(by=By.STARS), seen(ENDS - 20 * DAY, **around)) == Next(Step.STOP, why=why)


def test_a_new_period_forgets_what_belonged_to_the_old_one() -> None:
    one = told(tries=2, first_try_at=ENDS, last_reason="insufficient_funds")
    begin_period(one, ENDS + 30 * DAY)
    assert (one.tries, one.first_try_at, one.last_reason, one.told_at, one.told_minor) == (0, None, "", None, None)
    assert (one.period_end, one.next_try_at) == (ENDS + 30 * DAY, ENDS + 27 * DAY)


@pytest.mark.parametrize(
    ("by", "known_there", "unhooked"), [(By.KEPT, False, True), (By.STARS, False, False), (By.STARS, True, True)]
)
def test_what_repeats_elsewhere_is_to_be_ended_there_too(by: By, known_there: bool, unhooked: bool) -> None:
    one = told(by=by)
    end(one, State.STOPPED, "customer", ENDS, known_there=known_there)
    assert (one.active, one.unhooked, one.next_try_at) == (False, unhooked, None)
    take_up(one, Money(24900, "RUB"), ENDS, ENDS - 5 * DAY)
    assert (one.active, one.unhooked, one.minor, one.stopped_at) == (True, unhooked, 24900, None)


@given(
    days=st.integers(1, 400),
    reasons=st.lists(st.sampled_from(["", "insufficient_funds", "card_expired", "general_decline"]), max_size=6),
    downtimes=st.lists(st.tuples(st.integers(0, 400 * 24), st.integers(1, 120)), max_size=4),
)
def test_whatever_comes_nobody_is_charged_unwarned_twice_or_for_ever(
    days: int, reasons: list[str], downtimes: list[tuple[int, int]]
) -> None:
    """The rules in an hour's steps over two periods, with the shop closed for some of the time."""
    start = ENDS - days * DAY
    one, verdicts = agreement(days=days), iter(reasons)
    paid: list[datetime] = []
    tries: list[datetime] = []
    now = start
    while one.active and now < ENDS + (days + 10) * DAY:
        closed = [length for begin, length in downtimes if 0 <= (now - start) / HOUR - begin < length]
        if closed:
            now += HOUR
            continue
        step = next_step(one, seen(now, ends_at=one.period_end))
        match step.step:
            case Step.WARN:
                one.told_at, one.told_minor = now, 19900
            case Step.CHARGE:
                assert one.told_at is not None
                assert now - one.told_at >= charge_before(days), "a warning is a warning"
                assert now < one.period_end + GRACE
                tries.append(now)
                one.tries, one.first_try_at = one.tries + 1, one.first_try_at or now
                reason = next(verdicts, "")
                if reason:
                    one.last_reason = reason
                    if retry_at(one, reason) is None:
                        end(one, State.FAILED, reason, now)
                else:
                    paid.append(one.period_end)
                    begin_period(one, max(one.period_end, now) + days * DAY)
            case Step.FAIL | Step.STOP:
                end(one, State.FAILED, step.why, now)
        now = max(now + HOUR, step.at or now)
    assert len(set(paid)) == len(paid), "a period is paid once"
    assert len(tries) <= 3 * (len(paid) + 1)

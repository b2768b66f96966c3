"""The way from money to key, put together from what each part of the world wrote down."""

from typing import Any

from ferryman_sandbox.world.journey import at_the_bank, elsewhere, journeys, milliseconds, paid_to_key

START = "2026-01-18T10:53:29.000Z"
ZERO = milliseconds(START) or 0.0


def paid(id_: str = "bank-1", **changes: Any) -> dict[str, Any]:
    amount = {"value": "199.00", "currency": "RUB"}
    return {"id": id_, "status": "succeeded", "amount": amount, "captured_at": START} | changes


def heard(ms: float, status: int = 200, note: int = 1, id_: str = "bank-1") -> dict[str, Any]:
    return {
        "at": (ZERO + ms) / 1000,
        "ms": 2.0,
        "status": status,
        "notification": note,
        "body": {"object": {"id": id_}},
    }


def client(created: float, updated: float | None = None) -> dict[str, float]:
    return {"created": ZERO + created, "updated": ZERO + (created if updated is None else updated)}


def known(**changes: Any) -> dict[str, Any]:
    return {
        "payments": [{"external_id": "bank-1", "order": "o-1", "succeeded_at": "2026-01-18T10:53:29.020+00:00"}],
        "orders": [{"ref": "o-1", "customer": "Anna"}],
        "keys": [{"customer": "Anna", "node": node, "email": "fm-1"} for node in ("de-1", "nl-1")],
        "notices": [{"customer": "Anna", "sent_at": "2026-01-18T10:53:29.090+00:00"}],
    } | changes


PANELS = {"de-1": {"fm-1": client(30)}, "nl-1": {"fm-1": client(45)}, "fi-1": {}}


def test_a_journey_has_a_time_for_each_step() -> None:
    [journey] = journeys(at_the_bank([paid()], [heard(5)]), PANELS, known())
    assert journey["customer"] == "Anna"
    assert (journey["heard"], journey["granted"], journey["told"]) == (7.0, 20.0, 90.0)
    assert journey["keys"] == {"de-1": 30.0, "nl-1": 45.0, "fi-1": None}


def test_only_paid_payments_have_a_journey() -> None:
    assert journeys(at_the_bank([paid(status="pending"), paid(status="canceled")], []), PANELS, known()) == []


def test_a_payment_the_product_does_not_know_has_no_further_steps() -> None:
    [journey] = journeys(at_the_bank([paid("stranger")], []), PANELS, known())
    assert journey["customer"] is None
    assert journey["granted"] is None
    assert set(journey["keys"].values()) == {None}


def test_without_the_product_the_banks_side_is_still_told() -> None:
    [journey] = journeys(at_the_bank([paid()], [heard(5)]), PANELS, {})
    assert (journey["heard"], journey["told"]) == (7.0, None)


def test_a_forged_or_refused_delivery_was_not_heard() -> None:
    [journey] = journeys(at_the_bank([paid()], [heard(1, note=0), heard(2, status=500), heard(9)]), PANELS, known())
    assert journey["heard"] == 11.0


def test_a_renewed_key_counts_by_its_last_change() -> None:
    panels = {"de-1": {"fm-1": client(-5_000_000, updated=33)}}
    keys = [{"customer": "Anna", "node": "de-1", "email": "fm-1"}]
    [journey] = journeys(at_the_bank([paid()], []), panels, known(keys=keys))
    assert journey["keys"] == {"de-1": 33.0}


def test_of_two_customers_of_one_name_the_nearer_key_counts() -> None:
    keys = [{"customer": "Anna", "node": "de-1", "email": email} for email in ("fm-1", "fm-2")]
    panels = {"de-1": {"fm-1": client(30), "fm-2": client(60_000)}}
    [journey] = journeys(at_the_bank([paid()], []), panels, known(keys=keys))
    assert journey["keys"] == {"de-1": 30.0}


def test_a_clock_that_was_pushed_makes_no_journey_of_days() -> None:
    panels = {"de-1": {"fm-1": client(40 * 24 * 3600 * 1000)}}
    [journey] = journeys(at_the_bank([paid()], []), panels, known(keys=known()["keys"][:1]))
    assert journey["keys"] == {"de-1": None}


COINS = {"ref": "ours-1", "external_id": "coins-1", "provider": "coingate", "order": "o-1", "amount": "199.00"}
COINS |= {"currency": "RUB", "succeeded_at": "2026-01-18T10:53:29.020+00:00"}


def told(ms: float, ref: str = "ours-1", status: int = 200) -> dict[str, Any]:
    return {"at": (ZERO + ms) / 1000, "ms": 2.0, "status": status, "body": f"order_id={ref}&status=paid"}


def test_what_others_took_begins_with_the_news_that_came_last_before_it_was_settled() -> None:
    news = [told(-900), told(5), told(12, ref="another"), told(14, status=500), told(500)]
    [journey] = journeys(elsewhere({"coingate": news}, known(payments=[COINS])), PANELS, known(payments=[COINS]))
    assert (journey["customer"], journey["amount"]) == ("Anna", {"value": "199.00", "currency": "RUB"})
    assert (journey["heard"], journey["granted"], journey["told"]) == (2.0, 15.0, 85.0)
    assert journey["keys"] == {"de-1": 25.0, "nl-1": 40.0, "fi-1": None}


def test_without_any_news_it_begins_when_it_was_settled() -> None:
    [journey] = journeys(elsewhere({"coingate": []}, known(payments=[COINS])), PANELS, known(payments=[COINS]))
    assert (journey["heard"], journey["granted"], journey["told"]) == (0.0, 0.0, 70.0)


def test_what_is_not_paid_or_not_of_this_world_has_none() -> None:
    others = [COINS | {"succeeded_at": None}, COINS | {"provider": "balance"}]
    assert elsewhere({"coingate": [told(5)]}, known(payments=others)) == []


def test_the_newest_comes_first_whoever_took_the_money() -> None:
    sales = [*at_the_bank([paid()], []), *elsewhere({"coingate": [told(5)]}, known(payments=[COINS]))]
    assert [journey["payment"] for journey in journeys(sales, PANELS, known())] == ["coins-1", "bank-1"]


def test_paid_to_key_is_the_median_of_the_first_keys() -> None:
    found: list[dict[str, Any]] = [
        {"keys": {"a": 30.0, "b": 10.0}},
        {"keys": {"a": 50.0}},
        {"keys": {"a": None}},
        {"keys": {"a": 20.0}},
    ]
    assert paid_to_key(found) == 20.0
    assert paid_to_key([]) is None

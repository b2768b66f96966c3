"""The emulated order API: what it takes, what it answers, what it refuses, and what time does."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ferryman_sandbox.coingate import CoinGateEmulator
from ferryman_sandbox.emulator import serve
from ferryman_sandbox.store import Store
from tests.sandbox.coingate.conftest import TOKEN, Till
from tests.sandbox.outside import until


@pytest.mark.parametrize("base", ["/v2", "/api/v2"])
@pytest.mark.parametrize("as_json", [True, False])
async def test_an_order_is_taken_as_json_or_as_a_form_under_either_base(till: Till, base: str, as_json: bool) -> None:
    till.base = base
    status, order = await till.call("POST", "/orders", **{"json" if as_json else "data": till.wish()})
    assert (status, order["status"], order["order_id"], order["token"]) == (200, "new", "8f2a", "ours")
    assert order["payment_url"].startswith(till.url)


async def test_the_token_is_shown_at_the_creation_only_and_made_when_none_is_given(till: Till) -> None:
    order = await till.create(token=None)
    assert len(order["token"]) > 20
    assert "token" not in await till.order(order["id"])


async def test_zeros_at_the_end_of_a_sum_come_and_go(till: Till) -> None:
    written = {(await till.create())["price_amount"] for _ in range(2)}
    assert written == {"10", "10.0"}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"price_amount": None}, "Price amount"),
        ({"price_amount": "0"}, "Price amount"),
        ({"price_amount": "NaN"}, "Price amount"),
        ({"price_currency": "RUB"}, "currency"),
        ({"title": "ab"}, "Title"),
        ({"title": "x" * 151}, "Title"),
        ({"description": None}, "Description"),
        ({"callback_url": "ftp://shop.example"}, "callback_url"),
    ],
)
async def test_a_bad_order_is_refused_with_every_reason(till: Till, changes: dict[str, Any], says: str) -> None:
    status, body = await till.call("POST", "/orders", data=till.wish(**changes))
    assert (status, body["reason"]) == (422, "OrderIsNotValid")
    assert any(says in error for error in body["errors"])


@pytest.mark.parametrize(
    ("authorization", "reason"),
    [
        ("Token wrong", "BadCredentials"),
        ("Token é", "BadCredentials"),
        ("Basic x", "BadAuthToken"),
        ("", "BadAuthToken"),
    ],
)
async def test_a_stranger_is_told_that_he_is_one(till: Till, authorization: str, reason: str) -> None:
    status, body = await till.call("GET", "/orders", headers={"Authorization": authorization})
    assert (status, body["reason"]) == (401, reason)


async def test_what_is_not_there_is_not_found(till: Till) -> None:
    assert (await till.call("GET", "/orders/9"))[1]["reason"] == "OrderNotFound"
    assert (await till.call("GET", "/nothing"))[1]["reason"] == "PageNotFound"


async def test_an_order_repeated_is_a_second_order(till: Till) -> None:
    assert (await till.create())["id"] != (await till.create())["id"]


async def test_the_cap_on_orders_is_an_invalid_order_for_an_hour(till: Till) -> None:
    await till.emu("app", {"orders_per_hour": 2})
    await till.create()
    await till.create()
    status, body = await till.call("POST", "/orders", data=till.wish())
    assert (status, body["reason"]) == (422, "OrderIsNotValid")
    assert body["errors"][0].startswith("Order limit exceeded")
    await till.advance(3601)
    await till.create()


async def test_too_many_calls_in_a_minute_are_refused(till: Till) -> None:
    await till.emu("app", {"calls_per_minute": 2})
    statuses = [(await till.call("GET", "/orders"))[0] for _ in range(3)]
    assert statuses == [200, 200, 429]
    await till.advance(61)
    assert (await till.call("GET", "/orders"))[0] == 200


@pytest.mark.parametrize("settings", [{"callback_format": "xml"}, {"orders_per_hour": -1}, {"unknown": 1}])
async def test_a_setting_that_makes_no_sense_is_refused(till: Till, settings: dict[str, Any]) -> None:
    assert (await till.emu("app", settings))[0] == 400


async def test_lists_are_sorted_cut_into_pages_and_filtered(till: Till) -> None:
    ids = [(await till.create())["id"] for _ in range(5)]
    await till.emu(f"payments/{ids[1]}/pay")
    _, newest = await till.call("GET", "/orders", params={"per_page": "2"})
    assert [order["id"] for order in newest["orders"]] == ids[:2:-1]
    assert (newest["total_orders"], newest["total_pages"], newest["current_page"]) == (5, 3, 1)
    _, oldest = await till.call("GET", "/orders", params={"per_page": "2", "page": "3", "sort": "created_at_asc"})
    assert [order["id"] for order in oldest["orders"]] == ids[4:]
    _, paid = await till.call("GET", "/orders", params={"paid_at[from]": "2020-01-01"})
    assert [order["id"] for order in paid["orders"]] == [ids[1]]
    _, by_status = await till.call("GET", "/orders", params={"status": "paid"})
    assert by_status["orders"] == paid["orders"]
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat(timespec="seconds")
    for window in ({"created_at[from]": tomorrow}, {"created_at[to]": "2020-01-01"}):
        assert (await till.call("GET", "/orders", params=window))[1]["orders"] == []
    assert (await till.call("GET", "/orders", params={"created_at[from]": "soon"}))[0] == 400


async def test_a_coin_is_chosen_over_the_api_too(till: Till) -> None:
    order = await till.create()
    status, pending = await till.call("POST", f"/orders/{order['id']}/checkout", json={"pay_currency": "BTC"})
    assert (status, pending["status"], pending["pay_amount"]) == (200, "pending", "0.00016667")
    assert {"payment_address", "expire_at"} <= set(pending)
    assert (await till.call("POST", f"/orders/{order['id']}/checkout", json={"pay_currency": "BTC"}))[0] == 422
    other = await till.create()
    assert (await till.call("POST", f"/orders/{other['id']}/checkout", json={"pay_currency": "XYZ"}))[0] == 422


async def test_nobody_chooses_a_coin_for_two_hours_or_pays_for_twenty_minutes(till: Till) -> None:
    new, pending = await till.create(), await till.create()
    await till.call("POST", f"/orders/{pending['id']}/checkout", json={"pay_currency": "BTC"})
    await till.advance(1201)
    assert (await till.order(pending["id"]))["status"] == "expired"
    assert (await till.order(new["id"]))["status"] == "new"
    await till.advance(6000)
    assert (await till.order(new["id"]))["status"] == "expired"


@pytest.mark.parametrize(
    ("how", "status", "under", "over"),
    [("exact", "paid", "0", "0"), ("less", "pending", "6.25", "0"), ("more", "paid", "0", "6.25")],
)
async def test_a_payer_sends_exactly_less_or_more(till: Till, how: str, status: str, under: str, over: str) -> None:
    order = await till.create()
    _, paid = await till.emu(f"payments/{order['id']}/pay", {"how": how})
    assert (paid["status"], paid["underpaid_amount"], paid["overpaid_amount"]) == (status, under, over)
    assert paid["is_refundable"] is True


async def test_a_late_payer_is_one_whose_order_has_ended(till: Till) -> None:
    order = await till.create()
    assert (await till.emu(f"payments/{order['id']}/pay", {"how": "late"}))[0] == 422
    await till.emu(f"payments/{order['id']}/expire")
    assert (await till.emu(f"payments/{order['id']}/pay"))[0] == 422
    assert (await till.emu(f"payments/{order['id']}/pay", {"how": "late"}))[1]["status"] == "paid"


@pytest.mark.parametrize(
    ("move", "status"), [("expire", "expired"), ("decline", "canceled"), ("invalidate", "invalid")]
)
async def test_an_order_ends_once(till: Till, move: str, status: str) -> None:
    order = await till.create()
    assert (await till.emu(f"payments/{order['id']}/{move}"))[1]["status"] == status
    assert (await till.emu(f"payments/{order['id']}/{move}"))[0] == 422
    assert (await till.emu(f"payments/{order['id']}/dance"))[0] == 400


async def test_a_confirmed_order_is_paid_a_moment_later(till: Till) -> None:
    order = await till.create()
    assert (await till.emu(f"payments/{order['id']}/confirm"))[1]["status"] == "confirming"
    await till.advance(3)
    assert (await till.order(order["id"]))["status"] == "paid"


async def test_a_refund_needs_a_wallet_and_is_decided_by_a_mark(till: Till) -> None:
    order = await till.create()
    refused, body = await till.call("POST", f"/orders/{order['id']}/refunds", json={"amount": "1"})
    assert (refused, body["reason"]) == (422, "RefundIsNotValid")
    await till.emu(f"payments/{order['id']}/pay")
    refused, body = await till.call("POST", f"/orders/{order['id']}/refunds", json={"amount": "11"})
    assert "address can't be blank" in body["errors"]
    wish = {"amount": "4", "address": "a", "currency_id": 1, "platform_id": 1, "reason": "r", "email": "p@shop.example"}
    wish["ledger_account_id"] = "1"
    refunds = [(await till.call("POST", f"/orders/{order['id']}/refunds", json=wish))[1] for _ in range(2)]
    assert (await till.call("POST", f"/orders/{order['id']}/refunds", json=wish))[0] == 422
    assert (await till.emu(f"refunds/{refunds[0]['id']}/rejected"))[1]["status"] == "rejected"
    assert (await till.order(order["id"]))["status"] == "paid"
    await till.emu(f"refunds/{refunds[1]['id']}/completed")
    assert (await till.emu(f"refunds/{refunds[1]['id']}/completed"))[0] == 404
    assert (await till.order(order["id"]))["status"] == "partially_refunded"
    assert len((await till.call("GET", f"/orders/{order['id']}/refunds"))[1]) == 2


async def test_orders_survive_a_restart_and_still_run_out_of_time(till: Till, tmp_path: Path) -> None:
    store = Store(tmp_path / "world.db")
    first = await serve(CoinGateEmulator(store, token=TOKEN).app)
    till.url = first.url
    order = await till.create(callback_url=None)
    await first.stop()
    second = await serve(CoinGateEmulator(store, token=TOKEN).app)
    till.url = second.url
    await till.advance(7201)
    await until(lambda: _is(till, order["id"], "expired"))
    await second.stop()
    store.close()


async def test_a_reset_forgets_everything(till: Till) -> None:
    await till.emu("app", {"callback_format": "form"})
    await till.create()
    await till.emu("reset")
    assert await till.seen("payments") == []
    assert (await till.seen("app"))["callback_format"] == "json"


async def _is(till: Till, id_: int, status: str) -> bool:
    return any(order["id"] == id_ and order["status"] == status for order in await till.seen("payments"))

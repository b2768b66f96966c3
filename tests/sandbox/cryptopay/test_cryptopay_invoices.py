"""The emulated API: its envelope, what it refuses, and how an invoice lives."""

from pathlib import Path
from typing import Any

import pytest

from ferryman_sandbox.cryptopay import CryptoPayEmulator
from ferryman_sandbox.store import Store
from tests.sandbox.cryptopay.app import App


async def test_an_invoice_has_what_the_service_shows(app: App) -> None:
    invoice = await app.create(expires_in=1800)
    assert isinstance(invoice["invoice_id"], int)
    assert (invoice["status"], invoice["fiat"], invoice["amount"], invoice["payload"]) == (
        "active",
        "RUB",
        "199",
        "8f2a",
    )
    assert invoice["bot_invoice_url"].endswith(f"/pay/{invoice['hash']}")
    assert invoice["expiration_date"] > invoice["created_at"]
    assert "USDT" in invoice["accepted_assets"]


async def test_nobody_without_the_token_is_answered(app: App) -> None:
    for token in ("", "12345:AAwrong", "токен"):
        async with app.http.post(f"{app.url}/api/getMe", headers={"Crypto-Pay-API-Token": token}) as answer:
            assert answer.status == 401
            assert await answer.json() == {"ok": False, "error": {"code": 401, "name": "UNAUTHORIZED"}}
    assert (await app.call("getMe"))[1]["result"]["app_id"] == 12345


async def test_a_suspended_app_is_refused_everything(app: App) -> None:
    assert (await app.emu("app", {"suspended": True}))[0] == 200
    assert (await app.call("getMe"))[0] == 423
    assert (await app.emu("app", {"suspended": "yes"}))[0] == 400
    assert (await app.emu("app", {"suspended": False}))[1]["suspended"] is False
    assert (await app.call("getMe"))[0] == 200


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"amount": 199}, "AMOUNT_INVALID"),
        ({"amount": "0"}, "AMOUNT_INVALID"),
        ({"amount": "-1"}, "AMOUNT_INVALID"),
        ({"amount": "1e3"}, "AMOUNT_INVALID"),
        ({"fiat": "XTR"}, "FIAT_UNSUPPORTED"),
        ({"currency_type": "crypto"}, "ASSET_UNSUPPORTED"),
        ({"currency_type": "barter"}, "CURRENCY_TYPE_INVALID"),
        ({"description": "x" * 1025}, "DESCRIPTION_TOO_LONG"),
        ({"payload": "x" * 4097}, "PAYLOAD_TOO_LONG"),
        ({"expires_in": 0}, "EXPIRES_IN_INVALID"),
        ({"expires_in": 2_678_401}, "EXPIRES_IN_INVALID"),
        ({"accepted_assets": "DOGE"}, "ACCEPTED_ASSETS_INVALID"),
        ({"paid_btn_name": "callback"}, "PAID_BTN_URL_REQUIRED"),
        ({"paid_btn_name": "jump", "paid_btn_url": "https://t.me"}, "PAID_BTN_NAME_INVALID"),
    ],
)
async def test_what_the_service_would_refuse_is_refused(app: App, changes: dict[str, Any], name: str) -> None:
    given = {"currency_type": "fiat", "fiat": "RUB", "amount": "199"} | changes
    status, envelope = await app.call("createInvoice", **given)
    assert (status, envelope["ok"], envelope["error"]["name"]) == (400, False, name)
    assert await app.listed() == []


async def test_the_same_request_twice_is_two_invoices_for_there_is_no_idempotency(app: App) -> None:
    first, second = await app.create(), await app.create()
    assert first["invoice_id"] != second["invoice_id"]
    assert [one["invoice_id"] for one in await app.listed()] == [second["invoice_id"], first["invoice_id"]]


async def test_lists_are_filtered_and_cut(app: App) -> None:
    invoices = [await app.create(fiat=fiat) for fiat in ("RUB", "EUR", "RUB", "RUB")]
    await app.emu(f"payments/{invoices[0]['invoice_id']}/pay")
    ids = [one["invoice_id"] for one in invoices]
    assert [one["invoice_id"] for one in await app.listed(fiat="EUR")] == [ids[1]]
    assert [one["invoice_id"] for one in await app.listed(status="paid")] == [ids[0]]
    assert [one["invoice_id"] for one in await app.listed(fiat="RUB", offset=1, count=1)] == [ids[2]]
    assert [one["invoice_id"] for one in await app.listed(invoice_ids=f"{ids[0]},{ids[1]}")] == ids[:2]
    assert await app.listed(invoice_ids="999999") == []
    for wrong in ({"count": 1001}, {"count": 0}, {"offset": "x"}, {"status": "lost"}):
        assert (await app.call("getInvoices", **wrong))[0] == 400


async def test_a_payment_is_exact_and_has_its_rate_and_fee(app: App) -> None:
    invoice = await app.create(amount="250")
    status, paid = await app.emu(f"payments/{invoice['invoice_id']}/pay", {"asset": "TON"})
    assert (status, paid["status"], paid["paid_asset"]) == (200, "paid", "TON")
    assert float(paid["paid_amount"]) * float(paid["paid_fiat_rate"]) == pytest.approx(250)
    assert paid["fee_amount"] == pytest.approx(float(paid["paid_amount"]) * 0.03)
    assert (await app.emu(f"payments/{invoice['invoice_id']}/pay"))[0] == 400


async def test_an_invoice_in_a_coin_is_paid_in_it(app: App) -> None:
    invoice = await app.create(currency_type="crypto", asset="TON", amount="1.25")
    paid = (await app.emu(f"payments/{invoice['invoice_id']}/pay", {"asset": "BTC"}))[1]
    assert (paid["paid_asset"], paid["paid_amount"]) == ("TON", "1.25")
    assert "paid_fiat_rate" not in paid


async def test_time_runs_out_and_nobody_is_told(app: App) -> None:
    invoice = await app.create(expires_in=60)
    await app.emu("clock", {"advance": 61})
    assert (await app.listed(invoice_ids=str(invoice["invoice_id"])))[0]["status"] == "expired"
    assert (await app.emu(f"payments/{invoice['invoice_id']}/pay"))[0] == 400
    assert await app.seen("deliveries") == []


async def test_a_deleted_invoice_is_gone_and_a_paid_one_stays(app: App) -> None:
    first, second = await app.create(), await app.create()
    assert (await app.call("deleteInvoice", invoice_id=first["invoice_id"]))[1] == {"ok": True, "result": True}
    await app.emu(f"payments/{second['invoice_id']}/pay")
    assert (await app.call("deleteInvoice", invoice_id=second["invoice_id"]))[0] == 400
    assert [one["invoice_id"] for one in await app.listed()] == [second["invoice_id"]]


async def test_a_method_that_is_not_there_and_a_body_that_is_no_object_are_refused(app: App) -> None:
    assert (await app.call("transferEverything"))[0] == 405
    headers = {"Crypto-Pay-API-Token": "12345:AAtoken", "Content-Type": "application/json"}
    for body in (b"{", b"[1]"):
        async with app.http.post(f"{app.url}/api/getMe", data=body, headers=headers) as answer:
            assert answer.status == 400
    async with app.http.get(f"{app.url}/api/getInvoices?count=5", headers=headers | {"Content-Type": ""}) as answer:
        assert (await answer.json())["ok"] is True


async def test_a_restarted_emulator_still_lets_time_run_out(tmp_path: Path) -> None:
    store = Store(tmp_path / "app.db")
    first = CryptoPayEmulator(store)
    invoice = first.till.create({"currency_type": "fiat", "fiat": "RUB", "amount": "1", "expires_in": 60}, "http://x")
    second = CryptoPayEmulator(store)
    assert second.till.deadlines.next() == pytest.approx(second.clock.now() + 60, abs=30)
    second.clock.advance(61)
    assert second.till.get(str(invoice["invoice_id"]))["status"] == "expired"
    assert second.till.deadlines.next() is None
    store.close()

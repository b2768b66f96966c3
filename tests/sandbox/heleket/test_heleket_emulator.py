"""The emulated merchant: signed calls, one invoice per order_id, statuses, webhooks in PHP's writing, the page."""

from pathlib import Path
from typing import Any

import pytest

from ferryman_sandbox.emulator import serve
from ferryman_sandbox.heleket import HeleketEmulator
from ferryman_sandbox.heleket.emulator import LADDER
from ferryman_sandbox.heleket.invoice import sign, signed_text
from ferryman_sandbox.store import Store
from tests.sandbox.heleket.conftest import KEY, MERCHANT, Till, md5, verified
from tests.sandbox.outside import Ear, shows, state, until


def test_the_golden_vector() -> None:
    text = rb'{"type":"payment","uuid":"u-1","order_id":"ord_1","amount":"3.00","status":"paid","txid":"a\/b"}'
    assert sign(text, "testPaymentKey") == "ae73f795b535fb93d897f94026e8299b"
    document = {
        "type": "payment",
        "uuid": "u-1",
        "order_id": "ord_1",
        "amount": "3.00",
        "status": "paid",
        "txid": "a/b",
    }
    written = signed_text(document, "testPaymentKey")
    assert written == text.decode()[:-1] + ',"sign":"ae73f795b535fb93d897f94026e8299b"}'


async def test_an_invoice_is_made_and_asked_for_by_either_name(till: Till) -> None:
    made = await till.create()
    assert (made["order_id"], made["payment_status"], made["is_final"]) == ("8f2a", "check", False)
    assert made["url"].startswith(till.url)
    assert await till.info(made["uuid"]) == made
    assert (await till.call("/payment/info", {"order_id": "8f2a"}))[1]["result"] == made


async def test_the_same_order_id_answers_the_same_invoice(till: Till) -> None:
    assert (await till.create())["uuid"] == (await till.create(amount="20.00"))["uuid"]
    assert len(await till.seen("payments")) == 1


@pytest.mark.parametrize(
    "headers", [{"sign": md5(b"{}", "wrong")}, {"sign": ""}, {"merchant": "somebody"}, {"sign": md5(b"{ }")}]
)
async def test_a_call_that_is_not_signed_over_its_bytes_is_refused(till: Till, headers: dict[str, str]) -> None:
    status, answer = await till.call("/payment/list", b"{}", headers=headers)
    assert (status, answer["state"]) == (401, 1)


async def test_a_call_is_signed_over_its_bytes_and_not_its_meaning(till: Till) -> None:
    assert (await till.call("/payment/list", b"{ }"))[0] == 200
    assert (await till.call("/payment/list", b""))[0] == 200


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"amount": None}, "amount"),
        ({"amount": 10}, "amount"),
        ({"amount": "0"}, "amount"),
        ({"amount": "1e2"}, "amount"),
        ({"currency": "XYZ"}, "currency"),
        ({"order_id": "a b"}, "order_id"),
        ({"order_id": "x" * 129}, "order_id"),
        ({"lifetime": 299}, "lifetime"),
        ({"accuracy_payment_percent": 6}, "accuracy_payment_percent"),
        ({"additional_data": "x" * 256}, "additional_data"),
    ],
)
async def test_a_bad_invoice_is_refused_by_field(till: Till, changes: dict[str, Any], field: str) -> None:
    status, answer = await till.call("/payment", till.wish(**changes))
    assert (status, answer["state"], list(answer["errors"])) == (422, 1, [field])


@pytest.mark.parametrize("body", [b"[]", b"{"])
async def test_a_body_that_is_no_document_is_refused(till: Till, body: bytes) -> None:
    assert (await till.call("/payment", body))[0] == 422


async def test_what_is_not_there_is_not_found(till: Till) -> None:
    assert (await till.call("/payment/info", {"uuid": "nobody"}))[0] == 404
    assert (await till.call("/payment/info", {"order_id": "nothing"}))[0] == 404
    assert (await till.call("/nowhere", {}))[0] == 404


@pytest.mark.parametrize(
    ("how", "status"), [("exact", "paid"), ("more", "paid_over"), ("less", "wrong_amount_waiting")]
)
async def test_a_payer_sends_exactly_more_or_less(till: Till, ear: Ear, how: str, status: str) -> None:
    made = await till.create()
    assert (await till.emu(f"payments/{made['uuid']}/pay", {"how": how}))[1]["payment_status"] == status
    await until(lambda: len(ear.bodies) == 1)
    said = verified(ear.bodies[0])
    assert (said["type"], said["uuid"], said["status"]) == ("payment", made["uuid"], status)
    assert said["is_final"] is (how != "less")
    assert list(said)[-1] == "sign"
    assert (await till.emu(f"payments/{made['uuid']}/pay", {"how": "all"}))[0] == 422


async def test_a_webhook_escapes_its_slashes_and_is_ascii(till: Till, ear: Ear) -> None:
    made = await till.create(additional_data="заказ / 1")
    await till.emu(f"payments/{made['uuid']}/pay")
    await until(lambda: len(ear.bodies) == 1)
    assert "\\/ 1" in ear.bodies[0]
    assert ear.bodies[0].isascii()


async def test_nearly_enough_is_enough_where_the_shop_says_so(till: Till) -> None:
    made = await till.create(accuracy_payment_percent=5)
    await till.press(made["url"], action="choose", coin="USDT")
    assert (await till.info(made["uuid"]))["payer_amount"] == "12.5"
    await till.emu(f"payments/{made['uuid']}/pay", {"how": "exact"})
    assert (await till.info(made["uuid"]))["payment_status"] == "paid"


async def test_time_ends_an_invoice_empty_or_short(till: Till) -> None:
    empty, short = await till.create(lifetime=300), await till.create(order_id="other", lifetime=300)
    await till.emu(f"payments/{short['uuid']}/pay", {"how": "less"})
    await till.advance(301)
    assert (await till.info(empty["uuid"]))["payment_status"] == "cancel"
    assert (await till.info(short["uuid"]))["payment_status"] == "wrong_amount"


async def test_without_more_than_one_transfer_too_little_is_final_at_once(till: Till) -> None:
    made = await till.create(is_payment_multiple=False)
    assert (await till.emu(f"payments/{made['uuid']}/pay", {"how": "less"}))[1]["payment_status"] == "wrong_amount"


@pytest.mark.parametrize(
    ("move", "status"),
    [
        ("expire", "cancel"),
        ("decline", "fail"),
        ("break", "system_fail"),
        ("lock", "locked"),
        ("underpay", "wrong_amount"),
        ("refund", "refund_paid"),
        ("refunding", "refund_process"),
    ],
)
async def test_the_staff_can_end_it_in_every_way(till: Till, ear: Ear, move: str, status: str) -> None:
    made = await till.create()
    assert (await till.emu(f"payments/{made['uuid']}/{move}"))[1]["payment_status"] == status
    await until(lambda: len(ear.bodies) == 1)
    assert verified(ear.bodies[0])["status"] == status
    assert (await till.emu(f"payments/{made['uuid']}/dance"))[0] == 400


async def test_a_list_goes_back_page_by_page_within_its_dates(till: Till) -> None:
    uuids = [(await till.create(order_id=f"order-{number}"))["uuid"] for number in range(17)]
    _, first = await till.call("/payment/list", {})
    paginate = first["result"]["paginate"]
    assert (len(first["result"]["items"]), paginate["count"], paginate["hasPages"]) == (15, 17, True)
    _, second = await till.call("/payment/list", {}, params={"cursor": paginate["nextCursor"]})
    assert second["result"]["paginate"]["nextCursor"] is None
    listed = [item["uuid"] for answer in (first, second) for item in answer["result"]["items"]]
    assert listed == uuids[::-1]
    _, none = await till.call("/payment/list", {"date_from": "2020-01-01 00:00:00", "date_to": "2020-01-02 00:00:00"})
    assert none["result"]["items"] == []
    assert (await till.call("/payment/list", {"date_from": "yesterday"}))[0] == 422


async def test_a_webhook_is_repeated_up_the_ladder_until_it_is_taken(till: Till, ear: Ear) -> None:
    ear.statuses = [500] * 3
    made = await till.create()
    await till.emu(f"payments/{made['uuid']}/pay")
    for tries, pause in enumerate(LADDER[:3], 1):
        await until(lambda wanted=tries: _tried(till, wanted))  # type: ignore[misc]
        await till.advance(pause + 0.5)
    await until(lambda: _tried(till, 4))
    assert len(set(ear.bodies)) == 1


async def test_a_webhook_can_be_asked_for_again_and_tried_out(till: Till, ear: Ear) -> None:
    made = await till.create()
    await till.emu(f"payments/{made['uuid']}/pay")
    await until(lambda: len(ear.bodies) == 1)
    assert (await till.call("/payment/resend", {"uuid": made["uuid"]}))[0] == 200
    await until(lambda: len(ear.bodies) == 2)
    assert ear.bodies[0] == ear.bodies[1]
    wish = {"url_callback": ear.url, "currency": "EUR", "status": "paid", "order_id": "try"}
    assert (await till.call("/test-webhook/payment", wish))[0] == 200
    assert verified(ear.bodies[2])["order_id"] == "try"
    assert (await till.call("/test-webhook/payment", wish | {"url_callback": "http://127.0.0.1:9/"}))[0] == 422


async def test_a_forgery_is_signed_with_another_key(till: Till, ear: Ear) -> None:
    made = await till.create()
    _, delivery = await till.emu("forge", {"payment_id": made["uuid"]})
    assert delivery["status"] == 200
    assert '"status":"paid"' in ear.bodies[0]
    with pytest.raises(AssertionError):
        verified(ear.bodies[0])
    await till.emu("forge", {"body": {"a": "b/c"}})
    assert ear.bodies[1] == '{"a":"b\\/c"}'
    assert (await till.emu("forge", {"payment_id": "nobody"}))[0] == 400


async def test_the_page_takes_a_payer_from_the_coin_to_the_end(till: Till, ear: Ear) -> None:
    url = (await till.create())["url"]
    page = (await till.look(url))[1]
    assert (state(page), {"coin-BTC", "choose", "emulator-mark"} <= shows(page)) == ("new", True)
    assert "30 days &lt;b&gt;for&lt;/b&gt; you" in page
    page = await till.press(url, action="choose", coin="LTC")
    assert {"exact", "less", "more", "address"} <= shows(page)
    page = await till.press(url, action="less")
    assert state(page) == "seen"
    await till.advance(3)
    page = (await till.look(url))[1]
    assert {"rest", "missing"} <= shows(page)
    await till.press(url, action="rest")
    await till.advance(3)
    assert {"verdict-paid", "back"} <= shows((await till.look(url))[1])
    await until(lambda: len(ear.bodies) == 4)
    statuses = [verified(body)["status"] for body in ear.bodies]
    assert statuses == ["confirm_check", "wrong_amount_waiting", "confirm_check", "paid"]


@pytest.mark.parametrize(
    ("move", "verdict"), [("lock", "held"), ("decline", "failed"), ("underpay", "short"), ("refund", "back")]
)
async def test_the_page_says_how_it_ended(till: Till, move: str, verdict: str) -> None:
    made = await till.create()
    await till.emu(f"payments/{made['uuid']}/{move}")
    for lang in ("ru", "en"):
        assert f"verdict-{verdict}" in shows((await till.look(f"{made['url']}?lang={lang}"))[1])
    assert (await till.look(f"{till.url}/pay/nothing"))[0] == 404


async def test_invoices_survive_a_restart_and_still_run_out_of_time(till: Till, tmp_path: Path) -> None:
    store = Store(tmp_path / "world.db")
    first = await serve(HeleketEmulator(store, merchant=MERCHANT, payment_key=KEY).app)
    till.url = first.url
    made = await till.create(url_callback=None)
    await first.stop()
    second = await serve(HeleketEmulator(store, merchant=MERCHANT, payment_key=KEY).app)
    till.url = second.url
    await till.advance(3601)
    assert (await till.info(made["uuid"]))["payment_status"] == "cancel"
    await till.emu("reset")
    assert await till.seen("payments") == []
    await second.stop()
    store.close()


async def _tried(till: Till, count: int) -> bool:
    return len(await till.seen("deliveries")) >= count

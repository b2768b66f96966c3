"""The emulated Freekassa: links, notifications until YES is heard, questions with growing numbers."""

import hashlib
import hmac
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlencode

import pytest

from ferryman_sandbox.freekassa import FreekassaEmulator
from ferryman_sandbox.store import Store
from tests.sandbox.linked import Street, street


def md5(*parts: str) -> str:
    return hashlib.md5(":".join(parts).encode(), usedforsecurity=False).hexdigest()


def link(place: Street, total: str = "199.00", ref: str = "R", **changes: str) -> str:
    fields = {"m": "777", "oa": total, "currency": "RUB", "o": ref, "s": md5("777", total, "secret1", "RUB", ref)}
    return f"{place.url}/?{urlencode(fields | changes)}"


async def ask(place: Street, nonce: int, key: str = "key", **asked: Any) -> tuple[int, Any]:
    body = {"shopId": 777, "nonce": nonce, **asked}
    text = "|".join(str(body[name]) for name in sorted(body))
    body["signature"] = hmac.new(key.encode(), text.encode(), hashlib.sha256).hexdigest()
    async with place.http.post(f"{place.url}/v1/orders", json=body) as response:
        return response.status, await response.json()


@pytest.fixture
async def place() -> AsyncIterator[Street]:
    async with street(FreekassaEmulator(Store(":memory:")), lambda _: (200, "YES")) as place:
        yield place


async def test_a_visit_makes_an_order_and_the_next_one_finds_it_while_it_waits(place: Street) -> None:
    for _ in range(2):
        assert (await place.look(link(place)))[0] == 200
    (bill,) = await place.bills()
    await place.emu(f"payments/{bill['id']}/decline")
    await place.look(link(place))
    assert [one["status"] for one in await place.bills()] == ["waiting", "declined"]


@pytest.mark.parametrize("changes", [{"oa": "1.00"}, {"o": "another"}, {"s": ""}, {"m": "778"}, {"currency": "USD"}])
async def test_a_link_that_was_changed_leads_nowhere(place: Street, changes: dict[str, str]) -> None:
    assert (await place.look(link(place, **changes)))[0] == 400
    assert await place.bills() == []


@pytest.mark.parametrize(("total", "told"), [("199.00", "199"), ("99.50", "99.5"), ("100", "100")])
async def test_paying_is_told_in_a_signed_form_without_needless_zeros(place: Street, total: str, told: str) -> None:
    await place.look(link(place, total))
    (bill,) = await place.bills()
    await place.answer(bill["id"], "pay")
    fields = (await place.told(1))[0]
    assert (fields["AMOUNT"], fields["MERCHANT_ORDER_ID"], fields["intid"]) == (told, "R", bill["id"])
    assert fields["SIGN"] == md5("777", told, "secret2", "R")
    assert "status" not in {name.lower() for name in fields}


async def test_what_is_not_answered_by_yes_is_told_again(place: Street) -> None:
    answers = iter([(200, "OK"), (500, "YES"), (200, "YES")])
    place.say = lambda _: next(answers)
    await place.look(link(place))
    await place.emu(f"payments/{(await place.bills())[0]['id']}/pay")
    for count in (1, 2, 3):
        await place.told(count)
        await place.emu("clock", {"advance": 3700})
    await place.emu("clock", {"advance": 7 * 86400})
    assert len(place.heard) == 3


async def test_orders_are_listed_by_our_ref_by_their_number_and_by_time(place: Street) -> None:
    for ref in ("one", "two"):
        await place.look(link(place, ref=ref))
    two, one = await place.bills()
    assert (await ask(place, 1, paymentId="one"))[1]["orders"][0]["fk_order_id"] == int(one["id"])
    assert (await ask(place, 2, orderId=int(two["id"])))[1]["orders"][0]["merchant_order_id"] == "two"
    assert len((await ask(place, 3, dateFrom="2020-01-01 00:00:00"))[1]["orders"]) == 2
    assert (await ask(place, 4, dateTo="2020-01-01 00:00:00"))[1]["orders"] == []


async def test_a_long_list_has_pages(place: Street) -> None:
    for number in range(11):
        await place.look(link(place, ref=f"R{number}"))
    first, second = (await ask(place, 1, page=1))[1], (await ask(place, 2, page=2))[1]
    assert (first["pages"], len(first["orders"]), len(second["orders"])) == (2, 10, 1)


async def test_a_number_that_does_not_grow_or_a_wrong_signature_is_refused(place: Street) -> None:
    assert (await ask(place, 7))[0] == 200
    for nonce, key, word in ((7, "key", "Nonce"), (6, "key", "Nonce"), (8, "wrong", "signature")):
        status, said = await ask(place, nonce, key)
        assert (status, said["type"]) == (400, "error")
        assert word in said["message"]
    assert (await ask(place, 8))[0] == 200


async def test_a_forgery_is_sent_as_given(place: Street) -> None:
    status, delivery = await place.emu("forge", {"body": "MERCHANT_ID=777&AMOUNT=1"})
    assert (status, delivery["answer"]) == (200, "YES")
    assert place.heard == [{"MERCHANT_ID": "777", "AMOUNT": "1"}]

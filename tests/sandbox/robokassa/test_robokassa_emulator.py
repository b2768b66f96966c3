"""The emulated Robokassa: links, bills, notifications until OK and the number is heard, states."""

import hashlib
import re
from collections.abc import AsyncIterator
from urllib.parse import urlencode

import pytest

from ferryman_sandbox.robokassa import RobokassaEmulator
from ferryman_sandbox.store import Store
from tests.sandbox.linked import Street, street


def sign(*parts: str) -> str:
    return hashlib.sha256(":".join(parts).encode()).hexdigest()


def link(place: Street, number: str = "5", total: str = "199.00", ref: str = "R", **changes: str) -> str:
    proof = sign("demo", total, number, "pass1", f"Shp_ref={ref}")
    fields = {"MerchantLogin": "demo", "OutSum": total, "InvId": number, "SignatureValue": proof, "Shp_ref": ref}
    more = {"Description": "30 days <b>for</b> you", "Culture": "en"}
    return f"{place.url}/Merchant/Index.aspx?{urlencode(fields | more | changes)}"


async def code(place: Street, number: str, proof: str = "") -> list[str]:
    """Result and state of one payment."""
    signature = proof or sign("demo", number, "pass2")
    path = "/Merchant/WebService/Service.asmx/OpStateExt"
    text = await place.ask(path, MerchantLogin="demo", InvoiceID=number, Signature=signature)
    return re.findall(r"<Code>(\d+)</Code>", text)


@pytest.fixture
async def place() -> AsyncIterator[Street]:
    emulator = RobokassaEmulator(Store(":memory:"))
    async with street(emulator, lambda fields: (200, f"OK{fields['InvId']}")) as place:
        yield place


async def test_the_first_visit_makes_the_bill_and_the_next_one_finds_it(place: Street) -> None:
    assert await code(place, "5") == ["3"]
    for _ in range(2):
        status, page = await place.look(link(place))
        assert status == 200
        assert "199.00 ₽" in page
        assert "30 days &lt;b&gt;for&lt;/b&gt; you" in page
        assert "<script" not in page
    assert [(bill["id"], bill["status"]) for bill in await place.bills()] == [("5", "waiting")]
    assert await code(place, "5") == ["0", "5"]


@pytest.mark.parametrize(
    "changes", [{"OutSum": "1.00"}, {"Shp_ref": "another"}, {"SignatureValue": ""}, {"Shp_a": "b"}]
)
async def test_a_link_that_was_changed_leads_nowhere(place: Street, changes: dict[str, str]) -> None:
    status, page = await place.look(link(place, **changes))
    assert status == 400
    assert "29" in page
    assert await place.bills() == []


async def test_a_number_is_good_for_one_bill(place: Street) -> None:
    await place.look(link(place))
    assert (await place.look(link(place, ref="another")))[0] == 400
    assert (await place.look(link(place, number="0")))[0] == 400
    assert (await place.look(link(place, MerchantLogin="nobody")))[0] == 400


async def test_paying_is_told_in_a_signed_form_with_six_digits(place: Street) -> None:
    await place.look(link(place))
    assert "Paid" in await place.answer("5", "pay")
    fields = (await place.told(1))[0]
    assert (fields["OutSum"], fields["InvId"], fields["Shp_ref"]) == ("199.000000", "5", "R")
    assert fields["SignatureValue"] == sign("199.000000", "5", "pass2", "Shp_ref=R").upper()
    assert await code(place, "5") == ["0", "100"]


async def test_paying_or_refusing_again_changes_nothing(place: Street) -> None:
    await place.look(link(place))
    await place.answer("5", "pay")
    assert "Оплачено" in await place.answer("5", "decline", "ru")
    assert (await place.emu("payments/5/pay"))[0] == 400
    assert len(await place.told(1)) == 1


@pytest.mark.parametrize(("move", "before", "state"), [("decline", "", "10"), ("refund", "pay", "60")])
async def test_other_ends_have_states_of_their_own(place: Street, move: str, before: str, state: str) -> None:
    await place.look(link(place))
    for one in filter(None, (before, move)):
        assert (await place.emu(f"payments/5/{one}"))[0] == 200
    assert await code(place, "5") == ["0", state]


async def test_what_is_not_answered_by_ok_and_the_number_is_told_again(place: Street) -> None:
    answers = iter(["OK", "OK50", "ok5", "OK5"])
    place.say = lambda _: (200, next(answers))
    await place.look(link(place))
    await place.emu("payments/5/pay")
    for count in (1, 2, 3, 4):
        await place.told(count)
        await place.emu("clock", {"advance": 3700})
    await place.emu("clock", {"advance": 7 * 86400})
    assert len(place.heard) == 4


async def test_a_question_with_a_wrong_signature_is_told_so(place: Street) -> None:
    await place.look(link(place))
    assert await code(place, "5", "0" * 64) == ["1"]


async def test_an_unknown_bill_and_move_are_refused(place: Street) -> None:
    assert (await place.look(f"{place.url}/bill/5"))[0] == 404
    assert (await place.emu("payments/5/pay"))[0] == 400
    assert (await place.emu("payments/5/dance"))[0] == 400

"""The checkout page as a browser without JavaScript sees it."""

from typing import Any

import pytest

from tests.sandbox.outside import shows
from tests.sandbox.stripe.merchant import Merchant


@pytest.fixture
async def session(merchant: Merchant) -> dict[str, Any]:
    return await merchant.session(cancel_url="http://127.0.0.1/away")


async def test_the_page_shows_amount_product_and_three_ways_out(merchant: Merchant, session: dict[str, Any]) -> None:
    status, page = await merchant.look(session["url"])
    assert status == 200
    assert {"amount", "description", "pay", "decline", "reason", "leave", "emulator-mark"} <= shows(page)
    assert "199.00 €" in page
    assert "30 days &lt;b&gt;for&lt;/b&gt; you" in page
    assert "<script" not in page


async def test_the_page_speaks_russian_or_english(merchant: Merchant, session: dict[str, Any]) -> None:
    assert "Заплатить" in (await merchant.look(session["url"], **{"Accept-Language": "ru-RU"}))[1]
    assert "Leave without paying" in (await merchant.look(session["url"], **{"Accept-Language": "de"}))[1]
    assert "Заплатить" in (await merchant.look(f"{session['url']}?lang=ru"))[1]


async def test_paying_pays_once_and_leads_back_to_the_shop(merchant: Merchant, session: dict[str, Any]) -> None:
    page = await merchant.press(session["url"], action="pay")
    assert {"verdict-paid", "back"} <= shows(page)
    assert 'href="http://127.0.0.1/back"' in page
    assert "paid before" in await merchant.press(session["url"], action="pay")
    assert len((await merchant.get("/payment_intents"))[1]["data"]) == 1


async def test_a_declined_card_says_why_and_another_may_be_tried(merchant: Merchant, session: dict[str, Any]) -> None:
    page = await merchant.press(session["url"], action="decline", reason="expired_card")
    assert {"declined", "pay"} <= shows(page)
    assert "The card has expired" in page
    assert "verdict-paid" in shows(await merchant.press(session["url"], action="pay"))


async def test_an_invented_reason_becomes_a_decline_without_one(merchant: Merchant, session: dict[str, Any]) -> None:
    assert "without a reason" in await merchant.press(session["url"], action="decline", reason="<script>")


async def test_leaving_keeps_the_session_open(merchant: Merchant, session: dict[str, Any]) -> None:
    page = await merchant.press(session["url"], action="leave")
    assert {"verdict-left", "continue", "back"} <= shows(page)
    assert 'href="http://127.0.0.1/away"' in page
    assert (await merchant.get(f"/checkout/sessions/{session['id']}"))[1]["status"] == "open"


async def test_a_session_that_waits_or_is_over_says_so(merchant: Merchant, session: dict[str, Any]) -> None:
    await merchant.emu(f"payments/{session['id']}/wait")
    assert "verdict-waits" in shows((await merchant.look(session["url"]))[1])
    late = await merchant.session()
    await merchant.emu("clock", {"advance": 24 * 3600 + 1})
    assert "verdict-expired" in shows(await merchant.press(late["url"], action="pay"))


async def test_yen_have_no_cents(merchant: Merchant) -> None:
    item = "line_items[0][price_data]"
    session = await merchant.session(**{f"{item}[currency]": "jpy", f"{item}[unit_amount]": "500"})
    assert "500 JPY" in (await merchant.look(session["url"]))[1]


async def test_an_unknown_session_has_a_page_of_its_own(merchant: Merchant) -> None:
    for name in ("nobody", "%3Cscript%3E"):
        status, page = await merchant.look(f"{merchant.url}/pay/{name}")
        assert (status, "verdict-missing" in shows(page)) == (404, True)
    async with merchant.http.post(f"{merchant.url}/pay/nobody", data={"action": "pay"}) as answer:
        assert answer.status == 404


async def test_the_style_is_served_beside_the_page(merchant: Merchant) -> None:
    async with merchant.http.get(f"{merchant.url}/checkout.css") as answer:
        assert (answer.status, answer.content_type) == (200, "text/css")
        assert answer.headers["X-Emulator"] == "1"

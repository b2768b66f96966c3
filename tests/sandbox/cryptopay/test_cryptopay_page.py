"""The invoice page as a browser without JavaScript sees it."""

import re

import pytest

from tests.sandbox.cryptopay.app import App
from tests.sandbox.outside import shows


@pytest.fixture
async def url(app: App) -> str:
    button = {"paid_btn_name": "callback", "paid_btn_url": "http://127.0.0.1/back?a=1&b=2"}
    invoice = await app.create(description="30 days <b>for</b> you", expires_in=600, **button)
    return str(invoice["bot_invoice_url"])


async def test_the_page_shows_amount_coins_and_two_ways_out(app: App, url: str) -> None:
    status, page = await app.look(url)
    assert status == 200
    assert {"amount", "description", "until", "coin-USDT", "coin-TON", "pay", "leave", "emulator-mark"} <= shows(page)
    assert "199 ₽" in page
    assert "30 days &lt;b&gt;for&lt;/b&gt; you" in page
    assert "<script" not in page


async def test_the_page_speaks_russian_or_english(app: App, url: str) -> None:
    assert "Заплатить" in (await app.look(url, **{"Accept-Language": "ru-RU,ru;q=0.9"}))[1]
    assert "Leave without paying" in (await app.look(url, **{"Accept-Language": "de"}))[1]
    assert "Заплатить" in (await app.look(f"{url}?lang=ru"))[1]


async def test_the_chosen_coin_pays_and_the_page_leads_back(app: App, url: str) -> None:
    page = await app.press(url, action="pay", asset="TON")
    assert {"verdict-paid", "back"} <= shows(page)
    assert 'href="http://127.0.0.1/back?a=1&amp;b=2"' in page
    assert (await app.listed(status="paid"))[0]["paid_asset"] == "TON"


async def test_a_coin_that_is_not_accepted_becomes_the_first_that_is(app: App) -> None:
    invoice = await app.create(accepted_assets="TON,BTC")
    page = (await app.look(invoice["bot_invoice_url"]))[1]
    assert re.findall(r'name="asset" value="(\w+)"', page) == ["TON", "BTC"]
    await app.press(invoice["bot_invoice_url"], action="pay", asset="<script>")
    assert (await app.listed(status="paid"))[0]["paid_asset"] == "TON"


async def test_paying_twice_is_answered_calmly_and_paid_once(app: App, url: str) -> None:
    await app.press(url, action="pay")
    assert "paid before" in await app.press(url, action="pay")
    assert "verdict-paid" in shows((await app.look(url))[1])


async def test_leaving_keeps_the_invoice_open(app: App, url: str) -> None:
    assert {"verdict-left", "continue"} <= shows(await app.press(url, action="leave"))
    assert "verdict-paid" in shows(await app.press(url, action="pay"))


async def test_paying_an_expired_invoice_takes_nothing(app: App, url: str) -> None:
    await app.emu("clock", {"advance": 601})
    page = await app.press(url, action="pay")
    assert "verdict-expired" in shows(page)
    assert await app.listed(status="paid") == []


async def test_an_unknown_invoice_has_a_page_of_its_own(app: App) -> None:
    for name in ("nobody", "%3Cscript%3E"):
        status, page = await app.look(f"{app.url}/pay/{name}")
        assert (status, "verdict-missing" in shows(page)) == (404, True)
    async with app.http.post(f"{app.url}/pay/nobody", data={"action": "pay"}) as answer:
        assert answer.status == 404


async def test_the_style_is_served_beside_the_page(app: App) -> None:
    async with app.http.get(f"{app.url}/invoice.css") as answer:
        assert (answer.status, answer.content_type) == (200, "text/css")
        assert answer.headers["X-Emulator"] == "1"

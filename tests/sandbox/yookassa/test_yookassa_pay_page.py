"""The pay page as a browser without JavaScript sees it."""

import re

import pytest

from tests.sandbox.outside import Ear, shows, until
from tests.sandbox.yookassa.till import Till, events


@pytest.fixture
async def url(till: Till) -> str:
    payment = await till.create(description="30 days <b>for</b> you")
    return str(payment["confirmation"]["confirmation_url"])


async def test_the_page_shows_amount_description_and_three_ways_out(till: Till, url: str) -> None:
    status, page = await till.look(url)
    assert status == 200
    assert {"amount", "description", "pay", "decline", "reason", "leave", "emulator-mark"} <= shows(page)
    assert "199.00 ₽" in page
    assert "30 days &lt;b&gt;for&lt;/b&gt; you" in page
    assert "<script" not in page


async def test_the_page_speaks_russian_or_english(till: Till, url: str) -> None:
    assert "Заплатить" in (await till.look(url, **{"Accept-Language": "ru-RU,ru;q=0.9,en;q=0.8"}))[1]
    assert "Leave without paying" in (await till.look(url, **{"Accept-Language": "de, en;q=0.5"}))[1]
    assert "Заплатить" in (await till.look(f"{url}?lang=ru", **{"Accept-Language": "en"}))[1]
    assert "Leave without paying" in (await till.look(f"{url}?lang=fr"))[1]


async def test_paying_pays_and_leads_back_to_the_shop(till: Till, url: str, ear: Ear) -> None:
    page = await till.press(url, action="pay")
    assert {"verdict-paid", "back"} <= shows(page)
    assert 'href="http://127.0.0.1/back"' in page
    await until(lambda: events(ear) == ["payment.succeeded"])


async def test_the_chosen_method_pays(till: Till, url: str) -> None:
    await till.press(url, action="pay", method="sbp")
    assert (await till.read(url.rsplit("/", 1)[1]))["payment_method"]["type"] == "sbp"


async def test_every_way_to_pay_is_offered_unless_it_is_a_test_shop(till: Till, url: str) -> None:
    offered = r'name="method" value="(\w+)"'
    page = (await till.look(url))[1]
    assert re.findall(offered, page) == ["bank_card", "sbp", "sberbank", "tinkoff_bank", "yoo_money"]
    await till.emu("settings", {"test": True})
    assert re.findall(offered, (await till.look(url))[1]) == ["bank_card", "yoo_money"]


async def test_a_method_that_was_not_offered_becomes_the_card(till: Till, url: str) -> None:
    await till.press(url, action="pay", method="barter")
    assert (await till.read(url.rsplit("/", 1)[1]))["payment_method"]["type"] == "bank_card"


async def test_a_method_chosen_by_the_shop_is_the_only_one_offered(till: Till) -> None:
    payment = await till.create(payment_method_data={"type": "sbp"})
    page = (await till.look(payment["confirmation"]["confirmation_url"]))[1]
    assert re.findall(r'name="method" value="(\w+)"', page) == ["sbp"]


async def test_paying_twice_is_answered_calmly_and_paid_once(till: Till, url: str, ear: Ear) -> None:
    await till.press(url, action="pay")
    page = await till.press(url, action="pay")
    assert "paid before" in page
    assert "verdict-paid" in shows((await till.look(url))[1])
    await until(lambda: len(ear.heard) == 1)
    assert len(await till.seen("deliveries")) == 1


async def test_declining_names_the_reason(till: Till, url: str) -> None:
    page = await till.press(url, action="decline", reason="card_expired")
    assert "verdict-canceled" in shows(page)
    assert "The card has expired" in page
    payment = await till.read(url.rsplit("/", 1)[1])
    assert payment["cancellation_details"] == {"party": "payment_network", "reason": "card_expired"}


async def test_an_invented_reason_becomes_a_general_decline(till: Till, url: str) -> None:
    await till.press(url, action="decline", reason="<script>")
    payment = await till.read(url.rsplit("/", 1)[1])
    assert payment["cancellation_details"]["reason"] == "general_decline"


async def test_leaving_keeps_the_payment_open(till: Till, url: str) -> None:
    assert {"verdict-left", "continue", "back"} <= shows(await till.press(url, action="leave"))
    assert (await till.read(url.rsplit("/", 1)[1]))["status"] == "pending"
    assert "verdict-paid" in shows(await till.press(url, action="pay"))


async def test_paying_an_expired_payment_takes_no_money(till: Till, url: str) -> None:
    await till.emu("clock", {"advance": 3601})
    page = await till.press(url, action="pay")
    assert "verdict-canceled" in shows(page)
    assert "no money was taken" in page


async def test_a_held_payment_says_so(till: Till) -> None:
    payment = await till.create(capture=False)
    page = await till.press(payment["confirmation"]["confirmation_url"], action="pay")
    assert "verdict-held" in shows(page)


async def test_an_unknown_payment_has_a_page_of_its_own(till: Till) -> None:
    for status, page in (await till.look(f"{till.url}/pay/nobody"), await till.look(f"{till.url}/pay/%3Cscript%3E")):
        assert status == 404
        assert "verdict-missing" in shows(page)
    async with till.http.post(f"{till.url}/pay/nobody", data={"action": "pay"}) as response:
        assert response.status == 404


async def test_a_return_address_that_is_no_web_address_is_not_linked(till: Till) -> None:
    payment = await till.create(confirmation={"type": "redirect", "return_url": "javascript:alert(1)"})
    page = await till.press(payment["confirmation"]["confirmation_url"], action="pay")
    assert "back" not in shows(page)


async def test_the_style_is_served_beside_the_page(till: Till) -> None:
    async with till.http.get(f"{till.url}/pay.css") as response:
        assert response.status == 200
        assert response.content_type == "text/css"

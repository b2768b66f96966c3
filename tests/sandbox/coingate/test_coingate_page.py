"""The invoice page as a browser without JavaScript sees it."""

import pytest

from tests.sandbox.coingate.conftest import Till
from tests.sandbox.outside import shows, state


@pytest.fixture
async def url(till: Till) -> str:
    order = await till.create(title="30 days <b>for</b> you")
    return str(order["payment_url"])


async def test_the_page_shows_the_price_and_the_coins(till: Till, url: str) -> None:
    status, page = await till.look(url)
    assert (status, state(page)) == (200, "new")
    assert {"amount", "description", "payment-id", "coin-BTC", "choose", "cancel", "emulator-mark"} <= shows(page)
    assert "10.00 EUR" in page
    assert "30 days &lt;b&gt;for&lt;/b&gt; you" in page
    assert "<script" not in page


async def test_the_page_speaks_russian_or_english(till: Till, url: str) -> None:
    assert "Какой монетой" in (await till.look(url, **{"Accept-Language": "ru-RU,ru;q=0.9,en;q=0.8"}))[1]
    assert "Which coin" in (await till.look(url, **{"Accept-Language": "de, en;q=0.5"}))[1]
    assert "Какой монетой" in (await till.look(f"{url}?lang=ru", **{"Accept-Language": "en"}))[1]
    assert "Which coin" in (await till.look(f"{url}?lang=fr"))[1]


async def test_a_coin_is_chosen_and_sent(till: Till, url: str) -> None:
    page = await till.press(url, action="choose", coin="LTC")
    assert state(page) == "waiting"
    assert {"to-send", "address", "exact", "less", "more", "cancel"} <= shows(page)
    assert "0.125 LTC" in page
    page = await till.press(url, action="exact")
    assert state(page) == "seen"
    assert 'http-equiv="refresh"' in page
    await till.advance(3)
    page = (await till.look(url))[1]
    assert {"verdict-paid", "back"} <= shows(page)


async def test_less_waits_for_the_rest_which_may_come(till: Till, url: str) -> None:
    await till.press(url, action="choose", coin="LTC")
    page = await till.press(url, action="less")
    assert state(page) == "waiting"
    assert {"missing", "rest"} <= shows(page)
    assert "0.0625 LTC" in page
    assert state(await till.press(url, action="rest")) == "seen"


async def test_less_and_no_more_ends_short(till: Till, url: str) -> None:
    await till.press(url, action="choose", coin="LTC")
    await till.press(url, action="less")
    await till.advance(1201)
    assert "verdict-short" in shows((await till.look(url))[1])


async def test_too_late_is_possible_after_the_end(till: Till, url: str) -> None:
    await till.advance(7201)
    page = (await till.look(url))[1]
    assert {"verdict-expired", "late"} <= shows(page)
    assert "verdict-paid" in shows(await till.press(url, action="late"))


async def test_giving_up_cancels(till: Till, url: str) -> None:
    assert "verdict-cancelled" in shows(await till.press(url, action="cancel"))


@pytest.mark.parametrize("form", [{"action": "late"}, {"action": "exact"}, {"action": "choose", "coin": "XYZ"}, {}])
async def test_what_the_page_does_not_offer_is_not_done(till: Till, url: str, form: dict[str, str]) -> None:
    assert state(await till.press(url, **form)) == "new"


async def test_an_unknown_invoice_is_said_to_be_unknown(till: Till) -> None:
    status, page = await till.look(f"{till.url}/pay/nothing")
    assert (status, shows(page) & {"verdict-missing"}) == (404, {"verdict-missing"})
    async with till.http.post(f"{till.url}/pay/nothing", data={"action": "exact"}) as answer:
        assert answer.status == 404


async def test_the_style_is_there_and_the_answers_are_marked(till: Till, url: str) -> None:
    async with till.http.get(f"{till.url}/pay.css") as answer:
        assert (answer.status, answer.content_type) == (200, "text/css")
        assert answer.headers["X-Emulator"] == "1"

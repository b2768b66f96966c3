"""The demo page in a real browser: the phone opens the bank, the bank leads back, the weather obeys."""

import json
import uuid
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from playwright.async_api import Browser, Page, expect

from ferryman_sandbox.world import World
from tests.support.browser import in_browser, strict_page

pytestmark = in_browser
WINDOW: dict[str, Any] = {"locale": "en-US", "viewport": {"width": 1500, "height": 1000}, "color_scheme": "light"}


@pytest.fixture
async def page(live: World, browser: Browser) -> AsyncIterator[Page]:
    """The demo page, already open; it reaches nothing but this machine."""
    async with strict_page(browser, "http://127.0.0.1:", **WINDOW) as page:
        await page.goto(live.addresses.page)
        await expect(page.get_by_test_id("panel-de-1")).to_be_visible()
        yield page


async def offer(live: World, http: aiohttp.ClientSession) -> dict[str, Any]:
    """What the shop's bot would do: a payment at the bank, and a button in the chat that leads to it."""
    [person] = await _json(http, f"{live.addresses.telegram}/__emu/users")
    await _json(http, f"{live.addresses.telegram}/__emu/users/{person['id']}/start", {})
    order = {
        "amount": {"value": "199.00", "currency": "RUB"},
        "capture": True,
        "confirmation": {"type": "redirect", "return_url": f"{live.addresses.page}/back"},
    }
    headers = {
        "Authorization": aiohttp.encode_basic_auth("100500", live.secrets.shop_key),
        "Idempotence-Key": str(uuid.uuid4()),
    }
    payment: dict[str, Any] = await _json(http, f"{live.addresses.yookassa}/v3/payments", order, headers)
    button = {"text": "Pay here", "url": payment["confirmation"]["confirmation_url"]}
    message = {
        "chat_id": person["id"],
        "text": "Your order",
        "reply_markup": json.dumps({"inline_keyboard": [[button]]}),
    }
    await _json(http, f"{live.addresses.telegram}/bot{live.secrets.bot_token}/sendMessage", message)
    return payment


async def _json(http: aiohttp.ClientSession, url: str, body: Any = None, headers: dict[str, str] | None = None) -> Any:
    async with http.request("GET" if body is None else "POST", url, json=body, headers=headers) as response:
        assert response.status == 200, await response.text()
        return await response.json()


async def test_the_bank_opens_by_itself_and_leads_back_to_the_phone(
    page: Page, live: World, http: aiohttp.ClientSession
) -> None:
    await page.frame_locator("#chat").get_by_test_id("start").wait_for()
    payment = await offer(live, http)
    await page.frame_locator("#chat").get_by_text("Pay here").click()
    bank = page.frame_locator("#bank-frame")
    await expect(bank.get_by_test_id("payment-id")).to_have_text(payment["id"])
    await bank.get_by_test_id("pay").click()
    await expect(bank.get_by_test_id("verdict-paid")).to_be_visible()
    await expect(page.get_by_test_id("bank-payments")).to_contain_text("succeeded")
    await expect(bank.get_by_test_id("verdict-paid")).to_be_visible()  # the frame survived the lists around it
    await bank.get_by_test_id("back").click()
    await expect(page.get_by_test_id("journey")).to_have_count(1)
    await expect(page.get_by_test_id("sheet-journeys")).to_be_visible()


async def test_a_panel_goes_down_and_up_by_the_same_button(page: Page) -> None:
    await page.get_by_test_id("weather-down").click()
    await expect(page.get_by_test_id("panel-de-1")).to_contain_text("down")
    await expect(page.get_by_test_id("panel-nl-1")).to_contain_text("up")
    await page.get_by_test_id("weather-back").click()
    await expect(page.get_by_test_id("panel-de-1")).to_contain_text("up")


async def test_ordered_weather_shows_on_its_button_until_called_off(page: Page) -> None:
    await page.get_by_test_id("weather-lose").click()
    await expect(page.get_by_test_id("weather-lose")).to_have_attribute("title", "ordered")
    await page.get_by_test_id("weather-clear").click()
    await expect(page.get_by_test_id("weather-lose")).not_to_have_attribute("title", "ordered")


async def test_the_page_says_when_the_product_is_gone_and_when_it_is_back(page: Page) -> None:
    state = page.get_by_test_id("product-state")
    await expect(state).to_contain_text("serving")
    await page.get_by_test_id("weather-kill").click()
    await expect(page.get_by_test_id("toast")).to_contain_text("is killed")
    await expect(state).to_contain_text("restarts: 1")
    await expect(state).to_contain_text("serving")
    await expect(page.get_by_test_id("stale")).to_be_hidden()


async def test_language_and_light_change_and_are_remembered(page: Page) -> None:
    await page.get_by_test_id("language").click()
    await page.get_by_test_id("theme").click()
    for _ in range(2):
        await expect(page.get_by_test_id("weather-lose")).to_contain_text("Потерять вебхук")
        await expect(page.locator("html")).to_have_attribute("data-theme", "dark")
        await page.reload()


async def test_each_sheet_opens(page: Page) -> None:
    for name in ("bank", "orders", "payments", "inbox", "ledger", "keys", "notices", "journeys"):
        await page.get_by_test_id(f"tab-{name}").click()
        await expect(page.get_by_test_id(f"sheet-{name}")).to_be_visible()


async def test_on_a_small_screen_phone_and_world_take_turns(page: Page) -> None:
    await page.set_viewport_size({"width": 390, "height": 844})
    await expect(page.get_by_test_id("phone")).to_be_visible()
    await expect(page.get_by_test_id("numbers")).to_be_hidden()
    await page.get_by_test_id("side-world").click()
    await expect(page.get_by_test_id("numbers")).to_be_visible()
    assert await page.evaluate("document.documentElement.scrollWidth") <= 390

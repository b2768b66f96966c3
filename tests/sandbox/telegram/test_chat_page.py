"""The chat page in a real browser: a person reads, presses, writes, blocks, and changes phones."""

from typing import Any

import aiohttp
from playwright.async_api import Browser, Page, expect

from tests.sandbox.telegram.phone import TOKEN, Phone
from tests.sandbox.telegram.pictures import png
from tests.support.browser import in_browser

KEYBOARD = {
    "inline_keyboard": [
        [{"text": "Buy", "callback_data": "v1:buy", "style": "primary"}],
        [
            {"text": "Pay", "url": "http://127.0.0.1:9/pay?id=1"},
            {"text": "Copy", "copy_text": {"text": "https://shop.example/s/abc"}},
            {"text": "Gift", "url": "https://t.me/test_shop_123456_bot?start=gift"},
        ],
    ]
}

pytestmark = in_browser


async def open_chat(page: Page, phone: Phone, **query: str) -> None:
    await page.goto(f"{phone.server.url}/chat?" + "&".join(f"{name}={value}" for name, value in query.items()))


async def next_press(phone: Phone) -> dict[str, Any]:
    updates = await phone.updates(timeout=10)
    query: dict[str, Any] = updates[0]["callback_query"]
    return query


async def test_a_newcomer_starts_reads_presses_and_is_answered(page: Page, phone: Phone) -> None:
    await phone.ok("setMyDescription", description="Fast and honest")
    await open_chat(page, phone, lang="en")
    await expect(page.get_by_test_id("bot-description")).to_have_text("Fast and honest")
    await expect(page.get_by_test_id("input")).to_be_hidden()
    await page.get_by_test_id("start").click()
    await expect(page.get_by_test_id("message-1")).to_contain_text("/start")
    user = (await phone.updates(timeout=10))[0]["message"]["from"]["id"]

    text = "<b>Welcome</b>, <i>Anna</i>! <code>vless://key</code> <a href='https://shop.example/'>site</a> <img src=x>"
    refused = await phone.api("sendMessage", chat_id=user, text=text, parse_mode="HTML")
    assert "Unsupported start tag" in refused["description"]
    text = text.replace("<img src=x>", "&lt;img src=x&gt;")
    await phone.ok("sendMessage", chat_id=user, text=text, parse_mode="HTML", reply_markup=KEYBOARD)
    message = page.get_by_test_id("message-2")
    await expect(message.locator("b")).to_have_text("Welcome")
    await expect(message.locator("a", has_text="site")).to_have_attribute("href", "https://shop.example/")
    await expect(message.locator("img")).to_have_count(0)

    button = page.get_by_test_id("button-2-0-0")
    await button.click()
    await expect(button).to_have_attribute("aria-busy", "true")
    query = await next_press(phone)
    assert query["data"] == "v1:buy"
    await phone.ok("answerCallbackQuery", callback_query_id=query["id"], text="One moment")
    await expect(page.get_by_test_id("toast")).to_have_text("One moment")
    await expect(button).to_have_attribute("aria-busy", "false")

    await button.click()
    query = await next_press(phone)
    await phone.ok("answerCallbackQuery", callback_query_id=query["id"], text="No money", show_alert=True)
    await expect(page.get_by_test_id("alert")).to_contain_text("No money")
    await page.get_by_test_id("alert-ok").click()
    await phone.ok("editMessageText", chat_id=user, message_id=2, text="Choose a term")
    await expect(message).to_contain_text("edited")
    await expect(page.get_by_test_id("button-2-0-0")).to_have_count(0)
    await phone.ok("deleteMessage", chat_id=user, message_id=2)
    await expect(message).to_have_count(0)


async def test_links_open_copies_are_copied_and_own_links_stay_in_the_chat(page: Page, phone: Phone) -> None:
    user = await phone.started(language_code="en")
    await phone.ok("sendMessage", chat_id=user, text="Pay", reply_markup=KEYBOARD)
    await open_chat(page, phone, user=str(user))
    pay = page.get_by_test_id("button-2-1-0")
    await expect(pay).to_have_attribute("target", "_blank")
    async with page.expect_popup() as popup:
        await pay.click()
    assert (await popup.value).url.startswith(("http://127.0.0.1:9/pay", "chrome-error:", "about:blank", ":"))
    await page.get_by_test_id("button-2-1-1").click()
    await expect(page.get_by_test_id("copied")).to_be_visible()
    assert await page.evaluate("navigator.clipboard.readText()") == "https://shop.example/s/abc"
    await page.get_by_test_id("button-2-1-2").click()
    await expect(page.get_by_test_id("message-3")).to_contain_text("/start gift")


async def test_inside_another_page_a_link_is_handed_to_the_parent(page: Page, phone: Phone) -> None:
    user = await phone.started(language_code="en")
    await phone.ok("sendMessage", chat_id=user, text="Pay", reply_markup=KEYBOARD)
    await page.goto(f"{phone.server.url}/chat/words.js")
    await page.set_content(f"<iframe src='{phone.server.url}/chat?embed=1&user={user}' width=420 height=800></iframe>")
    await page.evaluate("void (window.heard = new Promise(tell => onmessage = event => tell(event.data)))")
    await page.frame_locator("iframe").get_by_test_id("button-2-1-0").click()
    assert await page.evaluate("window.heard") == {"type": "open", "url": "http://127.0.0.1:9/pay?id=1"}
    assert len(page.context.pages) == 1


async def test_a_photo_is_shown_and_opens_large(page: Page, phone: Phone) -> None:
    user = await phone.started(language_code="en")
    form = aiohttp.FormData({"chat_id": str(user), "caption": "Your key"})
    form.add_field("photo", png(200, 200), filename="qr.png")
    async with phone.http.post(f"{phone.server.url}/bot{TOKEN}/sendPhoto", data=form) as answer:
        assert answer.status == 200
    await open_chat(page, phone, user=str(user))
    image = page.get_by_test_id("photo-2").locator("img")
    await expect(image).to_have_js_property("naturalWidth", 200)
    await page.get_by_test_id("photo-2").click()
    await expect(page.get_by_test_id("lightbox")).to_be_visible()
    await page.get_by_test_id("lightbox-close").click()
    await expect(page.get_by_test_id("lightbox")).to_be_hidden()


async def test_commands_text_typing_and_reply_keyboard(page: Page, phone: Phone) -> None:
    commands = [{"command": "start", "description": "Menu"}, {"command": "help", "description": "Get help"}]
    await phone.ok("setMyCommands", commands=commands)
    user = await phone.started(language_code="en")
    await open_chat(page, phone, user=str(user))
    await page.get_by_test_id("menu").click()
    await expect(page.get_by_test_id("command-start")).to_be_visible()
    await page.get_by_test_id("input").fill("/he")
    await expect(page.get_by_test_id("command-start")).to_have_count(0)
    await page.get_by_test_id("command-help").click()
    assert (await phone.updates(timeout=10))[0]["message"]["text"] == "/help"
    await phone.ok("sendChatAction", chat_id=user, action="typing")
    await expect(page.get_by_test_id("typing")).to_be_visible()
    await expect(page.get_by_test_id("doing")).to_have_text("typing…")
    await phone.ok("sendMessage", chat_id=user, text="Sure?", reply_markup={"keyboard": [["Yes", "No"]]})
    await expect(page.get_by_test_id("typing")).to_be_hidden()
    await page.get_by_test_id("reply-keyboard").get_by_text("Yes").click()
    await page.get_by_test_id("input").fill("and a word")
    await page.get_by_test_id("input").press("Enter")
    await expect(page.get_by_test_id("message-5")).to_contain_text("and a word")
    assert [update["message"]["text"] for update in await phone.updates()] == ["Yes", "and a word"]


async def test_people_change_languages_change_and_bots_are_blocked(page: Page, phone: Phone) -> None:
    await open_chat(page, phone)
    await expect(page.get_by_test_id("person-1001")).to_contain_text("Анна")
    await expect(page.get_by_test_id("emulator-mark")).to_contain_text("эмулятор")
    await page.get_by_test_id("language-en").click()
    await expect(page.get_by_test_id("person-1001")).to_contain_text("Anna")
    await expect(page.get_by_test_id("emulator-mark")).to_contain_text("emulator · test money")
    await page.get_by_test_id("start").click()
    await page.get_by_test_id("new-person").click()
    await expect(page.get_by_test_id("person-1002")).to_have_attribute("aria-selected", "true")
    await expect(page.get_by_test_id("start")).to_be_visible()
    await page.get_by_test_id("person-1001").click()
    await expect(page.get_by_test_id("message-1")).to_be_visible()
    await page.get_by_test_id("more").click()
    await page.get_by_test_id("block").click()
    await expect(page.get_by_test_id("input")).to_be_hidden()
    assert (await phone.api("sendMessage", chat_id=1001, text="?"))["error_code"] == 403
    await page.get_by_test_id("unblock-wide").click()
    await expect(page.get_by_test_id("input")).to_be_visible()
    await page.reload()
    await expect(page.get_by_test_id("message-1")).to_be_visible()


async def test_the_page_takes_its_theme_from_the_system_and_from_its_button(browser: Browser, phone: Phone) -> None:
    page = await browser.new_page(color_scheme="dark")
    await open_chat(page, phone)
    await expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    await page.get_by_test_id("theme").click()
    await expect(page.locator("html")).to_have_attribute("data-theme", "light")


async def test_a_reset_world_gives_the_open_page_a_new_person(page: Page, phone: Phone) -> None:
    user = await phone.started(language_code="en", id=5005)
    await phone.ok("sendMessage", chat_id=user, text="Before")
    await open_chat(page, phone, user=str(user))
    await expect(page.get_by_test_id("message-2")).to_be_visible()
    await phone.emu("reset", {})
    await expect(page.get_by_test_id("person-1001")).to_be_visible()
    await expect(page.get_by_test_id("start")).to_be_visible()


async def test_an_unknown_part_of_the_page_is_not_found(phone: Phone) -> None:
    for name in ("..%2Fpage.py", "none.js"):
        async with phone.http.get(f"{phone.server.url}/chat/{name}") as answer:
            assert answer.status == 404

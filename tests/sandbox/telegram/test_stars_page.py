"""The chat page where Stars are spent: the sheet of an invoice, and the purse."""

from typing import Any

from playwright.async_api import Page, expect

from tests.sandbox.telegram.phone import Phone
from tests.sandbox.telegram.test_chat_page import open_chat
from tests.sandbox.telegram.test_star_subscriptions import MONTH, subscribed
from tests.sandbox.telegram.test_stars import INVOICE, link
from tests.support.browser import in_browser

pytestmark = in_browser


async def asked(phone: Phone, **answer: Any) -> None:
    """Wait for the question before a payment, and answer it."""
    (update,) = await phone.updates(timeout=10)
    query = update["pre_checkout_query"]["id"]
    await phone.ok("answerPreCheckoutQuery", pre_checkout_query_id=query, **answer)


async def test_a_button_with_an_invoices_link_opens_the_sheet_and_it_is_paid(page: Page, phone: Phone) -> None:
    user = await phone.started(language_code="en")
    keyboard = {"inline_keyboard": [[{"text": "Pay", "url": await link(phone)}]]}
    await phone.ok("sendMessage", chat_id=user, text="Your order", reply_markup=keyboard)
    await open_chat(page, phone, user=str(user))
    await page.get_by_test_id("button-2-0-0").click()
    await expect(page.get_by_test_id("invoice-title")).to_have_text("30 days")
    await expect(page.get_by_test_id("invoice-price")).to_have_text("⭐ 250")
    await expect(page.get_by_test_id("invoice-balance")).to_have_text("⭐ 10,000")
    await page.get_by_test_id("invoice-pay").click()
    await expect(page.get_by_test_id("invoice-state")).to_have_attribute("data-state", "waiting")
    await asked(phone, ok=True)
    await expect(page.get_by_test_id("invoice-state")).to_have_text("Paid ✅")
    await expect(page.get_by_test_id("invoice-balance")).to_have_text("⭐ 9,750")
    await page.get_by_test_id("invoice-close").click()
    await expect(page.get_by_test_id("message-3")).to_contain_text("You paid ⭐ 250")


async def test_an_invoice_in_the_chat_says_why_it_was_refused_and_who_pays_can_be_chosen(
    page: Page, phone: Phone
) -> None:
    user = await phone.started(language_code="en")
    bob = await phone.new_person(first_name="Bob", username="bob")
    await phone.ok("sendInvoice", chat_id=user, **INVOICE)
    await open_chat(page, phone, user=str(user))
    await expect(page.get_by_test_id("message-2")).to_contain_text("30 days of three locations")
    await page.get_by_test_id("button-2-0-0").click()
    await page.get_by_test_id(f"payer-{bob}").click()
    await page.get_by_test_id("invoice-pay").click()
    await asked(phone, ok=False, error_message="This is not yours")
    await expect(page.get_by_test_id("invoice-state")).to_have_text("This is not yours")
    await page.get_by_test_id(f"payer-{user}").click()
    await page.get_by_test_id("invoice-twice").click()
    for _ in range(2):
        await answer_next(phone)
    await expect(page.get_by_test_id("invoice-state")).to_have_text("Paid ✅ × 2")


async def answer_next(phone: Phone) -> None:
    """Say yes to one question, leaving the rest of the queue where it is."""
    while True:
        waiting = await phone.ok("getUpdates", timeout=10, limit=1)
        await phone.ok("getUpdates", offset=waiting[0]["update_id"] + 1, limit=1)
        if "pre_checkout_query" in waiting[0]:
            query = waiting[0]["pre_checkout_query"]["id"]
            await phone.ok("answerPreCheckoutQuery", pre_checkout_query_id=query, ok=True)
            return


async def test_a_bot_that_says_nothing_is_waited_for_ten_seconds(page: Page, phone: Phone) -> None:
    user = await phone.started(language_code="ru")
    await phone.ok("sendInvoice", chat_id=user, **INVOICE)
    await open_chat(page, phone, user=str(user))
    await page.get_by_test_id("button-2-0-0").click()
    await page.get_by_test_id("invoice-silent").check()
    await page.get_by_test_id("invoice-pay").click()
    await expect(page.get_by_test_id("invoice-state")).to_have_attribute("data-state", "waiting")
    await phone.push_clock(11)
    await expect(page.get_by_test_id("invoice-state")).to_contain_text("не ответил")


async def test_the_purse_shows_what_repeats_and_stops_it(page: Page, phone: Phone) -> None:
    user, first = await subscribed(phone)
    await phone.emu(f"users/{user}/language", {"language_code": "en"})
    await open_chat(page, phone, user=str(user))
    await page.get_by_test_id("more").click()
    await page.get_by_test_id("stars").click()
    await expect(page.get_by_test_id("purse-balance")).to_have_text("⭐ 9,750")
    row = page.get_by_test_id(f"repeating-{first['telegram_payment_charge_id']}")
    await expect(row).to_contain_text("⭐ 250 every 30 days · next on")
    await row.get_by_role("button").click()
    await expect(row.get_by_role("button")).to_have_text("Resume")
    assert (await phone.updates(timeout=10))[0]["subscription"]["state"] == "canceled"
    await page.get_by_test_id("purse-fill").click()
    await expect(page.get_by_test_id("purse-balance")).to_have_text("⭐ 10,750")
    await phone.push_clock(MONTH + 60)
    assert await phone.updates() == []

"""aiogram itself as the client: its models accept every answer, its errors come as its map says."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiogram import Bot, Dispatcher, F, exceptions
from aiogram.filters import CommandStart
from aiogram.types import (
    BotCommand,
    BufferedInputFile,
    CallbackQuery,
    CopyTextButton,
    InaccessibleMessage,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    InputMediaPhoto,
    LabeledPrice,
    LinkPreviewOptions,
    MenuButtonCommands,
    Message,
)

from tests.sandbox.telegram.phone import Phone
from tests.sandbox.telegram.pictures import png

KEYBOARD = InlineKeyboardMarkup(
    inline_keyboard=[
        [InlineKeyboardButton(text="Buy", callback_data="v1:buy", style="success")],
        [
            InlineKeyboardButton(text="Site", url="https://shop.example/"),
            InlineKeyboardButton(text="Copy", copy_text=CopyTextButton(text="vless://key")),
        ],
    ]
)
QR = BufferedInputFile(png(300, 300), "qr.png")


async def test_every_answer_fits_aiograms_models(bot: Bot, phone: Phone) -> None:
    user = await phone.started()
    assert (await bot.me()).username == "test_shop_123456_bot"
    message = await bot.send_message(user, "<b>Hi</b>", reply_markup=KEYBOARD)
    assert message.html_text == "<b>Hi</b>"
    assert message.reply_markup is not None
    assert message.reply_markup.model_dump() == KEYBOARD.model_dump()
    edited = await message.edit_text("Bye", link_preview_options=LinkPreviewOptions(is_disabled=True))
    assert isinstance(edited, Message)
    assert edited.edit_date is not None
    assert isinstance(await edited.edit_reply_markup(reply_markup=KEYBOARD), Message)
    photo = await bot.send_photo(user, QR, caption="<i>key</i>")
    assert photo.photo is not None
    assert isinstance(await photo.edit_caption(caption="new"), Message)
    assert isinstance(await photo.edit_media(InputMediaPhoto(media=photo.photo[-1].file_id, caption="again")), Message)
    assert isinstance(await edited.edit_media(InputMediaPhoto(media=QR)), Message)
    document = await bot.send_document(user, QR)
    assert document.document is not None
    assert (await bot.copy_message(user, user, photo.message_id)).message_id == document.message_id + 1
    assert await bot.send_chat_action(user, "typing")
    assert await document.delete()
    assert (await bot.get_chat(user)).first_name == "Ann"
    assert (await bot.get_chat_member(user, user)).status == "member"
    assert await bot.set_my_commands([BotCommand(command="start", description="Menu")])
    assert [command.command for command in await bot.get_my_commands()] == ["start"]
    assert await bot.set_my_name("Shop")
    assert (await bot.get_my_name()).name == "Shop"
    assert await bot.set_my_description("About")
    assert await bot.set_my_short_description("About")
    assert await bot.set_chat_menu_button(menu_button=MenuButtonCommands())
    assert await bot.set_webhook("https://shop.example/tg", secret_token="s")
    assert (await bot.get_webhook_info()).url == "https://shop.example/tg"
    assert await bot.delete_webhook()
    assert await phone.emu("unknown-methods") == []


async def test_a_file_comes_back_through_aiograms_download(bot: Bot, phone: Phone) -> None:
    user = await phone.started()
    photo = (await bot.send_photo(user, QR)).photo
    assert photo is not None
    downloaded = await bot.download(photo[-1])
    assert downloaded is not None
    assert downloaded.read() == png(300, 300)


@pytest.mark.parametrize("status", ["creator", "administrator", "member", "restricted", "left", "kicked"])
async def test_every_membership_fits_aiograms_models(bot: Bot, phone: Phone, status: str) -> None:
    user = await phone.new_person()
    await phone.emu("channels", {"id": -1001, "members": {str(user): {"status": status}}})
    assert (await bot.get_chat_member(-1001, user)).status == status
    assert (await bot.get_chat(-1001)).type == "channel"


async def test_every_kind_of_update_fits_aiograms_models(bot: Bot, phone: Phone) -> None:
    user = await phone.started()
    message = await bot.send_message(user, "Choose", reply_markup=KEYBOARD)
    press = {"message_id": message.message_id, "data": "v1:buy"}
    await phone.emu(f"users/{user}/text", {"text": "hello"})
    await phone.emu(f"users/{user}/press", press)
    await phone.emu(f"users/{user}/press", {**press, "inaccessible": True})
    await phone.emu(f"users/{user}/block", {})
    text, shown, hidden, blocked = await bot.get_updates()
    assert text.message is not None
    assert text.message.text == "hello"
    assert shown.callback_query is not None
    assert isinstance(shown.callback_query.message, Message)
    assert hidden.callback_query is not None
    assert isinstance(hidden.callback_query.message, InaccessibleMessage)
    assert blocked.my_chat_member is not None
    assert blocked.my_chat_member.new_chat_member.status == "kicked"


async def test_errors_come_as_aiograms_own(bot: Bot, phone: Phone) -> None:
    user = await phone.new_person()
    with pytest.raises(exceptions.TelegramForbiddenError, match="can't initiate conversation"):
        await bot.send_message(user, "x")
    with pytest.raises(exceptions.TelegramBadRequest, match="chat not found"):
        await bot.send_message(5, "x")
    with pytest.raises(exceptions.TelegramNotFound, match="method not found"):
        await bot.send_dice(user)
    with pytest.raises(exceptions.TelegramUnauthorizedError):
        await Bot("5:unknown", session=bot.session).get_me()
    await phone.emu(f"users/{user}/start", {})
    await phone.emu("limits", {"mode": "strict"})
    with pytest.raises(exceptions.TelegramRetryAfter) as late:
        await asyncio.gather(*(bot.send_message(user, "x") for _ in range(20)))
    assert late.value.retry_after == 1


async def test_a_proxys_html_page_is_a_decode_error(bot: Bot, phone: Phone) -> None:
    await phone.emu("faults", {"mode": "html", "route": "getMe"})
    with pytest.raises(exceptions.ClientDecodeError):
        await bot.get_me()


@pytest.fixture
async def shop(bot: Bot, phone: Phone) -> AsyncIterator[list[str]]:
    """A small bot that polls: greets, and answers presses; yields what it did."""
    dispatcher = Dispatcher()
    done: list[str] = []

    @dispatcher.message(CommandStart(deep_link=True))
    async def greet_guest(message: Message) -> None:
        done.append(message.text or "")
        await message.answer("A gift!", reply_markup=KEYBOARD)

    @dispatcher.callback_query(F.data == "v1:buy")
    async def buy(query: CallbackQuery) -> None:
        done.append("bought")
        await query.answer("Paid", show_alert=True)
        assert isinstance(query.message, Message)
        await query.message.edit_text("Here is your key")

    polling = asyncio.create_task(dispatcher.start_polling(bot, handle_signals=False, close_bot_session=False))
    yield done
    await dispatcher.stop_polling()
    await polling


async def test_a_person_and_a_polling_bot_talk(shop: list[str], phone: Phone) -> None:
    user = await phone.new_person()
    await phone.emu(f"users/{user}/start", {"payload": "gift42"})
    view = await _until(phone, user, "A gift!")
    number = view["messages"][-1]["message_id"]
    await phone.emu(f"users/{user}/press", {"message_id": number, "data": "v1:buy"})
    view = await _until(phone, user, "Here is your key")
    assert shop == ["/start gift42", "bought"]
    assert [(toast["text"], toast["alert"]) for toast in view["toasts"]] == [("Paid", True)]
    assert (view["pending"], "reply_markup" in view["messages"][-1]) == ([], False)


async def _until(phone: Phone, user: int, text: str) -> dict[str, Any]:
    view: dict[str, Any] = await phone.chat(user)
    while view["messages"][-1].get("text") != text:
        view = await phone.emu(f"users/{user}/wait?after={view['revision']}&timeout=10")
        assert view["changed"], f"the bot never said {text!r}"
    return view


async def test_every_shape_of_stars_fits_aiograms_models(bot: Bot, phone: Phone) -> None:
    user = await phone.started()
    prices = [LabeledPrice(label="30 days", amount=250)]
    words: dict[str, Any] = {"title": "30 days", "description": "30 days", "payload": "p", "currency": "XTR"}
    words["provider_token"] = ""
    link = await bot.create_invoice_link(**words, prices=prices, subscription_period=2_592_000)
    invoice = await bot.send_invoice(user, **words, prices=prices)
    assert invoice.invoice is not None
    assert invoice.reply_markup is not None
    assert invoice.reply_markup.inline_keyboard[0][0].pay
    await phone.emu(f"users/{user}/pay", {"slug": link})
    (asked,) = await bot.get_updates()
    assert asked.pre_checkout_query is not None
    assert await asked.pre_checkout_query.answer(ok=True)
    paid = (await bot.get_updates(offset=asked.update_id + 1))[0].message
    assert paid is not None
    assert paid.successful_payment is not None
    assert paid.successful_payment.is_first_recurring
    charge = paid.successful_payment.telegram_payment_charge_id
    await phone.emu(f"users/{user}/subscription", {"charge": charge, "canceled": True})
    assert await bot.edit_user_star_subscription(user, charge, is_canceled=True)
    assert await bot.refund_star_payment(user, charge)
    *_, canceled, refunded = await bot.get_updates()
    assert canceled.subscription is not None
    assert canceled.subscription.state == "canceled"
    assert canceled.event_type == "subscription"
    assert refunded.message is not None
    assert refunded.message.refunded_payment is not None
    await phone.emu("stars/transactions", {"receiver": {"type": "telegram_ads"}})
    transactions = (await bot.get_star_transactions()).transactions
    assert [type(one.source or one.receiver).__name__ for one in transactions] == [
        "TransactionPartnerUser",
        "TransactionPartnerUser",
        "TransactionPartnerTelegramAds",
    ]
    assert (await bot.get_my_star_balance()).amount == 0
    assert await phone.emu("unknown-methods") == []

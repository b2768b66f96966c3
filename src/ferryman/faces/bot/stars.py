"""Routers for Stars: what Telegram tells of payments, and the two commands that a bot which takes money must answer."""

from aiogram import F, Router
from aiogram.enums import ChatType
from aiogram.filters import Command
from aiogram.fsm.context import FSMContext
from aiogram.types import BotSubscriptionUpdated, Message

from ferryman.faces.bot.buttons import button, home_row
from ferryman.faces.bot.handlers import HOME, Desk
from ferryman.faces.bot.screens import Screen
from ferryman.faces.bot.visit import Visit
from ferryman.flows.payments import stars
from ferryman.flows.shop import meeting
from ferryman.flows.shop.meeting import TelegramPerson
from ferryman.flows.tools import Tools
from ferryman.kit import log
from ferryman.messaging.sender import Button, Keyboard
from ferryman.messaging.telegram import Telegram
from ferryman.messaging.texts import Voice

_log = log.get("bot")

COMMANDS = ("paysupport", "terms")


def router() -> Router:
    """A fresh router; it goes before the shop's own, which takes every message for words."""
    made = Router(name="stars")
    made.message.register(money, F.successful_payment | F.refunded_payment)
    made.message.register(about, F.chat.type == ChatType.PRIVATE, Command(*COMMANDS))
    made.subscription.register(repeating)
    return made


async def money(message: Message, tools: Tools) -> None:
    """Whatever happens to this update, it is not done before the money is in our own inbox."""
    said = message.successful_payment or message.refunded_payment
    assert said is not None
    kind = "successful_payment" if message.successful_payment else "refunded_payment"
    sender = message.from_user
    # A message about a refund may come from the bot's own side of the chat.
    payer = message.chat.id if sender is None or sender.is_bot else sender.id
    body = said.model_dump(mode="json", exclude_none=True)
    await stars.paid(tools, stars.Received(payer, int(message.date.timestamp()), kind, body))
    _log.info("stars_told", what=kind, charge=said.telegram_payment_charge_id)


async def repeating(update: BotSubscriptionUpdated, tools: Tools) -> None:
    await stars.changed(tools, update.user.id, update.invoice_payload, update.state)
    _log.info("stars_repeating", state=update.state)


async def about(message: Message, telegram: Telegram, tools: Tools, state: FSMContext) -> None:
    """/paysupport and /terms: Telegram wants both, and passes on no complaint by itself."""
    if message.from_user is None:
        return
    user = message.from_user
    person = TelegramPerson(user.id, user.first_name, user.username, user.language_code)
    visit = Visit(tools, await meeting.meet(tools, person))
    named = (message.text or "").split(maxsplit=1)[0].lstrip("/").partition("@")[0].lower()
    await state.clear()
    screen = screen_about(visit.voice, named, tools.settings.support_contact)
    await Desk(telegram, message.chat.id, state).show(screen, None, HOME)


def screen_about(voice: Voice, named: str, contact: str) -> Screen:
    """`contact`: @name, an https link, other words, or nothing."""
    text = voice.html("terms-of-sale" if named == "terms" else "paysupport")
    if contact:
        text += f"\n\n{voice.html('paysupport-contact', contact=contact)}"
    url = f"https://t.me/{contact[1:]}" if contact.startswith("@") else contact
    rows = ((Button(voice.plain("button-support"), url=url),),) if url.startswith("https://") else ()
    return Screen(text, Keyboard((*rows, (button(voice, "rules", "v1:rules"),), home_row(voice))))

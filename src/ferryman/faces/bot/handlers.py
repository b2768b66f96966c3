"""Routers: what comes in from Telegram, and which page answers it.

A dialogue's state holds two things: the message that shows its screen now, and while something is being bought, the
place in the purchase. Either may be missing; every press works without.
"""

import contextlib
from dataclasses import dataclass
from typing import Any

from aiogram import F, Router
from aiogram.enums import ChatMemberStatus, ChatType
from aiogram.filters import Command, CommandObject
from aiogram.fsm.context import FSMContext
from aiogram.fsm.state import State, StatesGroup
from aiogram.types import CallbackQuery, ChatMemberUpdated, InaccessibleMessage, Message, User

from ferryman.faces.bot import pages
from ferryman.faces.bot.press import NotAPress, Press, parse
from ferryman.faces.bot.screens import Screen
from ferryman.faces.bot.show import Place, show
from ferryman.faces.bot.visit import Visit
from ferryman.flows.shop import meeting
from ferryman.flows.shop.meeting import TelegramPerson
from ferryman.flows.tools import Tools
from ferryman.kit import log
from ferryman.kit.errors import Retry
from ferryman.messaging.telegram import Telegram
from ferryman.people.customer import Customer

_log = log.get("bot")

# A dialogue's data of another version is as good as none.
DATA_VERSION = 1
COMMANDS = {"start": "home", "buy": "buy", "subs": "subs", "help": "help", "language": "lang"}
HOME = parse("v1:home")
BUYING = ("buy", "plan", "term", "again", "pay", "keep", "check", "cancel", "promo", "nopromo", "up", "upterm", "upp")


class Dialogue(StatesGroup):
    browsing = State()
    buying = State()
    asking = State()


@dataclass(frozen=True)
class Desk:
    """One chat's screen, and what its state remembers of it."""

    telegram: Telegram
    chat_id: int
    state: FSMContext

    async def place(self, message: Message | InaccessibleMessage) -> Place | None:
        """The message, if it is the dialogue's screen. A notice with buttons is not: it stays as it is."""
        data = await self.state.get_data()
        ours = data.get("v") == DATA_VERSION and data.get("screen") == message.message_id
        if not ours or isinstance(message, InaccessibleMessage):
            return None
        return Place(message.message_id, is_photo=message.photo is not None)

    async def show(self, screen: Screen, place: Place | None, asked: Press) -> None:
        shown = await show(self.telegram, self.chat_id, screen, place)
        buying = asked.verb in BUYING
        open_state = Dialogue.asking if screen.asks else Dialogue.buying if buying else Dialogue.browsing
        await self.state.set_state(open_state)
        at = _worth_returning_to(asked) if buying or screen.asks else HOME.data
        await self.state.update_data(v=DATA_VERSION, screen=shown, at=at, asks=screen.asks)


def router() -> Router:
    """A fresh router: aiogram lets each belong to one dispatcher only."""
    made = Router(name="shop")
    private = F.chat.type == ChatType.PRIVATE
    made.message.register(command, private, Command("cancel", *COMMANDS))
    made.message.register(words, private)
    made.callback_query.register(press, F.message.chat.type == ChatType.PRIVATE)
    made.callback_query.register(press_elsewhere)
    made.my_chat_member.register(membership, private)
    return made


async def command(
    message: Message, command: CommandObject, telegram: Telegram, tools: Tools, state: FSMContext
) -> None:
    """Commands lead out of whatever was open, and always show a new message."""
    if message.from_user is None:
        return
    visit = Visit(tools, await _met(tools, message.from_user))
    await state.clear()
    _log.info("command", customer=visit.customer.id, command=command.command)
    asked = parse(f"v1:{COMMANDS.get(command.command, 'home')}")
    await Desk(telegram, message.chat.id, state).show(await pages.page(visit, asked), None, asked)


async def words(message: Message, telegram: Telegram, tools: Tools, state: FSMContext) -> None:
    """The answer to an open question; otherwise nothing is done by typing: show again where the customer was."""
    if message.from_user is None:
        return
    visit = Visit(tools, await _met(tools, message.from_user), tap=f"{message.chat.id}:{message.message_id}")
    open_state, data = await state.get_state(), await state.get_data()
    at = _reopened(open_state, data)
    if open_state == Dialogue.asking.state:
        screen = await pages.answered(visit, str(data.get("asks", "")), message.text or "", at)
    else:
        screen = await pages.page(visit, at)
    await Desk(telegram, message.chat.id, state).show(screen, None, at)


async def press(query: CallbackQuery, telegram: Telegram, tools: Tools, state: FSMContext) -> None:
    message = query.message
    if message is None:
        return
    # The spinner first; that nobody could be told so is no reason not to do the work.
    with contextlib.suppress(Retry):
        await telegram.answer(query.id)
    data = query.data or ""
    visit = Visit(tools, await _met(tools, query.from_user), tap=f"{message.chat.id}:{message.message_id}:{data}")
    desk = Desk(telegram, message.chat.id, state)
    place = await desk.place(message)
    try:
        pressed = parse(data)
    except NotAPress:
        _log.warning("press_not_understood", customer=visit.customer.id, size=len(data))
        await desk.show(await pages.outdated(visit), place, HOME)
        return
    _log.info("press", customer=visit.customer.id, verb=pressed.verb)
    await desk.show(await pages.page(visit, pressed), place, pressed)


async def press_elsewhere(query: CallbackQuery, telegram: Telegram) -> None:
    """A press in a group, or on a message that was sent through somebody else: nothing is shown there."""
    _log.warning("press_outside_private_chat")
    await telegram.answer(query.id)


async def membership(change: ChatMemberUpdated, tools: Tools) -> None:
    if change.new_chat_member.status == ChatMemberStatus.KICKED:
        await meeting.went_away(tools, change.chat.id)
    else:
        await meeting.came_back(tools, change.chat.id)


async def _met(tools: Tools, user: User) -> Customer:
    person = TelegramPerson(user.id, user.first_name, user.username, user.language_code)
    return await meeting.meet(tools, person)


def _worth_returning_to(pressed: Press) -> str:
    # Showing a checkout again must not look like a press on "pay": the choice of methods comes before it.
    if pressed.verb == "cancel":
        return "v1:buy"
    if pressed.verb == "upp":
        return f"v1:upterm:{pressed.words['ref']}:{pressed.words['term']}"
    before = {"pay": "term", "keep": "again"}.get(pressed.verb)
    return f"v1:{before}:{pressed.words['term']}" if before else pressed.data


def _reopened(state: str | None, data: dict[str, Any]) -> Press:
    """Where the customer was; the menu when that is forgotten, or was written by another version."""
    if state in (Dialogue.buying.state, Dialogue.asking.state) and data.get("v") == DATA_VERSION:
        with contextlib.suppress(NotAPress):
            return parse(str(data.get("at", "")))
    return HOME

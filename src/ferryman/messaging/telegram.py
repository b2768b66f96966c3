"""Telegram through aiogram: sends, edits, answers, polls, and says in our errors how it went.

Telegram has no idempotency key: a send whose answer was lost may have arrived. What aiogram raises is told apart here
by what is known: `Busy` = certainly nothing happened, `Unreachable` = perhaps it did.
"""

import html
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import ferryman.messaging.lean  # noqa: F401 - before aiogram

# isort: split

import aiohttp
from aiogram import Bot
from aiogram.client.default import DefaultBotProperties
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from aiogram.enums import ParseMode
from aiogram.exceptions import (
    AiogramError,
    ClientDecodeError,
    TelegramAPIError,
    TelegramConflictError,
    TelegramEntityTooLarge,
    TelegramForbiddenError,
    TelegramNetworkError,
    TelegramRetryAfter,
    TelegramServerError,
    TelegramUnauthorizedError,
)
from aiogram.methods import TelegramMethod
from aiogram.types import (
    BotCommand,
    BufferedInputFile,
    CopyTextButton,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    InputMediaPhoto,
    LinkPreviewOptions,
    Message,
)

from ferryman.kit import log
from ferryman.kit.errors import AccessDenied, Busy, Conflict, FerrymanError, NotFound, Refused, Unreachable
from ferryman.messaging.pace import Pace
from ferryman.messaging.sender import Blocked, Keyboard

_log = log.get("telegram")

T = TypeVar("T")

CALL_SECONDS = 20
PROBE_SECONDS = 10
CHECKOUT_SECONDS = 3
_NO_PREVIEW = LinkPreviewOptions(is_disabled=True)
_TAG = re.compile(r"<[^<>]*>")

# Parts of Telegram's sentences, lower-case, and what they mean for us.
_UNREACHABLE_PEOPLE = ("chat not found", "user not found", "peer_id_invalid")
_NOT_MODIFIED = "message is not modified"
_QUERY_TOO_OLD = ("query is too old", "query id is invalid")
_BAD_MARKUP = "can't parse entities"
_CANNOT_EDIT = (
    "message to edit not found",
    "message can't be edited",
    "there is no text in the message to edit",
    "there is no caption in the message to edit",
)
_CANNOT_DELETE = ("message to delete not found", "message can't be deleted")


class _RawUpdates(TelegramMethod[list[dict[str, Any]]]):
    # aiogram's own method refuses the whole batch when one update does not fit its models.
    __returning__ = list[dict[str, Any]]
    __api_method__ = "getUpdates"

    offset: int | None
    timeout: int
    allowed_updates: list[str]


class CannotEdit(NotFound):
    """The message is gone, too old, or of another kind: send a new one."""


class BadMarkup(Refused):
    """Telegram could not read our HTML: something was not escaped."""


class Telegram:
    """Implements `Sender`, and what a dialogue needs beside it. Shared by everything in a process that speaks."""

    def __init__(self, token: str, api_base: str) -> None:
        session = AiohttpSession(api=TelegramAPIServer.from_base(api_base))
        self.bot = Bot(token, session=session, default=DefaultBotProperties(parse_mode=ParseMode.HTML))
        self._pace = Pace(time.monotonic)
        self._in_doubt = False

    async def send_text(self, chat_id: int, text: str, keyboard: Keyboard | None = None) -> int:
        async def send(words: str, mode: ParseMode | None) -> Message:
            return await self.bot.send_message(
                chat_id,
                words,
                parse_mode=mode,
                reply_markup=markup(keyboard),
                link_preview_options=_NO_PREVIEW,
                request_timeout=CALL_SECONDS,
            )

        return await self._sent(send, text)

    async def send_photo(self, chat_id: int, png: bytes, caption: str, keyboard: Keyboard | None = None) -> int:
        async def send(words: str, mode: ParseMode | None) -> Message:
            return await self.bot.send_photo(
                chat_id,
                BufferedInputFile(png, "qr.png"),
                caption=words,
                parse_mode=mode,
                reply_markup=markup(keyboard),
                request_timeout=CALL_SECONDS,
            )

        return await self._sent(send, caption)

    async def edit_text(self, chat_id: int, message_id: int, text: str, keyboard: Keyboard | None = None) -> None:
        """What is there already counts as done. Raises CannotEdit, and what `send_text` raises."""
        await self._edited(
            self.bot.edit_message_text(
                text,
                chat_id=chat_id,
                message_id=message_id,
                reply_markup=markup(keyboard),
                link_preview_options=_NO_PREVIEW,
                request_timeout=CALL_SECONDS,
            )
        )

    async def edit_photo(
        self, chat_id: int, message_id: int, png: bytes, caption: str, keyboard: Keyboard | None = None
    ) -> None:
        """Turns text into a photo too. Raises as `edit_text` does."""
        media = InputMediaPhoto(media=BufferedInputFile(png, "qr.png"), caption=caption)
        await self._edited(
            self.bot.edit_message_media(
                media,
                chat_id=chat_id,
                message_id=message_id,
                reply_markup=markup(keyboard),
                request_timeout=CALL_SECONDS,
            )
        )

    async def delete(self, chat_id: int, message_id: int) -> None:
        """A message that is gone, or too old to be taken back (48 h), counts as done."""
        try:
            await self._call(self.bot.delete_message(chat_id, message_id, request_timeout=CALL_SECONDS))
        except Refused as error:
            if not _says(error, *_CANNOT_DELETE):
                raise

    async def answer(self, callback_id: str, text: str | None = None) -> None:
        """Stop the spinner on a pressed button, with a short toast (≤ 200 characters); too late counts as done."""
        try:
            await self._call(self.bot.answer_callback_query(callback_id, text=text, request_timeout=CALL_SECONDS))
        except Refused as error:
            if not _says(error, *_QUERY_TOO_OLD):
                raise

    async def answer_checkout(self, query_id: str, refusal: str | None = None) -> None:
        """Let a payment in Stars go on, or say in plain words why it does not; too late (10 s) counts as done."""
        call = self.bot.answer_pre_checkout_query(
            query_id, ok=refusal is None, error_message=refusal, request_timeout=CHECKOUT_SECONDS
        )
        try:
            await self._call(call)
        except Refused as error:
            if not _says(error, *_QUERY_TOO_OLD):
                raise

    async def updates(self, offset: int | None, seconds: int, kinds: Sequence[str]) -> list[dict[str, Any]]:
        """Long-poll for updates from `offset` on, as they came; asking with an offset forgets all below it.

        Raises Conflict when somebody else polls or a webhook is set, AccessDenied for a refused token.
        """
        call = _RawUpdates(offset=offset, timeout=seconds, allowed_updates=list(kinds))
        updates = await self._call(self.bot(call, request_timeout=seconds + CALL_SECONDS))
        if not all(isinstance(update.get("update_id"), int) for update in updates):
            raise Unreachable("Telegram answered with updates that have no number.")
        return updates

    async def stop_webhook(self) -> None:
        """Polling and a webhook exclude each other; what waits for delivery is kept."""
        await self._call(self.bot.delete_webhook(drop_pending_updates=False, request_timeout=CALL_SECONDS))

    async def set_commands(self, commands: Mapping[str, str], language: str | None = None) -> None:
        """The command menu for a client language; None is for all others. Telegram limits these calls harshly."""
        menu = [BotCommand(command=name, description=text) for name, text in commands.items()]
        await self._call(self.bot.set_my_commands(menu, language_code=language, request_timeout=CALL_SECONDS))

    async def whoami(self) -> str:
        me = await self._call(self.bot.get_me(request_timeout=PROBE_SECONDS))
        return me.username or me.first_name

    async def close(self) -> None:
        await self.bot.session.close()

    async def _sent(self, send: Callable[[str, ParseMode | None], Awaitable[Message]], text: str) -> int:
        await self._prove_the_line()
        await self._pace.turn()
        try:
            return (await self._call(send(text, ParseMode.HTML))).message_id
        except BadMarkup as error:
            _log.error("markup_refused", why=str(error))
            return (await self._call(send(plain(text), None))).message_id
        except Unreachable:
            self._in_doubt = True
            raise

    async def _edited(self, edit: Awaitable[Any]) -> None:
        try:
            await self._call(edit)
        except Refused as error:
            if _says(error, _NOT_MODIFIED):
                return
            if _says(error, *_CANNOT_EDIT):
                raise CannotEdit(str(error)) from error
            raise

    async def _prove_the_line(self) -> None:
        # After a lost answer, the next send waits for a harmless call to come through. While the network is down no
        # send is then of unknown outcome, and those may be repeated only once.
        if self._in_doubt:
            try:
                await self.bot.get_me(request_timeout=PROBE_SECONDS)
            except AiogramError as error:
                raise Busy(f"Telegram does not answer ({type(error).__name__}).", 5.0) from error
            self._in_doubt = False

    async def _call(self, call: Awaitable[T]) -> T:
        try:
            return await call
        except TelegramRetryAfter as error:
            seconds = self._pace.pause(error.retry_after)
            raise Busy(f"Telegram asks to wait {error.retry_after} s.", seconds) from error
        except UnicodeDecodeError as error:
            raise Unreachable("Telegram answered with something that is not text.") from error
        except AiogramError as error:
            raise in_our_words(error) from error


@asynccontextmanager
async def connected(token: str, api_base: str) -> AsyncIterator[Telegram]:
    """The bot of this token at this Bot API server, for as long as the block runs."""
    telegram = Telegram(token, api_base)
    try:
        yield telegram
    finally:
        await telegram.close()


def in_our_words(error: AiogramError) -> FerrymanError:
    """What an aiogram error means for whoever called. The sentence holds Telegram's description, never the address."""
    what = error.message if isinstance(error, TelegramAPIError) else "an answer that is not of the Bot API"
    match error:
        case TelegramEntityTooLarge():
            return Refused(f"Telegram: {what}")
        case TelegramConflictError():
            return Conflict(f"Telegram: {what}")
        case TelegramNetworkError() if isinstance(error.__cause__, aiohttp.ClientConnectorError):
            return Busy("Telegram cannot be reached.", 5.0)
        case TelegramNetworkError():
            return Unreachable("Telegram gave no answer.")
        case TelegramServerError() | ClientDecodeError():
            return Unreachable(f"Telegram is in trouble: {what}.")
        case TelegramUnauthorizedError():
            return AccessDenied("Telegram does not accept the bot's token (FERRYMAN_TELEGRAM_TOKEN).")
        case TelegramForbiddenError():
            return Blocked(f"Telegram: {what}")
    sentence = what.lower()
    if any(part in sentence for part in _UNREACHABLE_PEOPLE):
        return Blocked(f"Telegram: {what}")
    if _BAD_MARKUP in sentence:
        return BadMarkup(f"Telegram: {what}")
    return Refused(f"Telegram: {what}")


def _says(error: Refused, *parts: str) -> bool:
    return any(part in str(error).lower() for part in parts)


def plain(text: str) -> str:
    """Our HTML without its tags, for a message that Telegram cannot parse."""
    return html.unescape(_TAG.sub("", text))


def markup(keyboard: Keyboard | None) -> InlineKeyboardMarkup | None:
    if keyboard is None:
        return None
    rows = [
        [
            InlineKeyboardButton(
                text=button.text,
                callback_data=button.data,
                url=button.url,
                copy_text=None if button.copy is None else CopyTextButton(text=button.copy),
            )
            for button in row
        ]
        for row in keyboard.rows
    ]
    return InlineKeyboardMarkup(inline_keyboard=rows)

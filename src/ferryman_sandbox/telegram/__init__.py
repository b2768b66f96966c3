"""Telegram's Bot API as a shop's bot sees it, a page with a chat in it as a person sees it, and controls for tests.

A bot points its base URL here; a person opens `/chat`; a test drives the person through `/__emu/users/…`. Everything
is kept in the store, so a restart finds chats, unread updates and webhook settings again.
"""

from ferryman_sandbox.telegram.emulator import TelegramEmulator

__all__ = ["TelegramEmulator"]

"""The Telegram bot."""

import ferryman.messaging.lean  # noqa: F401 - before any module of this package imports aiogram

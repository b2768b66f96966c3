"""Words, notices and the way to Telegram."""

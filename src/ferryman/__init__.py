"""Ferryman sells VPN access through a Telegram bot and keeps it running."""

__version__ = "0.1.0"

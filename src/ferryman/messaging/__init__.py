"""Every sentence the shop may say, and how it reaches Telegram."""

"""Who we serve: customers as Telegram knows them."""

"""The bot, talked to as a person does, over the emulated Bot API."""

link-ended = ⏳ The subscription has ended: renew it in the bot
link-preparing = 🛠 The key is being made: refresh in a minute
link-exhausted = 📊 The traffic is used up: buy more in the bot
link-frozen = ❄️ The subscription is frozen: its time stands still
link-disabled = ⛔ The subscription is switched off: write to support
link-replacing = ♻️ The key is being replaced: the new one comes here soon

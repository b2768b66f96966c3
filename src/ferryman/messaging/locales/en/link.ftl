link-ended = ⏳ The subscription has ended: renew it in the bot
link-preparing = 🛠 The key is being made: refresh in a minute

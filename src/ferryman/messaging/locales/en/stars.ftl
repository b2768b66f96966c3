command-paysupport = Help with a payment
command-terms = Terms of sale

refused-unknown = This invoice is not known here any more. Open the menu with /buy and choose again.
refused-stranger = This invoice was made for somebody else. Open the bot yourself and choose a plan with /buy.
refused-amount = The amount is not the one that was agreed. Choose again with /buy.
refused-paid = This order is paid already. There is nothing more to pay.
refused-cancelled = You have cancelled this order. Choose again with /buy.
refused-banned = This shop is closed to you. If that is a mistake, write to support: /paysupport
refused-withdrawn = This plan is not on sale any more. Choose another one with /buy.
refused-busy = The shop does not answer at the moment. No Stars were taken: please try again in a minute.

paysupport =
    💬 <b>Help with a payment</b>

    ⏱ A payment usually arrives within a minute: look under 🔑 /subs.
    🧾 Something is wrong? Write to us and send the order number from the payment message.
    ⭐ Payments in Stars are our matter, too: Telegram's own support cannot help with purchases in this bot.
    ↩️ If we took money for what you did not get, we give it back.
paysupport-contact = 👤 Support: { $contact }
terms-of-sale =
    📄 <b>Terms of sale</b>

    🛒 You buy access to a VPN service for the days, the traffic and the number of devices that the plan names.
    🔑 Access begins when the payment has arrived; the key comes right here.
    🔁 A payment that repeats by itself can be stopped at any time; what is paid stays yours until its end.
    ↩️ If the service does not work and we cannot mend it, we give back the money for the time you could not use.
    ⭐ Stars go back as Stars, a payment as a whole.
    💬 Questions and complaints about payments: /paysupport

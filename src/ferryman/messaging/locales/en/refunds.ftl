history-refunded = 💸 Money given back, now until { $until }
history-charged_back = 🏦 The bank took the money back, now until { $until }
history-chargeback_won = 🏦 The bank gave the money up again, now until { $until }
history-refund_returned = ↩️ The refund did not arrive, now until { $until }

notice-money-back =
    💸 <b>Your money was given back: { $amount }</b>

    { $through ->
        [balance] 💼 It is on your balance now and pays for your next purchase.
        [hand] 🤝 We have sent it to you ourselves.
       *[provider] 💳 It comes the way you paid. Banks may take a few days.
    }
    { $access ->
        [ended] 🔒 The subscription that it had paid for has ended.
        [shorter] 📅 Your subscription now lasts until { $until }.
        [less] 📶 The traffic that it had paid for is taken back; the end stays { $until }.
       *[same] 🔑 Nothing changes for your key.
    }

    🧾 Order <code>{ $order_ref }</code>
notice-charged-back =
    🏦 <b>Your bank took a payment back: { $amount }</b>

    { $access ->
        [ended] 🔒 The subscription that it had paid for has ended.
        [shorter] 📅 Your subscription now lasts until { $until }.
        [less] 📶 The traffic that it had paid for is taken back; the end stays { $until }.
       *[same] 🔑 Nothing changes for your key.
    } If that was a mistake, write to us and we will sort it out.

    🧾 Order <code>{ $order_ref }</code>
notice-refund-failed =
    ❌ <b>A refund did not go through: { $amount }</b>

    💳 Payment <code>{ $payment_ref }</code>
    💬 <i>{ $reason }</i>

    🔑 The customer's access is untouched, and they were told nothing. Try again, or give it back by hand.
notice-refunded-elsewhere =
    ↩️ <b>Given back at the provider: { $amount }</b>

    💳 Payment <code>{ $payment_ref }</code> of customer <code>{ $customer }</code>
    { $access ->
        [ended] 🔒 The subscription has ended.
        [shorter] 📅 The subscription got shorter by its share.
        [less] 📶 Traffic was taken back by its share.
       *[same] 🔑 There was nothing unused to take back.
    } It is in the books, and the customer was told.
notice-barred-paid =
    ⛔ <b>A blocked customer has paid { $amount }</b>

    💳 Payment <code>{ $payment_ref }</code> of customer <code>{ $customer }</code>
    It bought nothing and is on their balance. Give it back, or lift the ban.

    👉 <code>ferryman refund make { $payment_ref } all --why …</code>
notice-chargeback-came =
    🚨 <b>Chargeback: { $amount }</b>

    💳 Payment <code>{ $payment_ref }</code> of customer <code>{ $customer }</code>
    { $access ->
        [ended] 🔒 The subscription has ended at once.
        [shorter] 📅 All unused time of that payment was taken back; other payments carry the rest.
        [less] 📶 All unused traffic of that payment was taken back.
       *[same] 🔑 There was nothing unused to take back.
    } Answer the bank in the provider's dashboard if it was wrong; decide whether this customer may go on buying.
notice-payment-stands =
    🏦 <b>Your payment stands after all: { $amount }</b>

    Your bank has closed its case and left the money with us.
    { $access ->
        [longer] 🔑 The time that was taken back is yours again, in full: your subscription now lasts until { $until }.
        [more] 📶 The traffic that was taken back is yours again; the end stays { $until }.
       *[same] 🔑 Nothing changes for your key.
    }

    🧾 Order <code>{ $order_ref }</code>
notice-chargeback-won =
    🏦 <b>Chargeback won: { $amount }</b>

    💳 Payment <code>{ $payment_ref }</code> of customer <code>{ $customer }</code>
    { $access ->
        [longer] 📅 The time that had been taken back was given again, counted from now.
        [more] 📶 The traffic that had been taken back was given again.
       *[same] 🔑 There was nothing to give again.
    } It is in the books, and the customer was told. Renewal stays off until they agree to it anew.
notice-refund-returned =
    ↩️ <b>A refund did not reach you: { $amount }</b>

    Your bank has sent the money back to us.
    { $access ->
        [longer] 🔑 So what it had paid for is yours again, in full: your subscription now lasts until { $until }.
        [more] 📶 So the traffic that it had paid for is yours again; the end stays { $until }.
       *[same] 🔑 Nothing changes for your key.
    } Would you rather have the money? Write to us, and we will find another way.

    🧾 Order <code>{ $order_ref }</code>
notice-refund-bounced =
    ↩️ <b>A refund came back: { $amount }</b>

    💳 Payment <code>{ $payment_ref }</code> of customer <code>{ $customer }</code>
    The provider had counted it as given back, and now says that it did not arrive. The money is with the provider again.
    { $access ->
        [longer] 📅 The time that had been taken back was given again, counted from now.
        [more] 📶 The traffic that had been taken back was given again.
       *[same] 🔑 There was nothing to give again.
    } It is in the books, and the customer was told. If they want the money, agree on another way, send it, and record it: <code>ferryman refund make { $payment_ref } AMOUNT --by-hand --why …</code>. Renewal stays off until they agree to it anew.

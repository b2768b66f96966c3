notice-payment-link =
    💳 <b>Your payment link is ready</b>

    Thank you for waiting! Press the button below — the key arrives here right after you pay.

    🧾 Order <code>{ $order_ref }</code>
notice-payment-succeeded =
    ✅ <b>Payment received!</b>

    { $icon } { $title } · { days }
    💰 { $amount }

    🔑 I am preparing your key — it comes as the next message in a few seconds.

    🧾 Order <code>{ $order_ref }</code>
notice-payment-cancelled =
    ❌ <b>The payment did not go through</b>

    { $reason ->
        [insufficient_funds] There was not enough money on the card.
        [card_expired] The card has expired.
        [expired_on_confirmation] The time to pay ran out.
       *[other] The bank or the payment system declined it.
    } You were not charged. Please try again — another card may help.

    🧾 Order <code>{ $order_ref }</code>
notice-payment-in-review =
    🔎 <b>We are checking your payment</b>

    Something about it does not add up, and a person is looking at it already. Your money is safe: we will write as soon as we know.

    🧾 Order <code>{ $order_ref }</code>
notice-second-payment-credited =
    💼 <b>You paid for this order twice</b>

    It was paid already, so { $amount } went to your balance. Nothing is lost.

    🧾 Order <code>{ $order_ref }</code>
notice-key-ready =
    🔑 <b>Your key is ready!</b>

    🌍 { $locations }

    📲 Point your VPN app's camera at the QR code, or copy the link:

    <code>{ $link }</code>

    { $count ->
        [1] There is one location inside.
       *[other] There are { $count } locations inside — switch whenever you like.
    } 🤫 Keep this link to yourself.

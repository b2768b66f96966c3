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
        [secure_failed] The bank's confirmation (3-D Secure) did not go through.
        [call_issuer] The bank wants a word with you first: please call the number on your card.
        [card_expired] The card has expired.
        [general_decline] The bank declined it without saying why.
        [insufficient_funds] There was not enough money on the card.
        [invalid_card_number] The card number was not right.
        [invalid_csc] The code from the back of the card (CVC) was not right.
        [issuer_unavailable] The bank did not answer.
        [payment_method_limit_exceeded] The limit of this card or wallet has been reached.
        [payment_method_restricted] The bank does not allow payments with this card.
        [country_forbidden] Cards of this country are not accepted.
        [identification_required] The wallet wants to know who you are before it lets you pay.
        [unsupported_mobile_operator] This mobile operator is not supported.
        [fraud_suspected] The payment looked suspicious and was stopped. Another way to pay should work.
        [expired_on_confirmation] The time to pay ran out.
        [expired] The time to pay ran out.
        [expired_on_capture] We did not confirm the payment in time. Sorry — that was our mistake.
        [canceled_by_merchant] We called this payment off.
        [internal_timeout] The payment system was out of order for a moment.
        [rejected_by_timeout] The payment system was out of order for a moment.
        [permission_revoked] You have withdrawn the permission for automatic payments.
        [loan_declined] The loan or instalment plan was not approved.
        [loan_declined_by_payer] You decided against the loan or instalment plan.
        [loan_application_expired] The application for the loan or instalment plan was left too long.
        [deal_expired] The deal ran out.
       *[other] The bank or the payment system declined it.
    } You were not charged. Please try again — another card or another way to pay may help.

    🧾 Order <code>{ $order_ref }</code>
notice-payment-in-review =
    🔎 <b>We are checking your payment</b>

    Something about it does not add up, and a person is looking at it already. Your money is safe: we will write as soon as we know.

    🧾 Order <code>{ $order_ref }</code>
notice-second-payment-credited =
    💼 <b>You paid for this order twice</b>

    It was paid already, so { $amount } went to your balance. Nothing is lost.

    🧾 Order <code>{ $order_ref }</code>
notice-part-credited =
    💼 <b>What came is on your balance: { $amount }</b>

    It was less than the price, so the order itself is not paid. Your balance pays for your next purchase.

    🧾 Order <code>{ $order_ref }</code>
notice-cancelled-order-credited =
    💼 <b>A payment came for an order that you had cancelled</b>

    Since then you have bought something else, or others have used up its promo code. So { $amount } are on your balance; nothing is lost.

    🧾 Order <code>{ $order_ref }</code>
notice-payment-of-barred-credited =
    💼 <b>Your payment came, but the order is not fulfilled</b>

    This bot is closed to you, so { $amount } wait on your balance. Write to support and you get your money back.

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
notice-key-replaced =
    ♻️ <b>Your new key is ready!</b>

    🔒 The old link does not open any more.
    🌍 { $locations }

    📲 Delete the old subscription in your app and add the new one — by the QR code or by the link:

    <code>{ $link }</code>

    🤫 Keep this link to yourself.
notice-location-switched =
    🌍 <b>Your location has changed</b>

    ✅ { $locations }

    🔄 Refresh the subscription in your VPN app — the link is the same, the country inside is new.
notice-traffic-low =
    { $percent ->
        [95] 🟠 <b>Almost no traffic left: { $percent }% is used</b>
       *[other] 🟡 <b>{ $percent }% of your traffic is used</b>
    }

    { $icon } { $title }
    📶 Left: <b>{ $left }</b>

    🔄 Renew now and the new traffic is added to what is left.
notice-traffic-used-up =
    📉 <b>Your traffic is used up</b>

    { $icon } { $title }
    🔌 The key is paused in every location.

    🔄 Renew, and it works again within a minute: the same key, the same link.
unit-gigabytes = GB
unit-megabytes = MB

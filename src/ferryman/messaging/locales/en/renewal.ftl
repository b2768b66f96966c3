renewal-how = { $by ->
    [balance] 💼 From your balance
    [stars] ⭐ Telegram Stars
   *[kept] 💳 { $way }
}
renewal-reason = { $reason ->
    [card_expired] The card has expired.
    [expired_card] The card has expired.
    [insufficient_funds] There was not enough money.
    [issuer_unavailable] The bank did not answer.
    [internal_timeout] The payment system was out of order for a moment.
    [late] We were too late. Sorry — that was our mistake.
    [method_off] This way to pay is out of order at the moment.
    [payment_method_limit_exceeded] The limit of this card or wallet has been reached.
    [payment_method_restricted] The bank does not allow payments with this card.
    [permission_revoked] You have withdrawn the permission for automatic payments.
    [secure_failed] The bank wants a confirmation that only you can give.
    [unpaid] Telegram could not take the Stars.
    [disabled] Your key was switched off.
   *[other] The bank or the payment system declined it.
}
renewal-why = { $why ->
    [customer] You have switched it off — nothing more will be charged.
    [telegram] You have cancelled it in Telegram — nothing more will be charged.
    [operator] Support has switched it off.
    [refunded] The money for the subscription went back to you, so nothing more will be charged.
    [withdrawn] This plan is not sold any more — please choose another one.
    [currency] This plan is not sold in that currency any more.
    [price] The price rose, and without your consent we do not charge more.
    [upgraded] You have moved to another plan, and for the old one nothing more will be charged.
    [disabled] Your key is switched off, so nothing more will be charged.
   *[other] Nothing more will be charged.
}

notice-renewal-on =
    🔁 <b>Automatic renewal is on</b>

    { $icon } { $title }
    📅 First charge: <b>{ $on }</b>
    💰 { $amount } · { renewal-how }

    We will write some days before. One button switches it off at any time.
notice-renewal-ahead =
    🔔 <b>It renews soon</b>

    { $icon } { $title } · paid until { $until }
    📅 Charge: <b>{ $on }</b>
    💰 <b>{ $amount }</b> · { renewal-how }

    Nothing to do for you. Changed your mind? One button switches it off.
notice-renewal-price-rose =
    📈 <b>The price of the renewal has changed</b>

    { $icon } { $title } · paid until { $until }
    💰 It was { $was }, now it is <b>{ $amount }</b>

    Without your consent we charge nothing, and the subscription simply ends.
notice-renewed =
    ✅ <b>Your subscription is renewed!</b>

    { $icon } { $title } · { days }
    💰 { $amount } · { renewal-how }
    📅 Active until <b>{ $until }</b>

    The key and the link are the same — nothing to change.

    🧾 Order <code>{ $order_ref }</code>
notice-renewal-failed =
    ⚠️ <b>The renewal did not go through</b>

    { $icon } { $title } · paid until { $until }
    💰 { $amount }

    { renewal-reason } You were not charged.

    { $more ->
        [yes] 🔄 We will try again on <b>{ $again }</b>. If you would rather not wait, renew it yourself.
       *[no] 🔁 Automatic renewal is off now. To keep the subscription, renew it yourself — another way to pay will do.
    }
notice-renewal-stopped =
    🛑 <b>Automatic renewal is off</b>

    { $icon } { $title } · paid until { $until }

    { renewal-why }
notice-renewal-credited =
    💼 <b>A renewal was charged that is not needed any more</b>

    Your subscription has been renewed already, or is to another plan by now, so { $amount } are on your balance; nothing is lost.

    🧾 Order <code>{ $order_ref }</code>
notice-renewal-moved =
    🔁 <b>A new plan: renew it too?</b>

    { $icon } { $title } · paid until { $until }

    You have moved to this plan, so the automatic renewal of the old one is off. Nothing will be charged unless you agree.

    💰 { $amount } for { $days } · { renewal-how }

renewal-line = 🔁 Renews on <b>{ $on }</b> · { $amount } · { renewal-how }
renewal-line-ask = 📈 The new price is <b>{ $amount }</b>: your consent is needed
renewal-line-again = ⚠️ Not renewed, next try on <b>{ $on }</b> · { $amount } · { renewal-how }
renewal-line-busy = ⏳ Being charged · { $amount } · { renewal-how }
renewal-active =
    🔁 <b>Automatic renewal is on</b>

    { $icon } { $title }
renewal-active-note = A reminder comes some days before each charge. Switch it off at any time: what is paid stays yours.
renewal-off =
    🔁 <b>Automatic renewal is off</b>

    { $icon } { $title } · paid until { $until }

    The subscription ends by itself, and nothing is charged.
renewal-offer =
    You can switch it on: { $amount } for { days } · { renewal-how }. We remind you beforehand, and one button switches it off.
renewal-next-time =
    To switch it on, tick “Renew automatically” the next time you pay.
renewal-in-flight = ⏳ One charge is on its way already and cannot be stopped, but there will be no other.
renewal-price-changed = 📈 The price has changed again. This is how it stands now.
renewal-cannot = 😔 That did not work. Please try a little later, or tick automatic renewal the next time you pay.

button-renewal = 🔁 Automatic renewal
button-renewal-off = 🛑 Switch automatic renewal off
button-renewal-on = 🔁 Switch automatic renewal on
button-renewal-yes = ✅ Agree to { $amount }
button-renewal-forget = 🗑 Forget the card
button-again-on = ✅ Renew automatically
button-again-off = ⬜ Renew automatically
again-note =
    🔁 Ways with this sign will renew the subscription by themselves: { $amount } for { days }. We remind you some days before, and one button switches it off.

price-reduced = { $amount } instead of { $was }

button-promo = 🎟 Promo code
button-promo-off = ✖️ Take the promo code away
button-upgrade = ⬆️ Change the plan
button-upgrade-term = { $icon } { $title } · { days } · { $amount }

promo-ask =
    🎟 <b>Promo code</b>

    Write it here in one message.
promo-on = 🎟 Promo code <b>{ $code }</b> · −{ $off }
promo-gone = 🎟 The promo code is taken away.
promo-refused-unknown = 🤷 There is no such promo code. Please check its letters and digits.
promo-refused-ended = ⌛ This promo code does not work now.
promo-refused-used-up = 🏁 Others have used this promo code up.
promo-refused-used = ☑️ You have used this promo code already.
promo-refused-unpaid = 🧾 You have too many unpaid orders with this promo code. Please pay one of them.
promo-refused-not-for-you = 🚪 This promo code is not for you: it is for newcomers, or for other customers.

upgrade =
    ⬆️ <b>Change the plan</b>

    You have: { $icon } { $title }
    💰 What is unused of it is worth <b>{ $worth }</b>, which is taken off the prices below.

    The new plan begins as soon as it is paid, in place of this one. Key and link stay the same. Days that were a present do not move to the new plan.
upgrade-nothing-left =
    ⬆️ <b>Change the plan</b>

    You have: { $icon } { $title }
    Nothing that was paid for it is left unused.

    The new plan begins as soon as it is paid, in place of this one. Key and link stay the same. Days that were a present do not move to the new plan.
upgrade-methods =
    ⬆️ { $icon } <b>{ $title }</b> · { days }

    In place of the plan you have, from today. The later the payment comes, the less is left of the old plan, and the new one is that much shorter.

    💳 <b>How would you like to pay?</b>
upgrade-refused-ended = ⌛ This subscription has ended: it can only be bought again.
upgrade-refused-not-now = ⏸ The plan cannot be changed now: the subscription is frozen or switched off, or its key is being replaced.
upgrade-refused-same-plan = 🔄 You have this plan already: it can be renewed.
upgrade-refused-held = 🔑 You hold a subscription to that plan already: renew that one.
upgrade-refused-other-currency = 💱 What you have was paid in another currency: the plan cannot be changed this way.
upgrade-refused-worth-more = ⚖️ What is unused is worth more than that period. Choose a longer one.
upgrade-refused-nothing = 🏝 There is nothing to change this plan for right now.

notice-code-spent-credited =
    💼 <b>The promo code of this order is used up</b>

    You have used it with another order, so { $amount } are on your balance; nothing is lost.

    🧾 Order <code>{ $order_ref }</code>

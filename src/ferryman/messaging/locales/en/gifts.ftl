button-gift = 🎁 I have a gift code

gift-ask =
    🎁 <b>A gift code</b>

    ✍️ Write it here as it is on your card: <code>XXXX-XXXX-XXXX-XXXX</code>. Capitals and hyphens do not matter.
gift-wrong =
    🤔 <b>This code does not work.</b>

    Look for a misprint and write it once more. It may also have been used already or be out of date.
codes-slow =
    ⏳ <b>Too many codes that do not work.</b>

    Please try again in { $minutes } min, or write to support with your code.
gift-accepted-plan =
    🎉 <b>The gift is yours!</b>

    { $icon } { $title } · { days }

    🔑 I am preparing your key — it comes in a few seconds.
gift-accepted-money =
    🎉 <b>The gift is yours!</b>

    💼 { $amount } went to your balance. Choose what to spend it on.
notice-gift-redeemed =
    🎁 <b>Your gift code was accepted!</b>

    { $icon } { $title } · { days }

    🔑 I am preparing your key — it comes as the next message in a few seconds.
notice-gift-credited =
    🎁 <b>Your gift code was accepted!</b>

    💼 { $amount } went to your balance.

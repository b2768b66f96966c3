days = { $days ->
    [one] { $days } day
   *[other] { $days } days
}

command-start = Main menu
command-buy = Buy a subscription
command-subs = My subscription and key
command-help = How to connect
command-language = Change the language

button-home = 🏠 Main menu
button-back = ⬅️ Back
button-buy = 🛒 Buy a subscription
button-subs = 🔑 My subscription
button-subs-days = 🔑 My subscription · { days } left
button-subs-ended = ⌛ My subscription · ended
button-help = 📲 How to connect
button-language = 🌍 Language · Язык
button-rules = 📜 Rules
button-pay = 💳 Go to payment
button-cancel = ✖️ Cancel the order
button-check = ✅ I have paid — check
button-key = 🔑 Key and QR code
button-renew = 🔄 Renew
button-copy = 📋 Copy the link
button-support = 💬 Write to support
button-plan = { $icon } { $title } · from { $amount }
button-term = 📅 { days } · { $amount }
button-method = { $icon } { $title } · { $amount }

someone = friend
home-new =
    👋 <b>Hello, { $name }!</b>

    🚢 A fast, dependable VPN in one minute:
    🛒 choose a plan and a period
    💳 pay the way you like
    🔑 get your key right here

    🌍 One link opens every country.
home-active =
    👋 <b>Welcome back, { $name }!</b>

    ✅ Your subscription is active until <b>{ $until }</b>
    ⏳ Left: <b>{ days }</b>
home-ended =
    👋 <b>Welcome back, { $name }!</b>

    ⌛ Your subscription ended on <b>{ $until }</b>.
    🔄 Renew it — your key and link stay the same.

plans =
    🛒 <b>Choose a plan</b>
plans-entry =
    { $icon } <b>{ $title }</b>
    { $description }
    { $limits }
plans-none =
    🏝 <b>Nothing is on sale right now</b>

    Please look in a little later — plans are coming.
terms =
    { $icon } <b>{ $title }</b>
    { $description }
    { $limits }

    📅 <b>For how long?</b>
methods =
    { $icon } <b>{ $title }</b> · { days }

    💳 <b>How would you like to pay?</b>
methods-none =
    🔧 <b>Payment is not available for the moment</b>

    We know and are fixing it. Please try a little later.
paying-refused =
    🔧 <b>This way of paying does not take the payment right now</b>

    Please choose another one, or try a little later. You were not charged.
checkout =
    🧾 <b>Order { $order_ref }</b>

    { $icon } { $title } · { days }
    💰 To pay: <b>{ $amount }</b>

    💳 Press the button below. After you pay, the key comes here by itself — usually within seconds.
checkout-wait =
    🧾 <b>Order { $order_ref }</b>

    { $icon } { $title } · { days }
    💰 To pay: <b>{ $amount }</b>

    ⏳ The payment system needs a moment. I will send the payment link here as soon as it answers.
contact =
    🧾 <b>Where shall the receipt go?</b>

    Write an e-mail address, or a phone number with its country code. I will remember it and not ask again.
contact-wrong =
    ⚠️ That does not look like an e-mail or a phone number. For example: <code>anna@example.com</code> or <code>+447700900123</code>.
order-open =
    🔎 <b>No payment to be seen yet</b>

    🧾 Order <code>{ $order_ref }</code>

    If you have paid already, do not worry: I keep checking and send the key as soon as the money arrives.
order-paid =
    ✅ <b>Payment received!</b>

    🧾 Order <code>{ $order_ref }</code>

    🔑 The key comes here as a message of its own. You always find it under “My subscription”, too.
order-cancelled =
    ❌ <b>This payment was cancelled</b>

    🧾 Order <code>{ $order_ref }</code>

    You can place a new order — it takes half a minute.
order-dropped =
    ✖️ <b>The order is cancelled</b>

    🧾 Order <code>{ $order_ref }</code>

    You owe nothing; please do not pay by the old link. Should you have paid already, the money is not lost: it gets you what you ordered, or goes to your balance if you have bought something else since.
order-review =
    🔎 <b>We are checking this payment by hand</b>

    🧾 Order <code>{ $order_ref }</code>

    Your money is safe: we will write as soon as we know.

traffic-unlimited = 📶 Unlimited traffic
traffic-limited = 📶 Traffic: { $gigabytes } GB
devices-unlimited = 📱 Any number of devices
devices-limited = 📱 Devices: up to { $devices }

subs-none =
    🔑 <b>No subscription yet</b>

    🛒 Get one in a minute — the key comes right here.
subs-many =
    🔑 <b>Your subscriptions</b>

    Which one shall I show?
button-sub = { $icon } { $title } · { days }
button-sub-ended = ⌛ { $icon } { $title }
sub-active =
    { $icon } <b>{ $title }</b>

    📅 Active until <b>{ $until }</b>
    ⏳ Left: <b>{ days }</b>
    { $bar }

    🌍 <b>Locations</b>
    { $locations }

    { $limits }
sub-ended =
    { $icon } <b>{ $title }</b>

    ⌛ Ended on <b>{ $until }</b>
    { $bar }

    🔄 Renew it — your key and link stay the same.
location-ready = ✅ { $flag } { $title }
location-preparing = ⏳ { $flag } { $title } — being prepared
locations-none = ⏳ We are preparing servers for you
locations-more = … and { $count } more
key =
    🔑 <b>Your key</b>
    { $icon } { $title } · until <b>{ $until }</b>

    📲 Point your VPN app's camera at the QR code, or copy the link:

    <code>{ $link }</code>

    🤫 Keep it to yourself.

help =
    📲 <b>How to connect</b>

    <b>1.</b> Install an app:
    🍏 iPhone, iPad — Streisand, Happ or V2Box from the App Store
    🤖 Android — Happ, v2rayNG or Hiddify from Google Play
    🪟 Windows — Hiddify or v2rayN
    🍎 Mac — Happ, V2Box or Hiddify
    🐧 Linux — Hiddify
    📺 Android TV — Happ

    <b>2.</b> Open “My subscription” → “Key and QR code” and copy the link.

    <b>3.</b> In the app press ➕ and choose “Paste from clipboard”, or scan the QR code.

    <b>4.</b> Choose a country and press connect. Done! 🎉
help-support = 💬 Stuck? Write to us: { $contact }
language-choice =
    🌍 <b>Which language shall I speak?</b>
rules =
    📜 <b>Rules</b>

    🤝 The key is yours alone: do not publish or resell it.
    🚫 No spam, no attacks, nothing against the law.
    🔒 We keep no history of what you open.
    💬 If something does not work, write to us and we will help.

gone = 🔄 This button is out of date. Here is a fresh menu.
not-for-sale = 🛒 This option is not on sale any more. Here is what there is now.
not-yours = 🔑 You have no such subscription. Here is your menu.
banned = ⛔ This bot is closed to you. If that is a mistake, write to support.
stumbled = 😔 <b>Something went wrong on our side.</b> I keep trying by myself; your money and your orders are safe. Menu: /start

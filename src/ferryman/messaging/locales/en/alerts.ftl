notice-node-down =
    🔴 { $flag } <b>{ $node }</b> does not answer — look whether its server and panel run and can be reached from here.

    🔑 Keys owed there wait, and follow by themselves when it is back.
    💬 <i>{ $detail }</i>
notice-node-degraded =
    🟠 { $flag } <b>{ $node }</b> { $ailment ->
        [core] has a panel that answers and a core that does not run — start Xray in the panel and read its log there.
        [inbounds] lacks an inbound that keys are on — switch it on in the panel, or choose the node's inbounds anew.
        [ports] accepts no connections on a port of its customers — open it in the firewalls there, or look at Xray's log.
        [clock] has a clock that is off — switch on time synchronisation (NTP) there.
        [slow] has a panel that answers very slowly — look at the server's load.
        [refused] has a panel that keeps us out — correct the node's address and credentials.
       *[other] needs somebody to look at it — run the doctor.
    }

    🚪 It takes no new customers until that is mended.
    💬 <i>{ $detail }</i>
notice-node-back =
    🟢 { $flag } <b>{ $node }</b> is well again after { $minutes } min — there is nothing to do.
    { $returns_in ->
        [0] 🔑 What was owed there is being put there now.
       *[other] ⏳ Its customers return in { $returns_in } min if it stays well.
    }
notice-node-flapping =
    🟡 { $flag } <b>{ $node }</b> comes and goes — look at its network and its panel's log.

    🔕 I fall silent about it until it has stayed one way for { $minutes } min.
notice-node-quarantined =
    🟣 { $flag } <b>{ $node }</b> has been down for { $minutes } min and is taken out — mend it, or retire it if it is gone.

    🧭 Other nodes serve its customers, whose links stay as they are. It returns by itself after { $returns_after } min of health.
notice-fleet-in-doubt =
    🛑 <b>None of our { $nodes } nodes answers</b> — look at the network of this machine first.

    🧭 Nobody is moved meanwhile; payments are taken, and keys follow.
notice-fleet-answers =
    🟢 <b>{ $answering } of { $nodes } nodes answer again</b> — keys that are owed follow by themselves.
notice-bank-differs =
    🏦 <b>{ $provider } and our books differ</b>

    🔎 { $count ->
        [one] { $count } payment is not the same here and there.
       *[other] { $count } payments are not the same here and there.
    }
    { $detail }

    👉 <code>ferryman ledger findings</code>
notice-customer-untold =
    📪 <b>A customer was perhaps never told</b>

    👤 Customer <code>{ $customer }</code> · <code>{ $what }</code>
    Telegram left { $times } attempts within a day without an answer, so it may have arrived several times or not at all. Please write to them.
notice-money-alarm =
    { $what ->
        [stuck] 💸 <b>Paid, and no key</b>
        [unexplained] 🎭 <b>Access that nobody paid for</b>
        [unread] 📥 <b>Webhooks wait to be worked through</b>
        [review] 🔎 <b>Payments wait for your decision</b>
        [denied] 🔐 <b>A payment provider keeps us out</b>
        [silent] 🔕 <b>A payment provider sends no webhooks</b>
        [unknown] ❓ <b>A provider says of payments what we do not know</b>
        [unopened] 🚫 <b>A provider opens no payments</b>
        [endless] ♾ <b>A payment stays open for days</b>
        [refunds] ⏳ <b>A refund has no end</b>
        [uncompared] 🏦 <b>The books cannot be held beside a provider's list</b>
       *[other] ⚠️ <b>Something about money needs you</b>
    }

    🔢 { $count } · ⏱ { $minutes } min
    { $detail }

    👉 { $what ->
        [stuck] <code>ferryman stuck</code>, then <code>ferryman repair ID</code>
        [unexplained] <code>ferryman stuck</code>
        [unread] <code>ferryman events list --waiting</code>
        [review] <code>ferryman payment list</code>
        [denied] New payments are not offered there meanwhile. <code>ferryman doctor</code>, then <code>ferryman provider edit</code>
        [unknown] It counts as open, and nothing is given for it. Look it up in the provider's dashboard.
        [unopened] It is asked again by itself. <code>ferryman doctor</code>, and the log: <code>payment_not_opened</code>
        [endless] Look it up in the provider's dashboard, and in <code>ferryman doctor</code>
        [silent] <code>ferryman doctor</code>
        [refunds] <code>ferryman refund list --open</code>
        [uncompared] <code>ferryman doctor</code>
       *[other] <code>ferryman doctor</code>
    }

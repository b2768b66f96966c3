notice-node-down =
    🔴 { $flag } <b>{ $node }</b> не отвечает — проверьте, работают ли сервер и панель и видно ли их с этой машины.

    🔑 Ключи, которые должны на нём появиться, ждут и появятся сами, когда он вернётся.
    💬 <i>{ $detail }</i>
notice-node-degraded =
    🟠 { $flag } <b>{ $node }</b>: { $ailment ->
        [core] панель отвечает, а ядро не работает — запустите Xray в панели, его журнал там же.
        [inbounds] нет инбаунда, на котором стоят ключи — включите его в панели или выберите инбаунды узла заново.
        [ports] порт для клиентов не принимает соединений — откройте его в файрволах узла или посмотрите журнал Xray.
        [clock] часы идут неверно — включите на узле синхронизацию времени (NTP).
        [slow] панель отвечает очень медленно — посмотрите на загрузку сервера.
        [refused] панель нас не впускает — исправьте адрес узла и доступ к нему.
       *[other] нужен ваш взгляд — запустите doctor.
    }

    🚪 Новых клиентов он не принимает, пока это не исправлено.
    💬 <i>{ $detail }</i>
notice-node-back =
    🟢 { $flag } <b>{ $node }</b> снова в порядке, прошло { $minutes } мин — делать ничего не нужно.
    { $returns_in ->
        [0] 🔑 Всё, что на нём должно быть, уже ставится.
       *[other] ⏳ Его клиенты вернутся через { $returns_in } мин, если он не пропадёт снова.
    }
notice-node-flapping =
    🟡 { $flag } <b>{ $node }</b> то пропадает, то возвращается — посмотрите его сеть и журнал панели.

    🔕 Больше о нём не пишу, пока он не продержится { $minutes } мин в одном состоянии.
notice-node-quarantined =
    🟣 { $flag } <b>{ $node }</b> не отвечает { $minutes } мин и выведен из работы — почините его или спишите, если его больше нет.

    🧭 Его клиентов обслуживают другие узлы, ссылки у всех прежние. Он вернётся сам, когда пробудет в порядке { $returns_after } мин.
notice-fleet-in-doubt =
    🛑 <b>Не отвечает ни один из узлов ({ $nodes })</b> — сначала проверьте сеть этой машины.

    🧭 Клиентов пока никуда не переносим; оплаты принимаются, ключи появятся следом.
notice-fleet-answers =
    🟢 <b>Снова отвечают { $answering } из { $nodes } узлов</b> — недостающие ключи появятся сами.
notice-bank-differs =
    🏦 <b>{ $provider } и наши книги расходятся</b>

    🔎 { $count ->
        [one] { $count } платёж не совпадает.
        [few] { $count } платежа не совпадают.
       *[other] { $count } платежей не совпадают.
    }
    { $detail }

    👉 <code>ferryman ledger findings</code>
notice-customer-untold =
    📪 <b>Клиент, возможно, так и не узнал</b>

    👤 Клиент <code>{ $customer }</code> · <code>{ $what }</code>
    Telegram за сутки не ответил ни на одну из { $times } попыток: сообщение могло прийти несколько раз или ни разу. Напишите ему сами.
notice-money-alarm =
    { $what ->
        [stuck] 💸 <b>Оплачено, а ключа нет</b>
        [unexplained] 🎭 <b>Доступ, за который никто не платил</b>
        [unread] 📥 <b>Уведомления банков ждут разбора</b>
        [review] 🔎 <b>Платежи ждут вашего решения</b>
        [denied] 🔐 <b>Платёжная система не пускает нас</b>
        [silent] 🔕 <b>Платёжная система не присылает уведомлений</b>
        [unknown] ❓ <b>Платёжная система говорит о платежах незнакомое слово</b>
        [unopened] 🚫 <b>Платёжная система не открывает платежи</b>
        [endless] ♾ <b>Платёж открыт уже несколько дней</b>
        [refunds] ⏳ <b>Возврат никак не закончится</b>
        [uncompared] 🏦 <b>Книги не с чем сверить: список платежей не читается</b>
       *[other] ⚠️ <b>С деньгами что-то не так</b>
    }

    🔢 { $count } · ⏱ { $minutes } мин
    { $detail }

    👉 { $what ->
        [stuck] <code>ferryman stuck</code>, затем <code>ferryman repair ID</code>
        [unexplained] <code>ferryman stuck</code>
        [unread] <code>ferryman events list --waiting</code>
        [review] <code>ferryman payment list</code>
        [denied] Новые платежи там пока не предлагаются. <code>ferryman doctor</code>, затем <code>ferryman provider edit</code>
        [unknown] Он считается открытым, и за него ничего не выдано. Посмотрите его в кабинете платёжной системы.
        [unopened] Мы спрашиваем её снова сами. <code>ferryman doctor</code> и журнал: <code>payment_not_opened</code>
        [endless] Посмотрите его в кабинете платёжной системы и в <code>ferryman doctor</code>
        [silent] <code>ferryman doctor</code>
        [refunds] <code>ferryman refund list --open</code>
        [uncompared] <code>ferryman doctor</code>
       *[other] <code>ferryman doctor</code>
    }

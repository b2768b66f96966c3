days = { $days ->
    [one] { $days } день
    [few] { $days } дня
   *[many] { $days } дней
}

command-start = Главное меню
command-buy = Купить подписку
command-subs = Моя подписка и ключ
command-help = Как подключиться
command-language = Сменить язык

button-home = 🏠 Главное меню
button-back = ⬅️ Назад
button-buy = 🛒 Купить подписку
button-subs = 🔑 Моя подписка
button-subs-days = 🔑 Моя подписка · ещё { days }
button-subs-ended = ⌛ Моя подписка · закончилась
button-help = 📲 Как подключиться
button-language = 🌍 Язык · Language
button-rules = 📜 Правила
button-pay = 💳 Перейти к оплате
button-check = ✅ Я оплатил — проверить
button-key = 🔑 Ключ и QR-код
button-renew = 🔄 Продлить
button-copy = 📋 Скопировать ссылку
button-support = 💬 Написать в поддержку
button-plan = { $icon } { $title } · от { $amount }
button-term = 📅 { days } · { $amount }
button-method = { $icon } { $title } · { $amount }

someone = друг
home-new =
    👋 <b>Здравствуйте, { $name }!</b>

    🚢 Быстрый и надёжный VPN за минуту:
    🛒 выберите тариф и срок
    💳 оплатите удобным способом
    🔑 получите ключ прямо здесь

    🌍 Одна ссылка открывает все страны сразу.
home-active =
    👋 <b>С возвращением, { $name }!</b>

    ✅ Подписка активна до <b>{ $until }</b>
    ⏳ Осталось: <b>{ days }</b>
home-ended =
    👋 <b>С возвращением, { $name }!</b>

    ⌛ Ваша подписка закончилась <b>{ $until }</b>.
    🔄 Продлите её — ключ и ссылка останутся прежними.

plans =
    🛒 <b>Выберите тариф</b>
plans-entry =
    { $icon } <b>{ $title }</b>
    { $description }
    { $limits }
plans-none =
    🏝 <b>Сейчас ничего не продаётся</b>

    Загляните чуть позже — тарифы скоро появятся.
terms =
    { $icon } <b>{ $title }</b>
    { $description }
    { $limits }

    📅 <b>На какой срок?</b>
methods =
    { $icon } <b>{ $title }</b> · { days }

    💳 <b>Как удобнее заплатить?</b>
methods-none =
    🔧 <b>Оплата временно недоступна</b>

    Мы уже знаем и чиним. Попробуйте, пожалуйста, немного позже.
paying-refused =
    🔧 <b>Этот способ оплаты сейчас не принимает платёж</b>

    Выберите, пожалуйста, другой или попробуйте чуть позже. Деньги не списаны.
checkout =
    🧾 <b>Заказ { $order_ref }</b>

    { $icon } { $title } · { days }
    💰 К оплате: <b>{ $amount }</b>

    💳 Нажмите кнопку ниже. После оплаты ключ придёт сюда сам — обычно за несколько секунд.
checkout-wait =
    🧾 <b>Заказ { $order_ref }</b>

    { $icon } { $title } · { days }
    💰 К оплате: <b>{ $amount }</b>

    ⏳ Платёжная система чуть задумалась. Я пришлю ссылку на оплату сюда, как только она ответит.
order-open =
    🔎 <b>Оплаты пока не видно</b>

    🧾 Заказ <code>{ $order_ref }</code>

    Если вы уже заплатили — не волнуйтесь: я проверяю сам и пришлю ключ, как только деньги придут.
order-paid =
    ✅ <b>Оплата получена!</b>

    🧾 Заказ <code>{ $order_ref }</code>

    🔑 Ключ придёт сюда отдельным сообщением. Он всегда есть и в разделе «Моя подписка».
order-cancelled =
    ❌ <b>Этот платёж отменён</b>

    🧾 Заказ <code>{ $order_ref }</code>

    Можно оформить новый заказ — это займёт полминуты.
order-review =
    🔎 <b>Проверяем оплату вручную</b>

    🧾 Заказ <code>{ $order_ref }</code>

    Деньги не потеряются: мы напишем, как только разберёмся.

traffic-unlimited = 📶 Трафик без ограничений
traffic-limited = 📶 Трафик: { $gigabytes } ГБ
devices-unlimited = 📱 Устройств: сколько угодно
devices-limited = 📱 Устройств: до { $devices }

subs-none =
    🔑 <b>Подписки пока нет</b>

    🛒 Оформите её за минуту — ключ придёт прямо сюда.
subs-many =
    🔑 <b>Ваши подписки</b>

    Выберите, какую показать:
button-sub = { $icon } { $title } · { days }
button-sub-ended = ⌛ { $icon } { $title }
sub-active =
    { $icon } <b>{ $title }</b>

    📅 Действует до <b>{ $until }</b>
    ⏳ Осталось: <b>{ days }</b>
    { $bar }

    🌍 <b>Локации</b>
    { $locations }

    { $limits }
sub-ended =
    { $icon } <b>{ $title }</b>

    ⌛ Закончилась <b>{ $until }</b>
    { $bar }

    🔄 Продлите подписку — ключ и ссылка останутся прежними.
location-ready = ✅ { $flag } { $title }
location-preparing = ⏳ { $flag } { $title } — готовится
locations-none = ⏳ Готовим для вас серверы
locations-more = … и ещё { $count }
key =
    🔑 <b>Ваш ключ</b>
    { $icon } { $title } · до <b>{ $until }</b>

    📲 Наведите камеру VPN-приложения на QR-код или скопируйте ссылку:

    <code>{ $link }</code>

    🤫 Никому её не показывайте.

help =
    📲 <b>Как подключиться</b>

    <b>1.</b> Установите приложение:
    🍏 iPhone, iPad — Streisand, Happ или V2Box из App Store
    🤖 Android — Happ, v2rayNG или Hiddify из Google Play
    🪟 Windows — Hiddify или v2rayN
    🍎 Mac — Happ, V2Box или Hiddify
    🐧 Linux — Hiddify
    📺 Android TV — Happ

    <b>2.</b> Откройте «Моя подписка» → «Ключ и QR-код» и скопируйте ссылку.

    <b>3.</b> В приложении нажмите ➕ и выберите «Вставить из буфера обмена» или отсканируйте QR-код.

    <b>4.</b> Выберите страну и нажмите кнопку подключения. Готово! 🎉
help-support = 💬 Не получается? Напишите нам: { $contact }
language-choice =
    🌍 <b>На каком языке говорить?</b>
rules =
    📜 <b>Правила</b>

    🤝 Ключ — только для вас: не публикуйте и не перепродавайте его.
    🚫 Спам, атаки и всё незаконное запрещены.
    🔒 Мы не храним историю того, что вы открываете.
    💬 Если что-то не работает — напишите, мы поможем.

gone = 🔄 Эта кнопка устарела. Вот свежее меню.
not-for-sale = 🛒 Этот вариант больше не продаётся. Вот то, что есть сейчас.
not-yours = 🔑 Такой подписки у вас нет. Вот ваше меню.
banned = ⛔ Доступ к боту закрыт. Если это ошибка, напишите в поддержку.
stumbled = 😔 <b>Что-то пошло не так на нашей стороне.</b> Я пробую ещё раз сам; ваши деньги и заказы в сохранности. Меню: /start

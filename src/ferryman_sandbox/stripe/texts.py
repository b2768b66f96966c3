"""What the checkout page says, in Russian and English."""

TEXTS = {
    "ru": {
        "mark": "Эмулятор · тестовые деньги",
        "checkout": "Касса",
        "title": "Оплата заказа",
        "to_pay": "К оплате",
        "card": "Карта",
        "card_hint": "•••• 4242, тестовая",
        "kept_hint": "Карта будет сохранена для продления",
        "pay": "Заплатить",
        "refuse": "Карта отказывает",
        "reason": "Причина отказа",
        "decline": "Отклонить",
        "leave": "Уйти, не заплатив",
        "declined": "Карта отклонена",
        "paid_title": "Оплачено",
        "paid_text": "Деньги отправлены магазину. Можно вернуться в чат.",
        "again_text": "Этот заказ уже оплачен, второй раз деньги не списаны.",
        "waits_title": "Банк думает",
        "waits_text": "Магазин узнает об оплате, как только банк ответит.",
        "expired_title": "Время вышло",
        "expired_text": "Деньги не списаны. Вернитесь в чат и начните заново.",
        "left_title": "Вы ушли, не заплатив",
        "left_text": "Заказ ещё можно оплатить.",
        "continue": "Вернуться к оплате",
        "back": "Вернуться в магазин",
        "missing_title": "Такой страницы нет",
        "missing_text": "Проверьте ссылку или откройте её из чата ещё раз.",
        "sure": "Здесь нет настоящего банка: ни одна карта не нужна.",
    },
    "en": {
        "mark": "Emulator · test money",
        "checkout": "Checkout",
        "title": "Pay for your order",
        "to_pay": "To pay",
        "card": "Card",
        "card_hint": "•••• 4242, a test card",
        "kept_hint": "The card will be kept for renewals",
        "pay": "Pay",
        "refuse": "The card declines",
        "reason": "Reason of the decline",
        "decline": "Decline",
        "leave": "Leave without paying",
        "declined": "The card was declined",
        "paid_title": "Paid",
        "paid_text": "The money is on its way to the shop. You can return to the chat.",
        "again_text": "This order was paid before; no money was taken a second time.",
        "waits_title": "The bank is thinking",
        "waits_text": "The shop will know as soon as the bank answers.",
        "expired_title": "The time ran out",
        "expired_text": "No money was taken. Return to the chat and begin again.",
        "left_title": "You left without paying",
        "left_text": "The order can still be paid.",
        "continue": "Back to the payment",
        "back": "Back to the shop",
        "missing_title": "There is no such page",
        "missing_text": "Check the link, or open it from the chat once more.",
        "sure": "There is no real bank here: no card is needed.",
    },
}

REASONS = {
    "insufficient_funds": ("Недостаточно денег", "Insufficient funds"),
    "expired_card": ("Срок карты истёк", "The card has expired"),
    "incorrect_cvc": ("Неверный код карты", "The security code is wrong"),
    "lost_card": ("Карта потеряна", "The card was reported lost"),
    "do_not_honor": ("Банк отказал", "The bank refused"),
    "generic_decline": ("Отказ без объяснения", "Declined without a reason"),
}


def language(asked: str, accepted: str) -> str:
    """`?lang=` first, then the first of Accept-Language that we speak, else English."""
    wishes = [asked, *(part.split(";")[0].strip() for part in accepted.split(","))]
    return next((wish[:2].lower() for wish in wishes if wish[:2].lower() in TEXTS), "en")


def reason(code: str, lang: str) -> str:
    russian, english = REASONS.get(code, (code, code))
    return russian if lang == "ru" else english

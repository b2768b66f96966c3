"""What the checkout page says, in Russian and English."""

from ferryman_sandbox.payments.words import worded

TEXTS = worded(
    {
        "ru": {
            "checkout": "Касса",
            "title": "Оплата заказа",
            "card": "Карта",
            "card_hint": "•••• 4242, тестовая",
            "kept_hint": "Карта будет сохранена для продления",
            "refuse": "Карта отказывает",
            "declined": "Карта отклонена",
            "again_text": "Этот заказ уже оплачен, второй раз деньги не списаны.",
            "waits_title": "Банк думает",
            "waits_text": "Магазин узнает об оплате, как только банк ответит.",
            "expired_title": "Время вышло",
            "expired_text": "Деньги не списаны. Вернитесь в чат и начните заново.",
            "left_text": "Заказ ещё можно оплатить.",
            "continue": "Вернуться к оплате",
            "missing_title": "Такой страницы нет",
        },
        "en": {
            "checkout": "Checkout",
            "title": "Pay for your order",
            "card": "Card",
            "card_hint": "•••• 4242, a test card",
            "kept_hint": "The card will be kept for renewals",
            "refuse": "The card declines",
            "reason": "Reason of the decline",
            "declined": "The card was declined",
            "again_text": "This order was paid before; no money was taken a second time.",
            "waits_title": "The bank is thinking",
            "waits_text": "The shop will know as soon as the bank answers.",
            "expired_title": "The time ran out",
            "expired_text": "No money was taken. Return to the chat and begin again.",
            "left_text": "The order can still be paid.",
            "continue": "Back to the payment",
            "missing_title": "There is no such page",
        },
    }
)

REASONS = {
    "insufficient_funds": ("Недостаточно денег", "Insufficient funds"),
    "expired_card": ("Срок карты истёк", "The card has expired"),
    "incorrect_cvc": ("Неверный код карты", "The security code is wrong"),
    "lost_card": ("Карта потеряна", "The card was reported lost"),
    "do_not_honor": ("Банк отказал", "The bank refused"),
    "generic_decline": ("Отказ без объяснения", "Declined without a reason"),
}

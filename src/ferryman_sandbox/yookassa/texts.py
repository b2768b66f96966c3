"""What the pay page says, in Russian and English."""

TEXTS = {
    "ru": {
        "mark": "Эмулятор · тестовые деньги",
        "bank": "Касса у причала",
        "title": "Оплата заказа",
        "to_pay": "К оплате",
        "order": "Назначение",
        "number": "Номер платежа",
        "shop": "Магазин",
        "how": "Чем заплатить",
        "bank_card": "Банковская карта",
        "bank_card_hint": "•••• 4477, тестовая",
        "sbp": "СБП",
        "sbp_hint": "Перевод по номеру телефона",
        "yoo_money": "ЮMoney",
        "yoo_money_hint": "Кошелёк",
        "sberbank": "SberPay",
        "sberbank_hint": "В приложении банка",
        "tinkoff_bank": "T-Pay",
        "tinkoff_bank_hint": "В приложении банка",
        "other_hint": "Выбран магазином",
        "pay": "Заплатить",
        "decline": "Отклонить",
        "decline_title": "Банк отказывает",
        "reason": "Причина отказа",
        "leave": "Уйти, не заплатив",
        "paid_title": "Оплачено",
        "paid_text": "Деньги отправлены магазину. Можно вернуться в чат.",
        "again_text": "Этот платёж уже оплачен, второй раз деньги не списаны.",
        "held_title": "Деньги заморожены",
        "held_text": "Магазин должен подтвердить списание.",
        "canceled_title": "Платёж не прошёл",
        "canceled_text": "Деньги не списаны. Вернитесь в чат и попробуйте ещё раз.",
        "late_text": "Этот платёж уже закрыт, деньги не списаны.",
        "left_title": "Вы ушли, не заплатив",
        "left_text": "Платёж ещё открыт: его можно оплатить в течение часа после создания.",
        "continue": "Вернуться к оплате",
        "back": "Вернуться в магазин",
        "missing_title": "Такого платежа нет",
        "missing_text": "Проверьте ссылку или откройте её из чата ещё раз.",
        "sure": "Здесь нет настоящего банка: ни одна карта не нужна.",
    },
    "en": {
        "mark": "Emulator · test money",
        "bank": "Quayside Checkout",
        "title": "Pay for your order",
        "to_pay": "To pay",
        "order": "For",
        "number": "Payment number",
        "shop": "Shop",
        "how": "How to pay",
        "bank_card": "Bank card",
        "bank_card_hint": "•••• 4477, a test card",
        "sbp": "SBP",
        "sbp_hint": "Fast transfer by phone number",
        "yoo_money": "YooMoney",
        "yoo_money_hint": "Wallet",
        "sberbank": "SberPay",
        "sberbank_hint": "In the bank's app",
        "tinkoff_bank": "T-Pay",
        "tinkoff_bank_hint": "In the bank's app",
        "other_hint": "Chosen by the shop",
        "pay": "Pay",
        "decline": "Decline",
        "decline_title": "The bank refuses",
        "reason": "Reason of the refusal",
        "leave": "Leave without paying",
        "paid_title": "Paid",
        "paid_text": "The money is on its way to the shop. You can return to the chat.",
        "again_text": "This payment was paid before; no money was taken a second time.",
        "held_title": "The money is held",
        "held_text": "The shop still has to capture it.",
        "canceled_title": "The payment failed",
        "canceled_text": "No money was taken. Return to the chat and try again.",
        "late_text": "This payment is already closed; no money was taken.",
        "left_title": "You left without paying",
        "left_text": "The payment is still open: it can be paid within an hour of its creation.",
        "continue": "Back to the payment",
        "back": "Back to the shop",
        "missing_title": "There is no such payment",
        "missing_text": "Check the link, or open it from the chat once more.",
        "sure": "There is no real bank here: no card is needed.",
    },
}

REASONS = {
    "insufficient_funds": ("Недостаточно денег", "Insufficient funds"),
    "3d_secure_failed": ("Не пройдена проверка 3-D Secure", "3-D Secure failed"),
    "card_expired": ("Срок карты истёк", "The card has expired"),
    "fraud_suspected": ("Подозрение на мошенничество", "Fraud suspected"),
    "general_decline": ("Отказ без объяснения", "Declined without a reason"),
    "issuer_unavailable": ("Банк не отвечает", "The issuing bank does not answer"),
    "payment_method_limit_exceeded": ("Превышен лимит", "The limit is exceeded"),
    "country_forbidden": ("Карта этой страны не принимается", "Cards of this country are not accepted"),
    "expired_on_confirmation": ("Время на оплату вышло", "The time to pay ran out"),
}

METHOD_ICONS = {"bank_card": "💳", "sbp": "⚡", "yoo_money": "👛", "sberbank": "🟢", "tinkoff_bank": "🟡"}


def language(asked: str, accepted: str) -> str:
    """`?lang=` first, then the first of Accept-Language that we speak, else English."""
    wishes = [asked, *(part.split(";")[0].strip() for part in accepted.split(","))]
    for wish in wishes:
        if wish[:2].lower() in TEXTS:
            return wish[:2].lower()
    return "en"


def reason(code: str, lang: str) -> str:
    russian, english = REASONS.get(code, (code, code))
    return russian if lang == "ru" else english

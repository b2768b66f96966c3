"""What the pay page says, in Russian and English."""

from ferryman_sandbox.payments.words import worded

TEXTS = worded(
    {
        "ru": {
            "bank": "Касса у причала",
            "title": "Оплата заказа",
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
            "again_text": "Этот платёж уже оплачен, второй раз деньги не списаны.",
            "held_title": "Деньги заморожены",
            "held_text": "Магазин должен подтвердить списание.",
            "canceled_title": "Платёж не прошёл",
            "canceled_text": "Деньги не списаны. Вернитесь в чат и попробуйте ещё раз.",
            "late_text": "Этот платёж уже закрыт, деньги не списаны.",
            "left_text": "Платёж ещё открыт: его можно оплатить в течение часа после создания.",
            "continue": "Вернуться к оплате",
            "missing_title": "Такого платежа нет",
        },
        "en": {
            "bank": "Quayside Checkout",
            "title": "Pay for your order",
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
            "again_text": "This payment was paid before; no money was taken a second time.",
            "held_title": "The money is held",
            "held_text": "The shop still has to capture it.",
            "canceled_title": "The payment failed",
            "canceled_text": "No money was taken. Return to the chat and try again.",
            "late_text": "This payment is already closed; no money was taken.",
            "left_text": "The payment is still open: it can be paid within an hour of its creation.",
            "continue": "Back to the payment",
            "missing_title": "There is no such payment",
        },
    }
)

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

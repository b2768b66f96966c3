"""What the invoice page says, in Russian and English."""

TEXTS = {
    "ru": {
        "mark": "Эмулятор · тестовые деньги",
        "wallet": "Кошелёк в боте",
        "title": "Счёт к оплате",
        "to_pay": "К оплате",
        "order": "Назначение",
        "number": "Номер счёта",
        "until": "Оплатить до",
        "how": "Какой монетой",
        "pay": "Заплатить",
        "leave": "Уйти, не заплатив",
        "paid_title": "Оплачено",
        "paid_text": "Монеты ушли магазину. Можно вернуться в чат.",
        "again_text": "Этот счёт уже оплачен, второй раз ничего не списано.",
        "expired_title": "Счёт просрочен",
        "expired_text": "Ничего не списано. Вернитесь в чат и попросите новый счёт.",
        "left_title": "Вы ушли, не заплатив",
        "left_text": "Счёт ещё открыт, его можно оплатить позже.",
        "continue": "Вернуться к счёту",
        "back": "Вернуться в магазин",
        "missing_title": "Такого счёта нет",
        "missing_text": "Проверьте ссылку или откройте её из чата ещё раз.",
        "sure": "Здесь нет ни блокчейна, ни настоящих монет.",
    },
    "en": {
        "mark": "Emulator · test money",
        "wallet": "Wallet in the bot",
        "title": "Invoice",
        "to_pay": "To pay",
        "order": "For",
        "number": "Invoice number",
        "until": "Pay before",
        "how": "Which coin",
        "pay": "Pay",
        "leave": "Leave without paying",
        "paid_title": "Paid",
        "paid_text": "The coins are on their way to the shop. You can return to the chat.",
        "again_text": "This invoice was paid before; nothing was taken a second time.",
        "expired_title": "The invoice has expired",
        "expired_text": "Nothing was taken. Return to the chat and ask for a new invoice.",
        "left_title": "You left without paying",
        "left_text": "The invoice is still open and can be paid later.",
        "continue": "Back to the invoice",
        "back": "Back to the shop",
        "missing_title": "There is no such invoice",
        "missing_text": "Check the link, or open it from the chat once more.",
        "sure": "There is no blockchain here, and no real coin.",
    },
}

COIN_ICONS = {
    "USDT": "🟢",
    "USDC": "🔵",
    "TON": "💎",
    "BTC": "🟠",
    "ETH": "🔷",
    "LTC": "🔘",
    "BNB": "🟡",
    "TRX": "🔴",
}


def language(asked: str, accepted: str) -> str:
    """`?lang=` first, then the first of Accept-Language that we speak, else English."""
    wishes = [asked, *(part.split(";")[0].strip() for part in accepted.split(","))]
    return next((wish[:2].lower() for wish in wishes if wish[:2].lower() in TEXTS), "en")

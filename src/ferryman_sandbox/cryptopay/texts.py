"""What the invoice page says, in Russian and English."""

from ferryman_sandbox.payments.words import worded

TEXTS = worded(
    {
        "ru": {
            "wallet": "Кошелёк в боте",
            "title": "Счёт к оплате",
            "number": "Номер счёта",
            "until": "Оплатить до",
            "how": "Какой монетой",
            "paid_text": "Монеты ушли магазину. Можно вернуться в чат.",
            "again_text": "Этот счёт уже оплачен, второй раз ничего не списано.",
            "expired_title": "Счёт просрочен",
            "expired_text": "Ничего не списано. Вернитесь в чат и попросите новый счёт.",
            "left_text": "Счёт ещё открыт, его можно оплатить позже.",
            "continue": "Вернуться к счёту",
            "missing_title": "Такого счёта нет",
            "sure": "Здесь нет ни блокчейна, ни настоящих монет.",
        },
        "en": {
            "wallet": "Wallet in the bot",
            "title": "Invoice",
            "number": "Invoice number",
            "until": "Pay before",
            "how": "Which coin",
            "paid_text": "The coins are on their way to the shop. You can return to the chat.",
            "again_text": "This invoice was paid before; nothing was taken a second time.",
            "expired_title": "The invoice has expired",
            "expired_text": "Nothing was taken. Return to the chat and ask for a new invoice.",
            "left_text": "The invoice is still open and can be paid later.",
            "continue": "Back to the invoice",
            "missing_title": "There is no such invoice",
            "sure": "There is no blockchain here, and no real coin.",
        },
    }
)

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

"""What all pay pages say alike, in Russian and English, and which of the two a payer reads."""

from collections.abc import Mapping

Words = Mapping[str, str]

_COMMON = {
    "ru": {
        "mark": "Эмулятор · тестовые деньги",
        "to_pay": "К оплате",
        "order": "Назначение",
        "pay": "Заплатить",
        "leave": "Уйти, не заплатив",
        "refuse": "Банк отказывает",
        "reason": "Причина отказа",
        "decline": "Отклонить",
        "paid_title": "Оплачено",
        "paid_text": "Деньги отправлены магазину. Можно вернуться в чат.",
        "left_title": "Вы ушли, не заплатив",
        "missing_text": "Проверьте ссылку или откройте её из чата ещё раз.",
        "back": "Вернуться в магазин",
        "sure": "Здесь нет настоящего банка: ни одна карта не нужна.",
    },
    "en": {
        "mark": "Emulator · test money",
        "to_pay": "To pay",
        "order": "For",
        "pay": "Pay",
        "leave": "Leave without paying",
        "refuse": "The bank refuses",
        "reason": "Reason of the refusal",
        "decline": "Decline",
        "paid_title": "Paid",
        "paid_text": "The money is on its way to the shop. You can return to the chat.",
        "left_title": "You left without paying",
        "missing_text": "Check the link, or open it from the chat once more.",
        "back": "Back to the shop",
        "sure": "There is no real bank here: no card is needed.",
    },
}


def worded(own: Mapping[str, Words]) -> dict[str, Words]:
    """The texts of one service: its own before those of all."""
    return {lang: {**common, **own[lang]} for lang, common in _COMMON.items()}


def language(asked: str, accepted: str = "") -> str:
    """What was asked for first, then the first of Accept-Language that we speak, else English."""
    wishes = [asked, *(part.split(";")[0].strip() for part in accepted.split(","))]
    return next((wish[:2].lower() for wish in wishes if wish[:2].lower() in _COMMON), "en")


def reason(reasons: Mapping[str, tuple[str, str]], code: str, lang: str) -> str:
    """Why a payment was refused; an unknown code speaks for itself."""
    russian, english = reasons.get(code, (code, code))
    return russian if lang == "ru" else english

"""The ways to pay that a customer is offered, each with its own button, and what it takes at one time.

Limits in roubles as the service publishes them per way; none is written down where it publishes none. Shops that settle
in another currency have cards alone. SBP can be charged again under rules that are not published, so it is not kept.
"""

from ferryman.billing.provider import Way

# A shop's account is in one of these, nearly always the first; the others are refused over there then.
CURRENCIES = ("RUB", "USD", "EUR", "KZT", "BYN", "UAH", "UZS", "TRY", "INR", "MDL", "AZN", "AMD")

_ROUBLES = ("RUB",)
_ONE_ROUBLE = {"RUB": 100}

WAYS = (
    Way("bank_card", "💳", {"ru": "Банковская карта", "en": "Bank card"}, (), _ONE_ROUBLE, {"RUB": 35_000_000}, True),
    Way("sbp", "⚡", {"ru": "СБП", "en": "SBP"}, _ROUBLES, _ONE_ROUBLE, {"RUB": 70_000_000}),
    Way("sberbank", "🟢", {"ru": "SberPay", "en": "SberPay"}, _ROUBLES, _ONE_ROUBLE, {}, True),
    Way("tinkoff_bank", "🟡", {"ru": "T-Pay", "en": "T-Pay"}, _ROUBLES, _ONE_ROUBLE, {"RUB": 70_000_000}, True),
    Way("yoo_money", "👛", {"ru": "ЮMoney", "en": "YooMoney"}, _ROUBLES, _ONE_ROUBLE, {}, True),
)
BY_CODE = {way.code: way for way in WAYS}

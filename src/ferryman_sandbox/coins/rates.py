"""What coins cost here: fixed, so that a test can count. No relation to any market."""

from decimal import ROUND_UP, Decimal

COINS = {"USDT": ("TRON", "🟢"), "BTC": ("Bitcoin", "🟠"), "ETH": ("Ethereum", "🔷"), "LTC": ("Litecoin", "🥈")}
_IN_EUR = {"USDT": Decimal("0.8"), "BTC": Decimal(60_000), "ETH": Decimal(2_500), "LTC": Decimal(80)}
_MONEY_IN_EUR = {"EUR": Decimal(1), "USD": Decimal("0.8"), "GBP": Decimal("1.25"), "RUB": Decimal("0.01")}
SMALLEST = Decimal("0.00000001")


def rate(coin: str, currency: str) -> Decimal:
    """How much of `currency` one coin is; currencies without a rate here count as euros."""
    return _IN_EUR[coin] / _MONEY_IN_EUR.get(currency, Decimal(1))


def coins_for(amount: Decimal, currency: str, coin: str) -> Decimal:
    """How many coins the amount is, rounded up to the eighth digit."""
    return (amount / rate(coin, currency)).quantize(SMALLEST, ROUND_UP)


def plain(amount: Decimal) -> str:
    """Without an exponent and without zeros at the end: "0.00016", "0"."""
    text = f"{amount:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text

"""Money is a whole number of minor units and a currency; there is no float anywhere."""

import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

# ISO 4217 exponents that differ from 2; XTR is Telegram's currency of whole Stars.
_EXPONENTS = {"XTR": 0, "JPY": 0, "KRW": 0, "VND": 0}
_CURRENCY = re.compile(r"[A-Z]{3,5}")
_AMOUNT = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,18})?")


def exponent(currency: str) -> int:
    """How many decimal digits the currency has."""
    return _EXPONENTS.get(currency, 2)


@dataclass(frozen=True, order=False)
class Money:
    """`minor` units (kopecks, cents, Stars) of one `currency` (upper-case code)."""

    minor: int
    currency: str

    def __post_init__(self) -> None:
        if not _CURRENCY.fullmatch(self.currency):
            raise ValueError(f"not a currency code: {self.currency!r}")

    @classmethod
    def parse(cls, amount: str, currency: str) -> "Money":
        """Read a decimal string as providers write it ("10", "10.0", "10.00").

        Raises ValueError for anything that is not a plain decimal, or that is finer than the currency's minor unit.
        """
        if not _AMOUNT.fullmatch(amount):
            raise ValueError(f"not an amount: {amount[:40]!r}")
        try:
            scaled = Decimal(amount).scaleb(exponent(currency))
        except InvalidOperation as error:
            raise ValueError(f"not an amount: {amount[:40]!r}") from error
        if scaled != scaled.to_integral_value():
            raise ValueError(f"{amount} is finer than the smallest unit of {currency}")
        return cls(int(scaled), currency)

    def decimal(self) -> str:
        """As a decimal string with the currency's full number of digits: "199.00", "250" for Stars."""
        digits = exponent(self.currency)
        return f"{Decimal(self.minor).scaleb(-digits):.{digits}f}"

    def __str__(self) -> str:
        return f"{self.decimal()} {self.currency}"

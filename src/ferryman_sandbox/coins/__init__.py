"""The invoice page that the emulators of coin processors share: choose a coin, pay exactly, less, more, or too late.

It knows no provider: an emulator hands it a Till that shows a Bill and acts on it.
"""

from ferryman_sandbox.coins.page import Bill, Brand, InvoicePage
from ferryman_sandbox.coins.rates import COINS, coins_for, plain

__all__ = ["COINS", "Bill", "Brand", "InvoicePage", "coins_for", "plain"]

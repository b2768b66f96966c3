"""An emulator of Crypto Pay, the API of @CryptoBot: invoices, their page, the signed webhook, and a control API.

Not modelled: transfers, checks, swaps, statistics, comments, invoices that are paid more than once, real rates.
Unknown about the real service and chosen here: the names of most errors; the spacing of its 17 attempts over three
days; a list without a status shows expired invoices too, the newest first. A deleted invoice is gone from all lists.
"""

from ferryman_sandbox.cryptopay.emulator import CryptoPayEmulator

__all__ = ["CryptoPayEmulator"]

"""An emulator of Freekassa: the page behind a signed link, the notification, the list of orders.

Not modelled: orders created through the API, balances, payouts, refunds by API, the choice of wallets, other calls.
Chosen here as nothing is published: redelivery follows `links.emulator.LADDER`; a second visit finds the order of the
first while it waits, and makes another one after it was paid or refused.
"""

from ferryman_sandbox.freekassa.emulator import FreekassaEmulator

__all__ = ["FreekassaEmulator"]

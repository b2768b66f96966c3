"""An emulator of Heleket's payment API (the one that Cryptomus has too), its invoice page, webhooks and a control API.

Not modelled: static wallets, payouts, refunds asked for through the API, conversion, discounts, the choice of network.
Unknown about the real service and chosen here: the pauses between repeated webhooks; that any 2xx counts as received;
that an invoice paid in part ends as `wrong_amount` when its time is up; the time zone of dates, which is UTC.
"""

from ferryman_sandbox.heleket.emulator import HeleketEmulator

__all__ = ["HeleketEmulator"]

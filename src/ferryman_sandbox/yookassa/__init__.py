"""An emulator of YooKassa's payment API v3 with its pay page, its notifications and a control API.

Not modelled: receipts' own API, payouts, safe deals, invoices, OAuth partners, 3-D Secure pages, fiscal registration.
Unknown about the real service and chosen here: a repeated Idempotence-Key answers what the first call answered, word
for word; redelivery follows `notifications.LADDER`; a payment nobody could ever confirm is refused at creation.
"""

from ferryman_sandbox.yookassa.emulator import YooKassaEmulator

__all__ = ["YooKassaEmulator"]

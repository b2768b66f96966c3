"""An emulator of Stripe as far as one-off payments go: Checkout Sessions, their page, kept cards, refunds, disputes.

Not modelled: subscriptions, invoices, prices and products of their own, Connect, Radar, taxes, 3-D Secure, holding
money before it is captured, payouts; parameters that none of these needs are taken and forgotten. The webhook endpoint
hears the events that `account.HEARD` names. Unknown about the real service and chosen here: the spacing of its retries.
"""

from ferryman_sandbox.stripe.emulator import StripeEmulator

__all__ = ["StripeEmulator"]

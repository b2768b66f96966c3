"""Stripe: cards through a Checkout Session in payment mode, cards kept for renewals, API version 2024-06-20.

A payment is known by its session, a charge of a kept card by its PaymentIntent; both carry our ref in their metadata,
and so do the charges that come of them. A dispute does not: it names the PaymentIntent, and `look_up` takes those too.
Every POST has an Idempotency-Key and may be repeated for 24 hours. Amounts are whole minor units on the wire.

`provider` holds the port's verbs, `api` one call and what its answer means, `shapes` what is sent and what the answers
say, `webhook` who may be believed, `settings` what an operator may set.
"""

from ferryman.billing.providers.stripe.provider import Stripe

__all__ = ["Stripe"]

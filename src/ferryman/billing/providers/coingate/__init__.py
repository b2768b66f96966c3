"""CoinGate: coins for a price in money, through its invoice page; API v2 as documented in April 2026.

A creation has no idempotency key, so a repeat searches the list first. A callback carries the token that was given with
its order; ours is derived from the API token and our ref, so none is stored, and is only a reason to ask: the truth is
always fetched. The surplus and the shortage of what was paid change without a callback.

Nothing here refunds: the API wants the payer's wallet address, coin and network for it, which only the payer knows.

`provider` holds the port's verbs, `answers` what CoinGate's answers and callbacks say.
"""

from ferryman.billing.providers.coingate.provider import CoinGate

__all__ = ["CoinGate"]

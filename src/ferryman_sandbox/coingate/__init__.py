"""An emulator of CoinGate's order API v2 with its invoice page, its callbacks and a control API.

Not modelled: conversion and ledger, shopper data, lightning, payouts, the Billing product, the published lists of
addresses that callbacks come from, the ban on private addresses. An order is cancelled by its shopper only, as no call
for it is known. Limits are off until set through `/__emu/app`. Chosen here: a 403 ends an order's callbacks as 301, 302
and 401 do; a transfer that comes too late completes the order, callback and all.
"""

from ferryman_sandbox.coingate.emulator import CoinGateEmulator

__all__ = ["CoinGateEmulator"]

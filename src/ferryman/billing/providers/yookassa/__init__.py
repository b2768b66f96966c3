"""YooKassa (ЮKassa): cards, SBP, SberPay, T-Pay and YooMoney through its payment page, API v3 of April 2026.

Its notifications carry no signature, so they are only read, never believed; the truth is always fetched. A 5xx or a
lost answer to a creation means "unknown": the same request with the same key is safe to repeat for 24 hours, after that
`find` is the way.

`provider` holds the port's verbs, `api` one call and what its answer means, `shapes` what the answers say, `writing`
what we send, `settings` what an operator may set, `ways` the buttons.
"""

from ferryman.billing.providers.yookassa.provider import YooKassa

__all__ = ["YooKassa"]

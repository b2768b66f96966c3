"""Less than the price came: what is there stands apart under the payment's name, and what follows is put beside it.

A level is kept, not a list of sums: on `unmatched:REF` stands what the provider says is ours at the moment. More may
come, in any order with "expired" or "cancelled", and some may go back to the payer.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from ferryman.billing import ledger
from ferryman.billing.order import Order, Payment
from ferryman.billing.provider import Fact, PaymentState
from ferryman.kit.money import Money


async def hold(session: AsyncSession, payment: Payment, level: Money, details: Mapping[str, Any]) -> None:
    """Let just so much of this currency stand apart; the caller holds the payment's row."""
    account = f"unmatched:{payment.ref}"
    held = sum(-one.minor for one in await ledger.held_on(session, account) if one.currency == level.currency)
    grown = Money(level.minor - held, level.currency)
    if grown.minor:
        legs = [(f"provider:{payment.provider}", grown), (account, ledger.negative(grown))]
        await ledger.post_again(session, "unmatched", f"payment:{payment.ref}", legs, details)


async def rest(session: AsyncSession, payment: Payment, order: Order, fact: Fact) -> int:
    """What has come since a person decided, of the price that was short then; answers what the balance got of it.

    It makes up for the shop's loss first, where the payment was accepted all the same.
    """
    source = f"payment:{payment.ref}"
    total = fact.amount if fact.state is PaymentState.SUCCEEDED else fact.came
    if "decided" not in payment.details or total is None or total.currency != payment.currency:
        return 0
    came = total.minor - await ledger.booked(session, source, f"provider:{payment.provider}", payment.currency)
    if came <= 0:
        return 0
    lost = min(came, max(await ledger.booked(session, source, "shortfall", payment.currency), 0))
    parts = [
        (f"provider:{payment.provider}", came),
        ("shortfall", -lost),
        (f"customer:{order.customer_id}", lost - came),
    ]
    legs = [(account, Money(minor, payment.currency)) for account, minor in parts if minor]
    await ledger.post_again(session, "rest", source, legs, fact.details)
    return came - lost

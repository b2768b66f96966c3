"""Gift codes in the ledger: what was given out and is not redeemed yet is owed, on the account `gifts`."""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from ferryman.billing import ledger
from ferryman.billing.gift import GiftCode

GIFTS, GIVEN_AWAY = "gifts", "giveaways"


async def issue(session: AsyncSession, code: GiftCode) -> None:
    """A code that nobody paid for is owed all the same; what it costs the shop stands under `giveaways`."""
    legs = [(GIVEN_AWAY, code.worth), (GIFTS, ledger.negative(code.worth))]
    await ledger.post(session, "gift", f"gift:{code.ref}", legs)


async def credit(session: AsyncSession, code: GiftCode, customer_id: int) -> None:
    """A code that is worth money: it is on the customer's balance from now on."""
    legs = [(GIFTS, code.worth), (f"customer:{customer_id}", ledger.negative(code.worth))]
    await ledger.post(session, "gift_credit", f"gift:{code.ref}", legs)


async def compensate(session: AsyncSession, code: GiftCode, customer_id: int) -> None:
    """A code became void with the money that had bought it, and the money is there again: the buyer has its worth."""
    legs = [("sales", code.worth), (f"customer:{customer_id}", ledger.negative(code.worth))]
    await ledger.post(session, "gift_compensated", f"gift:{code.ref}", legs)


async def void(session: AsyncSession, code: GiftCode, now: datetime) -> None:
    """Nobody can redeem it any more. What it was worth goes back to where it came from."""
    code.void(now)
    source = "sales" if code.payment_id is not None else GIVEN_AWAY
    legs = [(GIFTS, code.worth), (source, ledger.negative(code.worth))]
    await ledger.post(session, "gift_void", f"gift:{code.ref}", legs)

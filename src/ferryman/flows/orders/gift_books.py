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
    """A code became void with the money that had bought it, and the money is there again: the buyer has its worth.

    Once for each time that the money comes, however many parts it comes in.
    """
    if not await _compensated(session, code, customer_id):
        legs = [("sales", code.worth), (f"customer:{customer_id}", ledger.negative(code.worth))]
        await ledger.post_again(session, "gift_compensated", f"gift:{code.ref}", legs)


async def take_again(session: AsyncSession, code: GiftCode, customer_id: int) -> None:
    """That money has gone anew, and what the buyer had for the code goes with it; spent meanwhile, they owe it."""
    if await _compensated(session, code, customer_id):
        legs = [(f"customer:{customer_id}", code.worth), ("sales", ledger.negative(code.worth))]
        await ledger.post_again(session, "gift_taken_again", f"gift:{code.ref}", legs)


async def _compensated(session: AsyncSession, code: GiftCode, customer_id: int) -> bool:
    """Whether the buyer has the worth of a void code now; the caller holds its row."""
    return await ledger.booked(session, f"gift:{code.ref}", f"customer:{customer_id}", code.currency) < 0


async def void(session: AsyncSession, code: GiftCode, now: datetime) -> None:
    """Nobody can redeem it any more. What it was worth goes back to where it came from."""
    code.void(now)
    source = "sales" if code.payment_id is not None else GIVEN_AWAY
    legs = [(GIFTS, code.worth), (source, ledger.negative(code.worth))]
    await ledger.post(session, "gift_void", f"gift:{code.ref}", legs)

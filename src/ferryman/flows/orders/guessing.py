"""Codes that customers type, of gifts and of promotions: how many wrong ones somebody may try before they have to wait.

Both kinds are counted together, in the database: a restart forgives nothing.
"""

import math
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from ferryman.billing import gift
from ferryman.billing.gift import GiftGuess
from ferryman.kit.db import LOCK
from ferryman.kit.errors import Refused
from ferryman.people.customer import Customer

# Wrong codes that one customer may write in within the window.
MOST_GUESSES = 10
WINDOW = timedelta(hours=1)
# What a refused promo code says of itself to somebody who only tries: of their own uses they know already.
GUESSED = ("unknown", "ended", "used-up", "not-for-you")


class TooManyGuesses(Refused):
    """So many wrong codes came from one customer that they have to wait for `minutes`."""

    def __init__(self, minutes: int) -> None:
        super().__init__(f"Too many wrong codes; wait for {minutes} minutes.")
        self.minutes = minutes


async def must_be_allowed(session: AsyncSession, customer_id: int, now: datetime) -> None:
    """Raises TooManyGuesses. Holds the customer's row, so that many tries at once are counted one after another."""
    await session.get_one(Customer, customer_id, with_for_update=LOCK, populate_existing=True)
    wrong = await gift.guesses(session, customer_id, now - WINDOW)
    if len(wrong) >= MOST_GUESSES:
        free_at = wrong[-MOST_GUESSES] + WINDOW
        raise TooManyGuesses(max(math.ceil((free_at - now) / timedelta(minutes=1)), 1))


def wrong(session: AsyncSession, customer_id: int, now: datetime) -> None:
    """Count one, in the caller's transaction."""
    session.add(GiftGuess(customer_id=customer_id, at=now))

"""What is said of prices after the fact."""

from dataclasses import dataclass
from typing import ClassVar

from ferryman.messaging.notice import Notice


@dataclass(frozen=True)
class CodeSpentCredited(Notice):
    """An order was paid whose promo code its customer had used up with another; the money is on their balance."""

    weighty: ClassVar[bool] = True

    order_ref: str
    amount: int
    currency: str

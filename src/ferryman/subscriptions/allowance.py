"""How much of an allowance is used, and which line has been crossed. All in bytes."""

from ferryman.subscriptions.subscription import Subscription

LOW, VERY_LOW, USED_UP = 80, 95, 100


def crossed(allowed: int, bought: int, used: int) -> int:
    """The highest line that is crossed, in percent; 0 = none.

    Allowances add up from the first day on, and so does what is used; percentages of those sums would soon mean
    nothing. So what is left is held against what was `bought` last: 80 percent are used when a fifth of that is left.
    """
    if allowed <= 0:
        return 0
    left = allowed - used
    if left <= 0:
        return USED_UP
    measure = min(allowed, bought) if bought > 0 else allowed
    return next((line for line in (VERY_LOW, LOW) if 100 * left <= (100 - line) * measure), 0)


def crossed_by(one: Subscription) -> int:
    """As `crossed`, for a subscription as it stands."""
    return crossed(one.traffic_bytes, int(one.snapshot.get("traffic_bytes") or 0), one.used)


def left_of(one: Subscription) -> int:
    return max(one.traffic_bytes - one.used, 0)

"""The rules of changing a subscription by hand: pure, on one row that the caller holds.

Each answers what it changed, for the history, and an empty dictionary when everything was so already. Raises Refused
with a sentence where the rule says no.
"""

from datetime import datetime, timedelta
from typing import Any

from ferryman.kit.errors import Refused
from ferryman.kit.secrets import new_token
from ferryman.subscriptions.granting import identity
from ferryman.subscriptions.subscription import Subscription, extended, fingerprint

MOST_DAYS = 3650
# Time that stands still is owed by the shop; after so long it runs again by itself.
FROZEN_AT_MOST = timedelta(days=90)

Changes = dict[str, Any]


def extend(one: Subscription, days: int, now: datetime) -> Changes:
    """Give days away; what is left is kept, what has lapsed is not charged for."""
    if not 1 <= days <= MOST_DAYS:
        raise Refused(f"Give 1 to {MOST_DAYS} days, not {days}.")
    before = one.ends_at
    one.ends_at = extended(before, one.clock(now), days)
    return {"days": days, "before": before.isoformat(), "after": one.ends_at.isoformat()}


def limit(one: Subscription, traffic_bytes: int | None, devices: int | None, now: datetime) -> Changes:
    """Set the allowance in bytes since the first day, or the number of devices; 0 = unlimited, None = as it is."""
    if any(value is not None and value < 0 for value in (traffic_bytes, devices)):
        raise Refused("A limit is zero, for unlimited, or more.")
    changes = {}
    if traffic_bytes is not None and traffic_bytes != one.traffic_bytes:
        changes["traffic_bytes"] = [one.traffic_bytes, traffic_bytes]
        one.traffic_bytes = traffic_bytes
        one.weigh(now)
    if devices is not None and devices != one.devices:
        changes["devices"] = [one.devices, devices]
        one.devices = devices
    return changes


def freeze(one: Subscription, now: datetime) -> Changes:
    """Let its time stand still."""
    if one.frozen_at is not None:
        return {}
    if one.ended(now):
        raise Refused("It has ended: there is no time left to freeze.")
    one.frozen_at = now
    return {"left_seconds": int((one.ends_at - now).total_seconds())}


def unfreeze(one: Subscription, now: datetime) -> Changes:
    """Let its time run again: the end moves by the whole time that it stood still."""
    if one.frozen_at is None:
        return {}
    before, span = one.ends_at, max(now - one.frozen_at, timedelta(0))
    one.ends_at, one.frozen_at = before + span, None
    return {"seconds": int(span.total_seconds()), "before": before.isoformat(), "after": one.ends_at.isoformat()}


def disable(one: Subscription, why: str, now: datetime) -> Changes:
    """Switch its keys off; its time runs on."""
    if one.disabled_at is not None:
        return {}
    one.disabled_at, one.disabled_why = now, why
    return {"since": now.isoformat()}


def enable(one: Subscription) -> Changes:
    if one.disabled_at is None:
        return {}
    changes = {"was": one.disabled_why}
    one.disabled_at, one.disabled_why = None, ""
    return changes


def begin_replacing(one: Subscription, now: datetime) -> Changes:
    """Void the link at once. The new link opens nothing until the old identity is gone from every node."""
    if one.replacing_since is not None:
        return {}
    one.replacing_since, one.token = now, new_token()
    return {"since": now.isoformat()}


def finish_replacing(one: Subscription) -> Changes:
    """Give it a new identity. The caller has made sure that the old one is gone, or has left tombstones for it."""
    assert one.replacing_since is not None
    changes = {"began": one.replacing_since.isoformat(), "was": fingerprint(one.uuid)}
    changes["was_sub_id"] = fingerprint(one.sub_id)
    for name, value in identity().items():
        setattr(one, name, value)
    one.replacing_since, one.untold = None, "replaced"
    return changes


def end(one: Subscription, now: datetime, *, forced: bool) -> Changes:
    """End it now. Time that is left is given up only when `forced`."""
    left = max(one.ends_at - one.clock(now), timedelta(0))
    if left and not forced:
        raise Refused(f"{one.ref} has {one.days_left(now)} paid days left; force it, with a reason, to give them up.")
    before = one.ends_at
    one.ends_at, one.frozen_at, one.untold = max(min(before, now), one.starts_at), None, None
    return {"before": before.isoformat(), "after": one.ends_at.isoformat(), "lost_seconds": int(left.total_seconds())}

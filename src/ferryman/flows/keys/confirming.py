"""A second look at what a listing made suspicious, before anything is done about it.

A listing is read while the panel lives on, and some panels list what is no longer so. A client that differs is looked
at by itself; when many do, a few of them speak for the rest: either somebody has been at the panel, or the listing
lies. What would be deleted is always looked at, each by itself.
"""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from ferryman.fleet.access import COPY, MISSING, Drop, differences, is_same, works
from ferryman.fleet.findings import CONFLICT
from ferryman.fleet.panel import Access, Seen, VpnPanel
from ferryman.kit import log

_log = log.get("auditing")

# Clients that are looked at one by one; of more than that, these speak for all.
SAMPLE = 8
# Clients that one audit may have deleted. Copies come by the hand, not by the hundred.
STRAYS_AT_ONCE = 50
CALLS_AT_ONCE = 4

_chance = random.SystemRandom()


@dataclass(frozen=True)
class Suspect:
    """A client that seems to be off, and how."""

    subscription_id: int
    access: Access
    why: tuple[str, ...]


async def suspects(panel: VpnPanel, found: Sequence[Suspect], now: datetime) -> list[Suspect]:
    """Those that are off indeed. `now` is what the panel's clock says. Raises what the panel raises."""
    # Spread over the listing: what changed while it was read stands close together. Others each time, or a few that
    # are always listed wrongly would speak for the rest for ever.
    step = max(1, -(-len(found) // SAMPLE))
    asked = found[_chance.randrange(step) :: step]
    shown = await _seen(panel, [one.access.email for one in asked])
    verdicts = [_verdict(one, client, now) for one, client in zip(asked, shown, strict=True)]
    confirmed = [one for one in verdicts if one.why]
    if not confirmed and asked:
        _log.warning("listing_disagrees", clients=len(found), example=asked[0].access.email)
        return []
    looked_at = {one.subscription_id for one in asked}
    return confirmed + [one for one in found if one.subscription_id not in looked_at]


async def strays(panel: VpnPanel, found: Sequence[tuple[Drop, int]]) -> list[tuple[Drop, int]]:
    """Those that are there still, with the credentials that were listed; the first few, the rest is for next time."""
    asked = found[:STRAYS_AT_ONCE]
    shown = await _seen(panel, [drop.seen.email for drop, _ in asked])
    return [
        (drop, whose)
        for (drop, whose), client in zip(asked, shown, strict=True)
        if client is not None and (drop.why != COPY or _is_alike(drop.seen, client))
    ]


def _verdict(one: Suspect, client: Seen | None, now: datetime) -> Suspect:
    """The suspect with what is off by this look; without a `why` when nothing is."""
    if client is None:
        return replace(one, why=(MISSING,) if works(one.access, now) else ())
    if not is_same(client, one.access):
        return replace(one, why=(CONFLICT,))
    return replace(one, why=differences(client, one.access, now))


def _is_alike(listed: Seen, shown: Seen) -> bool:
    return (listed.uuid, listed.sub_id) == (shown.uuid, shown.sub_id)


async def _seen(panel: VpnPanel, emails: Sequence[str]) -> list[Seen | None]:
    room = asyncio.Semaphore(CALLS_AT_ONCE)

    async def look(email: str) -> Seen | None:
        async with room:
            return await panel.see(email)

    return await asyncio.gather(*(look(email) for email in emails))

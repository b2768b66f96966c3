"""Counting traffic: panels' counters go in, sums that only ever grow come out. The only writer of both.

A panel counts per client since the client was made or reset; what we sum up must survive a reset, a client made anew, a
backup restored, a listing read twice or late. The rules:

* What a counter grew by since we last saw it counts. Up and down are two counters.
* A counter that went back begins a new count at the value it shows now, and adds nothing by itself. It may have been
  reset to zero and have grown since, or be an old value out of a backup; nobody can tell the two apart, and in the
  second case its whole value was counted long ago. So what passed between our last look and the reset, and from there
  to this look, is given away: about a minute of traffic at most, and never a byte is counted twice.
  What this cannot see through is a counter that jumps up without traffic: a backup over a newer reset, or over an older
  backup, counts by the difference.
* The first value seen of a key is where it begins, for the same reason. Whoever makes a client hands in what it read
  back, so that the beginning is zero and nothing is given away.
* Looks are put in order by when they were asked and answered, on our clock, and each must have been asked after the one
  before it was answered. Others are passed over; the next look finds what they would have added.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession


@dataclass(frozen=True)
class Reading:
    """A client's counters as its panel showed them, in bytes."""

    subscription_id: int
    up: int
    down: int


@dataclass(frozen=True)
class Counted:
    """What one page of readings added: bytes, and the subscriptions whose sums have grown."""

    up: int = 0
    down: int = 0
    grown: tuple[int, ...] = ()

    def __add__(self, other: "Counted") -> "Counted":
        return Counted(self.up + other.up, self.down + other.down, self.grown + other.grown)


# Rows are locked before they are read, subscriptions in the order of their ids and each before its key, as everywhere.
_COUNT = text(
    """
    WITH reading AS (
        SELECT * FROM unnest(CAST(:ids AS bigint[]), CAST(:ups AS bigint[]), CAST(:downs AS bigint[]))
            AS one (subscription_id, up, down)
    ), held AS (
        SELECT k.id, k.subscription_id, reading.up, reading.down,
               CASE WHEN k.counted_at IS NULL THEN 0 ELSE greatest(reading.up - k.up, 0) END AS more_up,
               CASE WHEN k.counted_at IS NULL THEN 0 ELSE greatest(reading.down - k.down, 0) END AS more_down
        FROM reading
        JOIN subscriptions s ON s.id = reading.subscription_id
        JOIN keys k ON k.subscription_id = s.id AND k.node_id = :node_id
        WHERE k.counted_at IS NULL
           OR (k.counted_at <= :asked AND (k.up <> reading.up OR k.down <> reading.down))
        ORDER BY s.id
        FOR NO KEY UPDATE OF s, k
    ), moved AS (
        UPDATE keys SET up = held.up, down = held.down, counted_at = :answered,
                        used_up = used_up + held.more_up, used_down = used_down + held.more_down
        FROM held WHERE keys.id = held.id
    )
    UPDATE subscriptions SET used_up = used_up + held.more_up, used_down = used_down + held.more_down
    FROM held WHERE subscriptions.id = held.subscription_id AND held.more_up + held.more_down > 0
    RETURNING subscriptions.id, held.more_up, held.more_down
    """
)


async def count(
    session: AsyncSession, node_id: int, readings: Iterable[Reading], asked: datetime, answered: datetime
) -> Counted:
    """Take in what a node's panel showed, in one statement, in the caller's transaction.

    `asked` and `answered`: moments before the first byte of the question and after the last one of the answer. Readings
    of subscriptions without a key on the node are passed over; of two of one subscription the later counts.
    """
    by_id = {one.subscription_id: one for one in readings}
    if not by_id:
        return Counted()
    rows = await session.execute(
        _COUNT,
        {
            "node_id": node_id,
            "ids": list(by_id),
            "ups": [one.up for one in by_id.values()],
            "downs": [one.down for one in by_id.values()],
            "asked": asked,
            "answered": answered,
        },
    )
    grown = [tuple(row) for row in rows]
    return Counted(sum(row[1] for row in grown), sum(row[2] for row in grown), tuple(row[0] for row in grown))

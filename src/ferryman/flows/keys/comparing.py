"""A page of a panel's clients beside what the database says of them: one query a page, however many clients it has."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast

from sqlalchemy import Row, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from ferryman.fleet.access import Drop, Moves, Ours, moves
from ferryman.fleet.key import KeyEvent
from ferryman.fleet.panel import Access, Seen
from ferryman.fleet.usage import Reading
from ferryman.flows.keys.owed import access_of
from ferryman.subscriptions.subscription import NAMES_BEGIN, Subscription, fingerprint, ref_of

REPLACED = "an identity that was replaced"
# Subscriptions of one query for what no page has shown.
REST_AT_ONCE = 1000

_COLUMNS = """
    s.id, :names_begin || s.ref AS email, s.uuid, s.password, s.sub_id,
    s.ends_at, s.traffic_bytes, s.devices, s.revision,
    s.exhausted_at IS NULL AND s.frozen_at IS NULL AND s.disabled_at IS NULL AS enabled,
    k.id AS key_id, k.wanted, k.wanted_revision, k.seen_revision, k.seen_at, k.up, k.down, k.counted_at
"""
_NAMED = text(
    f"""
    SELECT {_COLUMNS}
    FROM subscriptions s LEFT JOIN keys k ON k.subscription_id = s.id AND k.node_id = :node_id
    WHERE s.ref = ANY(:refs) OR s.uuid = ANY(:uuids) OR s.sub_id = ANY(:sub_ids)
    """  # noqa: S608 - a constant of ours
)
_REST = text(
    f"""
    SELECT {_COLUMNS}
    FROM keys k JOIN subscriptions s ON s.id = k.subscription_id
    WHERE k.node_id = :node_id AND k.wanted AND s.id > :after AND s.id <> ALL(:met)
    ORDER BY s.id LIMIT :most
    """  # noqa: S608 - a constant of ours
)


@dataclass(frozen=True)
class Place:
    """The node whose panel is listed: its id, the panel's ids of the inbounds that keys are put on, its clock now."""

    node_id: int
    inbounds: tuple[int, ...]
    now: datetime


@dataclass(frozen=True)
class Standing:
    """What the database says of one client. `key` None: it is not to be on this node, and nobody is at it."""

    subscription_id: int
    access: Access
    revision: int
    key: Row[Any] | None

    @property
    def owed(self) -> bool:
        return self.key is not None and bool(self.key.wanted)

    def settled(self, since: datetime) -> bool:
        """Whether nobody has changed it, or is about to, since that moment: only then is a difference drift."""
        key = self.key
        return (
            key is not None
            and bool(key.wanted)
            and key.seen_revision == key.wanted_revision == self.revision
            and key.seen_at is not None
            and key.seen_at < since
        )


@dataclass(frozen=True)
class Compared:
    """What a page came to: `met` are the subscriptions whose own clients were on it, `readings` their counters where
    they have moved, `by_email` and `by_identity` whom the moves speak of."""

    moves: Moves = field(default_factory=Moves)
    met: tuple[int, ...] = ()
    readings: tuple[Reading, ...] = ()
    by_email: Mapping[str, Standing] = field(default_factory=dict)
    by_identity: Mapping[str, Standing] = field(default_factory=dict)

    def behind(self, drop: Drop) -> Standing | None:
        """Whose client it is, by its name or by what it carries."""
        seen = drop.seen
        named = self.by_email.get(seen.email)
        return named or self.by_identity.get(seen.uuid) or self.by_identity.get(seen.sub_id)


async def page(session: AsyncSession, place: Place, seen: Sequence[Seen]) -> Compared:
    """Everything about one page of a listing."""
    rows = await session.execute(
        _NAMED,
        {
            "node_id": place.node_id,
            "names_begin": NAMES_BEGIN,
            "refs": [ref for one in seen if (ref := ref_of(one.email))],
            "uuids": [one.uuid for one in seen if one.uuid],
            "sub_ids": [one.sub_id for one in seen if one.sub_id],
        },
    )
    by_email, by_identity = {}, {}
    for row in rows:
        standing = _standing(row, place)
        by_email[standing.access.email] = standing
        by_identity[row.uuid] = by_identity[row.sub_id] = standing
    named = {one.email for one in seen}
    owed = {email: one.access for email, one in by_email.items() if one.owed and email in named}
    ours = Ours(
        frozenset(by_email),
        frozenset(one.access.uuid for one in by_email.values()),
        frozenset(one.access.sub_id for one in by_email.values()),
    )
    found = moves(owed, seen, ours, place.now)
    taken = {one.email for one in found.conflict} | {one.seen.email for one in found.drop}
    own = [(by_email[one.email], one) for one in seen if one.email in by_email and one.email not in taken]
    return Compared(
        found,
        tuple(standing.subscription_id for standing, _ in own if standing.owed)
        + tuple(by_email[one.email].subscription_id for one in found.conflict),
        tuple(
            Reading(standing.subscription_id, one.up, one.down) for standing, one in own if _has_moved(standing, one)
        ),
        by_email,
        by_identity,
    )


async def rest(session: AsyncSession, place: Place, met: Sequence[int], after: int = 0) -> tuple[Compared, int]:
    """Those who are owed a client and were on no page, some at a time: from the subscription behind `after`, and the
    last one looked at, 0 when there are no more."""
    values = {"node_id": place.node_id, "names_begin": NAMES_BEGIN, "met": met, "after": after, "most": REST_AT_ONCE}
    found = [_standing(row, place) for row in await session.execute(_REST, values)]
    by_email = {one.access.email: one for one in found}
    absent = moves({email: one.access for email, one in by_email.items()}, (), Ours(), place.now)
    return Compared(absent, by_email=by_email), found[-1].subscription_id if len(found) == REST_AT_ONCE else 0


async def retired(session: AsyncSession, compared: Compared) -> list[Drop]:
    """Of the conflicts, those that are no strangers: a replaced identity of ours, come back out of a backup."""
    clients = {compared.by_email[one.email].subscription_id: one for one in compared.moves.conflict}
    if not clients:
        return []
    # Both, for clients of some protocols have no uuid.
    was, was_sub_id = KeyEvent.detail["was"].astext, KeyEvent.detail["was_sub_id"].astext
    mine = KeyEvent.subscription_id.in_(clients), was.is_not(None)
    rows = list(await session.execute(select(KeyEvent.subscription_id, was, was_sub_id).where(*mine)))
    given_up = {
        who: clients[who]
        for who, uuid, sub_id in rows
        if fingerprint(clients[who].uuid) == uuid or fingerprint(clients[who].sub_id) == sub_id
    }
    return [Drop(client, REPLACED) for client in given_up.values()]


def _has_moved(standing: Standing, seen: Seen) -> bool:
    key = standing.key
    return key is not None and (key.counted_at is None or (key.up, key.down) != (seen.up, seen.down))


def _standing(row: Row[Any], place: Place) -> Standing:
    # A row has the names of an entity and costs a tenth of it.
    access = access_of(cast("Subscription", row), place.inbounds)
    return Standing(row.id, access, row.revision, row if row.key_id is not None else None)

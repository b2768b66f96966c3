"""Owed minus seen: which moves make a node hold what is owed there, and nothing else of ours. No input, no output.

Ours is what carries an identity that we gave out: the e-mail, the uuid or the sub_id of one of our subscriptions.
Everything else on a panel belongs to its operator or to another shop, and no move ever names it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from ferryman.fleet.panel import Access, Seen

# Panels keep whole milliseconds or seconds and round up, or paid time would be shortened.
ROUNDING = timedelta(seconds=1)
MISSING = "missing"
FLAWED = "flawed"
NOT_OWED = "not owed here"
COPY = "carries an identity of ours under another name"


@dataclass(frozen=True)
class Ours:
    """The identities that we gave out, as far as they matter to what was seen; for a listing of any size, these sets
    need only those that the listing names."""

    emails: frozenset[str] = frozenset()
    uuids: frozenset[str] = frozenset()
    sub_ids: frozenset[str] = frozenset()

    def carried_by(self, seen: Seen) -> bool:
        """Whether a client has the credentials of one of our subscriptions, whatever its name."""
        return seen.uuid in self.uuids or seen.sub_id in self.sub_ids


@dataclass(frozen=True)
class Put:
    """A client to be put, and why: `missing`, the names of the fields that differ, or `flawed: …`."""

    access: Access
    why: tuple[str, ...]


@dataclass(frozen=True)
class Drop:
    """A client to be dropped, and why."""

    seen: Seen
    why: str


@dataclass(frozen=True)
class Moves:
    """Drops come before puts: a copy may hold what a put needs. `conflict`: our name on a client that is not ours,
    which a person must look at. `leave`: names of everybody else's."""

    put: tuple[Put, ...] = ()
    drop: tuple[Drop, ...] = ()
    conflict: tuple[Seen, ...] = ()
    leave: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.put or self.drop or self.conflict)

    def __add__(self, other: "Moves") -> "Moves":
        return Moves(
            self.put + other.put,
            self.drop + other.drop,
            self.conflict + other.conflict,
            self.leave + other.leave,
        )


@dataclass
class _Plan:
    put: dict[str, Put] = field(default_factory=dict)
    drop: dict[str, Drop] = field(default_factory=dict)
    conflict: dict[str, Seen] = field(default_factory=dict)
    leave: dict[str, None] = field(default_factory=dict)
    met: set[str] = field(default_factory=set)


def moves(owed: Mapping[str, Access], seen: Iterable[Seen], ours: Ours, now: datetime) -> Moves:
    """What to do about a listing. `owed` is by e-mail; `now` is what the panel's own clock says.

    The listing may come in parts: give each part with the accesses that it names, and at the end an empty one with
    those that no part named.
    """
    plan = _Plan()
    for client in seen:
        _judge(client, owed.get(client.email), ours, now, plan)
    for email, access in owed.items():
        if email not in plan.met and works(access, now):
            plan.put[email] = Put(access, (MISSING,))
    return Moves(tuple(plan.put.values()), tuple(plan.drop.values()), tuple(plan.conflict.values()), tuple(plan.leave))


def _judge(client: Seen, access: Access | None, ours: Ours, now: datetime, plan: _Plan) -> None:
    email = client.email
    if access is not None and is_same(client, access):
        plan.met.add(email)
        if why := differences(client, access, now):
            plan.put[email] = Put(access, why)
    elif access is not None and not ours.carried_by(client):
        plan.met.add(email)
        plan.conflict[email] = client
    elif ours.carried_by(client) or email in ours.emails:
        plan.drop[email] = Drop(client, NOT_OWED if email in ours.emails else COPY)
    else:
        plan.leave[email] = None


def is_same(client: Seen, access: Access) -> bool:
    """Whether a client of the right name is the one that is owed: one of two identities is enough, for either may be
    edited by hand, and panels that know a protocol without uuids show none."""
    return client.uuid == access.uuid or client.sub_id == access.sub_id


def works(access: Access, now: datetime) -> bool:
    """Whether the client would let anybody in. One that would not is not missed: whatever makes it work again is a new
    revision, which puts it."""
    return access.enabled and (access.ends_at is None or access.ends_at > now)


def differences(client: Seen, access: Access, now: datetime) -> tuple[str, ...]:
    """Names of what the panel holds otherwise than it is owed; empty when the client is in order."""
    differ = [
        name
        for name, same in (
            ("enabled", client.enabled == access.enabled or _switched_off_by_panel(client, access, now)),
            ("ends_at", _same_end(client.ends_at, access.ends_at)),
            ("traffic_bytes", client.traffic_bytes == access.traffic_bytes),
            ("devices", client.devices == access.devices),
            ("inbounds", frozenset(client.inbounds) == frozenset(access.inbounds)),
            # Which credentials a client has depends on the protocols of its inbounds; the others are shown empty.
            ("uuid", client.uuid in ("", access.uuid)),
            ("password", client.password in ("", access.password)),
            ("sub_id", client.sub_id == access.sub_id),
        )
        if not same
    ]
    return (*differ, f"{FLAWED}: {client.flawed}") if client.flawed else tuple(differ)


def _same_end(shown: datetime | None, owed: datetime | None) -> bool:
    if shown is None or owed is None:
        return shown is owed
    return timedelta(0) <= shown - owed < ROUNDING


def _switched_off_by_panel(client: Seen, access: Access, now: datetime) -> bool:
    """Panels switch off whoever is past the end or the quota, however often we would switch them on."""
    if not access.enabled:
        return False
    ended = access.ends_at is not None and access.ends_at <= now
    return ended or 0 < access.traffic_bytes <= client.up + client.down

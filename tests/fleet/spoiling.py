"""What people, backups and panels do to clients, drawn by hypothesis, and the panel that it is done to."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from ferryman.fleet.access import Moves, Ours
from ferryman.fleet.panel import Access, Seen
from ferryman.kit.errors import Conflict, FerrymanError
from tests.support.panel import MemoryPanel

Draw = Callable[[st.SearchStrategy[Any]], Any]

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
INBOUNDS = (1, 2, 3)
ENDS = (None, NOW + timedelta(days=30), NOW + timedelta(milliseconds=1500), NOW, NOW - timedelta(days=3))
SOME_INBOUNDS = st.sets(st.sampled_from(INBOUNDS), min_size=1).map(lambda ids: tuple(sorted(ids)))
CHANGES: dict[str, st.SearchStrategy[Any]] = {
    "enabled": st.booleans(),
    "ends_at": st.sampled_from(ENDS),
    "traffic_bytes": st.sampled_from([0, 1, 10**9, 10**15]),
    "devices": st.integers(0, 5),
    "inbounds": SOME_INBOUNDS,
    "uuid": st.sampled_from(["", "another-uuid"]),
    "password": st.sampled_from(["", "another-password"]),
    "sub_id": st.just("another-sub"),
    "flawed": st.sampled_from(["", "two entries on inbound 1"]),
    "up": st.integers(0, 10**12),
    "down": st.integers(0, 10**12),
}


@dataclass
class StrictPanel(MemoryPanel):
    """Like panels from 3.2.5 on: no two clients share a sub_id."""

    inbound_ids: tuple[int, ...] = INBOUNDS

    def _put(self, access: Access) -> Seen:
        for client in self.clients.values():
            if client.sub_id == access.sub_id and client.email != access.email:
                raise Conflict(f"subId already in use: {access.sub_id}")
        return super()._put(access)


@dataclass
class Owing:
    """`owed` on a panel, by e-mail; `known` are all identities of the shop, those owed elsewhere among them."""

    known: dict[str, Access]
    owed: dict[str, Access]
    panel: StrictPanel = field(default_factory=StrictPanel)
    spoilt: int = 0

    @property
    def ours(self) -> Ours:
        held = self.known.values()
        return Ours(
            frozenset(one.email for one in held),
            frozenset(one.uuid for one in held),
            frozenset(one.sub_id for one in held),
        )

    async def listed(self) -> list[Seen]:
        return [client async for page in self.panel.everyone() for client in page]

    async def apply(self, moves: Moves) -> list[FerrymanError]:
        """Carry the moves out, drops first; answers what failed."""
        dropped = await self.panel.drop_many([drop.seen.email for drop in moves.drop])
        put = await self.panel.put_many([put.access for put in moves.put])
        return [one for one in (*dropped, *put) if isinstance(one, FerrymanError)]

    def is_stranger(self, client: Seen) -> bool:
        """Nothing about it is ours. Our name alone does not make it ours while we owe another client of that name."""
        named = client.email in self.known and client.email not in self.owed
        return not named and not self.ours.carried_by(client)


@st.composite
def worlds(draw: st.DrawFn) -> Owing:
    """Clients as they are owed, some not on this node, some ended, frozen or used up; strangers beside them."""
    known = {
        f"fm-{number}": Access(
            email=f"fm-{number}",
            uuid=f"uuid-{number}",
            password=f"password-{number}",
            sub_id=f"sub-{number}",
            enabled=draw(st.booleans() if number % 4 == 3 else st.just(True)),
            ends_at=draw(st.sampled_from(ENDS)),
            traffic_bytes=draw(st.sampled_from([0, 10**10])),
            devices=draw(st.integers(0, 3)),
            inbounds=draw(SOME_INBOUNDS),
        )
        for number in range(draw(st.integers(1, 6)))
    }
    owed = {email: access for email, access in known.items() if draw(st.integers(0, 4))}
    world = Owing(known, owed)
    for access in owed.values():
        world.panel._put(access)
    for number in range(draw(st.integers(0, 3))):
        world.panel.stranger(f"guest-{number}")
    if draw(st.booleans()):
        world.panel.stranger("fm-of-another-shop")
    return world


def corruptions(world: Owing, draw: Draw, least: int = 8, most: int = 16) -> None:
    """Spoil the panel at random, many times over."""
    for _ in range(draw(st.integers(least, most))):
        kinds = ["field", "field", "extra", "stranger", "swap", "lose", "rename", "copy", "stolen", "off"]
        _SPOIL[draw(st.sampled_from(kinds))](world, draw)
        world.spoilt += 1


def _any(world: Owing, draw: Draw) -> str:
    return str(draw(st.sampled_from(sorted(world.panel.clients) or [world.panel.stranger("the-last").email])))


def _lose(world: Owing, draw: Draw) -> None:
    ours = [name for name in sorted(world.panel.clients) if name in world.known]
    if ours:
        world.panel.lose(draw(st.sampled_from(ours)))


def _field(world: Owing, draw: Draw) -> None:
    name = draw(st.sampled_from(sorted(CHANGES)))
    world.panel.spoil(_any(world, draw), **{name: draw(CHANGES[name])})


def _rename(world: Owing, draw: Draw) -> None:
    world.panel.rename(_any(world, draw), f"renamed-{draw(st.integers(0, 3))}")


def _copy(world: Owing, draw: Draw) -> None:
    copied = world.panel.clients[_any(world, draw)]
    twin = replace(copied, email=f"copy-{draw(st.integers(0, 3))}", sub_id=f"fresh-{draw(st.integers(0, 9))}")
    world.panel.clients[twin.email] = twin


def _extra(world: Owing, draw: Draw) -> None:
    """Somebody of ours who is owed nothing here, or owed it and there already."""
    access = world.known[draw(st.sampled_from(sorted(world.known)))]
    promised: dict[str, Any] = {name: value for name, value in vars(access).items() if name != "comment"}
    world.panel.clients[access.email] = Seen(**promised)


def _stranger(world: Owing, draw: Draw) -> None:
    name = draw(st.sampled_from(["somebody", "fm-unknown", "FM-0", "fm-"]))
    world.panel.stranger(name, uuid=draw(st.sampled_from(["", f"uuid-of-{name}"])), flawed=draw(CHANGES["flawed"]))


def _stolen(world: Owing, draw: Draw) -> None:
    """Our name, and nothing else of ours."""
    world.panel.stranger(draw(st.sampled_from(sorted(world.known))))


def _swap(world: Owing, draw: Draw) -> None:
    """Two clients under each other's names."""
    one, other = _any(world, draw), _any(world, draw)
    held = world.panel.clients
    held[one], held[other] = replace(held[other], email=one), replace(held[one], email=other)


def _off(world: Owing, draw: Draw) -> None:
    """The panel switches off whoever is past the end or the quota."""
    for email, client in list(world.panel.clients.items()):
        spent = 0 < client.traffic_bytes <= client.up + client.down
        if spent or (client.ends_at is not None and client.ends_at <= NOW):
            world.panel.spoil(email, enabled=False)


_SPOIL = {
    "lose": _lose,
    "field": _field,
    "rename": _rename,
    "copy": _copy,
    "extra": _extra,
    "stranger": _stranger,
    "stolen": _stolen,
    "swap": _swap,
    "off": _off,
}
